"""Calls that the gateway runs itself are no calls for a client: Chat, Messages and Gemini show one answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import LISTINGS, OF_SERVERS, served_lists
from tests.surfaces.playing import ALL, HELLO, SECRET, SURFACES, ask, context, hear, replayed
from tests.surfaces.responses.asking import check_contents
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Record,
    RoundOpened,
    Signature,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.family import rules
from zerogravity.core.fold import fold
from zerogravity.core.registry import CallMemory
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import cancelled
from zerogravity.testing.builders import FakeClock, call, chunk, data, part, usage
from zerogravity.wire.google import GoogleDecoder

HIDING = ("chat", "messages", "gemini")
hiding = pytest.mark.parametrize("name", HIDING)


def two_rounds(name: str, *first: Any, mine: bool = False) -> CascadeChannel:
    """A captured turn: chunks of a first answer, whose calls of servers are run, and those of a second one."""
    turn = replace(ask(name), stream=True)
    writer = RunningTurn(turn, FakeClock())
    writer.append(-1, b"", (LISTINGS[0],))
    answers = [first] if mine else [first, [chunk(part("It is x.")), chunk(finish="STOP", usage=usage(20, 4))]]
    for number, chunks in enumerate(answers):
        if number:
            writer.append(-1, b"", (RoundOpened("gemini-3-flash"),))
        known = len(writer.channel.state.function_calls)
        decoder = GoogleDecoder(lambda n, known=known: f"call_{known + n:024}", frozenset(OF_SERVERS) | {"f"})
        writer.append(number, b"", (AttemptOpened(),))
        for value in chunks:
            events = decoder.decode(data(value))
            writer.append(number, decoder.source, events)
        writer.append(number, b"", decoder.close())
        for made in writer.channel.state.function_calls:
            if made.server and made.returned is None:
                writer.append(-1, b"", (CallReturned(made.call_id, "found"),))
    writer.close(Finished("tool" if mine else "stop"))
    return writer.channel


LOOKS = (chunk(part("Let me look. ")), chunk(call("docs.find", "c2ln", q="x"), finish="STOP", usage=usage(10, 5)))


@hiding
@given(served_lists(), st.booleans())
def test_any_turn_gives_a_legal_stream_without_them(name: str, made: list[Record], stream: bool) -> None:
    channel = replayed(made, replace(ask(name), stream=stream))
    heard = hear(name, channel)
    assert [call[1] for call in heard.calls] == [call.name for call in fold(made).client_calls]


@hiding
def test_the_texts_of_all_rounds_are_one_answer(name: str) -> None:
    channel = two_rounds(name, *LOOKS)
    heard = hear(name, channel)
    assert (heard.text, heard.calls) == ("Let me look. It is x.", [])
    assert heard.finish in ("stop", "end_turn", "STOP")
    whole = SURFACES[name].answer(channel, SECRET)
    assert whole.status == 200
    assert "docs.find" not in str(whole.body)
    assert "found" not in str(whole.body)


@hiding
def test_the_figures_are_those_of_all_rounds(name: str) -> None:
    found = str(hear(name, two_rounds(name, *LOOKS)).usage)
    assert ("30" in found, "9" in found) == (True, True)


@hiding
def test_calls_of_the_client_beside_them_are_shown(name: str) -> None:
    both = chunk(call("docs.find", "c2ln", q="x"), call("f", a=1), finish="STOP")
    heard = hear(name, two_rounds(name, both, mine=True))
    assert [made[1:] for made in heard.calls] == [("f", '{"a":1}')]
    assert heard.finish in ("tool_calls", "tool_use", "STOP")


@hiding
def test_in_the_models_other_spelling_of_a_name(name: str) -> None:
    called = chunk(call("default_api:docs.find", q="x"), finish="STOP")
    heard = hear(name, two_rounds(name, called))
    assert (heard.text, heard.calls) == ("It is x.", [])


@pytest.mark.parametrize("name", ALL)
def test_a_failure_behind_one_is_a_status_where_nothing_was_shown(name: str) -> None:
    """Responses shows the call; elsewhere the client has seen nothing yet."""
    events: list[Event] = [LISTINGS[0]]
    writer = RunningTurn(replace(ask(name), stream=True), FakeClock())
    writer.append(-1, b"", tuple(events))
    writer.append(0, b"", (AttemptOpened(),))
    decoder = GoogleDecoder(lambda n: f"call_{n:024}", frozenset(OF_SERVERS))
    writer.append(0, b"", decoder.decode(data(chunk(call("docs.find")))))
    writer.close(Failed(cancelled()))
    assert SURFACES[name].has_output(writer.channel) is (name == "responses")


# -- what the next request brings back -----------------------------------------------------------------------------

MINE = FunctionCall(f"call_{'a' * 24}", "f", '{"a":1}', upstream_id="up_mine")
SIGNED, THOUGHT = "c2ln", "RXJVQg=="
FIRST, SECOND, THIRD = (
    FunctionCall(f"call_{letter * 24}", "docs.find", f'{{"q":"{word}"}}', upstream_id=f"up_{word}")
    for letter, word in zip("bcd", ("one", "two", "three"), strict=True)
)
ORDERS = [(MINE,), (MINE, SECOND), (SECOND, MINE), (SECOND, MINE, THIRD)]


def called(name: str, last: Sequence[FunctionCall], model: str = "gemini-3-flash", **more: Any) -> CascadeChannel:
    """A turn whose model calls a server in a first round, and the client's function in a second one, beside others."""
    turn = replace(ask(name, model=model), stream=False, **more)
    writer = RunningTurn(turn, FakeClock())
    writer.add(LISTINGS[0])
    for number, calls in enumerate(((FIRST,), last)):
        if number:
            writer.add(RoundOpened(model))
        own = rules(turn.target.family)
        calls = [each if own.ids_on_calls else replace(each, upstream_id=None) for each in calls]
        calls[0] = replace(calls[0], signature=SIGNED if own.needs_signature else None)
        thought = (ThinkingDelta(f"Hm {number}."), Signature(THOUGHT, "thought")) if own.anthropic else ()
        writer.append(number, b"", (AttemptOpened(), *thought, TextDelta(f"Say {number}. "), *calls))
        writer.append(number, b"", (AttemptClosed("STOP"),))
        writer.add(*(CallReturned(each.call_id, f"found {each.args_json}") for each in calls if each.name != "f"))
    writer.close(Finished("tool"))
    return writer.channel


def goes_on(name: str, channel: CascadeChannel, recall: Any, model: str) -> Turn:
    """The next request of a client: what it has seen, and its own result."""
    body = SURFACES[name].answer(channel, SECRET).body
    match name:
        case "chat":
            message = body["choices"][0]["message"]
            result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "mine"}
            more: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}, message, result]}
        case "messages":
            (use,) = (block for block in body["content"] if block["type"] == "tool_use")
            answer = {"type": "tool_result", "tool_use_id": use["id"], "content": "mine"}
            more = {"messages": [
                {"role": "user", "content": "Hi"}, {"role": "assistant", "content": body["content"]},
                {"role": "user", "content": [answer]},
            ]}  # fmt: skip
        case _:
            content = body["candidates"][0]["content"]
            (made,) = (part["functionCall"] for part in content["parts"] if "functionCall" in part)
            response = {name: made[name] for name in ("id", "name") if name in made} | {"response": {"output": "mine"}}
            more = {"contents": [
                {"role": "user", "parts": [{"text": "Hi"}]}, content,
                {"role": "user", "parts": [{"functionResponse": response}]},
            ]}  # fmt: skip
    within = replace(context("turn_" + "8" * 32), recall=recall)
    return SURFACES[name].parse({"model": model, **HELLO[name], **more}, within)


def steps(turn: Turn) -> list[list[tuple[str, Any]]]:
    """Of each content with results: the calls' arguments, and what they came to."""
    found = list[list[tuple[str, Any]]]()
    for said, told in pairwise(turn.google_request["contents"]):
        calls = [part["functionCall"]["args"] for part in said["parts"] if "functionCall" in part]
        results = [part["functionResponse"]["response"] for part in told["parts"] if "functionResponse" in part]
        if calls or results:
            found += [list(zip(("".join(map(str, call.values())) for call in calls),
                               (result["output"] for result in results), strict=True))] * bool(calls)  # fmt: skip
    return found


def told(call: FunctionCall) -> tuple[str, str]:
    """The argument, and the result."""
    (argument,) = json.loads(call.args_json).values()
    return str(argument), "mine" if call is MINE else f"found {call.args_json}"


MODELS = ("gemini-3-flash", "gemini-2.5-flash", "claude-sonnet-4-6")


@hiding
@pytest.mark.parametrize("last", ORDERS, ids=["alone", "first", "last", "between"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("then", MODELS[::2])
def test_a_model_gets_back_what_was_run_before_and_beside_the_client_s_call(
    name: str, last: Sequence[FunctionCall], model: str, then: str
) -> None:
    """Also where another model goes on, in its own way. Gemini's clients know calls by Google's ids alone."""
    channel, memory = called(name, last, model), CallMemory(FakeClock())
    memory.learn(channel)
    turn = goes_on(name, channel, memory.of(channel.turn.owner), then)
    if name == "gemini" and model == "gemini-2.5-flash":
        assert [call for step in steps(turn) for call, _ in step] == ["1"]
        return
    if name != "gemini" or model == then:  # else the signature of the client's own call is up to the client
        check_contents(turn.google_request["contents"], turn.target.family)
    assert steps(turn) == [[told(FIRST)], [told(each) for each in last]]
    if model == then and "claude" in model:
        assert "switched off" not in str(turn.notes)


@hiding
def test_it_comes_back_to_its_owner_only(name: str) -> None:
    channel, memory = called(name, (SECOND, MINE), owner="one"), CallMemory(FakeClock())
    memory.learn(channel)
    turn = goes_on(name, channel, memory.of("another"), "gemini-3-flash")
    assert [call for step in steps(turn) for call, _ in step] == ["1"]
