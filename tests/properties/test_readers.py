"""Any record list × any batching × any reader speed: every reader sees its suffix, the capture never notices."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import FakeClock
from tests.strategies import record_lists
from zerogravity.core.channel import CascadeChannel, ChannelWriter
from zerogravity.core.fold import Assembler, fold
from zerogravity.testing import builders
from zerogravity.testing.builders import replay


def fresh() -> ChannelWriter:
    return ChannelWriter(builders.turn(surface="chat"), FakeClock())


class Reader:
    """Reads from ``start``; after each batch it waits until it is let on."""

    def __init__(self, channel: CascadeChannel, start: int) -> None:
        self.got = []
        self.batches = 0
        self._let_on = asyncio.Event()
        self.task = asyncio.create_task(self._read(channel, start))

    def let_on(self) -> None:
        self._let_on.set()

    async def _read(self, channel: CascadeChannel, start: int) -> None:
        with channel.cursor(start) as cursor:
            async for batch in cursor:
                self.got += batch
                self.batches += 1
                await self._let_on.wait()
                self._let_on.clear()


async def run(records, starts, schedule):
    """``schedule``: −1 lets the writer go on, n lets reader n go on. Afterwards everybody runs to the end."""
    writer = fresh()
    channel = writer.channel
    readers = [Reader(channel, start) for start in starts]
    left = list(records)

    async def breathe():
        for _ in range(3):
            await asyncio.sleep(0)

    for who in schedule:
        if who < 0:
            replay(left[:1], writer)
            del left[:1]
        elif who < len(readers):
            readers[who].let_on()
        await breathe()
    replay(left, writer)
    while not all(reader.task.done() for reader in readers):
        for reader in readers:
            reader.let_on()
        await breathe()
    for reader in readers:
        await reader.task
    return channel, readers


@given(
    record_lists(),
    st.lists(st.integers(0, 12), min_size=1, max_size=4),
    st.lists(st.integers(-1, 3), max_size=30),
)
def test_every_reader_sees_exactly_its_suffix(records, starts, schedule):
    channel, readers = asyncio.run(run(records, starts, schedule))
    quiet = replay(records, fresh())
    assert channel.records == quiet.records, "no reader's speed changes the capture"
    assert channel.readers == 0
    for start, reader in zip(starts, readers, strict=True):
        assert reader.got == channel.records[start:]


@given(record_lists(), st.integers(0, 12))
def test_what_a_channel_folds_is_what_its_records_fold_to(records, start):
    channel = replay(records, fresh())
    assert channel.state == fold(channel.records) == fold(records)
    assert channel.terminal == records[-1].terminal
    assembler = Assembler()
    steps = [step for record in channel.cursor(0).take_nowait() for step in assembler.feed(record)]
    again = Assembler()
    resumed = []
    for record in channel.records:
        made = list(again.feed(record))
        if record.seq >= start:
            resumed += made
    assert resumed == steps[len(steps) - len(resumed) :], "a stream resumed at n is the suffix of the whole"


@given(record_lists())
def test_exactly_one_terminal_record_and_it_is_the_last(records):
    writer = fresh()
    channel = replay(records, writer)
    replay(records, writer)
    assert [record.seq for record in channel.records if record.terminal] == [len(records) - 1]
    assert channel.late == len(records) - 1
