from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests.testing.test_replay_server import SERVICES, library  # noqa: F401 - a fixture
from zerogravity.testing.pytest_plugin import cassettes


def ask(cassette, question):
    body = json.dumps({"ask": question}).encode()
    request = urllib.request.Request(
        f"{cassette.openai_url}/chat/completions", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())["text"]


def test_a_cassette_answers_strictly(library):  # noqa: F811
    with cassettes(library.root.parent, services=SERVICES) as start:
        cassette = start(library.root.name)
        assert len(cassette.unused()) == 1
        assert ask(cassette, "1+1?") == "It is 2."
        assert cassette.unused() == []
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(cassette, "2+2?")
        with caught.value as answer:
            assert answer.status == 400
            assert "the nearest is" in json.loads(answer.read())["error"]
        assert cassette.env["OPENAI_BASE_URL"] == cassette.url + "/v1"
        assert cassette.env["GOOGLE_GEMINI_BASE_URL"] == cassette.gemini_url == cassette.url
        assert cassette.env["ANTHROPIC_BASE_URL"] == cassette.anthropic_url == cassette.url


def test_two_cassettes_at_once(library):  # noqa: F811
    with cassettes(library.root.parent, services=SERVICES) as start:
        one, other = start(library.root.name), start(library.root)
        assert one.url != other.url
        assert ask(one, "1+1?") == ask(other, "1+1?")


def test_pytest_finds_the_fixture(tmp_path):
    """In a project of somebody else, with nothing loaded but this plugin."""
    (tmp_path / "test_it.py").write_text(
        "def test_it(zerogravity_cassette, request):\n    assert callable(zerogravity_cassette)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "zerogravity.testing.pytest_plugin", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""}, capture_output=True, text=True
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
