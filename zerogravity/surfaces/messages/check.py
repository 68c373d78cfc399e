"""The grammar of a Messages stream. Facts: wire-anthropic 3."""

from __future__ import annotations

from zerogravity.surfaces.grammar import Source, whole


def check_messages(source: Source) -> None:
    """Raises GrammarError."""
    whole(source)
