"""How far a turn is → the hop that has the work now, how long it may take, and who is blamed when it takes longer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from zerogravity.backends.base import Words
from zerogravity.config import Limits
from zerogravity.core.events import AttemptOpened, TextDelta
from zerogravity.core.policy import Await
from zerogravity.core.running import RunningTurn
from zerogravity.deadlines import NS, Deadlines, queue_full, queue_timeout
from zerogravity.errors import Origin, Termination, upstream
from zerogravity.testing import builders
from zerogravity.testing.builders import FakeClock

WORDS = Words("the runtime", "Send it again.")
LIMITS = Limits(match_seconds=20, first_byte_seconds=100, idle_seconds=50, turn_seconds=1000)
EMPTY = upstream(502, "empty_response", "nothing came", Termination.EMPTY)


def deadlines(*, captured: bool = True, why: str | None = None, late: Callable[[int], int] = lambda _: 0) -> Deadlines:
    return Deadlines(LIMITS, captured=captured, words=WORDS, why_no_call=lambda: why, late=late)


def turn(clock: FakeClock, *steps: str) -> RunningTurn:
    """A turn that has taken these steps, one second apart."""
    made = RunningTurn(builders.turn(), clock)
    for step in steps:
        clock.advance(1)
        if step == "data":
            made.append(0, b"{}", (AttemptOpened(), TextDelta("a")))
        elif step == "await":
            made.await_attempt(Await(7, EMPTY))
        else:
            made.mark(step)  # type: ignore[arg-type]
    return made


TOLD = ("admitted", "told")
MATCHED = (*TOLD, "matched")
LS, GOOGLE = Origin.LS, Origin.UPSTREAM

# what has happened, captured, who has the work now, since which of it, seconds, what it means when they have passed
HOPS = [
    (("admitted",), True, LS, "admitted", 20, Termination.LS_GONE),
    (TOLD, True, LS, "told", 20, Termination.MATCH_TIMEOUT),
    (TOLD, False, GOOGLE, "told", 100, Termination.UPSTREAM_IDLE),  # polled: nothing matches
    (MATCHED, True, GOOGLE, "matched", 100, Termination.UPSTREAM_IDLE),
    ((*MATCHED, "data"), True, GOOGLE, "data", 50, Termination.UPSTREAM_IDLE),
    ((*MATCHED, "data", "data"), True, GOOGLE, "data", 50, Termination.UPSTREAM_IDLE),
    ((*MATCHED, "data", "await"), True, GOOGLE, "data", 7, Termination.EMPTY),  # the fault is what Google sent
    ((*MATCHED, "await"), True, GOOGLE, "matched", 7, Termination.EMPTY),
]


@pytest.mark.parametrize(("steps", "captured", "hop", "since", "seconds", "code"), HOPS)
def test_the_hop_that_has_the_work(
    clock: FakeClock, steps: tuple[str, ...], captured: bool, hop: Origin, since: str, seconds: int, code: Termination
) -> None:
    began = clock()
    at, missed = deadlines(captured=captured).next(turn(clock, *steps), 0)
    newest = len(steps) - steps[::-1].index(since)  # seconds: one for each step
    assert (at - began) / NS == newest + seconds
    assert missed().termination is code
    assert missed().origin is hop


@pytest.mark.parametrize(("steps", "captured", "hop", "since", "seconds", "code"), HOPS)
def test_the_time_in_which_we_were_too_busy_to_look_is_nobodys(
    clock: FakeClock, steps: tuple[str, ...], captured: bool, hop: Origin, since: str, seconds: int, code: Termination
) -> None:
    asked: list[int] = []

    def late(then: int) -> int:
        asked.append(then)
        return 30 * NS

    running = turn(clock, *steps)
    punctual, _ = deadlines(captured=captured).next(running, 0)
    at, missed = deadlines(captured=captured, late=late).next(running, 0)
    assert at - punctual == 30 * NS
    assert missed().termination is code
    assert asked == [punctual - seconds * NS]


def test_the_whole_turn_blames_nobody_and_so_leaves_nothing_out(clock: FakeClock) -> None:
    running = turn(clock, *MATCHED)
    at, missed = deadlines(late=lambda _: 5000 * NS).next(running, 0)
    assert (at, missed().termination) == (running.channel.marks["received"] + 1000 * NS, Termination.LIMIT_TIME)


def test_a_further_call_has_the_time_of_a_first_one(clock: FakeClock) -> None:
    running = turn(clock, *MATCHED, "data")
    clock.advance(30)
    at, missed = deadlines().next(running, resumed := clock())
    assert (at, missed().termination) == (resumed + 100 * NS, Termination.UPSTREAM_IDLE)
    running.append(0, b"{}", (TextDelta("b"),))
    assert deadlines().next(running, resumed)[0] == resumed + 50 * NS


def test_the_whole_turn_has_an_end(clock: FakeClock) -> None:
    running = turn(clock, *MATCHED)
    for _ in range(40):
        clock.advance(25)
        running.append(0, b"{}", (TextDelta("b"),))
    at, missed = deadlines().next(running, 0)
    assert (at, missed().termination) == (running.channel.marks["received"] + 1000 * NS, Termination.LIMIT_TIME)


def test_the_known_reason_for_a_missing_call_is_in_the_fault(clock: FakeClock) -> None:
    running = turn(clock, *TOLD)
    assert "Google is out of reach" in deadlines(why="Google is out of reach").next(running, 0)[1]().message
    assert deadlines().next(running, 0)[1]().remedy == "Send it again."


@pytest.mark.parametrize("steps", [("admitted",), TOLD])
def test_what_the_back_end_is_called(clock: FakeClock, steps: tuple[str, ...]) -> None:
    text = deadlines().next(turn(clock, *steps), 0)[1]().message
    assert "the runtime" in text
    assert "language server" not in text


def test_the_queue() -> None:
    assert queue_full(4, 50).message.startswith("4 turns are running and 50 are waiting")
    assert queue_timeout(LIMITS).termination is Termination.QUEUE_TIMEOUT
    assert all(fault.status == 503 and fault.retry_after for fault in (queue_full(4, 50), queue_timeout(LIMITS)))
