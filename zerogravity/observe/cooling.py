"""Models that a gateway leaves alone, as its ``/health`` tells it, for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from zerogravity.wire.narrow import Json, text
from zerogravity.wire.reasons import span


def seconds_left(cooldown: Json, now: float) -> float:
    """``now``: wall-clock seconds. 0 where it is over, or says nothing that can be read."""
    try:
        return max(datetime.fromisoformat(text(cooldown.get("until"))).timestamp() - now, 0.0)
    except ValueError:
        return 0.0


def left_alone(cooldowns: Iterable[Json], now: float) -> list[str]:
    """``gemini-3-flash: left alone for 42 s (rate)``, of each that lasts."""
    return [
        f"{text(one.get('model'))}: left alone for {span(left)} ({text(one.get('reason')) or text(one.get('google'))})"
        for one in cooldowns
        if (left := seconds_left(one, now))
    ]
