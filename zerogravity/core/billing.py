"""A channel → what Google bills for its turn: each attempt, at the model that was asked in it. Pure.

An attempt that brought neither figures nor a part of an answer was refused or lost: nothing is billed for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Usage
from zerogravity.core.fold import Attempt, Media, TurnState
from zerogravity.core.turn import Target, Turn

NO_FIGURES = Usage()


@dataclass(frozen=True, slots=True)
class Billed:
    """One attempt.

    ``model``     as clients name it; ``names``: Google's names of it, the likeliest first.
    ``usage``     without figures where Google told none.
    ``searches``  what Google searched for.
    ``drawn``     whether the answer has a picture.
    ``whole``     whether the figures are final: those of an answer that was cut are the least that it costs.
    """

    model: str
    names: tuple[str, ...]
    usage: Usage = NO_FIGURES
    searches: int = 0
    drawn: bool = False
    whole: bool = True


def attempts(channel: CascadeChannel) -> list[Billed]:
    """In their order. Any thread may ask, also while the turn runs."""
    return list(numbered(channel).values())


def numbered(channel: CascadeChannel) -> dict[int, Billed]:
    """The same by the numbers of the attempts, which count those that are not billed, too."""
    return dict(_attempts(channel.turn, channel.state))


def _attempts(turn: Turn, state: TurnState) -> Iterator[tuple[int, Billed]]:
    tried, used, brought = dict(state.tried), dict(state.usage_by_attempt), state.brought()
    for number in sorted(tried.keys() | used.keys()):
        attempt, usage = tried.get(number) or Attempt("", "", 0), used.get(number, NO_FIGURES)
        items = brought.get(number, ())
        if usage.told or items:
            target = _target(turn, attempt.asked)
            names = filter(None, (attempt.model, target.wire_model or "", target.name))
            drawn = any(isinstance(item, Media) for item in items)
            known = tuple(dict.fromkeys(names))
            yield number, Billed(target.name, known, usage, attempt.searches, drawn, attempt.whole)


def _target(turn: Turn, asked: str) -> Target:
    """Who was asked by that name."""
    known = (turn.target, *(fallback.target for fallback in turn.fallbacks))
    return next((target for target in known if target.name == asked), Target(asked, "")) if asked else turn.target
