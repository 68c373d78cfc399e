from __future__ import annotations

import asyncio

import pytest

from zerogravity.core.channel import RECORD_OVERHEAD, CascadeChannel, ChannelWriter, CursorExpired
from zerogravity.core.events import (
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    InlineData,
    Notice,
    RequestLine,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.running import RunningTurn
from zerogravity.core.stops import StopWatcher
from zerogravity.errors import FaultError, Origin, Termination, internal, upstream


@pytest.fixture
def left():
    """Whom the last reader has left."""
    return []


@pytest.fixture
def writer(make_turn, clock, left):
    return ChannelWriter(make_turn(), clock, abandoned=left.append)


@pytest.fixture
def channel(writer):
    return writer.channel


def text(writer, *pieces):
    return [writer.append(0, piece.encode(), (TextDelta(piece),)) for piece in pieces]


async def settle():
    """Let everything that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


# -- writing ---------------------------------------------------------------------------------------------------


def test_records_are_numbered_timed_and_counted(writer, channel, clock):
    writer.append(0, b"abc", (TextDelta("abc"),), (4, 9))
    clock.advance(1)
    record = writer.append(1, b"", (TextDelta("x"),))
    assert [r.seq for r in channel.records] == [0, 1]
    assert record.t_ns - channel.records[0].t_ns == 1_000_000_000
    assert channel.records[0].span == (4, 9)
    assert (channel.records[0].attempt_no, record.attempt_no) == (0, 1)
    assert channel.count == 2
    assert channel.size == 3 + 1 + 2 * RECORD_OVERHEAD


def test_the_first_close_wins(writer, channel):
    assert writer.close(Finished("stop")) is True
    assert writer.close(Failed(internal("late"))) is False
    assert channel.terminal == Finished("stop")
    assert [record.terminal for record in channel.records] == [Finished("stop")]


def test_late_records_are_counted_not_kept(writer, channel):
    writer.close(Finished("stop"))
    assert writer.append(0, b"late", (TextDelta("late"),)) is None
    assert channel.late == 1
    assert channel.state.text == ""


def test_the_byte_limit_ends_the_turn(make_turn, clock):
    writer = ChannelWriter(make_turn(), clock, max_bytes=1000)
    channel = writer.channel
    assert text(writer, "a" * 400)[0] is not None
    assert text(writer, "b" * 700) == [None]
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
    writer = ChannelWriter(make_turn(), clock, max_bytes=1500)
    channel = writer.channel
    assert writer.append(0, b"", (Notice("n", "x"), event)) is not None
    assert writer.append(0, b"", (event,)) is None
    assert channel.termination is Termination.LIMIT_BYTES


def test_marks_are_the_first_times(writer, channel, clock):
    clock.advance(1)
    writer.mark("told")
    clock.advance(1)
    writer.mark("told")
    writer.append(0, b"", (AttemptOpened(),))
    clock.advance(1)
    writer.append(0, b"x", (ThinkingDelta("x"),))
    clock.advance(1)
    text(writer, "", "a")
    clock.advance(1)
    text(writer, "b")
    writer.append(0, b"c", (FunctionCall("call_1", "f", "{}"),))
    clock.advance(1)
    writer.close(Finished("tool"))
    start = channel.marks["received"]
    assert {name: (at - start) // 10**9 for name, at in channel.marks.items()} == {
        "received": 0, "told": 1, "first_byte": 2, "first_thinking": 3, "first_text": 4, "first_call": 5, "done": 6,
    }  # fmt: skip


def test_phase_is_the_newest_even_at_the_same_instant(writer, channel):
    assert channel.phase == "received"
    writer.mark("queued")
    assert channel.phase == "queued"
    writer.append(0, b"", (AttemptOpened(),))
    assert channel.phase == "first_byte"
    writer.close(Finished("stop"))
    writer.mark("matched")
    assert channel.phase == "done"


def test_a_failed_turn_says_so(writer, channel):
    writer.close(Failed(internal("x")))
    assert channel.phase == "failed"


@pytest.mark.parametrize(
    ("terminal", "code"),
    [
        (Finished("stop"), Termination.OK),
        (Finished("stop_sequence", "END"), Termination.OK),
        (Finished("tool"), Termination.TOOL),
        (Finished("length"), Termination.LENGTH),
        (Finished("filtered"), Termination.FILTERED),
        (Failed(upstream(502, "x", "y", Termination.UPSTREAM_DROP)), Termination.UPSTREAM_DROP),
    ],
)
def test_termination_codes(writer, channel, terminal, code):
    assert channel.termination is None
    writer.close(terminal)
    assert channel.termination is code


# -- a watched turn --------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(make_turn, clock):
    return ChannelWriter(make_turn(), clock, watcher=StopWatcher(["END"]))


def test_a_stop_sequence_ends_the_turn_in_the_record_that_completes_it(watched):
    channel = watched.channel
    text(watched, "one E")
    record = watched.append(
        0, b"ND two", (TextDelta("ND two"), Usage(1, candidates=2), FunctionCall("call_1", "f", "{}"))
    )
    assert channel.terminal == Finished("stop_sequence", "END")
    assert channel.termination is Termination.OK
    assert [each.events for each in channel.records] == [
        (TextDelta("one "),), (Usage(1, candidates=2),), (Finished("stop_sequence", "END"),),
    ]  # fmt: skip
    assert (record.data, record.seq) == (b"ND two", 1), "what is recorded is what came"
    assert channel.state.usage.candidates == 2
    assert text(watched, "late") == [None]
    assert channel.late == 1


def test_what_was_held_comes_before_the_end(watched):
    channel = watched.channel
    watched.append(2, b"one E", (TextDelta("one E"), Usage(1)))
    assert channel.state.text == "one "
    size = channel.size
    watched.close(Failed(internal("x")))
    assert channel.state.text == "one E"
    held, last = channel.records[1:]
    assert (held.attempt_no, held.data, held.events) == (2, b"", (TextDelta("E"),))
    assert (last.attempt_no, last.events) == (-1, (channel.terminal,))
    assert channel.state.usage == Usage(1)
    assert channel.size == size + 2 * RECORD_OVERHEAD


def test_nothing_is_held_of_what_is_beyond_the_limit(make_turn, clock):
    watched = ChannelWriter(make_turn(), clock, watcher=StopWatcher(["END"]), max_bytes=3)
    watched.append(0, b"12345", (TextDelta("E"),))
    assert watched.channel.termination is Termination.LIMIT_BYTES
    assert watched.channel.state.text == ""


# -- reading -----------------------------------------------------------------------------------------------------


async def collect(cursor):
    return [record async for batch in cursor for record in batch]


@pytest.mark.parametrize("start", [0, 1, 2, 3, 4, 99])
async def test_a_cursor_from_n_sees_the_suffix(writer, channel, start):
    text(writer, "a", "b")
    reading = asyncio.create_task(collect(channel.cursor(start)))
    await settle()
    text(writer, "c")
    writer.close(Finished("stop"))
    assert await reading == channel.records[start:]


def test_a_negative_start_is_the_beginning(writer, channel):
    text(writer, "a", "b")
    assert channel.cursor(-1).take_nowait() == channel.records


def test_a_batch_is_whatever_has_come(writer, channel):
    cursor = channel.cursor()
    assert cursor.take_nowait() == []
    text(writer, "a", "b")
    assert [record.data for record in cursor.take_nowait()] == [b"a", b"b"]
    assert cursor.take_nowait() == []
    assert not cursor.at_end
    writer.close(Finished("stop"))
    assert not cursor.at_end
    assert cursor.take_nowait()[0].terminal == Finished("stop")
    assert cursor.at_end


def test_a_reader_is_called_once_for_news_the_end_or_a_nudge(writer, channel):
    cursor, other, called = channel.cursor(), channel.cursor(), []
    cursor.call(lambda _: called.append("cursor"))
    other.call(lambda _: called.append("other"))
    cursor.nudge()
    cursor.nudge()
    assert (called, cursor.waiting) == (["cursor"], 0)
    text(writer, "a", "b")
    assert (called, cursor.waiting, other.waiting) == (["cursor", "other"], 2, 2)
    cursor.take_nowait()
    cursor.call(lambda _: called.append("end"))
    other.call(lambda _: called.append("never"))
    other.forget()
    writer.close(Finished("stop"))
    assert (called[2:], cursor.waiting) == (["end"], 1)


def test_of_what_comes_together_a_reader_is_told_once_and_that_it_was_all(writer, channel):
    cursor, called = channel.cursor(), []

    def news(whole):
        called.append((whole, cursor.waiting))

    cursor.call(news)
    writer.settle()
    writer.hold()
    text(writer, "a", "b")
    assert called == []
    writer.settle()
    assert called == [(True, 2)]
    cursor.call(news)
    writer.hold()
    writer.settle()
    assert called == [(True, 2)]
    text(writer, "c")
    assert called == [(True, 2), (False, 3)]
    cursor.call(news)
    writer.hold()
    writer.close(Finished("stop"))
    writer.settle()
    assert called[2:] == [(True, 4)]


async def test_wait_closed(writer, channel):
    waiting = asyncio.create_task(channel.wait_closed())
    await settle()
    text(writer, "a")
    await settle()
    assert not waiting.done()
    writer.close(Finished("stop"))
    assert await waiting == Finished("stop")


async def test_a_cancelled_reader_leaves_nothing_behind(writer, channel):
    reading = asyncio.create_task(collect(channel.cursor()))
    await settle()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert len(channel._log.waiters) == 0
    text(writer, "a")
    assert len(channel.records) == 1


# -- leaving -----------------------------------------------------------------------------------------------------


def test_a_running_turn_is_abandoned_once_by_its_last_reader(channel, left):
    first, second, observer = channel.cursor(), channel.cursor(), channel.cursor(observer=True)
    assert channel.readers == 2
    first.close()
    first.close()
    assert (left, channel.readers) == ([], 1)
    second.close()
    assert (left, channel.readers) == ([channel], 0)
    observer.close()
    assert left == [channel]


def test_leaving_a_finished_turn_abandons_nothing(writer, channel, left):
    with channel.cursor():
        writer.close(Finished("stop"))
    assert (left, channel.readers) == ([], 0)


def test_observers_alone_abandon_nothing(channel, left):
    with channel.cursor(observer=True):
        assert channel.readers == 0
    assert left == []


def test_readers_are_limited_and_observers_are_not(make_turn, clock):
    channel = ChannelWriter(make_turn(), clock, max_readers=2).channel
    first, _ = channel.cursor(), channel.cursor()
    with pytest.raises(FaultError) as caught:
        channel.cursor()
    assert (caught.value.fault.status, caught.value.fault.code) == (429, "too_many_readers")
    channel.cursor(observer=True)
    first.close()
    channel.cursor()


# -- eviction ----------------------------------------------------------------------------------------------------


def test_evicted_records_expire_the_cursors_that_want_them(writer, channel):
    behind, done = channel.cursor(), channel.cursor()
    text(writer, "a")
    writer.close(Finished("stop"))
    done.take_nowait()
    size, held = channel.size, channel.held
    writer.release()
    assert channel.held == held - size
    with pytest.raises(CursorExpired):
        behind.take_nowait()
    assert not behind.at_end
    with pytest.raises(CursorExpired):
        channel.cursor().take_nowait()
    assert done.take_nowait() == []
    assert done.at_end, "who has read everything wants nothing more"
    assert (channel.size, channel.records, channel.count) == (size, [], 2)


async def test_a_reader_overtaken_by_eviction_gets_cursor_expired(writer, channel):
    cursor = channel.cursor()
    text(writer, "a")
    assert len(await anext(cursor)) == 1
    text(writer, "b")
    writer.close(Finished("stop"))
    writer.release()
    with pytest.raises(CursorExpired):
        await anext(cursor)


def test_a_running_turn_is_never_released(writer):
    with pytest.raises(AssertionError):
        writer.release()


def test_what_was_folded_survives_eviction(writer, channel):
    text(writer, "a")
    writer.close(Finished("stop"))
    writer.release()
    assert channel.state.text == "a"
    assert channel.terminal == Finished("stop")


# -- its ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in dir(CascadeChannel) if not name.startswith("_")])
def test_a_channel_has_no_public_setters(channel, name):
    kind = getattr(CascadeChannel, name)
    if isinstance(kind, property):
        with pytest.raises(AttributeError):
            setattr(channel, name, None)
    for mapping in (channel.marks, channel.lines):
        with pytest.raises(TypeError):
            mapping["done"] = 0


def test_a_copy_adopts_a_snapshot(make_turn, clock):
    original, copy = RunningTurn(make_turn(), clock), ChannelWriter(make_turn(), clock)
    original.bind("c-1")
    original.mark("matched")
    original.attempt_sent(RequestLine("POST", "https://x.example", "HTTP/2.0"))
    original.close(Finished("stop"))
    original.append(0, b"late", ())
    known = original.channel.snapshot()
    copy.adopt(known)
    assert copy.channel.snapshot() == known
    assert (known.cascade_id, known.late, list(known.marks)) == ("c-1", 1, ["received", "matched", "done"])
    assert known.lines == {0: RequestLine("POST", "https://x.example", "HTTP/2.0")}


def test_a_snapshot_does_not_change(writer, channel):
    known = channel.snapshot()
    writer.mark("matched")
    assert "matched" not in known.marks
