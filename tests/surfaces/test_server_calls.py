"""Calls that the gateway runs itself are no calls for a client: Chat, Messages and Gemini show one answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import LISTINGS, OF_SERVERS, served_lists
from tests.surfaces.playing import ALL, SECRET, SURFACES, ask, hear, replayed
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptOpened,
    CallReturned,
    Event,
    Failed,
    Finished,
    Record,
    RoundOpened,
)
from zerogravity.core.fold import fold
from zerogravity.core.running import RunningTurn
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
