"""From when on a response has expired."""

from __future__ import annotations

from zerogravity.store.base import MAX_AGE_S, StoreLimits


def test_since_follows_the_clock() -> None:
    now = 1000.0
    limits = StoreLimits(1, age_s=30, now=lambda: now)
    assert limits.since == 970
    now = 2000.0
    assert limits.since == 1970


def test_thirty_days_by_default() -> None:
    assert StoreLimits(1, now=lambda: MAX_AGE_S).since == 0
    assert MAX_AGE_S == 30 * 24 * 3600
