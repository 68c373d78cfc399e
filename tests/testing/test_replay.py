from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import record_lists
from zerogravity import errors
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    Record,
    Signature,
    TextDelta,
    Usage,
)
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import FaultError, Termination, bad_request
from zerogravity.observe.trace_reader import Trace
from zerogravity.testing import builders
from zerogravity.testing import replay as replaying
from zerogravity.testing.builders import FakeClock
from zerogravity.testing.replay import InjectedFault, Pace, ReplayEngine, parse_mishap, parse_speed


class Recorded(Trace):
    """A trace with given records instead of files."""

    def __init__(self, records):
        super().__init__(Path("nowhere"), {"id": "turn_" + "9" * 32})
        self.__dict__["records"] = list(records)


class Time:
    """A clock that sleeping moves."""

    def __init__(self):
        self.clock = FakeClock()
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)


def chunk(text):
    return b'{"response":{"candidates":[{"content":{"parts":[{"text":"%s"}]}}]}}' % text.encode()


def usage_chunk(total):
    return b'{"usageMetadata":{"promptTokenCount":%d,"totalTokenCount":%d}}' % (total, total)


CALLS = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a": 1}}}]}}]}'


def answer(*pieces, terminal=None, start=500, gap=100):
    """Records as read from a trace: ``gap`` ms apart."""
    made = [Record(0, start * 10**6, 0, b"", (AttemptOpened(),))]
    for piece in pieces:
        t = made[-1].t_ns + gap * 10**6
        events = (Usage(1),) if piece.startswith(b'{"usage') else (TextDelta("recorded"),)
        made.append(Record(len(made), t, 0, piece, events, (len(made), len(made) + 1)))
    made.append(Record(len(made), made[-1].t_ns, 0, b"", (AttemptClosed("STOP"),)))
    made.append(Record(len(made), made[-1].t_ns, -1, b"", (terminal or Finished("stop"),)))
    return made


async def play(records, make_turn, *, stops=(), **pace):
    time = Time()
    store = MitmStore(time.clock)
    engine = ReplayEngine(store, lambda _: Recorded(records), pace=Pace(**pace), sleep=time.sleep)
    channel = engine.run(make_turn(stops=stops))
    await channel.wait_closed()
    await engine.close()
    return channel, time


# -- faithful ----------------------------------------------------------------------------------------------------------


async def test_the_bytes_are_decoded_again_in_their_own_time(make_turn):
    channel, time = await play(answer(chunk("Hel"), chunk("lo"), start=500, gap=250), make_turn)
    assert channel.state.text == "Hello"
    assert channel.terminal == Finished("stop")
    assert time.slept == pytest.approx([0.5, 0.25, 0.25], abs=1e-6)
    start = channel.marks["received"]
    times = [(record.t_ns - start) / 1e6 for record in channel.records]
    assert times == pytest.approx([500, 750, 1000, 1000, 1000, 1000])
    assert [record.span for record in channel.records] == [(0, 0), (1, 2), (2, 3), *[(0, 0)] * 3]


@pytest.mark.parametrize(("speed", "slept"), [(0.25, [2, 0.4, 0.4]), (4, [0.125, 0.025, 0.025])])
async def test_speed(make_turn, speed, slept):
    _, time = await play(answer(chunk("a"), chunk("b")), make_turn, speed=speed)
    assert time.slept == pytest.approx(slept, abs=1e-6)


async def test_at_full_speed_nothing_is_waited_for_but_others_run(make_turn):
    channel, time = await play(answer(*[chunk("x")] * 100), make_turn, speed=math.inf)
    assert channel.state.text == "x" * 100
    assert time.slept == [0, 0, 0]


async def test_jitter_is_bounded_and_the_same_each_time(make_turn):
    records = answer(*[chunk("x")] * 20, gap=1000)
    first = (await play(records, make_turn, jitter=0.5))[1].slept
    again = (await play(records, make_turn, jitter=0.5))[1].slept
    assert first == again
    assert all(0.499 <= gap <= 1.501 for gap in first[1:])
    assert len(set(first)) > 10


async def test_a_slow_start_does_not_add_up(make_turn):
    """What is late is caught up with: gaps are counted from the start, not from the last wake-up."""
    time = Time()
    store = MitmStore(time.clock)

    async def late(seconds):
        await time.sleep(seconds + 0.01)

    engine = ReplayEngine(store, lambda _: Recorded(answer(*[chunk("x")] * 10)), sleep=late)
    channel = engine.run(make_turn())
    await channel.wait_closed()
    assert (channel.marks["done"] - channel.marks["received"]) / 1e9 == pytest.approx(1.5, abs=0.02)


async def test_calls_get_ids_of_the_new_turn(make_turn):
    records = answer(CALLS, CALLS, terminal=Finished("tool"))
    first, _ = await play(records, make_turn)
    second, _ = await play(records, make_turn)
    ids = [call.call_id for channel in (first, second) for call in channel.state.function_calls]
    assert len(set(ids)) == 4
    assert [call.args_json for call in first.state.function_calls] == ['{"a": 1}'] * 2


async def test_polled_records_are_played_as_events(make_turn):
    records = answer()
    call = FunctionCall("call_old", "f", "{}", "sig", "up")
    records.insert(1, Record(1, records[0].t_ns, 0, b"", (TextDelta("x"), Signature("s", "text"), call)))
    channel, _ = await play(records, make_turn)
    (played,) = channel.state.function_calls
    assert played.call_id != "call_old"
    assert (played.name, played.signature, played.upstream_id) == ("f", "sig", "up")
    assert channel.state.items[0].signature == "s"


async def test_a_refusal_is_played_as_it_was(make_turn):
    fault = Failed(bad_request("no").fault)
    records = [Record(0, 0, 0, b'{"error":{}}', (AttemptOpened(status=429),)), Record(1, 0, -1, b"", (fault,))]
    channel, _ = await play(records, make_turn)
    assert channel.terminal == fault
    assert channel.state.items == []


async def test_a_recording_without_an_end_breaks_off(make_turn):
    channel, _ = await play(answer(chunk("half"))[:2], make_turn)
    assert channel.state.text == "half"
    assert channel.termination is Termination.UPSTREAM_DROP


@given(record_lists())
def test_any_recording_ends_as_it_did(records):
    time = Time()
    store = MitmStore(time.clock)
    engine = ReplayEngine(store, lambda _: Recorded(records), pace=Pace(math.inf), sleep=time.sleep)

    async def run() -> CascadeChannel:
        channel = engine.run(Turn("turn_" + "7" * 32, "chat", "m", Target("m", "M"), {}))
        await channel.wait_closed()
        await engine.close()
        return channel

    channel = asyncio.run(run())
    assert channel.terminal == records[-1].terminal
    assert [record.data for record in channel.records if record.data] == [
        record.data for record in records if record.data
    ]
    assert channel.state.text == "".join(
        event.text for record in records for event in record.events if isinstance(event, TextDelta)
    )


pieces = st.tuples(st.sampled_from(["text", "thinking", "signed"]), st.text("ab", max_size=4))


@given(st.lists(pieces, max_size=8), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=2))
def test_a_turn_with_stop_sequences_is_replayed_as_it_was(said, stops):
    forms = {"text": {}, "thinking": {"thought": True}, "signed": {"signature": "c2ln"}}
    chunks = [builders.chunk(builders.part(text, **forms[kind])) for kind, text in said]
    turn = builders.turn(stops=tuple(stops))
    recorded = builders.captured(turn, [*chunks, builders.chunk(builders.part(""), finish="STOP")])
    replayed = asyncio.run(play(recorded.records, builders.turn, stops=turn.stops, speed=math.inf))[0]
    assert (replayed.state.items, replayed.terminal) == (recorded.state.items, recorded.terminal)


@pytest.mark.parametrize(("last", "shown"), [("T", "a ENT"), ("D b", "a "), ("", "a EN")])
async def test_a_polled_turn_with_stop_sequences_is_replayed_as_it_was(make_turn, last, shown):
    recorded = RunningTurn(builders.turn(stops=("END",)), FakeClock())
    for events in ((AttemptOpened(), TextDelta("a E")), (TextDelta("N"),), (TextDelta(last), AttemptClosed("STOP"))):
        recorded.append(0, b"", events)
    recorded.close(Finished("stop"))
    replayed, _ = await play(recorded.channel.records, make_turn, stops=("END",))
    assert replayed.state.text == recorded.channel.state.text == shown
    assert replayed.terminal == recorded.channel.terminal


# -- mishaps -----------------------------------------------------------------------------------------------------------


async def test_cut(make_turn):
    channel, _ = await play(answer(*map(chunk, "abcdef")), make_turn, mishaps=(parse_mishap("cut@3"),))
    assert channel.state.text == "abc"
    assert channel.termination is Termination.UPSTREAM_DROP


async def test_delay(make_turn):
    _, time = await play(answer(*map(chunk, "abc")), make_turn, mishaps=(parse_mishap("delay@2=40s"),), speed=2)
    assert time.slept == pytest.approx([0.25, 0.05, 40.05, 0.05], abs=1e-6)


async def test_duplicate_usage_counts_once(make_turn):
    channel, _ = await play(answer(chunk("a"), usage_chunk(5)), make_turn, mishaps=(parse_mishap("dup-usage"),))
    assert [sum(isinstance(e, Usage) for e in record.events) for record in channel.records] == [0, 0, 1, 1, 0, 0]
    assert channel.state.usage.total == 5


@pytest.mark.parametrize(
    ("text", "mishap"),
    [
        ("cut@7", InjectedFault("cut", 7)),
        ("delay@3=40s", InjectedFault("delay", 3, 40.0)),
        ("delay@3=1.5ms", InjectedFault("delay", 3, 0.0015)),
        (" dup-usage ", InjectedFault("dup-usage")),
    ],
)
def test_mishaps(text, mishap):
    assert parse_mishap(text) == mishap


@pytest.mark.parametrize(
    "text", ["", "cut", "cut@", "cut@x", "cut@7=3", "delay@3", "delay@3=", "delay@3=long", "dup-usage@3", "explode@3"]
)
def test_unknown_mishaps(text):
    with pytest.raises(FaultError, match="none of"):
        parse_mishap(text)


@pytest.mark.parametrize(("text", "speed"), [("1", 1), ("0.25", 0.25), ("max", math.inf)])
def test_speeds(text, speed):
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "fast", "", "nan"])
def test_no_speeds(text):
    with pytest.raises(FaultError, match="invalid speed"):
        parse_speed(text)


# -- an engine like the other ------------------------------------------------------------------------------------------


async def test_it_returns_at_once_and_stops_when_everybody_has_left(make_turn):
    asleep = asyncio.Event()

    async def sleep(_):
        asleep.set()
        await asyncio.Event().wait()

    store = MitmStore(FakeClock())
    engine = ReplayEngine(store, lambda _: Recorded(answer(chunk("a"))), sleep=sleep)
    channel = engine.run(make_turn())
    assert not channel.closed
    assert channel.phase == "matched"
    with channel.cursor():
        await asleep.wait()
    assert channel.terminal == Failed(errors.cancelled(Termination.CLIENT_GONE))
    background = engine.run(make_turn(background=True))
    with background.cursor():
        pass
    assert not background.closed
    assert engine.cancel(background)
    assert background.termination is Termination.CANCELLED
    third = engine.run(make_turn())
    await engine.close()
    assert third.termination is Termination.SHUTDOWN
    assert engine.active == 0
    assert engine.run(make_turn()).termination is Termination.SHUTDOWN


@pytest.mark.parametrize("place", ["sleep", "decoder"])
async def test_our_own_bug_ends_the_turn(make_turn, monkeypatch, caplog, place):
    """Whoever listens is not left waiting for ever."""

    async def sleep(_):
        if place == "sleep":
            raise RuntimeError("our bug")

    if place == "decoder":
        monkeypatch.setattr(replaying.GoogleDecoder, "decode", lambda *_: 1 / 0)
    engine = ReplayEngine(MitmStore(FakeClock()), lambda _: Recorded(answer(chunk("a"))), sleep=sleep)
    channel = engine.run(make_turn())
    async with asyncio.timeout(10):
        await channel.wait_closed()
    assert channel.termination is Termination.INTERNAL
    await engine.close()
    assert engine.active == 0
    assert "replay turn_" in caplog.text


async def test_without_a_recording_a_turn_fails_or_goes_to_the_fallback(make_turn):
    def pick(_):
        raise bad_request("no recording")

    store = MitmStore(FakeClock())
    channel = ReplayEngine(store, pick).run(make_turn())
    assert channel.terminal.fault.message == "no recording"

    class Other:
        def run(self, turn):
            return store.open(turn)

    assert not ReplayEngine(store, pick, fallback=Other()).run(make_turn()).closed
