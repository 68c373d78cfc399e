"""What the form of a Gemini answer depends on."""

from __future__ import annotations

from dataclasses import dataclass

from zerogravity.core.turn import Details
from zerogravity.wire.narrow import Json


@dataclass(frozen=True, slots=True)
class GeminiDetails(Details):
    """``alt``: ``sse``, or ``json`` for one array. ``thoughts``: whether thought parts are shown. ``fields``: the mask
    of the answer, as ``field_mask.parse`` reads it."""

    alt: str = "sse"
    thoughts: bool = True
    fields: Json | None = None
