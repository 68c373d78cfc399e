"""Rows of one session → the session at a glance. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zerogravity.wire.narrow import count, members, number, text


def of(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """``rows``: as ``summary.row`` makes them, of one session, the oldest first; at least one."""
    first, last = rows[0], rows[-1]
    usages = [members(row.get("usage")) for row in rows]
    prices = [price for row in rows if (price := number(row.get("price"))) is not None]
    return {
        "session": text(first.get("session")),
        "client": text(last.get("client")),
        "title": text(first.get("question")),
        "started": number(first.get("created")) or 0,
        "ended": max((number(row.get("created")) or 0) + (number(row.get("total_ms")) or 0) / 1000 for row in rows),
        "turns": len(rows),
        "branches": len({text(row.get("branch")) for row in rows} - {""}),
        "prompt": sum(count(usage.get("prompt")) for usage in usages),
        "cached": sum(count(usage.get("cached")) for usage in usages),
        "out": sum(count(usage.get("candidates")) for usage in usages),
        "thoughts": sum(count(usage.get("thoughts")) for usage in usages),
        "price": sum(prices) if prices else None,
        "errors": sum(bool(row.get("failed")) for row in rows),
        "ms": sum(number(row.get("total_ms")) or 0 for row in rows),
        "models": sorted({text(row.get("target")) for row in rows} - {""}),
    }
