"""What is held, when it goes, and that nothing is lost or reordered; by a clock that stands still until it is moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.capture.ls_copy import AT_ONCE, HOLD_S, SOON_S, LsCopy


class Clock:
    """Timers that go off when ``move`` reaches them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, then: Callable[[], None]) -> Any:
        self.timers.append(Timer(self.now + delay, then))
        return self.timers[-1]

    def move(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for timer in self.timers if timer.at <= self.now]
        self.timers = [timer for timer in self.timers if timer.at > self.now]
        for timer in due:
            if not timer.cancelled:
                timer.then()


class Timer:
    def __init__(self, at: float, then: Callable[[], None]) -> None:
        self.at, self.then, self.cancelled = at, then, False

    def when(self) -> float:
        return self.at

    def cancel(self) -> None:
        self.cancelled = True


class Receiver:
    """The end of a copy: what has been delivered, and when. ``busy``: it takes nothing for now."""

    def __init__(self, clock: Clock, **options: Any) -> None:
        self.clock = clock
        self.busy = False
        self.got: list[tuple[float, bytes | str]] = []
        self.stuck: list[Coroutine[Any, Any, None]] = []
        self.copy: LsCopy[bytes | str] = LsCopy(
            self.deliver, lambda data: data, spawn=self.run, timers=clock, **options
        )

    async def deliver(self, event: bytes | str) -> None:
        self.got.append((self.clock.now, event))
        if self.busy:
            await asyncio.sleep(0)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            work.send(None)
            self.stuck.append(work)
        except StopIteration:
            pass

    def take(self) -> None:
        """Room for another event."""
        work = self.stuck.pop()
        self.run(work)

    @property
    def events(self) -> list[bytes | str]:
        return [event for _, event in self.got]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_pieces_go_together_a_quarter_of_a_second_after_the_first(clock: Clock) -> None:
    receiver = Receiver(clock)
    receiver.copy.hold([b"a"])
    clock.move(HOLD_S / 2)
    receiver.copy.hold([b"b", b"", b"c"])
    clock.move(HOLD_S / 2 - 0.001)
    assert receiver.got == []
    clock.move(0.001)
    receiver.copy.hold([b"d"])
    clock.move(HOLD_S)
    assert receiver.got == [(HOLD_S, b"abc"), (2 * HOLD_S, b"d")]


def test_a_piece_that_comes_shortly_before_takes_along_what_is_held(clock: Clock) -> None:
    receiver = Receiver(clock)
    receiver.copy.hold([b"a"])
    clock.move(HOLD_S - SOON_S - 0.001)
    receiver.copy.hold([b"b"])
    assert receiver.got == []
    clock.move(0.002)
    receiver.copy.hold([b"c"])
    assert receiver.events == [b"abc"]
    receiver.copy.hold([b"d"])
    clock.move(HOLD_S - 0.001)
    assert receiver.events == [b"abc"], "the time of the next one begins anew"
    clock.move(0.001)
    assert receiver.events == [b"abc", b"d"]


def test_an_event_of_its_own_takes_along_what_is_held(clock: Clock) -> None:
    receiver = Receiver(clock)
    receiver.copy.send("head")
    receiver.copy.hold([b"a"])
    receiver.copy.hold([b"b"])
    receiver.copy.send("end")
    assert receiver.events == ["head", b"ab", "end"]
    clock.move(1)
    assert receiver.events == ["head", b"ab", "end"]


def test_nothing_held_is_nothing_sent(clock: Clock) -> None:
    receiver = Receiver(clock)
    receiver.copy.hold([])
    receiver.copy.flush()
    clock.move(1)
    assert receiver.got == []
    assert clock.timers == []


def test_what_has_been_written_is_no_event_and_nothing_overtakes_one(clock: Clock) -> None:
    open_, seen = True, list[bytes]()

    def written(data: bytes) -> bool:
        seen.append(data)
        return open_

    receiver = Receiver(clock, written=written)
    receiver.copy.hold([b"a"])
    receiver.copy.flush()
    assert (seen, receiver.events) == ([b"a"], [])
    receiver.busy = True
    receiver.copy.send("event")
    receiver.copy.hold([b"b"])
    receiver.copy.flush()
    assert seen == [b"a"], "the event is on its way"
    receiver.busy = False
    receiver.take()
    assert receiver.events == ["event", b"b"]
    open_ = False
    receiver.copy.hold([b"c"])
    receiver.copy.flush()
    assert (seen, receiver.events) == ([b"a", b"c"], ["event", b"b", b"c"])


def test_while_the_receiver_is_busy_events_wait_in_order(clock: Clock) -> None:
    receiver = Receiver(clock)
    receiver.busy = True
    receiver.copy.send("head")
    for piece in (b"a", b"b"):
        receiver.copy.hold([piece])
        clock.move(HOLD_S)
    receiver.copy.send("end")
    assert receiver.events == ["head"]
    receiver.busy = False
    receiver.take()
    assert receiver.events == ["head", b"a", b"b", "end"]


def test_a_receiver_that_takes_nothing_loses_the_rest_but_not_the_last_word(clock: Clock) -> None:
    receiver = Receiver(clock, max_bytes=10)
    receiver.busy = True
    receiver.copy.hold([b"12345"])
    clock.move(HOLD_S)
    for _ in range(3):
        receiver.copy.hold([b"123"])
    assert receiver.copy.lost
    receiver.copy.hold([b"more"])
    receiver.copy.send("error")
    receiver.busy = False
    receiver.take()
    assert receiver.events == [b"12345", "error"]


def test_much_goes_at_once_however_much_it_is(clock: Clock) -> None:
    receiver = Receiver(clock, max_bytes=10)
    for _ in range(2):
        receiver.copy.hold([b"x" * AT_ONCE])
        receiver.copy.hold([b"y"])
    assert receiver.events == [b"x" * AT_ONCE + b"y"] * 2
    assert not receiver.copy.lost


def test_what_was_taken_makes_room(clock: Clock) -> None:
    receiver = Receiver(clock, max_bytes=10)
    for _ in range(20):
        receiver.copy.hold([b"123456"])
        clock.move(HOLD_S)
    assert not receiver.copy.lost
    assert receiver.events == [b"123456"] * 20


def test_what_is_dropped_is_never_told(clock: Clock) -> None:
    receiver = Receiver(clock)
    receiver.copy.hold([b"a"])
    receiver.copy.drop()
    clock.move(1)
    assert receiver.got == []


@given(
    steps=st.lists(st.one_of(st.binary(max_size=5), st.floats(0, 0.5), st.sampled_from(["busy", "free"])), max_size=40)
)
def test_whatever_the_timing_all_of_it_arrives_in_order(steps: list[bytes | float | str]) -> None:
    clock = Clock()
    receiver = Receiver(clock)
    sent = b""
    for step in steps:
        match step:
            case bytes():
                receiver.copy.hold([step])
                sent += step
            case str():
                receiver.busy = step == "busy"
            case _:
                clock.move(step)
        while receiver.stuck and not receiver.busy:
            receiver.take()
    receiver.busy = False
    receiver.copy.send("end")
    while receiver.stuck:
        receiver.take()
    assert receiver.events[-1] == "end"
    assert b"".join(receiver.events[:-1]) == sent  # type: ignore[arg-type]
