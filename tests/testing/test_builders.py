"""The builders fit one another: what they make goes through the real decoder, fold and policy."""

from __future__ import annotations

import json

import pytest

from zerogravity.core.channel import ChannelWriter
from zerogravity.core.events import Failed, Finished, TextDelta, Usage
from zerogravity.core.fold import fold
from zerogravity.testing import builders
from zerogravity.testing.builders import FakeClock, call, captured, channel, chunk, part, records, replay, sse, turn


def test_a_captured_answer() -> None:
    made = captured(turn(), [
        chunk(part("hm", thought=True)), chunk(part("It is ")), chunk(call("tell", "c2ln", city="Paris")),
        chunk(part("sunny."), finish="STOP", usage=builders.usage(10, 4, thoughts=5, cached=3)),
    ])  # fmt: skip
    assert made.terminal == Finished("tool")
    assert made.state.text == "It is sunny."
    (made_call,) = made.state.function_calls
    assert (made_call.name, made_call.args_json, made_call.signature) == ("tell", '{"city":"Paris"}', "c2ln")
    assert made.state.usage == Usage(prompt=10, cached=3, candidates=4, thoughts=5, total=19)


def test_attempts_follow_one_another_in_one_channel() -> None:
    made = captured(turn(), [chunk(part("hm", thought=True), finish="STOP")], [chunk(part("so"), finish="STOP")])
    assert (made.state.text, made.terminal) == ("so", Finished("stop"))
    assert {record.attempt_no for record in made.records} == {-1, 0, 1}


@pytest.mark.parametrize("dropped", [False, True])
def test_an_answer_without_an_end(dropped: bool) -> None:
    made = captured(turn(), [chunk(part("Pa"))], dropped=dropped)
    assert isinstance(made.terminal, Failed)


def test_records_and_channels_of_events() -> None:
    made = records([TextDelta("a"), TextDelta("b")], Finished("stop"), gap_s=0.4)
    assert [record.t_ns for record in made] == [0, 400_000_000, 800_000_000, 1_200_000_000]
    again = channel(turn(), TextDelta("a"), TextDelta("b"), end=Finished("stop"))
    assert fold(again.records).items == fold(made).items == replay(made, ChannelWriter(turn(), FakeClock())).state.items


@pytest.mark.parametrize("envelope", [True, False])
def test_a_stream(envelope: bool) -> None:
    line, _, rest = sse(chunk(part("a")), b"{}", envelope=envelope).partition(b"\r\n\r\n")
    value = json.loads(line.removeprefix(b"data: "))
    assert (value["response"] if envelope else value)["candidates"][0]["content"]["parts"] == [{"text": "a"}]
    assert rest == b"data: {}\r\n\r\n"


def test_what_a_stored_response_contributes() -> None:
    assert [content["parts"] for content in builders.stored("x", "y").contents] == [[{"text": "x"}], [{"text": "y"}]]
