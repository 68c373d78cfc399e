"""The Messages grammar: good streams pass, and each rule is broken once."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.surfaces.changes import Change, Values, at, drop, insert
from tests.surfaces.messages.answering import STOP, TOOL, Json, channel_of, stream, whole
from zerogravity import errors
from zerogravity.core.events import Event, Failed, Finished, FunctionCall, Grounding, TextDelta, ThinkingDelta, Usage
from zerogravity.testing.check import GrammarError, check_message, check_messages

FOUND = {
    "webSearchQueries": ["sky"],
    "groundingChunks": [{"web": {"uri": "https://example.com/a", "title": "a"}}],
    "groundingSupports": [{"segment": {"endIndex": 4, "text": "blue"}, "groundingChunkIndices": [0]}],
}
EVENTS: list[Event] = [
    ThinkingDelta("hm"), TextDelta("blue"), Grounding(FOUND), FunctionCall("call_1", "f", '{"a": 1}'),
    Usage(3, 0, 2, 1),
]  # fmt: skip
GOOD = stream(EVENTS, TOOL, thoughts="shown", search="beside")
# 0 message_start, 1-4 thinking (start, delta, signature, stop), 5-8 text (start, delta, citation, stop),
# 9-11 server_tool_use, 12-13 its result, 14-16 tool_use, 17 message_delta, 18 message_stop
FAULT = errors.upstream(503, "upstream_error", "overloaded")
FAILED = stream([TextDelta("a")], Failed(FAULT))
REFUSED = stream([TextDelta("a")], Finished("filtered"))
PING = {"type": "ping"}
ERROR = {"type": "error", "error": {"type": "api_error", "message": "m"}}
MESSAGE = whole(channel_of(EVENTS, TOOL, thoughts="shown", search="beside"))


def wire(values: Values) -> list[bytes]:
    return [b"event: %b\ndata: %b\n\n" % (value["type"].encode(), json.dumps(value).encode()) for value in values]


def test_good_streams_pass_whole_and_in_frames() -> None:
    assert check_messages(wire(GOOD)) == GOOD
    assert check_messages(b"".join(wire(GOOD))) == GOOD
    kinds = [value["content_block"]["type"] for value in GOOD if "content_block" in value]
    assert kinds == ["thinking", "text", "server_tool_use", "web_search_tool_result", "tool_use"]


@pytest.mark.parametrize(
    "values",
    [
        FAILED,
        REFUSED,
        *(stream([], Failed(errors.upstream(status, "upstream_error", "m"))) for status in (400, 402, 418, 500)),
        stream([], Finished("length")),
        stream([TextDelta("a")], STOP),
        [ERROR],
        [*GOOD[:3], ERROR],
        [*GOOD[:3], {**ERROR, "request_id": "req_1"}],
        [PING, *GOOD[:2], PING, PING, *GOOD[2:-1], PING, GOOD[-1]],
    ],
)
def test_other_good_streams(values: Values) -> None:
    assert check_messages(wire(values)) == values


def test_redacted_thinking_and_pieces_of_arguments_pass() -> None:
    values = copy.deepcopy(GOOD)
    values[15:16] = [
        {**GOOD[15], "delta": {**GOOD[15]["delta"], "partial_json": piece}} for piece in ("", '{"a"', ":1}")
    ]
    redacted = {"type": "redacted_thinking", "data": "x"}
    values[1:5] = [{**GOOD[1], "content_block": redacted}, GOOD[4]]
    check_messages(wire(values))


def test_comments_pass() -> None:
    check_messages(b": hello\n\n".join(wire(GOOD)))


# -- changes -------------------------------------------------------------------------------------------------------


def both(*changes: Change) -> Change:
    return lambda values: [change(values) for change in changes]


def swap(number: int) -> Change:
    def change(values: Values) -> None:
        values[number], values[number + 1] = values[number + 1], values[number]

    return change


def end(number: int) -> Change:
    """Leave out what comes from there on."""
    return lambda values: values.__delitem__(slice(number, None))


def searches(count: int | None) -> Change:
    tools = None if count is None else {"web_search_requests": count, "web_fetch_requests": 0}
    return at("17.usage.server_tool_use", tools)


START: list[tuple[Change, str]] = [
    (drop(0), "comes before message_start"),
    (insert(1, GOOD[0]), "a second message_start"),
    (at("0.message", ...), "message: must be an object"),
    (at("0.message.id", "chatcmpl-1"), "msg_"),
    (at("0.message.type", "completion"), "is not message"),
    (at("0.message.role", ...), "is not assistant"),
    (at("0.message.model", ""), "model: is empty"),
    (at("0.message.model", ...), "model: must be a string"),
    (at("0.message.content", [{"type": "text", "text": "a"}]), "content: is not empty"),
    (at("0.message.content", ...), "content: is not empty"),
    (at("0.message.stop_reason", "end_turn"), "stop_reason: is not null"),
    (at("0.message.stop_sequence", ...), "stop_sequence: is not null"),
    (at("0.message.stop_details", ...), "stop_details: is not null"),
    (at("0.message.container", ...), "container: is not null"),
    (at("0.message.usage", ...), "usage: must be an object"),
    (at("0.message.usage.input_tokens", ...), "input_tokens: must be a whole number"),
    (at("0.message.usage.output_tokens", None), "output_tokens: must be a whole number"),
    (at("0.message.usage.cache_read_input_tokens", -1), "cache_read_input_tokens: must be a whole number"),
    (at("0.message.usage.cache_creation_input_tokens", ...), "cache_creation_input_tokens"),
]
ORDER: list[tuple[Change, str]] = [
    (drop(1), "no block is open"),
    (drop(4), "the block before is still open"),
    (drop(16), "a block is still open"),
    (drop(17), "comes before message_delta"),
    (drop(18), "ends without message_stop"),
    (end(17), "ends without message_stop"),
    (swap(4), "the block before is still open"),
    (swap(16), "a block is still open"),
    (swap(17), "comes before message_delta"),
    (insert(5, GOOD[4]), "no block is open"),
    (insert(18, GOOD[17]), "comes after message_delta"),
    (insert(18, GOOD[5]), "comes after message_delta"),
    (insert(18, ERROR), "an error after message_delta"),
    (insert(19, GOOD[18]), "comes after the end"),
    (insert(19, PING), "comes after the end"),
    (insert(4, ERROR), "comes after the end"),
    (insert(1, {"type": "content_block_flag"}), "is no event of this API"),
    (insert(1, {"type": "response.created"}), "is no event of this API"),
    (insert(1, {"type": "ping", "text": "x"}), "has other members"),
]
BLOCK: list[tuple[Change, str]] = [
    (at("1.index", ...), "index: must be a whole number"),
    (at("1.index", 1), "is not the next one"),
    (at("5.index", 0), "is not the next one"),
    (at("5.index", 2), "is not the next one"),
    (at("6.index", 0), "is not that of the open block"),
    (at("8.index", 0), "is not that of the open block"),
    (at("2.index", ...), "index: must be a whole number"),
    (at("1.content_block", ...), "content_block: must be an object"),
    (at("1.content_block.type", ...), "type: must be a string"),
    (at("1.content_block.type", "image"), "'image' is not a known value"),
    (at("1.content_block.thinking", "hm"), "is not empty at the start"),
    (at("1.content_block.signature", ...), "signature: must be a string"),
    (at("5.content_block.text", "blue"), "is not empty at the start"),
    (at("5.content_block.text", ...), "text: must be a string"),
    (at("5.content_block.citations", [GOOD[7]["delta"]["citation"]]), "is not empty at the start"),
    (at("14.content_block.input", {"a": 1}), "is not empty at the start"),
    (at("14.content_block.input", ...), "input: must be an object"),
    (at("14.content_block.id", ...), "id: must be a string"),
    (at("14.content_block.id", ""), "is not of 1 to 64"),
    (at("14.content_block.id", "a" * 65), "is not of 1 to 64"),
    (at("14.content_block.id", "a+b/c="), "is not of 1 to 64"),
    (at("14.content_block.id", GOOD[9]["content_block"]["id"]), "was used before"),
    (at("14.content_block.name", ""), "name: is empty"),
    (at("9.content_block.name", "web_fetch"), "is no tool of the server"),
    (both(drop(12), drop(12), at("12.index", 3), at("13.index", 3), at("14.index", 3)), "a search has no result"),
    (at("12.content_block.tool_use_id", "other"), "is of no search that waits for it"),
    (at("12.content_block.content", ...), "content: must be an array"),
    (at("12.content_block.content.0.type", "web_page"), "is not web_search_result"),
    (at("12.content_block.content.0.url", ...), "url: must be a string"),
    (at("12.content_block.content.0.encrypted_content", None), "encrypted_content: must be a string"),
    (at("12.content_block.content.0.page_age", ...), "has no page_age"),
]
DELTA: list[tuple[Change, str]] = [
    (at("2.delta", ...), "delta: must be an object"),
    (at("2.delta.type", "text_delta"), "'text_delta' is not a known value"),
    (at("6.delta.type", "thinking_delta"), "'thinking_delta' is not a known value"),
    (at("15.delta.type", "text_delta"), "'text_delta' is not a known value"),
    (at("6.delta.type", ...), "None is not a known value"),
    (insert(13, {**GOOD[6], "index": 3}), "'text_delta' is not a known value"),
    (at("2.delta.thinking", ...), "thinking: must be a string"),
    (at("6.delta.text", 7), "text: must be a string"),
    (at("6.delta.text", ""), "text: is empty"),
    (drop(6), "text: is empty"),
    (drop(3), "signature: is empty"),
    (swap(2), "comes after the signature"),
    (insert(4, GOOD[3]), "comes after the signature"),
    (drop(15), "is not JSON"),
    (at("15.delta.partial_json", '{"a"'), "is not JSON"),
    (at("15.delta.partial_json", ""), "is not JSON"),
    (at("15.delta.partial_json", "[1]"), "is not a JSON object"),
    (at("15.delta.partial_json", {"a": 1}), "partial_json: must be a string"),
    (insert(15, GOOD[15]), "is not JSON"),
    (at("7.delta.citation", ...), "citation: must be an object"),
    (at("7.delta.citation.type", "char_location"), "is not web_search_result_location"),
    (at("7.delta.citation.cited_text", "x" * 151), "is not of 1 to 150"),
    (at("7.delta.citation.cited_text", ""), "is not of 1 to 150"),
    (at("7.delta.citation.encrypted_index", ...), "encrypted_index: must be a string"),
]
ENDING: list[tuple[Change, str]] = [
    (at("17.delta", ...), "delta: must be an object"),
    (at("17.delta.stop_reason", ...), "None is not a known value"),
    (at("17.delta.stop_reason", None), "None is not a known value"),
    (at("17.delta.stop_reason", "pause_turn"), "'pause_turn' is not a known value"),
    (at("17.delta.stop_reason", "stop"), "'stop' is not a known value"),
    (at("17.delta.stop_reason", "end_turn"), "end_turn although there is a call"),
    (both(drop(14), drop(14), drop(14)), "tool_use without a call"),
    (at("17.delta.stop_reason", "stop_sequence"), "does not agree with the reason"),
    (at("17.delta.stop_sequence", "END"), "does not agree with the reason"),
    (at("17.delta.stop_sequence", ...), "has no stop_sequence"),
    (at("17.delta.stop_sequence", 7), "must be a string or null"),
    (at("17.delta.stop_details", ...), "has no stop_details"),
    (at("17.delta.stop_details", {"type": "refusal"}), "is not of a refusal"),
    (at("17.delta.stop_reason", "refusal"), "stop_details: must be an object"),
    (at("17.usage", ...), "usage: must be an object"),
    (at("17.usage.input_tokens", ...), "input_tokens: must be a whole number"),
    (at("17.usage.cache_read_input_tokens", ...), "cache_read_input_tokens: must be a whole number"),
    (at("17.usage.output_tokens_details", ...), "output_tokens_details: must be an object"),
    (at("17.usage.output_tokens_details.thinking_tokens", 4), "is less than the thinking in it"),
    (at("17.usage.server_tool_use", ...), "has no server_tool_use"),
    (searches(None), "does not count the searches"),
    (searches(2), "does not count the searches"),
]
RULES = [*START, *ORDER, *BLOCK, *DELTA, *ENDING]


@pytest.mark.parametrize(("change", "why"), RULES, ids=[f"{number} {why}" for number, (_, why) in enumerate(RULES)])
def test_a_spoilt_stream_is_refused(change: Change, why: str) -> None:
    values = copy.deepcopy(GOOD)
    change(values)
    with pytest.raises(GrammarError, match=why):
        check_messages(wire(values))


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("4.error", ..., "error: must be an object"),
        ("4.error.type", "server_error", "'server_error' is not a known value"),
        ("4.error.message", "", "message: is empty"),
        ("4.error.message", None, "message: must be a string"),
    ],
)
def test_a_spoilt_error_is_refused(path: str, value: Any, why: str) -> None:
    values = copy.deepcopy(FAILED)
    at(path, value)(values)
    with pytest.raises(GrammarError, match=why):
        check_messages(wire(values))


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("4.delta.stop_details", None, "must be an object"),
        ("4.delta.stop_details.type", "x", "is not refusal"),
        ("4.delta.stop_details.category", ..., "has no category"),
        ("4.delta.stop_details.explanation", None, "must be a string"),
    ],
)
def test_a_spoilt_refusal_is_refused(path: str, value: Any, why: str) -> None:
    values = copy.deepcopy(REFUSED)
    at(path, value)(values)
    with pytest.raises(GrammarError, match=why):
        check_messages(wire(values))


FRAME = b"".join(wire(GOOD))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "has no blank line"),
        (FRAME[:-1], "has no blank line"),
        (FRAME.replace(b"event: message_start\n", b""), "has no event line"),
        (FRAME.replace(b"event: message_start\n", b"event: ping\n"), "is named ping but its type is 'message_start'"),
        (FRAME.replace(b"\ndata: ", b"\ndata: x\ndata: ", 1), "one data line"),
        (FRAME.replace(b"\n", b"\r\n"), "has no blank line"),
        (FRAME + b"data: [DONE]\n\n", "has no event line"),
        (FRAME.replace(b'"blue"', '"a\u2028b"'.encode(), 1), "raw U"),
        (FRAME.replace(b'"blue"', b'"\xff"', 1), "not JSON in UTF-8"),
    ],
)
def test_bad_framing_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(GrammarError, match=why):
        check_messages(data)


# -- whole messages ------------------------------------------------------------------------------------------------


def test_a_good_message_passes() -> None:
    assert check_message(MESSAGE) == MESSAGE


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("id", ..., "id: must be a string"),
        ("type", "error", "is not message"),
        ("content", None, "content: must be an array"),
        ("content.0.signature", "", "signature: is empty"),
        ("content.1.text", "", "text: is empty"),
        ("content.1.citations.0.url", ..., "url: must be a string"),
        ("content.3.tool_use_id", "x", "is of no search"),
        ("content.4.input", "{}", "input: must be an object"),
        ("content.4.type", "server_tool_use", "is no tool of the server"),
        ("stop_reason", "end_turn", "although there is a call"),
        ("container", ..., "container: is not null"),
        ("usage", ..., "usage: must be an object"),
        ("usage.server_tool_use", None, "does not count the searches"),
    ],
)
def test_a_spoilt_message_is_refused(path: str, value: Any, why: str) -> None:
    message: Json = copy.deepcopy(MESSAGE)
    at(f"0.{path}", value)([message])
    with pytest.raises(GrammarError, match=why):
        check_message(message)
