"""What the LS gets instead of Google's answer, by the form of its call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zerogravity.capture.ls_answer import Expected, Form, expected, strip_calls, synthetic_stop
from zerogravity.core.events import AttemptClosed, TextDelta, Usage
from zerogravity.wire.google import GoogleDecoder
from zerogravity.wire.sse import SseParser


@pytest.mark.parametrize(
    ("path", "model", "found"),
    [
        ("/v1internal:streamGenerateContent?alt=sse", "m", Expected(True, "events", "m")),
        ("/v1internal:streamGenerateContent", 7, Expected(True, "array", None)),
        ("/v1internal:generateContent?alt=sse", None, Expected(True, "object", None)),
        ("/v1beta/models/gemini%2Dx%3AstreamGenerateContent?alt=sse&key=K", "m", Expected(False, "events", "gemini-x")),
        ("/v1/projects/p/locations/l/endpoints/12:generateContent", None, Expected(False, "object", "12")),
    ],
)
def test_what_a_call_expects(path: str, model: object, found: Expected) -> None:
    assert expected(path, model) == found
    assert found.content_type == ("text/event-stream" if found.form == "events" else "application/json")


@pytest.mark.parametrize("form", ["events", "array", "object"])
@pytest.mark.parametrize("envelope", [True, False])
@pytest.mark.parametrize("model", ["gemini-3-flash-a", None])
def test_a_synthetic_stop(model: str | None, envelope: bool, form: Form) -> None:
    body = synthetic_stop(model, "Conversation", envelope=envelope, form=form)
    if form == "events":
        assert body.endswith(b"}\r\n\r\n")
        (event,) = SseParser().feed(body)
        body = event.data
    (chunk,) = json.loads(body) if form == "array" else [json.loads(body)]
    assert ("response" in chunk) is envelope
    assert chunk.get("response", chunk).get("modelVersion") == model
    decoder = GoogleDecoder(str)
    assert decoder.decode(json.dumps(chunk).encode()) == (TextDelta("Conversation"), Usage(1, 0, 1, 0, 0, 2))
    assert decoder.close() == (AttemptClosed("STOP"),)


CALL, TEXT = {"functionCall": {"name": "f"}}, {"text": "a"}


def chunk(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}]}


@pytest.mark.parametrize(
    ("given", "filler", "shown"),
    [
        (chunk(TEXT, CALL, finishReason="STOP"), "", chunk(TEXT, finishReason="STOP")),
        (chunk(TEXT, CALL), "ok", chunk(TEXT, {"text": "ok"})),
        (chunk({"function_call": {}}), "", chunk({"text": ""})),
        ({"response": chunk(CALL), "traceId": "t"}, "ok", {"response": chunk({"text": "ok"}), "traceId": "t"}),
    ],
)
def test_calls_are_taken_out(given: object, filler: str, shown: object) -> None:
    assert strip_calls(given, filler) == shown


@pytest.mark.parametrize(
    "given",
    [
        chunk(TEXT), {"response": chunk(TEXT)}, {"candidates": 5, **CALL}, {"candidates": [5, {}, {"content": 1}]},
        chunk(5, "functionCall"), [chunk(CALL)], 5, None, {},
    ],
)  # fmt: skip
def test_a_chunk_without_calls_stays_the_same_object(given: object) -> None:
    assert strip_calls(given, "ok") is given
