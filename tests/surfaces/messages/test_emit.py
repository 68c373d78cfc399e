"""The Messages stream: legal for any turn, equal to the whole Message, put together by Anthropic's own SDK."""

from __future__ import annotations

import httpx2
import pytest
from anthropic import Anthropic, APIStatusError
from anthropic.types import Message
from hypothesis import given, settings

from tests.surfaces.messages.answering import (
    STOP,
    TOOL,
    Json,
    accumulated,
    answered,
    channel_of,
    content,
    put_together,
    stream,
    whole,
)
from tests.surfaces.playing import SECRET, frames, replayed
from zerogravity import errors
from zerogravity.core.events import (
    Event,
    Failed,
    Finished,
    FunctionCall,
    InlineData,
    Record,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.turn import Turn
from zerogravity.surfaces.messages import surface
from zerogravity.testing.check import check_messages
from zerogravity.wire import jsonio

CALL = FunctionCall("call_1", "f", '{"a": 1}', "U0lH")

# -- any turn ------------------------------------------------------------------------------------------------------


@given(answered())
def test_any_turn_gives_a_legal_stream_that_adds_up_to_its_message(asked: tuple[list[Record], Turn]) -> None:
    channel = replayed(*asked)
    sent = frames("messages", channel)
    events = check_messages(sent)
    assert sent == frames("messages", channel)
    assert all(frame.startswith(b"event: ") and frame.endswith(b"}\n\n") and frame.count(b"\n") == 3 for frame in sent)
    if isinstance(channel.terminal, Failed):
        answer = surface.answer(channel, SECRET)
        assert answer.status == channel.terminal.fault.status
        assert events[-1] == {"type": "error", "error": answer.body["error"]}
    else:
        assert jsonio.dumps(put_together(events)) == jsonio.dumps(whole(channel))


@settings(max_examples=25)
@given(answered())
def test_anthropics_types_and_accumulator_agree(asked: tuple[list[Record], Turn]) -> None:
    channel = replayed(*asked)
    if not isinstance(channel.terminal, Failed):
        made = whole(channel)
        assert Message.model_validate(made).model_dump(mode="json", exclude_unset=True) == made
        assert accumulated(check_messages(frames("messages", channel))) == made


def client(body: bytes, kind: str = "text/event-stream") -> Anthropic:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers={"content-type": kind}, content=body))
    return Anthropic(api_key="k", http_client=httpx2.Client(transport=transport), max_retries=0)


def test_anthropics_client_reads_the_bytes() -> None:
    """Its own SSE decoder and stream helper, whatever separators the text holds."""
    events: list[Event] = [ThinkingDelta("hm"), TextDelta("a\u2028b\x85c\r\n\nd"), CALL, Usage(10, 4, 5, 3)]
    channel = channel_of(events, TOOL, thoughts="shown")
    body = surface.emitter(channel, SECRET).heartbeat.join(frames("messages", channel))
    ask = {"model": "gemini-3-flash", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    with client(body).messages.stream(**ask) as streamed:
        texts = list(streamed.text_stream)
        final = streamed.get_final_message()
    assert texts == ["a\u2028b\x85c\r\n\nd"]
    assert [block.type for block in final.content] == ["thinking", "text", "thinking", "tool_use"]
    made = client(jsonio.dumps(whole(channel)), "application/json").messages.create(**ask)
    assert final.to_dict() == made.to_dict()


def test_anthropics_client_raises_at_a_failure() -> None:
    fault = errors.upstream(503, "upstream_error", "overloaded")
    body = b"".join(frames("messages", channel_of([TextDelta("a")], Failed(fault))))
    ask = {"model": "gemini-3-flash", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    with (
        pytest.raises(APIStatusError, match="overloaded"),
        client(body).messages.stream(**ask) as streamed,
    ):
        streamed.get_final_message()


# -- single turns --------------------------------------------------------------------------------------------------


def shown(events: list[Json]) -> list[str]:
    """The types; of a delta, its own."""
    return [event.get("delta", {}).get("type") or event["type"].removeprefix("content_") for event in events]


def test_the_events_of_a_whole_turn() -> None:
    events: list[Event] = [
        ThinkingDelta("hm"), TextDelta("I "), TextDelta("look"), CALL, FunctionCall("call_2", "g", "{}"),
        InlineData("image/png", "AAAA"), Usage(10, 4, 5, 3),
    ]  # fmt: skip
    values = stream(events, TOOL, thoughts="shown", input_tokens=12)
    assert shown(values) == [
        "message_start",
        "block_start", "thinking_delta", "signature_delta", "block_stop",
        "block_start", "text_delta", "text_delta", "block_stop",
        "block_start", "signature_delta", "block_stop",
        "block_start", "input_json_delta", "block_stop",
        "block_start", "input_json_delta", "block_stop",
        "block_start", "text_delta", "block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert values[0]["message"]["usage"]["input_tokens"] == 12
    assert values[-2]["delta"]["stop_reason"] == "tool_use"
    assert values[-2]["usage"] == {
        "input_tokens": 6, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 8,
        "output_tokens_details": {"thinking_tokens": 3}, "server_tool_use": None,
    }  # fmt: skip


def test_the_bytes_of_the_hot_frames() -> None:
    """Written out once: what is rendered from a template equals what is rendered whole."""
    sent = frames("messages", channel_of([ThinkingDelta("hm"), TextDelta('a"\u2028\x85é')], STOP, thoughts="shown"))
    assert sent[2] == (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"thinking_delta","thinking":"hm"}}\n\n'
    )
    assert sent[6].decode() == (
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,'
        '"delta":{"type":"text_delta","text":"a\\"\\u2028\\u0085é"}}\n\n'
    )


@pytest.mark.parametrize("arguments", ['{"a": 12345678901234567890123, "b":1.10}', "{}", '{\n  "a": [1e400]\n}'])
def test_arguments_are_sent_as_they_came(arguments: str) -> None:
    values = stream([FunctionCall("call_1", "f", arguments)], TOOL)
    assert [event["delta"]["partial_json"] for event in values if "partial_json" in event.get("delta", {})] == [
        arguments
    ]


@pytest.mark.parametrize(
    ("thoughts", "deltas"),
    [
        ("shown", ["thinking_delta", "thinking_delta", "signature_delta", "text_delta"]),
        ("omitted", ["signature_delta", "text_delta"]),
        ("hidden", ["text_delta"]),
    ],
)
def test_thoughts_as_they_were_asked_for(thoughts: str, deltas: list[str]) -> None:
    values = stream([ThinkingDelta("h"), ThinkingDelta("m"), TextDelta("a")], STOP, thoughts=thoughts)
    assert [kind for kind in shown(values) if kind.endswith("_delta")] == [*deltas, "message_delta"]


def test_a_failed_stream_ends_with_an_error_and_nothing_else() -> None:
    fault = errors.upstream(429, "rate_limit_exceeded", "slow down", retry_after=22.0)
    channel = channel_of([TextDelta("a")], Failed(fault))
    values = check_messages(frames("messages", channel))
    assert shown(values) == ["message_start", "block_start", "text_delta", "block_stop", "error"]
    assert values[-1]["error"]["type"] == "rate_limit_error"
    answer = surface.answer(channel, SECRET)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "22")


def test_a_signature_that_comes_after_its_call_is_in_neither_form() -> None:
    events: list[Event] = [FunctionCall("call_1", "f", "{}"), Signature("U0lH", "alone")]
    assert [block["type"] for block in content(events, TOOL)] == ["tool_use"]


def test_pings_are_the_heartbeat() -> None:
    channel = channel_of([TextDelta("a")], STOP)
    emitter = surface.emitter(channel, SECRET)
    assert emitter.content_type == "text/event-stream"
    values = check_messages([emitter.heartbeat, emitter.heartbeat.join(frames("messages", channel))])
    assert [event["type"] for event in values[:3]] == ["ping", "message_start", "ping"]


@pytest.mark.parametrize("cut", [Finished("length", "MAX_TOKENS"), Finished("filtered", "SAFETY")])
def test_what_is_cut_is_still_a_stream(cut: Finished) -> None:
    values = stream([ThinkingDelta("hm"), TextDelta("a")], cut, thoughts="shown")
    assert shown(values)[-3:] == ["block_stop", "message_delta", "message_stop"]
