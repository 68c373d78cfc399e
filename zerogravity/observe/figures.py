"""Figures of turns → few characters, for terminals. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from zerogravity.wire.narrow import Json, count


def duration(seconds: float) -> str:
    """``340 ms``, ``1.2 s``, ``2 min 05 s``"""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


class Tokens(NamedTuple):
    """``sent``: the request and what Google's own tools found, with what came from the cache; ``made``: the answer and
    the thinking, each once."""

    sent: int
    cached: int
    made: int

    @classmethod
    def of_json(cls, usage: Json) -> Tokens:
        """``usage``: as in a row and in ``turn.json``."""
        prompt, cached, tool_use, *made = (
            count(usage.get(name)) for name in ("prompt", "cached", "tool_use", "candidates", "thoughts")
        )
        return cls(prompt + tool_use, cached, sum(made))


def tokens(prompt: int, cached: int, made: int, *, source: str = "") -> str:
    """``8.8k→47 (92% cached)``: those of the request, of the answer, and what part of the former came from Google's
    cache; ``~8.8k→47``: they are estimated."""
    words = f"{'~' if source == 'estimate' else ''}{short(prompt)}→{short(made)}"
    return f"{words} ({100 * min(cached, prompt) // prompt}% cached)" if cached and prompt else words


def short(number: float) -> str:
    """At most five characters: ``812``, ``8.8k``, ``120k``, ``1.2M``."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if number >= unit * 0.9995:
            value = number / unit
            return f"{value:.1f}{name}" if value < 99.95 else f"{value:.0f}{name}"
    return f"{number:.0f}"


def dollars(usd: float) -> str:
    """Two figures that say something: ``$0.0031``, ``$1.20``"""
    if usd >= 0.1:
        return f"${usd:.2f}"
    return f"${usd:.2g}" if usd >= 0.0001 or not usd else "<$0.0001"


def price(usd: float | None, *, partial: bool) -> str:
    """``$0.12``; ``≥ $0.12``: something in it has no known price; ``?``: nothing has; empty: nothing is billed."""
    if usd is None:
        return "?" if partial else ""
    return f"≥ {dollars(usd) if usd >= 0.0001 else '$0'}" if partial else dollars(usd)


def many(number: int, word: str, several: str = "") -> str:
    """``1 turn``, ``2 turns``; ``several``: the word's plural where that is not the word and an s."""
    return f"{number} {word if number == 1 else several or f'{word}s'}"


def counted(names: Iterable[str]) -> list[str]:
    """``["shell×2", "read"]``, in the order in which they first come."""
    return [name if many == 1 else f"{name}×{many}" for name, many in Counter(names).items()]
