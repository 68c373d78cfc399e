"""A stored history → the form that the model which goes on with it takes.

Signatures are bound to the family that made them, so another family gets none of them, nor the thoughts they sign, nor
what Google's own tools did; it gets Google's documented stand-in where it demands one. Ids on calls, media inside
results and the resolution of pictures follow its rules too.
Facts: wire-gemini-and-mapping 2.1, 2.2, 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from zerogravity.core.family import STAND_IN, Family, rules
from zerogravity.core.turn import Target
from zerogravity.surfaces.base import StoredTurn
from zerogravity.surfaces.openai.history import SERVER_TOOLS

Json = Mapping[str, Any]
Part = dict[str, Any]


def adapted(stored: StoredTurn, target: Target) -> Sequence[Json]:
    """``stored.contents`` for ``target``; untouched when it is of the same family."""
    if stored.family == target.family:
        return stored.contents
    family = rules(target.family)
    made: list[Json] = []
    for number, content in enumerate(stored.contents):
        parts = cast("list[Json]", content["parts"])
        if content["role"] == "model":
            new = _said(parts, family, f"call_{number + 1}")
        else:
            new, late = _heard(parts, family, f"call_{number}")
            if late:
                made.append({"role": "user", "parts": new})
                new = [{"text": "Files of the tool results:"}, *late]
        if new:
            made.append({"role": content["role"], "parts": new})
    return made


def _said(parts: Sequence[Json], family: Family, prefix: str) -> list[Part]:
    """A content of the model without thoughts and signatures. Calls are numbered as their results will be."""
    made: list[Part] = []
    calls = 0
    for part in parts:
        new = {name: value for name, value in _sized(part, family).items() if name != "thoughtSignature"}
        if new.get("thought") or new.get("text") == "" or not SERVER_TOOLS.isdisjoint(new):
            continue
        if isinstance(call := new.get("functionCall"), dict):
            new["functionCall"] = _identified(cast("Json", call), family, f"{prefix}_{calls}")
            if family.needs_signature and not calls:
                new["thoughtSignature"] = STAND_IN
            calls += 1
        if new:
            made.append(new)
    return made


def _heard(parts: Sequence[Json], family: Family, prefix: str) -> tuple[list[Part], list[Json]]:
    """A user content, and the media of its results that have to follow it."""
    made: list[Part] = []
    late: list[Json] = []
    for number, part in enumerate(parts):
        new = _sized(part, family)
        if isinstance(response := new.get("functionResponse"), dict):
            inner = _identified(cast("Json", response), family, f"{prefix}_{number}")
            if not family.media_in_results:
                late += inner.pop("parts", [])
            new["functionResponse"] = inner
        made.append(new)
    return made, late


def _sized(part: Json, family: Family) -> Part:
    """A part of which the family understands how closely to look at it."""
    return {name: value for name, value in part.items() if family.media_resolution or name != "mediaResolution"}


def _identified(half: Json, family: Family, default: str) -> Part:
    """A call or its result, with an id or without."""
    if family.ids_on_calls:
        return {"id": default, **half}
    return {name: value for name, value in half.items() if name != "id"}
