"""One timer for silence and for writes, by a clock that is set by hand."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from zerogravity.server.watchdog import Stalled, Watchdog


class Clock:
    """The time and the timers of an event loop. ``made``: how many timers there have been."""

    def __init__(self) -> None:
        self.now = 100.0
        self.made = 0
        self.pending: list[tuple[float, Any]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Any) -> Any:
        self.made += 1
        entry = when, callback
        self.pending.append(entry)

        class Handle:
            @staticmethod
            def cancel() -> None:
                if entry in self.pending:
                    self.pending.remove(entry)

        return Handle

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [entry for entry in self.pending if entry[0] <= end]:
            entry = min(due, key=lambda entry: entry[0])
            self.pending.remove(entry)
            self.now = max(self.now, entry[0])
            entry[1]()
        self.now = end


@pytest.mark.parametrize(
    ("stall", "silence", "steps", "called_at"),
    [
        (60, 15, [(50, "")], [15, 30, 45]),
        (60, 15, [(10, "written"), (10, "written"), (20, "")], [35]),
        (60, 15, [(14.9, "written"), (14.9, "written"), (15, "")], [44.8]),
        (4, 15, [(3, "written"), (30, "")], [18, 33]),
        (60, float("inf"), [(500, "written"), (500, "")], []),
    ],
    ids=["again and again", "from the last write on", "just in time", "a short stall limit", "not asked for"],
)
async def test_silence(stall: float, silence: float, steps: list[tuple[float, str]], called_at: list[float]) -> None:
    clock, called = Clock(), list[float]()
    watchdog = Watchdog(stall, silence, lambda: called.append(round(clock.now - 100, 3)), clock)
    async with watchdog.watching():
        for seconds, then in steps:
            clock.advance(seconds)
            if then:
                watchdog.written()
    assert called == called_at
    assert not clock.pending


@pytest.mark.parametrize(("stall", "silence"), [(5, 15), (5, 2), (5, float("inf"))])
@pytest.mark.parametrize(("waited", "stalls"), [(4.9, False), (5.1, True)])
async def test_a_wait_for_room(stall: float, silence: float, waited: float, stalls: bool) -> None:
    clock, called = Clock(), list[float]()
    watchdog = Watchdog(stall, silence, lambda: called.append(clock.now), clock)
    room = asyncio.get_running_loop().create_future()

    async def read() -> None:
        async with watchdog.watching():
            clock.advance(1)  # a look at a time that has nothing to do with the write
            await watchdog.wait(lambda: room)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    clock.advance(waited)
    await asyncio.sleep(0)
    if not stalls:
        room.set_result(None)
    outcome = (await asyncio.gather(reading, return_exceptions=True))[0]
    assert isinstance(outcome, Stalled) is stalls
    assert outcome is None or stalls
    assert called == [], "a reader that waits for room is not silent"
    assert not clock.pending


async def test_many_writes_make_no_timers() -> None:
    clock = Clock()
    watchdog = Watchdog(60, 15, timers=clock)
    async with watchdog.watching():
        for _ in range(1000):
            clock.advance(0.01)
            watchdog.written()
            await watchdog.wait(partial(asyncio.sleep, 0))
        assert clock.made == 1


async def test_other_timeouts_are_no_stall() -> None:
    with pytest.raises(TimeoutError):
        async with Watchdog(60).watching():
            raise TimeoutError


async def test_a_reader_that_is_cancelled_is_no_stall() -> None:
    async def read() -> None:
        async with Watchdog(60).watching():
            await asyncio.get_running_loop().create_future()

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
