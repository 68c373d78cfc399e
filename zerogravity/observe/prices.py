"""A turn's tokens → what they would cost at the provider's list price."""

from __future__ import annotations

from zerogravity.core.events import Usage


def usd(model: str, usage: Usage) -> float | None:
    """US dollars. ``model``: the name that Google knows; None: the price is not known, which is not 0."""
    return None
