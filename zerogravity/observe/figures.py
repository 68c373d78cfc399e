"""Figures of turns → few characters, for terminals. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def duration(seconds: float) -> str:
    """``340 ms``, ``1.2 s``, ``2 min 05 s``"""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


def tokens(prompt: int, cached: int, made: int) -> str:
    """``8.8k→47 (92% cached)``: those of the request, of the answer, and what part of the former came from Google's
    cache."""
    words = f"{short(prompt)}→{short(made)}"
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


def many(count: int, word: str, several: str = "") -> str:
    """``1 turn``, ``2 turns``; ``several``: the word's plural where that is not the word and an s."""
    return f"{count} {word if count == 1 else several or f'{word}s'}"


def counted(names: Iterable[str]) -> list[str]:
    """``["shell×2", "read"]``, in the order in which they first come."""
    return [name if many == 1 else f"{name}×{many}" for name, many in Counter(names).items()]
