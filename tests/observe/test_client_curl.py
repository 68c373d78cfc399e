"""The command, run by a real shell with a curl that only says what it was given."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerogravity.observe import client_curl
from zerogravity.surfaces import REGISTRY
from zerogravity.wire import jsonio

EVIL = "'; touch hacked; echo '\"$(touch hacked)`touch hacked`\\ !! \n%s JSON\nJSON\n"


def source(body: Any, headers: Any = None, **info: Any) -> Any:
    request = {"headers": headers or {}, "body": body}
    return SimpleNamespace(
        info={"surface": "chat", "model": "m", "stream": True, **info}, body=lambda name, attempt_no=0: request
    )


def command(turn: Any) -> str:
    """With its body, as the page puts them together."""
    made = client_curl.head(turn, REGISTRY)
    assert made is not None
    return f"{made}\n{jsonio.text(turn.body('client_request')['body'], indent=True)}\n{client_curl.END}\n"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs",)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(body=st.dictionaries(st.text(), JSON, max_size=4), model=WORDS, version=WORDS, host=WORDS)
def test_any_request_reaches_curl_as_it_was(shell_curl, body, model, version, host):
    turn = source(body, {"anthropic-version": version, "host": host}, surface="gemini", model=model)
    arguments, sent = shell_curl(command(turn))
    assert json.loads(sent) == body
    assert arguments[:4] == ["-gN", "-X", "POST", arguments[3]]
    assert arguments[3].startswith(f"http://{host or 'localhost'}/v1beta/models/")
    assert arguments[4:] == ["-H", "content-type: application/json", "-H", f"anthropic-version: {version}",
                             "--data-binary", "@-"]  # fmt: skip


@pytest.mark.parametrize("text", [EVIL, "x" * 300_000, "\x00\u2028\U0001f600é"])
def test_nothing_in_a_body_is_for_the_shell_and_it_may_be_long(shell_curl, text):
    _, sent = shell_curl(command(source({"messages": [{"role": "user", "content": text}]})))
    assert json.loads(sent)["messages"][0]["content"] == text


@pytest.mark.parametrize(
    ("header", "sent"),
    [
        ("Authorization", "authorization: Bearer key o"),
        ("x-api-key", "x-api-key: key a"),
        ("X-Goog-Api-Key", "x-goog-api-key: key g"),
    ],
)
def test_the_key_is_a_variable(shell_curl, header, sent):
    made = command(source({}, {header: "[redacted]", "host": "localhost:8741"}))
    assert "redacted" not in made
    arguments, _ = shell_curl(made)
    assert arguments[3] == "http://localhost:8741/v1/chat/completions"
    assert sent in arguments


def test_only_headers_that_matter_are_sent_again():
    given_ = {"Host": "h:1", "Content-Length": "7", "Accept-Encoding": "gzip", "User-Agent": "x", "x-stainless-os": "y",
              "Anthropic-Beta": "b", "Content-Type": "application/json; charset=utf-8", "Cookie": "c"}  # fmt: skip
    made = client_curl.head(source({}, given_, surface="messages"), REGISTRY)
    assert made is not None
    assert made.split(" \\\n  ") == [
        "curl -gN -X POST http://h:1/v1/messages", "-H 'content-type: application/json; charset=utf-8'",
        "-H 'anthropic-beta: b'", "--data-binary @- <<'JSON'",
    ]  # fmt: skip


def test_without_a_clients_request_there_is_no_command():
    assert client_curl.head(source({}, surface="passive"), REGISTRY) is None
    nothing = SimpleNamespace(info={"surface": "chat"}, body=lambda name, attempt_no=0: None)
    assert client_curl.head(nothing, REGISTRY) is None  # type: ignore[arg-type]
