"""What is left of each model's quota and when it is full again, as the language server tells it: models → JSON → words.
What it does not tell of a model is absent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zerogravity.observe import moments
from zerogravity.surfaces.common.models import ModelInfo
from zerogravity.wire.narrow import Json, number, objects, text
from zerogravity.wire.reasons import span

UNKNOWN = "unknown or used up"  # the language server leaves a 0 out


@dataclass(frozen=True, slots=True)
class Quota:
    """``left``: a fraction, None: not known, which can mean none. ``resets``: wall-clock seconds, None: not known."""

    model: str
    left: float | None = None
    resets: float | None = None

    def as_json(self) -> dict[str, object]:
        resets = None if self.resets is None else moments.utc(self.resets)
        return {"model": self.model, "left": self.left, "resets": resets}

    @classmethod
    def of_json(cls, told: Json) -> Quota:
        """The reverse, for what another process sent."""
        return cls(text(told.get("model")), number(told.get("left")), moments.wall(text(told.get("resets"))))

    def words(self, now: float) -> str:
        """``83% left, resets at 15:00 (in 5 h)``"""
        left = UNKNOWN if self.left is None else f"{self.left:.0%} left"
        return left if self.resets is None or self.resets <= now else f"{left}, resets {when(self.resets, now)}"


def of(models: Iterable[ModelInfo]) -> list[Quota]:
    """Of those models of which something is known."""
    return [
        Quota(info.id, info.left, info.resets) for info in models if info.left is not None or info.resets is not None
    ]


def read(listed: object) -> list[Quota]:
    """From the JSON list of a gateway."""
    return [Quota.of_json(each) for each in objects(listed)]


def lines(quotas: Iterable[Quota], now: float) -> list[str]:
    """``83% left, resets at 15:00 (in 5 h): gemini-3-flash, gemini-3-pro``: models that share a quota in one line, the
    scarcest first."""
    shared: dict[str, list[str]] = {}
    for quota in sorted(quotas, key=lambda quota: quota.left or 0):
        shared.setdefault(quota.words(now), []).append(quota.model)
    return [f"{words}: {', '.join(models)}" for words, models in shared.items()]


def when(wall: float, now: float) -> str:
    """``at 15:00 (in 5 h)``; of another day with the date."""
    form = "%H:%M" if moments.local(wall, "%F") == moments.local(now, "%F") else "%m-%d %H:%M"
    return f"at {moments.local(wall, form)} (in {span(wall - now)})"
