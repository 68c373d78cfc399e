"""How long each step of a turn may take → the next deadline of a running turn, and the fault of missing it. A clock
starts when the hop that it blames has the work, and stands still while this process is too busy to look at what that
hop has sent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from zerogravity.backends.base import Words
from zerogravity.config import Limits
from zerogravity.core.running import RunningTurn
from zerogravity.errors import RETRY, RUN_DOCTOR, Fault, Termination, internal, language_server, upstream

NS = 1_000_000_000
Step = tuple[int, float, Callable[[float], Fault]]  # since when, seconds, what missing it means
SEND_FEWER = "Send fewer at once, or raise limits.turns."


class Deadlines:
    """``captured``: answers are captured on the wire, so the LS's call must pass through here. ``words``: what the LS
    is called. ``why_no_call``: why its call may not have come, if that is known. ``late``: how much of the time since a
    moment was ours, see ``Lateness.since``."""

    def __init__(
        self,
        limits: Limits,
        *,
        captured: bool,
        words: Words,
        why_no_call: Callable[[], str | None],
        late: Callable[[int], int] = lambda _: 0,
    ) -> None:
        self._limits = limits
        self._captured = captured
        self._words = words
        self._why_no_call = why_no_call
        self._late = late

    def next(self, running: RunningTurn, resumed: int) -> tuple[int, Callable[[], Fault]]:
        """When it is, and the fault then. ``resumed``: when the LS's newest further call came; 0: there was none."""
        limits, marks = self._limits, running.marks
        match, first_byte, idle = limits.match_seconds, limits.first_byte_seconds, limits.idle_seconds
        newest = running.newest
        step: Step
        if (awaited := running.awaiting) is not None:
            step = newest or marks["matched"], awaited.seconds, lambda _: awaited.late
        elif newest is not None and newest >= resumed:
            step = newest, idle, _idle
        elif resumed or "matched" in marks:
            step = resumed or marks["matched"], first_byte, _idle
        elif "told" not in marks:
            step = marks["admitted"], match, self._no_cascade
        elif not self._captured:
            step = marks["told"], first_byte, _idle
        else:
            step = marks["told"], match, self._no_call
        since, seconds, missed = step
        due, end = since + int(seconds * NS) + self._late(since), marks["received"] + int(limits.turn_seconds * NS)
        if end < due:  # blames nobody, so nothing is left out
            return end, partial(too_long, limits.turn_seconds)
        return due, partial(missed, seconds)

    def _no_cascade(self, seconds: float) -> Fault:
        text = f"{self._words.name} started no cascade within {seconds:g} s"
        return language_server(504, "ls_gone", text, Termination.LS_GONE, remedy=RUN_DOCTOR)

    def _no_call(self, seconds: float) -> Fault:
        text = f"within {seconds:g} s {self._words.name} made no call to Google through zerogravity for this turn"
        if (why := self._why_no_call()) is not None:
            text = f"{text}; {why}"
        remedy = "" if why else self._words.no_call
        return language_server(504, "match_timeout", text, Termination.MATCH_TIMEOUT, remedy=remedy)


def queue_full(running: int, waiting: int) -> Fault:
    text = f"{running} turns are running and {waiting} are waiting"
    return language_server(503, "queue_full", text, Termination.QUEUE_FULL, retry_after=10, remedy=SEND_FEWER)


def queue_timeout(limits: Limits) -> Fault:
    text = f"no place became free within {limits.queue_seconds:g} s"
    return language_server(503, "queue_timeout", text, Termination.QUEUE_TIMEOUT, retry_after=30, remedy=SEND_FEWER)


def _idle(seconds: float) -> Fault:
    return upstream(504, "upstream_idle", f"Google sent nothing for {seconds:g} s; {RETRY}", Termination.UPSTREAM_IDLE)


def too_long(seconds: float) -> Fault:
    return internal(f"the turn took more than {seconds:g} s (limits.turn_seconds)", Termination.LIMIT_TIME, status=504)
