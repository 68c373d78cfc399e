"""Contents in Google's form → the same without calls that have no name: Google refuses a request with one, so a session
in whose history there is one could never go on. The call was never run, so it is left out, with its result.

A result without a name gets the name of its call.
"""

from __future__ import annotations

from collections.abc import Sequence

from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

NOTE = "a call without a name left out of the history, with its result"


def named(contents: Sequence[Json]) -> tuple[list[Json], list[str]]:
    """The contents, and the ids of the calls left out (empty where a call had none); the same objects where nothing had
    to be done."""
    made: list[Json] = []
    lost: list[str] = []
    calls: list[Json] = []  # of the newest content with calls
    for content in contents:
        parts = narrow.items(content.get("parts"))
        here = [(part, call) for part in parts if (call := _member(part, "functionCall")) is not None]
        calls = [call for _, call in here] or calls
        lost += [str(narrow.lookup(part, "zgCallId") or call.get("id") or "") for part, call in here if not _name(call)]
        kept = [shown for part in parts if (shown := _shown(part, parts, calls)) is not None]
        if len(kept) == len(parts) and all(new is old for new, old in zip(kept, parts, strict=True)):
            made.append(content)
        elif kept:
            made.append({**content, "parts": kept})
    return made, lost


def _shown(part: object, parts: Sequence[object], calls: Sequence[Json]) -> object:
    """A part as it goes to Google; None: not at all."""
    if (call := _member(part, "functionCall")) is not None:
        return part if _name(call) else None
    response = _member(part, "functionResponse")
    if response is None or _name(response):
        return part
    results = [one for one in parts if _member(one, "functionResponse") is not None]
    place = next(index for index, one in enumerate(results) if one is part)
    same = [call for call in calls if response.get("id") and call.get("id") == response["id"]]
    name = next(map(_name, [*same, *calls[place : place + 1]]), "")
    return {**narrow.members(part), "functionResponse": {**response, "name": name}} if name else None


def _name(call: Json) -> str:
    name = narrow.text(call.get("name"))
    return name if name.strip() else ""


def _member(part: object, name: str) -> Json | None:
    return narrow.an_object(narrow.lookup(part, name))
