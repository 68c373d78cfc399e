"""Which models may answer in the place of a turn's own: the request's list, or else the configuration's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from zerogravity.core.turn import Fallback, Target, Turn
from zerogravity.errors import FaultError, bad_request

Resolve = Callable[[str], Target]


def with_fallbacks(
    turn: Turn, configured: Mapping[str, Sequence[str]], resolve: Resolve, ask: Callable[[str], Turn], *, skipped: int
) -> Turn:
    """``ask``: the turn for the model of that name. ``skipped``: how many of the request's ``models`` are not in
    ``turn.models``. A list is followed as it stands: fallbacks have none of their own.

    Raises FaultError 400 for a name in the request that nobody knows; one of the configuration is noted.
    """
    named = [(name, _named(name, number, resolve)) for number, name in enumerate(turn.models, skipped)]
    notes: list[str] = []
    if not named:
        for name in of_configuration(turn.model, turn.target, configured, resolve):
            try:
                named.append((name, resolve(name)))
            except FaultError:
                notes.append(f"fallbacks: '{name}' is not offered")
    known, fallbacks = {turn.target.identity}, list[Fallback]()
    for name, target in named:
        if target.identity not in known:
            known.add(target.identity)
            fallbacks.append(Fallback(target, partial(ask, name)))
    if not fallbacks and not notes:
        return turn
    return replace(turn, fallbacks=tuple(fallbacks), notes=(*turn.notes, *notes))


def of_configuration(
    name: str, target: Target, configured: Mapping[str, Sequence[str]], resolve: Resolve
) -> Sequence[str]:
    """The list of a model, by the name that it is asked for by, or by another name of it."""
    if name in configured:
        return configured[name]
    for other, names in configured.items():
        try:
            if resolve(other).identity == target.identity:
                return names
        except FaultError:
            continue
    return ()


def _named(name: str, number: int, resolve: Resolve) -> Target:
    try:
        return resolve(name)
    except FaultError as error:
        fault = error.fault
        raise bad_request(fault.message, param=f"models[{number}]", code=fault.code) from None
