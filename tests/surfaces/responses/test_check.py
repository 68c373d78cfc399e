"""The Responses grammar: good streams pass, and each rule is broken once."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.surfaces.changes import Change, Values, put
from tests.surfaces.responses.support import SEALED, frames, records, stream, turn
from zerogravity import errors
from zerogravity.core.events import (
    Event,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.testing.check import GrammarError, check_responses

GROUNDING = {
    "webSearchQueries": ["sky"],
    "groundingChunks": [{"web": {"uri": "https://example.com/a", "title": "a"}}],
    "groundingSupports": [{"segment": {"endIndex": 4, "text": "blue"}, "groundingChunkIndices": [0]}],
}
EVENTS: list[Event] = [
    ThinkingDelta("hm"), TextDelta("blue "), TextDelta("sky"), Grounding(GROUNDING),
    FunctionCall("call_1", "f", '{"a": 1}', "U0lH"), FunctionCall("call_2", "patch", '{"input":"text"}'),
    FunctionCall("call_3", "sh", '{"command":["ls"]}'), FunctionCall("call_4", "find", '{"query":"q"}'),
    InlineData("image/png", "AAAA"), Usage(3, 0, 2),
]  # fmt: skip
TURN = turn(**SEALED, tool_kinds={"patch": "custom", "sh": "local_shell", "find": "tool_search"})
GOOD = stream(EVENTS, Finished("tool"), TURN)
FAULT = errors.upstream(503, "upstream_error", "overloaded")
REFUSED = stream([], Finished("filtered"))
FAILED = stream([TextDelta("a")], Failed(FAULT))
CUT = stream([TextDelta("a")], Finished("length"))
QUEUED = stream([TextDelta("a")], Finished("stop"), turn(background=True, echo={"background": True}))
ERROR = {"type": "error", "code": "server_error", "message": "m", "param": None}


def wire(values: Values, *, numbered: bool = True) -> list[bytes]:
    if numbered:
        values = [{**value, "sequence_number": number} for number, value in enumerate(values)]
    return [b"event: %b\ndata: %b\n\n" % (value["type"].encode(), json.dumps(value).encode()) for value in values]


def test_good_streams_pass_whole_and_in_frames() -> None:
    assert check_responses(wire(GOOD)) == GOOD
    assert check_responses(b"".join(wire(GOOD))) == GOOD
    assert {value["item"]["type"] for value in GOOD if "item" in value} == {
        "reasoning", "message", "web_search_call", "function_call", "custom_tool_call", "local_shell_call",
        "tool_search_call", "image_generation_call",
    }  # fmt: skip


@pytest.mark.parametrize("values", [REFUSED, FAILED, CUT, QUEUED], ids=["refused", "failed", "cut", "queued"])
def test_other_ends_pass(values: Values) -> None:
    assert check_responses(wire(values)) == values


def test_an_error_before_a_failure_and_events_of_our_own_pass() -> None:
    own = {"type": "zerogravity:notice", "text": "t"}
    check_responses(wire([*FAILED[:2], own, *FAILED[2:-1], ERROR, FAILED[-1]]))


# -- changes ----------------------------------------------------------------------------------------------------


def find(values: Values, kind: str, nth: int = 0) -> int:
    """The place of the nth event of that kind; what is no lifecycle event may be named without ``response.``."""
    found = [index for index, value in enumerate(values) if value["type"] in (kind, f"response.{kind}")]
    return found[nth]


def at(kind: str, path: str, value: Any, nth: int = 0) -> Change:
    """Set a member of an event; ``...`` deletes it."""
    return lambda values: put(values[find(values, kind, nth)], path, value)


def both(*changes: Change) -> Change:
    return lambda values: [change(values) for change in changes]


def drop(kind: str, nth: int = 0) -> Change:
    return lambda values: values.pop(find(values, kind, nth))


def twice(kind: str, nth: int = 0) -> Change:
    return lambda values: values.insert(find(values, kind, nth), values[find(values, kind, nth)])


def swap(kind: str, nth: int = 0) -> Change:
    """Exchange an event with the next one."""

    def change(values: Values) -> None:
        index = find(values, kind, nth)
        values[index], values[index + 1] = values[index + 1], values[index]

    return change


def insert(value: dict[str, Any], before: str, nth: int = 0) -> Change:
    return lambda values: values.insert(find(values, before, nth), value)


ADDED, DONE, END = "output_item.added", "output_item.done", "completed"
RS, MSG, WS, _, FC, CTC, LSH, TSC, IG = range(9)  # the items of the good stream; between WS and FC the call's carrier
PARTLESS = {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "", "logprobs": []}


def whole(item: int, path: str, value: Any) -> Change:
    """Change an item where it is done and where it is final."""
    return both(at(DONE, f"item.{path}", value, item), at(END, f"response.output.{item}.{path}", value))


RULES: list[tuple[Change, str]] = [
    # the frame of it all
    (drop("created"), "must not come after nothing"),
    (twice("created"), "must not come after response.created"),
    (drop("in_progress"), "comes before response.in_progress"),
    (twice("in_progress"), "must not come after response.in_progress"),
    (both(drop("in_progress"), drop(ADDED)), "comes before response.in_progress"),
    (insert(GOOD[1], "output_text.delta"), "must not come after response.in_progress"),
    (drop("completed"), "ends without a terminal event"),
    (twice("completed"), "comes after the end"),
    (lambda values: values.append(values[4]), "comes after the end"),
    (at(END, "type", "response.done"), "output_index: must be a whole number"),
    (at(END, "type", "response.incomplete"), "status: must be incomplete"),
    (at("created", "response.status", "completed"), "usage: must be an object"),
    (at("created", "response", ...), "response: must be an object"),
    (insert(ERROR, END), "comes after an error"),
    (insert({**ERROR, "param": 3}, END), "param: must be a string or null"),
    (insert({"type": "error", "message": "m", "param": None}, END), "has no code"),
    (both(insert(ERROR, END), insert(ERROR, END)), "a second error"),
    (insert(ERROR, "output_text.delta"), "comes after an error"),
    # the Response
    (at("in_progress", "response.id", "resp_other"), "response.id: differs"),
    (at(END, "response.created_at", 3), "response.created_at: differs"),
    (at(END, "response.temperature", 0.7), "response.temperature: differs"),
    (at(END, "response.metadata", {}), "response.metadata: differs"),
    (at(END, "response.extra", 1), "response.extra: differs"),
    (at(END, "response.user", ...), "has no user"),
    # items
    (at(ADDED, "output_index", 1), "output_index: is not that of the open or next item"),
    (at("output_text.delta", "output_index", 0), "output_index: is not"),
    (at("output_text.delta", "output_index", ...), "output_index: must be"),
    (at("output_text.delta", "item_id", "msg_other"), "item_id: is not the open item's"),
    (at("output_text.delta", "item_id", ...), "item_id: is not the open item's"),
    (drop(ADDED, MSG), "no item is open"),
    (drop(DONE, RS), "output_index: is not"),
    (drop(DONE, IG), "an item is still open"),
    (twice(ADDED, MSG), "another item is still open"),
    (at(ADDED, "item.type", "file_search_call"), "is not a known value"),
    (at(ADDED, "item.status", "completed", MSG), "status: must be in_progress"),
    (whole(FC, "status", "incomplete"), "status: must be completed"),
    (at(ADDED, "item.content", [{}], MSG), "content: must be []"),
    (at(ADDED, "item.summary", ..., RS), "summary: must be []"),
    (at(ADDED, "item.arguments", "{}", FC), "arguments: must be ''"),
    (at(ADDED, "item.input", "x", CTC), "input: must be ''"),
    (at(ADDED, "item.result", "AAAA", IG), "result: must be None"),
    (at(ADDED, "item.id", "msg_other", MSG), "item_id: is not the open item's"),
    (whole(LSH, "id", "lsh_other"), "id: is another than when it was added"),
    (at(DONE, "item.call_id", "call_9", FC), "call_id: is another than when it was added"),
    (at(DONE, "item.name", "g", FC), "name: is another than when it was added"),
    (at(DONE, "item.type", "reasoning", MSG), "type: is another than when it was added"),
    (at(END, f"response.output.{FC}.call_id", "call_9"), "differs from the item that was done"),
    (at(END, f"response.output.{MSG}.content.0.text", "blue sky!"), "differs from the item that was done"),
    (at(END, f"response.output.{RS}.encrypted_content", "other"), "differs from the item that was done"),
    (at(END, f"response.output.{IG}", ...), "has not as many items as were done"),
    # parts
    (at("content_part.added", "content_index", 1), "content_index: is not that of the open or next part"),
    (at("output_text.delta", "content_index", ...), "content_index: must be"),
    (drop("content_part.added"), "no part is open"),
    (twice("content_part.added"), "another part is still open"),
    (at("content_part.added", "part.text", "a"), "is not empty when it is added"),
    (at("content_part.added", "part.annotations", ...), "annotations: must be an array"),
    (at("content_part.added", "part.logprobs", ...), "logprobs: must be an array"),
    (at("content_part.added", "part.type", "text"), "type: must be output_text or refusal"),
    (drop("output_text.delta", 1), "is not what the deltas add up to"),
    (twice("output_text.delta"), "is not what the deltas add up to"),
    (at("output_text.delta", "delta", 7), "delta: must be a string"),
    (at("output_text.delta", "logprobs", ...), "logprobs: must be an array"),
    (at("output_text.done", "logprobs", None), "logprobs: must be an array"),
    (swap("output_text.delta", 1), "comes after an annotation"),
    (at("output_text.delta", "type", "response.refusal.delta"), "does not belong"),
    (drop("output_text.done"), "comes before the text was done"),
    (twice("output_text.done"), "comes after the text was done"),
    (at("content_part.done", "part.text", "blue"), "is not the text that was done"),
    (at("content_part.done", "part.type", "refusal"), "type: is another than when it was added"),
    (drop("content_part.done"), "a part is still open"),
    (whole(MSG, "content.0.text", "blue"), "is not what the parts were"),
    (drop("output_text.annotation.added"), "annotations: are not those of the events"),
    (at("output_text.annotation.added", "annotation_index", 1), "annotation_index: is not the next one"),
    (at("output_text.annotation.added", "annotation.end_index", 9), "lies outside of its text"),
    (at("reasoning_summary_text.delta", "summary_index", ...), "summary_index: must be"),
    (drop("reasoning_summary_part.added"), "no part is open"),
    (at("reasoning_summary_text.done", "text", "h"), "is not what the deltas add up to"),
    (at("reasoning_summary_part.done", "part.text", "h"), "is not the text that was done"),
    (drop("reasoning_summary_part.done"), "a part is still open"),
    # calls and phases
    (drop("function_call_arguments.delta"), "is not what the deltas add up to"),
    (drop("function_call_arguments.done"), "is done before its arguments"),
    (twice("function_call_arguments.done"), "comes after the arguments were done"),
    (at("function_call_arguments.done", "name", ...), "name: is not the item's"),
    (whole(FC, "arguments", "{}"), "is not what was done"),
    (at("function_call_arguments.delta", "type", "response.custom_tool_call_input.delta"), "does not belong"),
    (at("custom_tool_call_input.done", "input", "other"), "is not what the deltas add up to"),
    (drop("custom_tool_call_input.done"), "is done before its input"),
    (swap("web_search_call.in_progress"), "is not the next phase"),
    (drop("web_search_call.completed"), "is done before its last phase"),
    (twice("web_search_call.completed"), "is not the next phase"),
    (drop("image_generation_call.generating"), "is not the next phase"),
    (at("image_generation_call.in_progress", "type", "response.web_search_call.searching"), "does not belong"),
    (insert({**PARTLESS, "output_index": LSH}, DONE, LSH), "item_id: is not the open item's"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), RULES, ids=[f"{n}-{reason[:40]}" for n, (_, reason) in enumerate(RULES)])
def test_each_rule_is_enforced(change: Change, reason: str) -> None:
    values = copy.deepcopy(GOOD)
    change(values)
    with pytest.raises(GrammarError) as caught:
        check_responses(wire(values))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("values", "change", "reason"),
    [
        (QUEUED, at("created", "response.status", "in_progress"), "comes though it was not queued"),
        (QUEUED, drop("created"), "must not come after nothing"),
        (QUEUED, at("created", "response.status", "failed"), "error: must be an object"),
        (CUT, at("incomplete", "response.usage", None), "usage: must be an object"),
        (FAILED, at("failed", "type", "response.completed"), "status: must be completed"),
        (REFUSED, at("refusal.done", "refusal", "other"), "is not what the deltas add up to"),
        (REFUSED, at("content_part.done", "part.refusal", "other"), "is not the text that was done"),
        (REFUSED, at("refusal.delta", "type", "response.output_text.delta"), "does not belong"),
    ],
)
def test_rules_of_other_ends(values: Values, change: Change, reason: str) -> None:
    values = copy.deepcopy(values)
    change(values)
    with pytest.raises(GrammarError) as caught:
        check_responses(wire(values))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([b""], "its last event has no blank line"),
        ([frame.partition(b"\n")[2] for frame in wire(GOOD)], "has no event line"),
        ([wire(GOOD)[0].replace(b"created", b"queued", 1), *wire(GOOD)[1:]], "but its type is"),
        ([wire(GOOD)[0].replace(b"\n\n", b"\nid: 1\n\n"), *wire(GOOD)[1:]], "must have one data line"),
        ([*wire(GOOD), b"data: [DONE]\n\n"], "has no event line"),
        ([wire(GOOD)[0].replace(b"Be brief.", "\u2028".encode()), *wire(GOOD)[1:]], "raw U+2028"),
        ([frame for number, frame in enumerate(wire(GOOD)) if number != 1], "is out of sequence"),
        ([wire(GOOD)[1], *wire(GOOD)[1:]], "is out of sequence"),
        (wire([{k: v for k, v in each.items() if k != "sequence_number"} for each in GOOD], numbered=False),
         "sequence_number: must be"),
    ],
)  # fmt: skip
def test_framing(frames: list[bytes], reason: str) -> None:
    with pytest.raises(GrammarError) as caught:
        check_responses(frames)
    assert reason in str(caught.value)


def test_comments_may_stand_between_events() -> None:
    first, *rest = frames(records(EVENTS, Finished("tool")), TURN)
    assert check_responses([b": keep-alive\n\n", first, b": keep-alive\n\n", *rest]) == GOOD


def test_another_model_may_answer_than_was_asked_first() -> None:
    values = copy.deepcopy(GOOD)
    at(END, "response.model", "other")(values)
    at(END, "response.temperature", 0.7)(values)
    check_responses(wire(values))
    at(END, "response.metadata", {})(values)
    with pytest.raises(GrammarError, match=r"response\.metadata: differs"):
        check_responses(wire(values))
