"""What conversions of schemas lost → notes for people: one for each kind of loss, however many schemas have it."""

from __future__ import annotations

from collections.abc import Iterable

MAX_PLACES = 3


def noted(of: str, losses: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """``losses``: (whose schema, ``path: what``)."""
    places: dict[str, list[str]] = {}
    for whose, loss in losses:
        path, _, what = loss.partition(": ")
        places.setdefault(what, []).append(whose + path if path != "." else whose or "the root")
    return tuple(f"{of}: not in Google's schemas: {what} ({_some(found)})" for what, found in places.items())


def _some(places: list[str]) -> str:
    more = len(places) - MAX_PLACES
    if more <= 1:  # as long as its number
        return ", ".join(places)
    return f"{', '.join(places[:MAX_PLACES])} and {more} more"
