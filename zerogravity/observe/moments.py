"""Seconds of the wall clock → a moment in words: UTC for machines, local time with its zone for people."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(wall_s: float) -> str:
    """``2026-02-02T02:40:00.123Z``: ISO 8601, to the millisecond."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wall(moment: str) -> float | None:
    """The reverse of ``utc``; None: it says no moment."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None


def local(wall_s: float, form: str = "%Y-%m-%d %H:%M:%S %Z") -> str:
    """``2026-02-02 03:40:00 CET``, or in another form of ``strftime``'s."""
    return datetime.fromtimestamp(wall_s, UTC).astimezone().strftime(form)
