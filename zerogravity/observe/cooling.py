"""Models that a gateway leaves alone, as its ``/health`` tells it, for people."""

from __future__ import annotations

from collections.abc import Iterable

from zerogravity.observe import moments
from zerogravity.wire.narrow import Json, text
from zerogravity.wire.reasons import span


def seconds_left(cooldown: Json, now: float) -> float:
    """``now``: wall-clock seconds. 0 where it is over, or says nothing that can be read."""
    until = moments.wall(text(cooldown.get("until")))
    return 0.0 if until is None else max(until - now, 0.0)


def left_alone(cooldowns: Iterable[Json], now: float) -> list[str]:
    """``gemini-3-flash: left alone for 42 s (rate)``, of each that lasts."""
    return [
        f"{text(one.get('model'))}: left alone for {span(left)} ({text(one.get('reason')) or text(one.get('google'))})"
        for one in cooldowns
        if (left := seconds_left(one, now))
    ]
