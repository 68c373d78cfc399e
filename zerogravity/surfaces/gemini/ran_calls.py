"""What the gateway has run in an answer that ends with calls of the client's own → back into the contents: the client
has not seen it, so it sends only its own calls, with their results.

A call is known by Google's id of it. Where Google gives none (2.5), nothing comes back: a notice of the turn says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from zerogravity.core.family import STAND_IN
from zerogravity.core.fold import Call
from zerogravity.core.registry import RanCalls
from zerogravity.core.turn import Target
from zerogravity.surfaces.common.answer_contents import answer
from zerogravity.surfaces.common.claude import Recall
from zerogravity.surfaces.common.history import unsigned
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

Part = dict[str, Any]


@dataclass(slots=True)
class _Step:
    """Calls as parts of the model's content, and their results: those of the user's next one, and contents of media."""

    calls: list[Part] = field(default_factory=list[Part])
    results: list[Part] = field(default_factory=list[Part])
    media: Sequence[Json] = ()

    @classmethod
    def of(cls, calls: Sequence[Call], target: Target) -> _Step:
        if not (contents := answer(calls, target)):
            return cls()
        said, results, *media = contents
        return cls(said["parts"], results["parts"], media)


def with_ran_calls(contents: Sequence[Json], recall: Recall, target: Target) -> list[Json]:
    """The contents with what the gateway has run in its place: rounds of their own, and beside the client's call."""
    made: list[Json] = []
    waiting: tuple[object, _Step, _Step] | None = None
    for content in contents:
        if waiting is not None:
            made += _answered(content, *waiting)
            waiting = None
            continue
        index, ran = _ran_in(content, recall, target)
        if ran is None:
            made.append(content)
            continue
        for step in ran.steps:
            made += answer(step, target)
        parts, before, behind = content["parts"], _Step.of(ran.before, target), _Step.of(ran.behind, target)
        after = [_without_stand_in(part) for part in behind.calls]  # the client's call is the first one of its step
        made.append({**content, "parts": [*parts[:index], *before.calls, parts[index], *after, *parts[index + 1 :]]})
        waiting = parts[index]["functionCall"]["id"], before, behind
    return made if waiting is None else [*made, *_results(waiting[1], waiting[2])]


def _ran_in(content: Json, recall: Recall, target: Target) -> tuple[int, RanCalls | None]:
    """The first call in a content that others were run with, and those."""
    for index, part in narrow.numbered(content.get("parts")):
        identity = narrow.a_string(narrow.lookup(part, "functionCall", "id"))
        known = recall(identity) if identity else None
        if known is not None and known.ran is not None:
            return index, known.ran if known.family == target.family else unsigned(known.ran)
    return 0, None


def _answered(content: Json, identity: object, before: _Step, behind: _Step) -> list[Json]:
    """The client's results with those of the others, in the order of the calls."""
    parts = narrow.items(content.get("parts"))
    ids = [narrow.lookup(part, "functionResponse", "id") for part in narrow.objects(parts)]
    if identity not in ids:  # not by Google's rules anyway
        return [*_results(before, behind), content]
    at = ids.index(identity)
    results = [*parts[:at], *before.results, parts[at], *behind.results, *parts[at + 1 :]]
    return [{**content, "parts": results}, *before.media, *behind.media]


def _results(*steps: _Step) -> list[Json]:
    parts = [part for step in steps for part in step.results]
    return [{"role": "user", "parts": parts}] if parts else []


def _without_stand_in(part: Part) -> Part:
    if part.get("thoughtSignature") != STAND_IN:
        return part
    return {name: value for name, value in part.items() if name != "thoughtSignature"}
