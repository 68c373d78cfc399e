"""Commands that send again what was sent."""

from __future__ import annotations

import shlex

from tests.observe.exports.conftest import LINES
from zerogravity.observe.exports import EXPORTS
from zerogravity.surfaces import REGISTRY


def test_curl_sends_again_what_was_sent(lined):
    about, advice, first, second = EXPORTS["curl"].write([lined], REGISTRY).decode().splitlines()
    assert about == f"# {lined.id}"
    assert advice == "# replace each [redacted] by your own secret, and keep the result to yourself"
    words = shlex.split(first)
    assert words[:5] == ["curl", "-gN", "--http2", "-X", "POST"]  # -g: brackets mean nothing in a URL
    assert words[5] == "https://eu-x.example/v1beta/models/m:generateContent?key=[redacted]"
    headers = [words[place + 1] for place, word in enumerate(words) if word == "-H"]
    assert headers == ["x-goog-api-key: [redacted]", "user-agent: it's ls"]
    assert words[-2:] == ["--data-raw", '{"a":"it\'s"}']
    assert shlex.split(second)[2:6] == ["--http1.1", "-X", "PUT", LINES[1].url]
