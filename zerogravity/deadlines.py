"""How long each step of a turn may take → the next deadline of a running turn, and what it means to miss it. A clock
starts when the hop that it blames has the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from zerogravity.core.running import RunningTurn
from zerogravity.errors import RETRY, RUN_DOCTOR, Fault, Termination, internal, language_server, upstream

NS = 1_000_000_000
SEND_FEWER = "Send fewer at once, or raise limits.turns."


@dataclass(frozen=True, slots=True)
class Limits:
    """Defaults of reliability-and-security section 5; all in seconds but the counts."""

    concurrent: int = 4
    waiting: int = 50
    queue_wait: float = 600
    match: float = 20
    first_byte: float = 120
    idle: float = 120
    total: float = 1800


class Deadlines:
    """``captured``: answers are captured on the wire, so that the LS's call must be seen here. ``why_no_call``: why it
    may not have come, if that is known."""

    def __init__(self, limits: Limits, *, captured: bool, why_no_call: Callable[[], str | None]) -> None:
        self._limits = limits
        self._captured = captured
        self._why_no_call = why_no_call

    def next(self, running: RunningTurn, resumed: int) -> tuple[int, Callable[[], Fault]]:
        """When, and what is wrong then. ``resumed``: when the LS's newest further call came; 0: there was none."""
        limits, marks = self._limits, running.channel.marks
        newest = running.channel.state.ended_ns
        idle, first_byte = partial(_idle, limits.idle), partial(_idle, limits.first_byte)
        if (awaited := running.awaiting) is not None:
            since, seconds, missed = newest or marks["admitted"], awaited.seconds, lambda: awaited.late
        elif newest is not None and newest >= resumed:
            since, seconds, missed = newest, limits.idle, idle
        elif resumed or "matched" in marks:
            since, seconds, missed = resumed or marks["matched"], limits.first_byte, first_byte
        elif "told" not in marks:
            since, seconds, missed = marks["admitted"], limits.match, partial(_no_cascade, limits.match)
        elif not self._captured:
            since, seconds, missed = marks["told"], limits.first_byte, first_byte
        else:
            since, seconds, missed = marks["told"], limits.match, self._unmatched
        ends = marks["received"] + int(limits.total * NS), partial(_too_long, limits.total)
        return min((since + int(seconds * NS), missed), ends, key=lambda candidate: candidate[0])

    def _unmatched(self) -> Fault:
        return _unmatched(self._limits.match, self._why_no_call())


def queue_full(limits: Limits) -> Fault:
    text = f"{limits.concurrent} turns run and {limits.waiting} wait"
    return language_server(503, "queue_full", text, Termination.QUEUE_FULL, retry_after=10, remedy=SEND_FEWER)


def queue_timeout(limits: Limits) -> Fault:
    text = f"no place became free within {limits.queue_wait:g} s"
    return language_server(503, "queue_timeout", text, Termination.QUEUE_TIMEOUT, retry_after=30, remedy=SEND_FEWER)


def _no_cascade(seconds: float) -> Fault:
    text = f"the language server started no cascade within {seconds:g} s"
    return language_server(504, "ls_gone", text, Termination.LS_GONE, remedy=RUN_DOCTOR)


def _unmatched(seconds: float, why: str | None) -> Fault:
    text = f"the language server made no call to Google for this turn within {seconds:g} s that passed here"
    if why:
        text = f"{text}; {why}"
    return language_server(504, "match_timeout", text, Termination.MATCH_TIMEOUT, remedy="" if why else RUN_DOCTOR)


def _idle(seconds: float) -> Fault:
    return upstream(504, "upstream_idle", f"Google sent nothing for {seconds:g} s; {RETRY}", Termination.UPSTREAM_IDLE)


def _too_long(seconds: float) -> Fault:
    return internal(f"the turn took more than {seconds:g} s (limits.turn_seconds)", Termination.LIMIT_TIME, status=504)
