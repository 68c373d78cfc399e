"""The rows of a session's turns → the session at a glance. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from zerogravity.observe.figures import Tokens
from zerogravity.observe.prices import Price, summed
from zerogravity.wire.narrow import Json, count, members, number, text


def of(rows: Iterable[Json]) -> dict[str, object]:
    """One session from its turns' rows, as ``summary.row`` and ``stored_row`` have them, in any order.

    ``title``     the first question of the main line.
    ``started``, ``ended``  wall-clock seconds; ``ms``: for how long turns ran, added up.
    ``branches``  how many side lines there are.
    ``prompt``, ``cached``, ``out``, ``thoughts``  tokens; ``prompt``: all in; ``out``: without ``thoughts``.
    ``price``     US dollars of what has a known price, None if nothing has; ``price_partial``: something has none.
    ``errors``    how many turns failed.
    ``models``    those that were asked for, in the order of their first use.
    """
    turns = sorted(rows, key=lambda row: number(row.get("created")) or 0.0)
    main = [row for row in turns if not row.get("branch")] or turns
    used = [members(row.get("usage")) for row in turns]
    return {
        "session": _first(turns, "session"),
        "client": _first(turns, "client"),
        "title": _first(main, "question"),
        "started": min((number(row.get("created")) or 0.0 for row in turns), default=0.0),
        "ended": max((ended(row) for row in turns), default=0.0),
        "turns": len(turns),
        "branches": len({branch for row in turns if (branch := row.get("branch"))}),
        "prompt": sum(Tokens.of_json(usage).sent for usage in used),
        "cached": sum(count(usage.get("cached")) for usage in used),
        "out": sum(count(usage.get("candidates")) for usage in used),
        "thoughts": sum(count(usage.get("thoughts")) for usage in used),
        **summed(Price.of_json(row) for row in turns).as_json(),
        "errors": sum(bool(row.get("failed")) for row in turns),
        "ms": sum(number(row.get("total_ms")) or 0.0 for row in turns),
        "models": list(dict.fromkeys(model for row in turns if (model := text(row.get("model"))))),
    }


def _first(rows: Iterable[Json], name: str) -> str:
    return next((found for row in rows if (found := text(row.get(name)))), "")


def ended(row: Json) -> float:
    """When its turn ended, or until when it is known to have run, in wall-clock seconds."""
    return (number(row.get("created")) or 0.0) + (number(row.get("total_ms")) or 0.0) / 1000
