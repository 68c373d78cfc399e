"""A whole Message: all members, and how it ended."""

from __future__ import annotations

import pytest
from anthropic.types import Message

from tests.surfaces.messages.answering import STOP, TOOL, channel_of, stream, whole
from zerogravity.core.events import Event, Finished, FunctionCall, TextDelta, ThinkingDelta, Usage
from zerogravity.wire import jsonio

CALL = FunctionCall("call_1", "f", "{}")
LENGTH, FILTERED = Finished("length", "MAX_TOKENS"), Finished("filtered", "SAFETY")


def test_all_members() -> None:
    message = whole(channel_of([TextDelta("a"), Usage(10, 4, 5, 3)], STOP))
    assert message.pop("id").startswith("msg_")
    assert message == {
        "type": "message", "role": "assistant", "model": "gemini-3-flash", "content": [{"type": "text", "text": "a"}],
        "stop_reason": "end_turn", "stop_sequence": None, "stop_details": None, "container": None, "diagnostics": None,
        "usage": {
            "input_tokens": 6, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 8,
            "output_tokens_details": {"thinking_tokens": 3}, "server_tool_use": None, "cache_creation": None,
            "service_tier": "standard", "inference_geo": None, "speed": None,
        },
    }  # fmt: skip
    assert {"id", *message} == Message.model_fields.keys()


@pytest.mark.parametrize(
    ("events", "end", "reason"),
    [
        ([TextDelta("a")], STOP, "end_turn"),
        ([TextDelta("a"), CALL], TOOL, "tool_use"),
        ([CALL, TextDelta("a")], TOOL, "tool_use"),
        ([CALL], STOP, "tool_use"),
        ([TextDelta("a")], TOOL, "end_turn"),
        ([TextDelta("a")], LENGTH, "max_tokens"),
        ([ThinkingDelta("hm")], LENGTH, "max_tokens"),
        ([CALL], LENGTH, "max_tokens"),
        ([], LENGTH, "max_tokens"),
        ([TextDelta("a")], FILTERED, "refusal"),
        ([], FILTERED, "refusal"),
    ],
)
def test_stop_reasons(events: list[Event], end: Finished, reason: str) -> None:
    """``tool_use`` where there is a call and ``end_turn`` where there is none; what was whole stays."""
    message = whole(channel_of(events, end))
    assert message["stop_reason"] == reason
    assert message["stop_sequence"] is None
    assert len(message["content"]) == len([event for event in events if not isinstance(event, ThinkingDelta)])
    assert stream(events, end)[-2]["delta"]["stop_reason"] == reason


def test_a_stop_sequence_is_named() -> None:
    message = whole(channel_of([TextDelta("a")], Finished("stop_sequence", "END")))
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


@pytest.mark.parametrize(("detail", "word"), [("SAFETY", "SAFETY"), (None, "unspecified")])
def test_a_refusal_says_why(detail: str | None, word: str) -> None:
    details = whole(channel_of([TextDelta("a")], Finished("filtered", detail)))["stop_details"]
    assert details == {
        "type": "refusal", "category": None,
        "explanation": f"The answer was stopped by the provider's filter ({word}).",
    }  # fmt: skip


def test_numbers_of_arguments_are_exact() -> None:
    call = FunctionCall("call_1", "f", '{"a": 12345678901234567890123, "b": 1.10, "c": 1e400}')
    assert b'{"a":12345678901234567890123,"b":1.10,"c":1e400}' in jsonio.dumps(whole(channel_of([call], TOOL)))
