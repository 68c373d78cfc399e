"""A stored history → the form that the family of the next model takes.

A signature is valid only in the family that made it. Another family gets no signatures, no signed thoughts and no parts
of Google's own tools, and Google's documented stand-in where it demands a signature. Ids on calls, media in results and
the resolution of images follow its rules too.
Facts: wire-gemini-and-mapping 2.1, 2.2, 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zerogravity.core.family import STAND_IN, Family, rules
from zerogravity.core.turn import Target
from zerogravity.surfaces.base import StoredTurn
from zerogravity.surfaces.common.history import SERVER_TOOLS
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

Part = dict[str, Any]


def for_target(stored: StoredTurn, target: Target) -> Sequence[Json]:
    """``stored.contents`` for ``target``; untouched when it is of the same family."""
    if stored.family == target.family:
        return stored.contents
    family = rules(target.family)
    made: list[Json] = []
    for number, content in enumerate(stored.contents):
        parts = narrow.objects(content["parts"])
        if content["role"] == "model":
            new = _model_parts(parts, family, f"call_{number + 1}")
        else:
            new, late = _user_parts(parts, family, f"call_{number}")
            if late:
                made.append({"role": "user", "parts": new})
                new = [{"text": "Files of the tool results:"}, *late]
        if new:
            made.append({"role": content["role"], "parts": new})
    return made


def _model_parts(parts: Sequence[Json], family: Family, prefix: str) -> list[Part]:
    """The parts of a model content without thoughts and signatures. Calls get the ids that their results will get."""
    made: list[Part] = []
    calls = 0
    for part in parts:
        new = {name: value for name, value in _supported(part, family).items() if name != "thoughtSignature"}
        if new.get("thought") or new.get("text") == "" or not SERVER_TOOLS.isdisjoint(new):
            continue
        if (call := narrow.an_object(new.get("functionCall"))) is not None:
            new["functionCall"] = _identified(call, family, f"{prefix}_{calls}")
            if family.needs_signature and not calls:
                new["thoughtSignature"] = STAND_IN
            calls += 1
        if new:
            made.append(new)
    return made


def _user_parts(parts: Sequence[Json], family: Family, prefix: str) -> tuple[list[Part], list[Json]]:
    """The parts of a user content, and the media of its results that have to follow it."""
    made: list[Part] = []
    late: list[Json] = []
    for number, part in enumerate(parts):
        new = _supported(part, family)
        if (response := narrow.an_object(new.get("functionResponse"))) is not None:
            inner = _identified(response, family, f"{prefix}_{number}")
            if not family.media_in_results:
                late += inner.pop("parts", [])
            new["functionResponse"] = inner
        made.append(new)
    return made, late


def _supported(part: Json, family: Family) -> Part:
    """A part without its media resolution if the family does not take it."""
    return {name: value for name, value in part.items() if family.media_resolution or name != "mediaResolution"}


def _identified(half: Json, family: Family, default: str) -> Part:
    """A call or its result, with an id if the family takes ids."""
    if family.ids_on_calls:
        return {"id": default, **half}
    return {name: value for name, value in half.items() if name != "id"}
