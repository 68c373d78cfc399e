"""What a call that is not ours is recorded as."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.capture.passive import turn_of

CONTENTS = {"contents": [{"parts": [{"text": "hi"}]}]}


@pytest.mark.parametrize(
    ("path", "body", "model", "request_"),
    [
        ("/v1internal:generateContent", {"model": "gemini-3-flash", "request": CONTENTS}, "gemini-3-flash", CONTENTS),
        ("/v1beta/models/gemini-x:generateContent?alt=sse", CONTENTS, "gemini-x", CONTENTS),
        ("/v1internal:generateContent", {"model": 7, "request": CONTENTS}, "unknown", CONTENTS),
        ("/v1beta/models/:generateContent", {"request": []}, "unknown", {"request": []}),
    ],
)  # fmt: skip
def test_model_and_request(path: str, body: dict[str, Any], model: str, request_: dict[str, Any]) -> None:
    made = turn_of(path, body, "turn_1", 17)
    assert (made.surface, made.model, made.target.name, made.google_request) == ("passive", model, model, request_)
    assert (made.id, made.created, made.stream) == ("turn_1", 17, True)


STREAM = "/v1internal:streamGenerateContent?alt=sse"
PUBLIC = "/v1beta/models/gemini-x:streamGenerateContent?alt=sse"
NOBODYS = "-3750763034362895579"
OF_AGENT = "agent/c0ffee00-1111-4222-8333-444455556666/1772359200000/7a7a7a7a-0000-4000-8000-000000000001/2"


@pytest.mark.parametrize(
    ("path", "body", "conversation"),
    [
        (PUBLIC, {**CONTENTS, "sessionId": "3543007957932988539"}, "3543007957932988539"),  # the runtime
        (STREAM, {"request": {**CONTENTS, "sessionId": "-42"}}, "-42"),
        (STREAM, {"request": {**CONTENTS, "session_id": "6f1c"}}, "6f1c"),  # gemini-cli with a Google login
        (STREAM, {"request": {**CONTENTS, "sessionId": NOBODYS}}, ""),
        (STREAM, {"request": {**CONTENTS, "sessionId": NOBODYS}, "requestId": OF_AGENT}, OF_AGENT.split("/")[1]),
        (STREAM, {"request": CONTENTS, "requestId": OF_AGENT}, OF_AGENT.split("/")[1]),
        (STREAM, {"request": {**CONTENTS, "sessionId": "-42"}, "requestId": OF_AGENT}, "-42"),
        (STREAM, {"request": CONTENTS, "requestId": "checkpoint/7a7a7a7a"}, ""),
        (STREAM, {"request": CONTENTS, "sessionId": "-42"}, ""),  # no member of the envelope
        (PUBLIC, CONTENTS, ""),  # google-genai, gemini-cli with a key: nothing says what belongs together
        (PUBLIC, {**CONTENTS, "sessionId": 7}, ""),
        (PUBLIC, {**CONTENTS, "sessionId": "7" * 999}, "7" * 200),
    ],
)  # fmt: skip
def test_the_conversation_is_the_one_that_the_call_names(path: str, body: dict[str, Any], conversation: str) -> None:
    assert turn_of(path, body, "turn_1", 17).conversation == conversation


@pytest.mark.parametrize(
    ("product", "client"),
    [
        ("antigravity/1.15.8 linux/amd64", "antigravity"),
        ("GeminiCLI-tui/0.61.0/gemini-2.5-flash (linux; x64; terminal)", "gemini-cli"),
        ("somebody/1", ""),
    ],
)
def test_the_program_is_known_by_its_user_agent(product: str, client: str) -> None:
    assert turn_of(STREAM, {"request": CONTENTS}, "turn_1", 17, {"User-Agent": product}).client == client
