"""Answers of the Messages surface: what has gone wrong for others, by the numbers of wire-anthropic 7."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.strategies import record_lists
from tests.surfaces.messages.answering import (
    STOP,
    TOOL,
    Json,
    accumulated,
    channel_of,
    content,
    stream,
    turn_with,
    whole,
)
from tests.surfaces.playing import SECRET, ask, context, frames, hear, play, replayed
from zerogravity import errors
from zerogravity.core.events import (
    Event,
    Failed,
    Finished,
    FunctionCall,
    Record,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.fold import Call
from zerogravity.surfaces.common.sealed_state import MAX_PARTS
from zerogravity.surfaces.messages import surface
from zerogravity.surfaces.messages.identifiers import call_id
from zerogravity.testing.builders import call, chunk, part, records, usage
from zerogravity.testing.check import check_messages

FORMS = ("shown", "omitted", "hidden")
SIGNED = FunctionCall("call_" + "1" * 24, "f", '{"a": 1}', "U0lH")


def asked_again(made: Json, **more: Any) -> list[Json]:
    """The parts that Google gets of the model when a client sends an answer back, with results for its calls."""
    uses = [block for block in made["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": use["id"], "content": "ok"} for use in uses]
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": made["content"]},
        {"role": "user", "content": [*results, {"type": "text", "text": "go on"}]},
    ]
    body = {"model": "gemini-3-flash", "max_tokens": 5000, "thinking": {"type": "adaptive"}, "messages": messages}
    contents = surface.parse({**body, **more}, context()).google_request["contents"]
    return [part for each in contents if each["role"] == "model" for part in each["parts"]]


@pytest.mark.parametrize("arguments", ["{}", '{"a": {"b": [1, 2]}}'])
def test_01_arguments_are_in_the_deltas_and_nowhere_else(arguments: str) -> None:
    events = stream([FunctionCall("call_1", "f", arguments)], TOOL)
    (start,) = [event for event in events if event["type"] == "content_block_start"]
    assert start["content_block"]["input"] == {}
    assert "".join(event["delta"].get("partial_json", "") for event in events if "delta" in event) == arguments


@pytest.mark.parametrize("thoughts", FORMS)
@given(made=record_lists())
def test_02_no_signature_of_a_call_is_lost_between_rounds(thoughts: str, made: list[Record]) -> None:
    """Nothing is remembered here: all that comes back came through the client."""
    channel = replayed(made, turn_with({"thoughts": thoughts}, target=ask("messages").target))
    if isinstance(channel.terminal, Failed):
        return
    sent = accumulated(check_messages(frames("messages", channel)))
    signed: dict[str, Call] = {
        one.call_id: one
        for one in channel.state.function_calls
        if one.signature and not one.late and sum(map(len, one.before)) <= MAX_PARTS
    }
    uses = [block for block in sent["content"] if block["type"] == "tool_use"]
    calls = [each for each in asked_again(sent) if "functionCall" in each]
    assert len(calls) == len(uses)
    for use, each in zip(uses, calls, strict=True):
        if (one := signed.get(call_id(use["id"]))) is not None:
            assert each["thoughtSignature"] == one.signature


@pytest.mark.parametrize("thoughts", ["shown", "omitted"])
def test_02_thoughts_come_back_as_thoughts(thoughts: str) -> None:
    events: list[Event] = [ThinkingDelta("hm"), Signature("VEhP", "thought"), SIGNED]
    turn = turn_with({"thoughts": thoughts}, target=ask("messages").target)
    thought, made = asked_again(whole(replayed(records(events, TOOL), turn)))
    assert thought == {"text": "hm", "thought": True, "thoughtSignature": "VEhP"}
    assert made["thoughtSignature"] == "U0lH"


def test_25_a_thought_without_a_signature_does_not_come_back_as_text() -> None:
    sent = whole(channel_of([ThinkingDelta("hm"), TextDelta("a")], STOP, thoughts="shown"))
    assert asked_again(sent) == [{"text": "a"}]


@pytest.mark.parametrize("thoughts", FORMS)
def test_04_a_signature_is_not_given_to_another_family(thoughts: str) -> None:
    sent = whole(channel_of([ThinkingDelta("hm"), SIGNED], TOOL, thoughts=thoughts))
    assert "U0lH" not in str(asked_again(sent, model="claude-sonnet-4-6"))


def test_05_indices_are_dense_and_one_block_is_open_at_a_time() -> None:
    events = stream([ThinkingDelta("a"), TextDelta("b"), SIGNED, TextDelta("c"), ThinkingDelta("d")], TOOL,
                    thoughts="shown")  # fmt: skip
    marks = [(event["type"], event["index"]) for event in events if event["type"].endswith(("_start", "_stop"))
             and "index" in event]  # fmt: skip
    assert marks == [(f"content_block_{word}", index) for index in range(6) for word in ("start", "stop")]


def test_06_25_thinking_is_in_blocks_of_its_own() -> None:
    """Neither as text nor in tags."""
    blocks = content([ThinkingDelta("hm"), TextDelta("a"), ThinkingDelta("again"), TextDelta("b")], STOP,
                     thoughts="shown")  # fmt: skip
    assert [block.get("thinking", block.get("text")) for block in blocks] == ["hm", "a", "again", "b"]
    assert "".join(block.get("text", "") for block in blocks) == "ab"


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ((chunk(call("f")), chunk(finish="STOP")), "tool_use"),
        ((chunk(call("f")), chunk(part("a")), chunk(finish="STOP")), "tool_use"),
        ((chunk(part("a")), chunk(finish="STOP")), "end_turn"),
        ((chunk(call("f"), finish="MAX_TOKENS"),), "max_tokens"),
        ((chunk(part("a"), {"functionCall": {"name": "f", "willContinue": True}}, finish="MAX_TOKENS"),), "max_tokens"),
        ((chunk(part("a"), finish="SAFETY"),), "refusal"),
    ],
)  # fmt: skip
def test_07_the_stop_reason_is_decided_over_all_chunks(chunks: tuple[Any, ...], reason: str) -> None:
    """A call that was cut is dropped, a whole one stays."""
    channel = play(ask("messages"), *chunks)
    heard = hear("messages", channel)
    whole_calls = sum("args" in one["functionCall"] for each in chunks for one in
                      each["candidates"][0].get("content", {}).get("parts", ()) if "functionCall" in one)  # fmt: skip
    assert (heard.finish, len(heard.calls)) == (reason, whole_calls)
    assert whole(channel)["stop_reason"] == reason


@pytest.mark.parametrize("finish", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE", "STOP"])
@pytest.mark.parametrize("before", [(), (chunk(part("hm", thought=True)),)])
def test_08_an_unusable_answer_is_no_empty_success(finish: str, before: tuple[Any, ...]) -> None:
    channel = play(ask("messages"), *before, chunk(finish=finish))
    assert hear("messages", channel).error is not None
    assert surface.answer(channel, SECRET).body["error"]["type"] == "api_error"


def test_09_input_is_told_even_if_google_does_not_count_it() -> None:
    events = stream([TextDelta("a")], STOP, input_tokens=77)
    assert events[0]["message"]["usage"]["input_tokens"] == events[-2]["usage"]["input_tokens"] == 77


def test_10_cached_input_is_told_apart() -> None:
    counts = usage(1000, 5, 0, 900)
    told = hear("messages", play(ask("messages"), chunk(part("a"), finish="STOP", usage=counts))).usage
    assert told is not None
    assert (told["input_tokens"], told["cache_read_input_tokens"]) == (100, 900)


@pytest.mark.parametrize("events", [[], [TextDelta("a")], [ThinkingDelta("hm")], [SIGNED]])
def test_12_a_failure_is_never_a_normal_end(events: list[Event]) -> None:
    fault = errors.upstream(502, "upstream_drop", "the connection broke")
    sent = stream(events, Failed(fault), thoughts="shown")
    assert sent[-1]["type"] == "error"
    assert not {"message_delta", "message_stop"} & {event["type"] for event in sent}


def test_17_names_of_tools_are_the_clients() -> None:
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in ("Read", "mcp__a__B-c", "my tool")]
    turn = ask("messages", tools=tools)
    wire = [one["name"] for one in turn.google_request["tools"][0]["functionDeclarations"]]
    channel = play(turn, chunk(*(call(name) for name in wire), finish="STOP"))
    assert [name for _, name, _ in hear("messages", channel).calls] == ["Read", "mcp__a__B-c", "my tool"]


def test_20_silence_has_pings() -> None:
    emitter = surface.emitter(channel_of([], STOP), SECRET)
    assert emitter.heartbeat == b'event: ping\ndata: {"type":"ping"}\n\n'


@pytest.mark.parametrize("end", [STOP, Finished("length"), Finished("filtered")])
def test_counts_come_twice(end: Finished) -> None:
    """SDKs raise where usage is missing in either place."""
    events = stream([TextDelta("a"), Usage(5, 0, 1)], end)
    assert [event for event in events if "usage" in event.get("message", event)] == [events[0], events[-2]]
