"""The Chat grammar: a good stream passes, and each rule is broken once."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.surfaces.changes import Change, Values, at, drop, insert
from zerogravity.testing.check import GrammarError, check_chat

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "system_fingerprint": "f"}


def delta(value: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": value, "logprobs": None, "finish_reason": finish}
    return {**HEAD, "choices": [choice], "usage": None}


def call(index: int, **more: Any) -> dict[str, Any]:
    return delta({"tool_calls": [{"index": index, **more}]})


USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
CITATION = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}
PICTURE = {"index": 0, "type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
FUNCTION = {"id": "c0", "type": "function", "function": {"name": "f", "arguments": ""}}
CUSTOM = {"id": "c1", "type": "custom", "custom": {"name": "g", "input": ""}}
GOOD: Values = [
    delta({"role": "assistant", "content": ""}),  # 0
    delta({"reasoning_content": "hm"}),
    delta({"content": "a"}),  # 2
    call(0, **FUNCTION),
    call(0, function={"arguments": '{"a": 1}'}),  # 4
    call(1, **CUSTOM),
    call(1, custom={"input": "text"}),  # 6
    delta({"images": [PICTURE]}),
    call(0, function={"arguments": ""}, extra_content={}),  # 8
    delta({"annotations": [CITATION]}),
    delta({}, "tool_calls"),  # 10
    {**HEAD, "choices": [], "usage": USAGE},
]
DONE = b"data: [DONE]\n\n"
ERROR = {"error": {"message": "m", "type": "server_error", "param": None, "code": None}}


def wire(values: Values, *more: bytes) -> list[bytes]:
    return [*(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values), *more]


def test_a_good_stream_passes_whole_and_in_frames() -> None:
    assert check_chat(wire(GOOD, DONE)) == GOOD
    assert check_chat(b"".join(wire(GOOD, DONE))) == GOOD


def test_other_good_streams() -> None:
    check_chat(wire([delta({"role": "assistant"})], b": keep-alive\n\n") + wire([delta({}, "stop"), GOOD[-1]], DONE))
    plain = [{name: value for name, value in each.items() if name != "usage"} for each in GOOD[:3]]
    end = {name: value for name, value in delta({}, "length").items() if name != "usage"}
    check_chat(wire([*plain, end], DONE))
    check_chat(wire([*GOOD[:5], ERROR]))
    check_chat(wire([ERROR]))
    legacy = [delta({"function_call": {"name": "f", "arguments": ""}}), delta({"function_call": {"arguments": "{}"}})]
    check_chat(wire([GOOD[0], *legacy, delta({}, "function_call"), GOOD[-1]], DONE))


D = "choices.0.delta"
RULES: list[tuple[Change, str]] = [
    (at("2.object", "chat.completion"), "object"),
    (at("0.id", 7), "id: must be a string"),
    (at("0.id", "resp_1"), "chatcmpl-"),
    (at("2.id", "chatcmpl-2"), "id: differs"),
    (at("2.created", 2), "created: differs"),
    (at("2.model", "n"), "model: differs"),
    (at("2.system_fingerprint", "g"), "system_fingerprint: differs"),
    (at("2.service_tier", "default"), "service_tier: differs"),
    (at("2.usage", ...), "usage: is in some chunks only"),
    (at("2.usage", USAGE), "usage next to a choice"),
    (at("2.choices", "x"), "must be an array"),
    (at("2.choices", []), "empty choices before"),
    (at("2.choices.0.index", 1), "one choice with index 0"),
    (lambda values: values[2]["choices"].append(values[2]["choices"][0]), "one choice"),
    (at("2.choices.0.logprobs", ...), "has no logprobs"),
    (at("2.choices.0.finish_reason", ...), "has no finish_reason"),
    (at("2.choices.0.delta", ...), "has no delta"),
    (at("2.choices.0.delta", None), "must be an object"),
    (at(f"0.{D}.role", ...), "no role assistant"),
    (at(f"2.{D}.role", "assistant"), "repeats the role"),
    (at(f"2.{D}.content", 7), "content: must be a string"),
    (at(f"1.{D}.reasoning_content", []), "reasoning_content: must be a string"),
    (at(f"3.{D}.tool_calls.0.index", ...), "index: must be a whole number"),
    (at(f"3.{D}.tool_calls.0.index", 1), "leaves a gap"),
    (at(f"3.{D}.tool_calls.0.id", ...), "id: must be a string"),
    (at(f"3.{D}.tool_calls.0.id", ""), "is empty or was used before"),
    (at(f"5.{D}.tool_calls.0.id", "c0"), "is empty or was used before"),
    (at(f"3.{D}.tool_calls.0.type", ...), "type: must be a string"),
    (at(f"3.{D}.tool_calls.0.type", "mcp"), "neither function nor custom"),
    (at(f"3.{D}.tool_calls.0.function.name", ...), "name: must be a string"),
    (at(f"3.{D}.tool_calls.0.function.arguments", ...), "must be a string"),
    (at(f"4.{D}.tool_calls.0.id", "c0"), "repeats id, type or name"),
    (at(f"4.{D}.tool_calls.0.type", "function"), "repeats id, type or name"),
    (at(f"4.{D}.tool_calls.0.function.name", "f"), "repeats id, type or name"),
    (at(f"4.{D}.tool_calls.0.function.arguments", "{"), "not JSON"),
    (at(f"4.{D}.tool_calls.0.function.arguments", "[]"), "not a JSON object"),
    (at(f"6.{D}.tool_calls.0.custom", ...), "custom: must be an object"),
    (at(f"8.{D}.tool_calls.0.function.arguments", "x"), "arguments of a call that is over"),
    (at(f"7.{D}.images.0.index", 1), "not the next one"),
    (at(f"7.{D}.images.0.type", "image"), "is not image_url"),
    (at(f"7.{D}.images.0.image_url.url", "https://x"), "no data"),
    (insert(8, delta({"images": [PICTURE]})), "repeats its data"),
    (at(f"9.{D}.annotations.0.type", "file_citation"), "is not url_citation"),
    (at(f"9.{D}.annotations.0.url_citation.url", ...), "url: must be a string"),
    (at(f"9.{D}.annotations.0.url_citation.title", None), "title: must be a string"),
    (at(f"9.{D}.annotations.0.url_citation.start_index", 1), "empty or backwards"),
    (at(f"9.{D}.annotations.0.url_citation.end_index", -1), "not negative"),
    (at("10.choices.0.finish_reason", "end_turn"), "not a known value"),
    (at("10.choices.0.finish_reason", "stop"), "stop although there are calls"),
    (at("10.choices.0.finish_reason", "function_call"), "function_call without a call"),
    (at(f"10.{D}.content", "x"), "not empty next to the finish_reason"),
    (insert(11, delta({}, "tool_calls")), "after the finish_reason"),
    (insert(11, delta({"content": "b"})), "after the finish_reason"),
    (insert(10, delta({"function_call": {"name": "f", "arguments": "{}"}})), "both tool_calls and function_call"),
    (drop(10), "before the finish_reason"),
    (insert(12, GOOD[11]), "second usage chunk"),
    (at("11.usage", None), "usage: must be an object"),
    (at("11.usage.total_tokens", 4), "not the sum"),
    (at("11.usage.prompt_tokens", -1), "not negative"),
    (at("11.usage.prompt_tokens", None), "whole number"),
    (insert(11, ERROR), "an error after the finish_reason"),
    (insert(10, ERROR), "comes after the end"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "why"), RULES)
def test_each_rule_of_the_chunks(change: Change, why: str) -> None:
    values = copy.deepcopy(GOOD)
    change(values)
    with pytest.raises(GrammarError, match=why):
        check_chat(wire(values, DONE))


@pytest.mark.parametrize(("since", "good"), [(1, True), (2, False)])
def test_another_model_may_answer_than_was_asked_first(since: int, good: bool) -> None:
    """All but the role's chunk name it."""
    values = copy.deepcopy(GOOD)
    for value in values[since:]:
        value["model"] = "other"
    if good:
        check_chat(wire(values, DONE))
    else:
        with pytest.raises(GrammarError, match="model: differs"):
            check_chat(wire(values, DONE))


def test_calls_and_their_word() -> None:
    with pytest.raises(GrammarError, match="tool_calls without a call"):
        check_chat(wire([GOOD[0], delta({}, "tool_calls"), GOOD[-1]], DONE))
    twice = [delta({"function_call": {"name": "f", "arguments": "{}"}})] * 2
    with pytest.raises(GrammarError, match="repeats the name"):
        check_chat(wire([GOOD[0], *twice, delta({}, "function_call"), GOOD[-1]], DONE))
    with pytest.raises(GrammarError, match="not JSON"):
        check_chat(wire([GOOD[0], delta({"function_call": {"name": "f", "arguments": "{"}}), delta({}, "function_call"),
                         GOOD[-1]], DONE))  # fmt: skip


@pytest.mark.parametrize("name", ["message", "type", "param", "code"])
def test_an_error_has_all_four_members(name: str) -> None:
    error = {"error": {key: value for key, value in ERROR["error"].items() if key != name}}
    with pytest.raises(GrammarError, match=name):
        check_chat(wire([GOOD[0], error]))


def test_an_errors_code_is_no_number() -> None:
    with pytest.raises(GrammarError, match="code: is not a string"):
        check_chat(wire([{"error": {**ERROR["error"], "code": 429}}]))


GOOD_BYTES = b"".join(wire(GOOD, DONE))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no blank line"),
        (b"event: x\n" + GOOD_BYTES, "is not a data event"),
        (b"data:{}\n\n" + GOOD_BYTES, "is not a data event"),
        (b"data: {\ndata: }\n\n" + GOOD_BYTES, "more than one line"),
        (GOOD_BYTES.replace(b'"content": "a"', '"content": "\u2028"'.encode()), "U\\+2028"),
        (GOOD_BYTES + DONE, "comes after the end"),
        (GOOD_BYTES[: -len(DONE)], r"ends without \[DONE\]"),
        (DONE, r"\[DONE\] without a finish_reason"),
        (b"".join(wire(GOOD[:5], DONE)), r"\[DONE\] without a finish_reason"),
        (b"".join(wire([ERROR], DONE)), "comes after the end"),
    ],
)
def test_each_rule_of_the_framing(data: bytes, why: str) -> None:
    with pytest.raises(GrammarError, match=why):
        check_chat(data)
