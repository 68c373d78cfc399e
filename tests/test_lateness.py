"""When the event loop calls later than it was asked to → what of a span of time was ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.lateness import BUSY_S, CALM_S, IDLE_S, KEPT, MUCH, NS, Lateness
from zerogravity.testing.builders import FakeClock


class Alarm:
    def __init__(self, due: int, call: Callable[[], Any]) -> None:
        self.due = due
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """A loop turned by hand. Its timers come in the order in which they are due, however late they are."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.alarms: list[Alarm] = []

    def call_later(self, seconds: float, call: Callable[[], Any]) -> Alarm:
        made = Alarm(self.clock() + int(seconds * NS), call)
        self.alarms.append(made)
        return made

    def block(self, seconds: float) -> None:
        """Time passes and nothing runs; then everything that is due."""
        self.clock.advance(seconds)
        for alarm in sorted(self.alarms, key=lambda one: one.due):
            if alarm.due <= self.clock() and alarm in self.alarms:
                self.alarms.remove(alarm)
                if not alarm.cancelled:
                    alarm.call()

    def run(self, seconds: float) -> None:
        """Time passes, and every timer is punctual."""
        end = self.clock() + int(seconds * NS)
        while due := [alarm.due for alarm in self.alarms if alarm.due <= end]:
            self.block((min(due) - self.clock()) / NS)
        self.clock.now = end


def watched(clock: FakeClock, **given: Any) -> tuple[Lateness, Loop]:
    loop = Loop(clock)
    lateness = Lateness(clock, call_later=loop.call_later, **given)
    lateness.start()
    return lateness, loop


def test_a_punctual_loop_is_never_late(clock: FakeClock) -> None:
    lateness, loop = watched(clock)
    began = clock()
    loop.run(20)
    assert lateness.since(began) == 0


def test_a_blocked_loop_is_late_by_what_it_was_blocked(clock: FakeClock) -> None:
    lateness, loop = watched(clock)
    began = clock()
    loop.run(10)
    loop.block(30)
    assert 30 - CALM_S <= lateness.since(began) / NS <= 30
    loop.run(10)
    assert 30 - CALM_S <= lateness.since(began) / NS <= 30
    assert lateness.since(clock() - NS) == 0, "it was punctual lately"


def test_a_spell_counts_from_the_moment_that_is_asked_for(clock: FakeClock) -> None:
    lateness, loop = watched(clock)
    loop.clock.advance(20)
    began = clock()
    loop.block(10)
    assert lateness.since(began) == 10 * NS


def test_it_counts_before_the_loop_has_called(clock: FakeClock) -> None:
    """uvloop's timers come before its sockets, and whoever asks may come before our own timer."""
    lateness, loop = watched(clock)
    began = clock()
    loop.clock.advance(10)
    assert lateness.since(began) / NS == pytest.approx(10 - BUSY_S)


def test_many_short_spells_add_up(clock: FakeClock) -> None:
    lateness, loop = watched(clock)
    began = clock()
    for _ in range(100):
        loop.block(0.2)
    assert lateness.since(began) / NS == pytest.approx(100 * (0.2 - BUSY_S))


def test_idle_it_looks_seldom_and_a_turn_makes_it_look_oftener(clock: FakeClock) -> None:
    busy, late = [False], list[float]()
    lateness, loop = watched(clock, busy=lambda: busy[0], report=late.append)
    loop.run(10)
    assert len(late) == 10 / IDLE_S
    busy[0] = True
    lateness.hurry()
    loop.run(1)
    assert len(late) == pytest.approx(10 / IDLE_S + 1 / CALM_S, abs=1)
    lateness.hurry()
    assert len([one for one in loop.alarms if not one.cancelled]) == 1
    assert max(late) < 0.001


def test_it_looks_oftener_as_long_as_it_is_late(clock: FakeClock) -> None:
    late = list[float]()
    _, loop = watched(clock, report=late.append)
    loop.run(BUSY_S)
    for blocked, pause in ((MUCH / NS / 2, CALM_S), (0.1, BUSY_S), (0.1, BUSY_S), (0.0, CALM_S)):
        loop.block((loop.alarms[0].due - clock()) / NS + blocked)
        assert late[-1] == pytest.approx(blocked)
        assert (loop.alarms[0].due - clock()) / NS == pytest.approx(pause)


def test_it_reports_each_look_and_none_after_the_stop(clock: FakeClock) -> None:
    late = list[float]()
    lateness, loop = watched(clock, report=late.append)
    loop.block(2)
    assert late == [pytest.approx(2 - BUSY_S)]
    lateness.stop()
    lateness.hurry()
    loop.block(2)
    assert len(late) == 1
    assert lateness.since(clock() - NS) == 0


def test_without_a_start_nothing_is_late(clock: FakeClock) -> None:
    lateness = Lateness(clock)
    lateness.stop()
    lateness.hurry()
    clock.advance(10)
    assert lateness.since(0) == 0


def test_memory_is_bounded(clock: FakeClock) -> None:
    lateness, loop = watched(clock)
    began = clock()
    for _ in range(KEPT + 100):
        loop.block(1)
    assert lateness.since(began) / NS == pytest.approx(KEPT * (1 - BUSY_S))


@given(st.lists(st.tuples(st.booleans(), st.floats(0.001, 5)), min_size=1, max_size=30), st.floats(0, 20))
def test_never_more_than_has_passed_nor_than_the_loop_was_blocked(
    steps: list[tuple[bool, float]], offset: float
) -> None:
    clock = FakeClock()
    lateness, loop = watched(clock)
    loop.run(offset)
    began, blocked = clock(), 0.0
    for punctual, seconds in steps:
        if punctual:
            loop.run(seconds)
        else:
            loop.block(seconds)
            blocked += seconds
        assert lateness.since(began) <= clock() - began
        assert lateness.since(clock()) == 0
    late = lateness.since(began) / NS
    assert late <= blocked + 0.001
    assert late >= blocked - len(steps) * (CALM_S + 0.002)


# -- as a timeout --------------------------------------------------------------------------------------------------


async def test_what_is_too_slow_is_ended(clock: FakeClock) -> None:
    lateness, loop = watched(clock)
    ended = asyncio.Event()

    async def wait() -> None:
        with pytest.raises(TimeoutError):
            async with lateness.limit(5):
                await asyncio.Event().wait()
        ended.set()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    loop.run(4.9)
    await asyncio.sleep(0)
    assert not ended.is_set()
    loop.run(0.2)
    await waiting


async def test_our_own_lateness_is_no_ones_fault(clock: FakeClock) -> None:
    lateness, loop = watched(clock)
    come = asyncio.Event()

    async def wait() -> None:
        async with lateness.limit(5):
            await come.wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    loop.block(60)
    await asyncio.sleep(0)
    loop.run(4)
    await asyncio.sleep(0)
    come.set()  # it had been there all the time
    await waiting
    loop.run(10)
    assert len([one for one in loop.alarms if not one.cancelled]) == 1, "its timer is gone"


async def test_the_callers_own_error_passes(clock: FakeClock) -> None:
    lateness, loop = watched(clock)
    with pytest.raises(ValueError, match="its own"):
        async with lateness.limit(5):
            raise ValueError("its own")
    loop.run(10)
    assert len([one for one in loop.alarms if not one.cancelled]) == 1
