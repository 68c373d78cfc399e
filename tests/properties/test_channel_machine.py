"""A channel under any order of appending, closing, reading, following, cancelling, leaving and evicting."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from tests.strategies import faults, seldom, texts
from zerogravity.core.channel import RECORD_OVERHEAD, CascadeChannel, Cursor, CursorExpired
from zerogravity.core.events import Failed, Finished, Record, TextDelta, ThinkingDelta
from zerogravity.core.running import RunningTurn
from zerogravity.errors import FaultError, Termination
from zerogravity.testing import builders
from zerogravity.testing.builders import FakeClock

terminals = st.one_of(
    st.builds(Finished, st.sampled_from(("stop", "stop_sequence", "tool", "length", "filtered"))),
    st.builds(Failed, faults()),
)


@dataclass
class Opened:
    cursor: Cursor
    start: int
    observer: bool
    got: list[Record] = field(default_factory=list)


class Follower:
    """A task that reads to the end."""

    def __init__(self, channel: CascadeChannel, start: int, loop: asyncio.AbstractEventLoop) -> None:
        self.start = start
        self.got: list[Record] = []
        self.expired = False
        self.cursor = channel.cursor(start)
        self.task = loop.create_task(self.follow())

    async def follow(self) -> None:
        with self.cursor:
            try:
                async for batch in self.cursor:
                    self.got += batch
            except CursorExpired:
                self.expired = True


class ChannelMachine(RuleBasedStateMachine):
    cursors: Bundle[Opened] = Bundle("cursors")
    followers: Bundle[Follower] = Bundle("followers")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.history: list[Record] = []
        self.closes = 0
        self.abandoned = 0
        self.expected_abandoned = 0
        self.counted = 0
        self.following: list[Follower] = []

    @initialize(limit=st.sampled_from((1 << 20, 3000, 1000)))
    def begin(self, limit: int) -> None:
        self.clock = FakeClock()
        self.limit = limit
        self.writer = RunningTurn(
            builders.turn(surface="chat"),
            self.clock,
            max_bytes=limit,
            max_readers=3,
            abandoned=self._left,
            on_close=self._closed,
        )
        self.channel = self.writer.channel

    def _closed(self, channel: CascadeChannel) -> None:
        self.closes += 1
        assert channel.records[-1].terminal is not None

    def _left(self, channel: CascadeChannel) -> None:
        self.abandoned += 1
        assert not channel.closed
        assert channel.readers == 0

    def _run(self) -> None:
        async def breathe() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        self.loop.run_until_complete(breathe())
        self.history += self.channel.records[len(self.history) :]
        for follower in list(self.following):
            if follower.task.done():
                self.following.remove(follower)
                self._one_left()
                if not follower.task.cancelled():
                    assert self.channel.closed
                    wanted = self.history[follower.start :]
                    assert follower.got == ([] if follower.expired else wanted)
                    assert follower.expired is (self.channel.expired and bool(wanted))

    # -- writing ---------------------------------------------------------------------------------------------

    @rule(text=texts(), times=st.sampled_from((1, 1, 30)), data=st.booleans(), thinking=st.booleans())
    def append(self, text: str, times: int, data: bool, thinking: bool) -> None:
        text *= times
        closed, late, size = self.channel.closed, self.channel.late, self.channel.size
        event = ThinkingDelta(text) if thinking else TextDelta(text)
        payload = text.encode() if data else b""
        record = self.writer.append(0, payload, (event,))
        if closed:
            assert record is None
            assert (self.channel.late, self.channel.size) == (late + 1, size)
        elif record is None:
            assert self.channel.termination is Termination.LIMIT_BYTES
            assert size + len(payload or text) > self.limit
        else:
            assert size + len(payload or text) <= self.limit
        self._run()

    @rule(terminal=terminals, really=seldom)
    def close(self, terminal: Finished | Failed, really: bool) -> None:
        if not really:
            return
        before = self.channel.terminal
        assert self.writer.close(terminal) is (before is None)
        assert self.channel.terminal is (before or terminal)
        self._run()

    @rule(seconds=st.integers(0, 100))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.channel.closed)
    @rule()
    def evict(self) -> None:
        self.writer.release()
        self._run()

    # -- reading ---------------------------------------------------------------------------------------------

    @rule(target=cursors, start=st.integers(0, 5), observer=st.booleans())
    def open(self, start: int, observer: bool) -> Opened:
        full = self.channel.readers == 3
        try:
            cursor = self.channel.cursor(start, observer=observer)
        except FaultError:
            assert full
            assert not observer
            observer = True
            cursor = self.channel.cursor(start, observer=True)
        else:
            assert observer or not full
        self.counted += not observer
        return Opened(cursor, start, observer)

    @rule(opened=cursors)
    def read(self, opened: Opened) -> None:
        wants = opened.start + len(opened.got) < len(self.history)
        try:
            opened.got += opened.cursor.take_nowait()
        except CursorExpired:
            assert self.channel.expired
            assert wants
        else:
            assert not (self.channel.expired and wants)
            assert opened.got == self.history[opened.start :]
            assert opened.cursor.at_end is self.channel.closed

    @rule(opened=consumes(cursors))
    def leave(self, opened: Opened) -> None:
        opened.cursor.close()
        if not opened.observer:
            self._one_left()
        opened.cursor.close()

    @precondition(lambda self: self.channel.readers < 3)
    @rule(target=followers, start=st.integers(0, 5))
    def follow(self, start: int) -> Follower:
        follower = Follower(self.channel, start, self.loop)
        self.counted += 1
        self.following.append(follower)
        self._run()
        return follower

    @rule(follower=consumes(followers))
    def cancel(self, follower: Follower) -> None:
        follower.task.cancel()
        self._run()
        assert follower.task.done()

    def _one_left(self) -> None:
        self.counted -= 1
        if not self.counted and not self.channel.closed:
            self.expected_abandoned += 1

    # -- what always holds -----------------------------------------------------------------------------------

    @invariant()
    def the_log_is_sound(self) -> None:
        channel = self.channel
        assert channel.count == len(self.history)
        assert [record.seq for record in self.history] == list(range(len(self.history)))
        assert [record.t_ns for record in self.history] == sorted(record.t_ns for record in self.history)
        ends = [record.seq for record in self.history if record.terminal]
        assert ends == ([len(self.history) - 1] if channel.closed else [])
        assert self.closes == (1 if channel.closed else 0)
        assert channel.records == ([] if channel.expired else self.history)
        assert channel.size <= self.limit + 2 * RECORD_OVERHEAD or len(self.history) < 3

    @invariant()
    def followers_have_read_everything(self) -> None:
        for follower in self.following:
            assert not self.channel.closed
            assert follower.got == self.history[follower.start :]

    @invariant()
    def readers_are_counted(self) -> None:
        assert self.channel.readers == self.counted
        assert self.abandoned == self.expected_abandoned

    def teardown(self) -> None:
        tasks = [follower.task for follower in self.following]
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()


TestChannel = ChannelMachine.TestCase
TestChannel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, database=None)
