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
