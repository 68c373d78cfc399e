from __future__ import annotations

import asyncio

import pytest

from zerogravity.core.channel import RECORD_OVERHEAD, CascadeChannel, CursorExpired
from zerogravity.core.events import (
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    InlineData,
    Notice,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.policy import Await
from zerogravity.errors import FaultError, Origin, Termination, internal, upstream


@pytest.fixture
def channel(make_turn, clock):
    return CascadeChannel(make_turn(), clock)


def text(channel, *pieces):
    return [channel.append(0, piece.encode(), (TextDelta(piece),)) for piece in pieces]


async def settle():
    """Let everything that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


# -- writing ---------------------------------------------------------------------------------------------------


def test_records_are_numbered_timed_and_counted(channel, clock):
    channel.append(0, b"abc", (TextDelta("abc"),), (4, 9))
    clock.advance(1)
    record = channel.append(1, b"", (TextDelta("x"),))
    assert [r.seq for r in channel.records] == [0, 1]
    assert record.t_ns - channel.records[0].t_ns == 1_000_000_000
    assert channel.records[0].span == (4, 9)
    assert (channel.records[0].attempt_no, record.attempt_no) == (0, 1)
    assert channel.statistics().records == 2
    assert channel.statistics().bytes == channel.size == 3 + 1 + 2 * RECORD_OVERHEAD


def test_the_first_close_wins(channel):
    assert channel.close(Finished("stop")) is True
    assert channel.close(Failed(internal("late"))) is False
    assert channel.terminal == Finished("stop")
    assert [record.terminal for record in channel.records] == [Finished("stop")]


def test_late_records_are_counted_not_kept(channel):
    channel.close(Finished("stop"))
    assert channel.append(0, b"late", (TextDelta("late"),)) is None
    assert channel.late == channel.statistics().late == 1
    assert channel.state.text == ""


def test_the_byte_limit_ends_the_turn(make_turn, clock):
    channel = CascadeChannel(make_turn(), clock, max_bytes=1000)
    assert text(channel, "a" * 400)[0] is not None
    assert text(channel, "b" * 700) == [None]
    assert channel.termination is Termination.LIMIT_BYTES
    assert channel.state.text == "a" * 400
    fault = channel.terminal.fault
    assert (fault.status, fault.origin, fault.retryable) == (502, Origin.INTERNAL, True)
    assert "event log is full (limits.turn_bytes)" in fault.message


@pytest.mark.parametrize(
    "event",
    [
        TextDelta("x" * 900),
        ThinkingDelta("x" * 900),
        FunctionCall("call_1", "f", "x" * 900),
        InlineData("image/png", "x" * 900),
    ],
    ids=lambda event: type(event).__name__,
)
def test_polled_records_count_by_their_texts(make_turn, clock, event):
    channel = CascadeChannel(make_turn(), clock, max_bytes=1500)
    assert channel.append(0, b"", (Notice("n", "x"), event)) is not None
    assert channel.append(0, b"", (event,)) is None
    assert channel.termination is Termination.LIMIT_BYTES


@pytest.mark.parametrize("failing", ["first", "middle", "last"])
def test_one_who_fails_at_the_end_keeps_no_other_from_being_told(channel, caplog, failing):
    told = []

    def fails(_):
        raise RuntimeError("our bug")

    members = {name: fails if name == failing else told.append for name in ("first", "middle", "last")}
    for member in members.values():
        channel.on_close.append(member)
    assert channel.close(Finished("stop"))
    assert told == [channel, channel]
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


def test_who_wants_to_know_of_the_end_too_late_is_told_at_once(channel):
    told = []
    channel.close(Finished("stop"))
    channel.on_close.append(told.append)
    assert told == [channel]


def test_on_close_runs_once_after_the_terminal_record(channel):
    seen = []
    channel.on_close.append(lambda c: seen.append((c.closed, c.records[-1].terminal, "done" in c.marks)))
    channel.close(Finished("stop"))
    channel.close(Finished("stop"))
    assert seen == [(True, Finished("stop"), True)]


def test_marks_are_the_first_times(channel, clock):
    clock.advance(1)
    channel.mark("told")
    clock.advance(1)
    channel.mark("told")
    channel.append(0, b"", (AttemptOpened(),))
    clock.advance(1)
    channel.append(0, b"x", (ThinkingDelta("x"),))
    clock.advance(1)
    text(channel, "", "a")
    clock.advance(1)
    text(channel, "b")
    channel.append(0, b"c", (FunctionCall("call_1", "f", "{}"),))
    clock.advance(1)
    channel.close(Finished("tool"))
    start = channel.marks["received"]
    assert {name: (at - start) // 10**9 for name, at in channel.marks.items()} == {
        "received": 0, "told": 1, "first_byte": 2, "first_thinking": 3, "first_text": 4, "first_call": 5, "done": 6,
    }  # fmt: skip


def test_phase_is_the_newest_even_at_the_same_instant(channel):
    assert channel.phase == "received"
    channel.mark("queued")
    assert channel.phase == "queued"
    channel.append(0, b"", (AttemptOpened(),))
    assert channel.phase == "first_byte"
    channel.close(Finished("stop"))
    channel.mark("matched")
    assert channel.phase == "done"


def test_a_failed_turn_says_so(channel):
    channel.close(Failed(internal("x")))
    assert channel.phase == "failed"


@pytest.mark.parametrize(
    ("terminal", "code"),
    [
        (Finished("stop"), Termination.OK),
        (Finished("tool"), Termination.TOOL),
        (Finished("length"), Termination.LENGTH),
        (Finished("filtered"), Termination.FILTERED),
        (Failed(upstream(502, "x", "y", Termination.UPSTREAM_DROP)), Termination.UPSTREAM_DROP),
    ],
)
def test_termination_codes(channel, terminal, code):
    assert channel.termination is None
    channel.close(terminal)
    assert channel.termination is code


# -- reading -----------------------------------------------------------------------------------------------------


async def collect(cursor):
    return [record async for batch in cursor for record in batch]


@pytest.mark.parametrize("start", [0, 1, 2, 3, 4, 99])
async def test_a_cursor_from_n_sees_the_suffix(channel, start):
    text(channel, "a", "b")
    reading = asyncio.create_task(collect(channel.cursor(start)))
    await settle()
    text(channel, "c")
    channel.close(Finished("stop"))
    assert await reading == channel.records[start:]


def test_a_negative_start_is_the_beginning(channel):
    text(channel, "a", "b")
    assert channel.cursor(-1).take_nowait() == channel.records


def test_a_batch_is_whatever_has_come(channel):
    cursor = channel.cursor()
    assert cursor.take_nowait() == []
    text(channel, "a", "b")
    assert [record.data for record in cursor.take_nowait()] == [b"a", b"b"]
    assert cursor.take_nowait() == []
    assert not cursor.at_end
    channel.close(Finished("stop"))
    assert not cursor.at_end
    assert cursor.take_nowait()[0].terminal == Finished("stop")
    assert cursor.at_end


async def test_ready_tells_arrival_from_silence(channel):
    cursor = channel.cursor()
    assert await cursor.ready(0) is False
    waiting = asyncio.create_task(cursor.ready(60))
    await settle()
    text(channel, "a")
    assert await waiting is True
    assert cursor.take_nowait()
    channel.close(Finished("stop"))
    assert await cursor.ready(0) is True
    cursor.take_nowait()
    assert await cursor.ready(0) is True


async def test_wait_closed(channel):
    waiting = asyncio.create_task(channel.wait_closed())
    await settle()
    text(channel, "a")
    await settle()
    assert not waiting.done()
    channel.close(Finished("stop"))
    assert await waiting == Finished("stop")


async def test_a_supervisor_sleeps_through_events_and_wakes_for_phases_and_policy(channel):
    woken = 0

    async def supervise():
        nonlocal woken
        while True:
            await channel.phase_changed()
            woken += 1

    task = asyncio.create_task(supervise())
    await settle()
    text(channel, "a", "b")
    await settle()
    assert woken == 0
    channel.mark("matched")
    await settle()
    channel.mark("matched")
    await settle()
    assert woken == 1
    decision = Await(1.0, internal("x"))
    channel.awaiting = decision
    await settle()
    channel.awaiting = decision
    await settle()
    assert (woken, channel.awaiting) == (2, decision)
    channel.close(Finished("stop"))
    await settle()
    assert woken == 3
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_reader_leaves_nothing_behind(channel):
    reading = asyncio.create_task(collect(channel.cursor()))
    await settle()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert channel._waiters == []
    text(channel, "a")
    assert len(channel.records) == 1


# -- leaving -----------------------------------------------------------------------------------------------------


def test_the_last_counted_reader_of_an_unfinished_turn_is_told_once(channel):
    left = []
    channel.on_abandoned = left.append
    first, second, observer = channel.cursor(), channel.cursor(), channel.cursor(observer=True)
    assert channel.readers == 2
    first.close()
    first.close()
    assert (left, channel.readers) == ([], 1)
    second.close()
    assert (left, channel.readers) == ([channel], 0)
    observer.close()
    assert left == [channel]


def test_leaving_a_finished_turn_abandons_nothing(channel):
    left = []
    channel.on_abandoned = left.append
    with channel.cursor():
        channel.close(Finished("stop"))
    assert (left, channel.readers) == ([], 0)


def test_observers_alone_abandon_nothing(channel):
    left = []
    channel.on_abandoned = left.append
    with channel.cursor(observer=True):
        assert channel.readers == 0
    assert left == []


def test_readers_are_limited_and_observers_are_not(make_turn, clock):
    channel = CascadeChannel(make_turn(), clock, max_readers=2)
    first, _ = channel.cursor(), channel.cursor()
    with pytest.raises(FaultError) as caught:
        channel.cursor()
    assert (caught.value.fault.status, caught.value.fault.code) == (429, "too_many_readers")
    channel.cursor(observer=True)
    first.close()
    channel.cursor()


# -- eviction ----------------------------------------------------------------------------------------------------


def test_evicted_records_expire_the_cursors_that_want_them(channel):
    behind, done = channel.cursor(), channel.cursor()
    text(channel, "a")
    channel.close(Finished("stop"))
    done.take_nowait()
    channel.release()
    with pytest.raises(CursorExpired):
        behind.take_nowait()
    assert not behind.at_end
    with pytest.raises(CursorExpired):
        channel.cursor().take_nowait()
    assert done.take_nowait() == []
    assert done.at_end, "who has read everything wants nothing more"
    assert (channel.size, channel.records, channel.statistics().records) == (0, [], 2)


async def test_a_reader_overtaken_by_eviction_hears_of_it(channel):
    cursor = channel.cursor()
    text(channel, "a")
    assert len(await anext(cursor)) == 1
    text(channel, "b")
    channel.close(Finished("stop"))
    channel.release()
    assert await cursor.ready(0) is True
    with pytest.raises(CursorExpired):
        await anext(cursor)


def test_a_running_turn_is_never_released(channel):
    with pytest.raises(AssertionError):
        channel.release()


def test_what_was_folded_survives_eviction(channel):
    text(channel, "a")
    channel.close(Finished("stop"))
    channel.release()
    assert channel.state.text == "a"
    assert channel.terminal == Finished("stop")
