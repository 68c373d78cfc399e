"""Turns that were polled: their events as chunks, and their ends."""

from __future__ import annotations

import pytest

from tests.conftest import expire
from tests.surfaces.gemini.support import frames_of, parts, turn
from zerogravity.core.channel import CascadeChannel, ChannelWriter
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.surfaces.gemini import surface
from zerogravity.testing.builders import FakeClock
from zerogravity.testing.check import check_gemini


def polled(
    *events: Event, end: Finished | Failed, finish: str | None = None, message: str | None = None
) -> CascadeChannel:
    writer = ChannelWriter(turn(), FakeClock())
    for happened in ((AttemptOpened(),), events, (AttemptClosed(finish, message),)):
        writer.append(0, b"", happened)
    writer.close(end)
    return writer.channel


POLLED: tuple[Event, ...] = (
    ThinkingDelta("hm"), Signature("VGg=", "thought"), TextDelta("a"),
    ServerTool('{"toolCall": {"id": "s"}}'), FunctionCall("c", "f", '{"n": 1.0}', "U0lH", "up"),
    FunctionCall("d", "g", "not json"), ServerTool('{"toolResponse": {"id": "s"}}'),
    InlineData("image/png", "AAAA"), Grounding({"webSearchQueries": ["q"]}),
    Usage(10, 4, 5, 0, 1, 16),
)  # fmt: skip
ARGS = b'"args":{"n": 1.0}'


def test_a_polled_turn_is_rendered_from_its_events() -> None:
    channel = polled(*POLLED, end=Finished("tool"))
    frames = frames_of(channel)
    assert ARGS in b"".join(frames)
    found = check_gemini(frames)
    assert parts(found)[0] == [
        {"text": "hm", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": "VGg="},
        {"text": "a"},
        {"toolCall": {"id": "s"}},
        {"functionCall": {"name": "f", "args": {"n": 1.0}, "id": "up"}, "thoughtSignature": "U0lH"},
        {"functionCall": {"name": "g", "args": {"arguments": "not json"}}},
        {"toolResponse": {"id": "s"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
    ]
    assert found[0]["candidates"][0]["groundingMetadata"] == {"webSearchQueries": ["q"]}
    assert found[0]["usageMetadata"] == {
        "promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 16, "cachedContentTokenCount": 4,
        "toolUsePromptTokenCount": 1,
    }  # fmt: skip
    assert found[-1]["candidates"] == [{"finishReason": "STOP", "index": 0}]
    assert found[0]["modelVersion"] == "gemini-3-flash"
    assert found[0]["responseId"] == found[-1]["responseId"]


@pytest.mark.parametrize(
    ("end", "finish", "word"),
    [
        (Finished("stop"), None, "STOP"),
        (Finished("stop_sequence", "END"), None, "STOP"),
        (Finished("tool"), "STOP", "STOP"),
        (Finished("length"), None, "MAX_TOKENS"),
        (Finished("filtered", "RECITATION"), "RECITATION", "RECITATION"),
        (Finished("filtered"), None, "SAFETY"),
    ],
)
def test_the_end_of_a_polled_turn(end: Finished, finish: str | None, word: str) -> None:
    found = check_gemini(frames_of(polled(TextDelta("a"), end=end, finish=finish, message="why")))
    assert found[-1]["candidates"] == [{"finishReason": word, "index": 0, "finishMessage": "why"}]


def test_a_blocked_prompt_of_a_polled_turn() -> None:
    found = check_gemini(frames_of(polled(end=Finished("filtered", "OTHER"), finish="BLOCKED:OTHER", message="why")))
    assert found[-1]["promptFeedback"] == {"blockReason": "OTHER", "blockReasonMessage": "why"}


def test_an_evicted_turn_is_answered_from_its_state() -> None:
    channel = polled(*POLLED, end=Finished("tool"))
    before = surface.answer(channel, bytes(32)).body
    expire(channel)
    assert surface.answer(channel, bytes(32)).body == before
