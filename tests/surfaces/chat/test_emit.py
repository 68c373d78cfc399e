"""The Chat stream: its grammar for any legal turn, its agreement with the whole answer, single frames."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from tests.strategies import TURN_ID, record_lists
from tests.surfaces.playing import SECRET, ask, frames, play, replayed
from zerogravity import errors
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    Event,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    Record,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.turn import Turn
from zerogravity.surfaces.chat import surface
from zerogravity.surfaces.chat.details import ChatDetails
from zerogravity.testing.builders import chunk, records, turn
from zerogravity.testing.check import check_chat

forms = st.fixed_dictionaries(
    {},
    optional={
        "include_usage": st.booleans(),
        "reasoning": st.sampled_from([(), ("reasoning_content",), ("reasoning_content", "reasoning")]),
        "legacy": st.booleans(),
        "one_call": st.booleans(),
        "service_tier": st.sampled_from([None, "default"]),
    },
)


def turn_with(form: dict[str, Any], **fields: Any) -> Turn:
    if form.get("legacy"):
        form = {**form, "one_call": True}
    return turn(id=TURN_ID, surface="chat", stream=True, details=ChatDetails(**form), **fields)


def channel_of(records: list[Record], form: dict[str, Any] | None = None, **fields: Any) -> CascadeChannel:
    return replayed(records, turn_with(form or {}, **fields))


def frames_of(channel: CascadeChannel) -> list[bytes]:
    return frames("chat", channel)


def whole(channel: CascadeChannel) -> dict[str, Any]:
    """The first choice of the whole answer."""
    return surface.answer(channel, SECRET).body["choices"][0]


@given(record_lists(), forms)
def test_any_turn_gives_a_legal_stream(records: list[Record], form: dict[str, Any]) -> None:
    channel = channel_of(records, form)
    frames = frames_of(channel)
    check_chat(frames)
    assert all(frame.startswith(b"data: ") and frame.endswith(b"\n\n") and frame.count(b"\n") == 2 for frame in frames)
    assert frames == frames_of(channel)


@given(record_lists(), forms)
def test_openais_accumulator_builds_the_whole_answer(records: list[Record], form: dict[str, Any]) -> None:
    channel = channel_of(records, form)
    if isinstance(channel.terminal, Failed):
        assert surface.answer(channel, SECRET).status == channel.terminal.fault.status
        return
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for value in check_chat(frames_of(channel)):
        state.handle_chunk(ChatCompletionChunk.model_validate(value))
    streamed = state.current_completion_snapshot.model_dump(exclude_unset=True, mode="json")["choices"][0]
    choice = whole(channel)
    assert streamed["finish_reason"] == choice["finish_reason"]
    assert comparable(streamed["message"]) == comparable(choice["message"])


def comparable(message: dict[str, Any]) -> dict[str, Any]:
    """Without what only a stream has, or only the SDK adds: indices, parsed arguments, empty texts for null."""
    kept = ("reasoning_content", "reasoning", "images", "files", "function_call", "extra_content", "refusal")
    calls: list[dict[str, Any]] = []
    for call in message.get("tool_calls") or []:
        function = {name: value for name, value in call["function"].items() if name != "parsed_arguments"}
        calls.append({name: value for name, value in {**call, "function": function}.items() if name != "index"})
    return {
        **{name: message[name] for name in kept if message.get(name) is not None},
        "content": message.get("content") or "",
        "annotations": message.get("annotations") or [],
        "tool_calls": calls,
        "role": message["role"],
    }


def deltas(events: list[Event], end: Finished | Failed, **fields: Any) -> list[dict[str, Any]]:
    """The deltas of a turn with these events, the role's left out."""
    channel = channel_of(records(events, end), fields.pop("form", None), **fields)
    return [value["choices"][0]["delta"] for value in check_chat(frames_of(channel)) if value.get("choices")][1:]


STOP, TOOL = Finished("stop"), Finished("tool")
CALL = FunctionCall("call_1", "f", '{"a": 1}')


def test_the_frames_of_a_whole_turn() -> None:
    """Thinking, text, two calls, usage: written out once."""
    events: list[Event] = [
        ThinkingDelta("hm"), TextDelta("I look"), FunctionCall("call_1", "f", '{"a": 1}', "U0lH"),
        FunctionCall("call_2", "g_1f", "{}"), Usage(10, 4, 5, 3, 1, 19),
    ]  # fmt: skip
    channel = channel_of(records(events, TOOL), {"include_usage": True}, tool_names={"g_1f": "g!"})
    values = check_chat(frames_of(channel))
    assert [value["choices"][0]["delta"] for value in values if value["choices"]] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"reasoning_content": "hm"},
        {"content": "I look"},
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""},
                         "extra_content": {"google": {"thought_signature": "U0lH"}}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a": 1}'}}]},
        {"tool_calls": [{"index": 1, "id": "call_2", "type": "function", "function": {"name": "g!", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {},
    ]  # fmt: skip
    assert [value["usage"] for value in values[:-1]] == [None] * 8
    assert values[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert values[-1]["choices"] == []
    assert values[-1]["usage"]["prompt_tokens"] == 11
    assert values[-1]["usage"]["completion_tokens"] == 8
    assert values[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 4
    assert values[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3
    assert frames_of(channel)[-1] == b"data: [DONE]\n\n"


def test_without_include_usage_no_chunk_has_usage() -> None:
    channel = channel_of(records([TextDelta("a"), Usage(1, 0, 1, 0, 0, 2)], STOP), {})
    assert all("usage" not in value for value in check_chat(frames_of(channel)))


@pytest.mark.parametrize(
    ("reasoning", "delta"),
    [
        ((), []),
        (("reasoning_content",), [{"reasoning_content": "hm"}]),
        (("reasoning_content", "reasoning"), [{"reasoning_content": "hm", "reasoning": "hm"}]),
    ],
)
def test_thoughts_under_the_names_that_were_asked_for(reasoning: tuple[str, ...], delta: list[dict[str, str]]) -> None:
    found = deltas([ThinkingDelta("hm"), TextDelta("a")], STOP, form={"reasoning": reasoning})
    assert found == [*delta, {"content": "a"}, {}]


def test_a_failed_stream_ends_with_an_error_and_nothing_else() -> None:
    fault = errors.upstream(429, "rate_limit_exceeded", "slow down", retry_after=22.0)
    channel = channel_of(records([TextDelta("a")], Failed(fault)), {"include_usage": True})
    frames = frames_of(channel)
    assert b"[DONE]" not in b"".join(frames)
    assert b'"finish_reason":"' not in b"".join(frames)
    assert check_chat(frames)[-1] == {
        "error": {"message": "slow down. Please try again in 22s.", "type": "rate_limit_error", "param": None,
                  "code": "rate_limit_exceeded"}
    }  # fmt: skip
    answer = surface.answer(channel, SECRET)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "22")


def test_a_signature_that_comes_after_its_call_is_sent_before_the_end() -> None:
    found = deltas([CALL, Signature("U0lH", "alone")], TOOL)
    assert found[-2] == {
        "tool_calls": [
            {"index": 0, "function": {"arguments": ""}, "extra_content": {"google": {"thought_signature": "U0lH"}}}
        ]
    }


def test_a_texts_signature_is_sent_before_the_end() -> None:
    events: list[Event] = [TextDelta("a"), Signature("U0lH", "text")]
    assert deltas(events, STOP)[-2] == {"extra_content": {"google": {"thought_signature": "U0lH"}}}
    message = whole(channel_of(records(events, STOP), {}))["message"]
    assert message["extra_content"] == {"google": {"thought_signature": "U0lH"}}


def test_custom_tools_calls_are_plain_text() -> None:
    events: list[Event] = [FunctionCall("call_1", "patch", '{"input":"*** Begin"}')]
    found = deltas(events, TOOL, tool_kinds={"patch": "custom"})
    assert found[:2] == [
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "patch", "input": ""}}]},
        {"tool_calls": [{"index": 0, "custom": {"input": "*** Begin"}}]},
    ]


@pytest.mark.parametrize(("arguments", "text"), [('{"patch":"*** Begin"}', "*** Begin"), ("{}", "")])
def test_a_custom_tools_text_under_another_name(arguments: str, text: str) -> None:
    events: list[Event] = [FunctionCall("call_1", "patch", arguments)]
    _, second, *_ = deltas(events, TOOL, tool_kinds={"patch": "custom"})
    assert second == {"tool_calls": [{"index": 0, "custom": {"input": text}}]}
    whole = surface.answer(channel_of(records(events, TOOL), {}, tool_kinds={"patch": "custom"}), SECRET).body
    (call,) = whole["choices"][0]["message"]["tool_calls"]
    assert call["custom"] == {"name": "patch", "input": text}


def test_the_deprecated_form_has_one_call_and_its_own_word() -> None:
    events: list[Event] = [CALL, FunctionCall("call_2", "g", "{}")]
    channel = channel_of(records(events, TOOL), {"legacy": True})
    values = check_chat(frames_of(channel))
    assert [value["choices"][0]["delta"] for value in values][1:] == [
        {"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": '{"a": 1}'}}, {},
    ]  # fmt: skip
    assert values[-1]["choices"][0]["finish_reason"] == "function_call"
    choice = whole(channel)
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a": 1}'}
    assert "tool_calls" not in choice["message"]


def test_only_the_first_call_where_parallel_calls_are_off() -> None:
    events: list[Event] = [CALL, FunctionCall("call_2", "g", "{}")]
    channel = channel_of(records(events, TOOL), {"one_call": True})
    assert b"call_2" not in b"".join(frames_of(channel))
    assert len(whole(channel)["message"]["tool_calls"]) == 1


def test_pictures_and_other_blobs() -> None:
    events: list[Event] = [
        InlineData("image/png", "AAAA"),
        InlineData("audio/wav", "BBBB"),
        InlineData("image/webp", "CCCC"),
    ]
    found = deltas(events, STOP)
    assert found[:3] == [
        {"images": [{"index": 0, "type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"files": [{"index": 0, "type": "file", "file": {"file_data": "data:audio/wav;base64,BBBB"}}]},
        {"images": [{"index": 1, "type": "image_url", "image_url": {"url": "data:image/webp;base64,CCCC"}}]},
    ]
    message = whole(channel_of(records(events, STOP), {}))["message"]
    assert message["content"] is None
    assert [entry["index"] for entry in message["images"]] == [0, 1]
    assert [entry["index"] for entry in message["files"]] == [0]


@pytest.mark.parametrize("call", [True, False])
def test_a_signature_that_a_call_may_want_is_told_once_it_is_known_whose_it_is(call: bool) -> None:
    next_one = FunctionCall("call_1", "f", "{}") if call else TextDelta("a")
    opened, picture, *more = records([InlineData("image/png", "AAAA"), next_one], TOOL if call else STOP)
    signed_picture = Record(picture.seq, 0, 0, b"", (*picture.events, Signature("U0lH", "alone")))
    channel = channel_of([opened, signed_picture, *more])
    signed = [
        (name, entry["extra_content"]["google"]["thought_signature"])
        for value in check_chat(frames_of(channel))
        for choice in value["choices"]
        for name in ("images", "tool_calls")
        for entry in choice["delta"].get(name, ())
        if "extra_content" in entry
    ]
    assert signed == [("tool_calls" if call else "images", "U0lH")]


def test_a_picture_that_comes_with_its_signature_has_it_once() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": "U0lH"}
    channel = play(ask("chat"), chunk(picture, finish="STOP"))
    assert b"".join(frames("chat", channel)).count(b"U0lH") == 1


GROUNDING = Grounding(
    {
        "groundingChunks": [{"web": {"uri": "https://example.com/a", "title": "a"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 3, "endIndex": 7, "text": "blue"}, "groundingChunkIndices": [0]}
        ],
    }
)


def test_citations_count_characters_of_the_whole_content() -> None:
    """Google counts bytes: é has two. Two messages with a call between them are one content."""
    events: list[Event] = [TextDelta("first "), CALL, TextDelta("é blue sky"), GROUNDING]
    citation = {"url": "https://example.com/a", "title": "a", "start_index": 8, "end_index": 12}
    expected = [{"type": "url_citation", "url_citation": citation}]
    assert deltas(events, TOOL)[-2] == {"annotations": expected}
    message = whole(channel_of(records(events, TOOL), {}))["message"]
    assert message["annotations"] == expected
    assert message["content"][8:12] == "blue"


def test_grounding_that_comes_after_the_text_has_closed() -> None:
    events: list[Event] = [TextDelta("é blue sky"), CALL, GROUNDING]
    assert deltas(events, TOOL)[-2]["annotations"][0]["url_citation"]["start_index"] == 2


def test_a_blocked_prompt_is_a_refusal() -> None:
    channel = channel_of(records([], Finished("filtered", "PROHIBITED_CONTENT")), {})
    values = check_chat(frames_of(channel))
    assert "PROHIBITED_CONTENT" in values[-2]["choices"][0]["delta"]["refusal"]
    assert values[-1]["choices"][0]["finish_reason"] == "content_filter"
    message = whole(channel)["message"]
    assert message["content"] is None
    assert "PROHIBITED_CONTENT" in message["refusal"]


def test_comments_are_the_heartbeat() -> None:
    emitter = surface.emitter(channel_of(records([], STOP), {}), SECRET)
    assert emitter.content_type == "text/event-stream"
    check_chat([*emitter.begin(), emitter.heartbeat, *frames_of(channel_of(records([], STOP), {}))[1:]])
