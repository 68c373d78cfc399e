"""What the form of a Chat answer depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zerogravity.core.turn import NOTHING, Details


@dataclass(frozen=True, slots=True)
class ChatDetails(Details):
    """``reasoning``: the members that show thoughts. ``legacy``: the call is shown as ``function_call``. ``one_call``:
    only the first call of an answer is handed on. ``metadata``: the client's own, repeated in the answer."""

    include_usage: bool = False
    reasoning: tuple[str, ...] = ("reasoning_content",)
    legacy: bool = False
    one_call: bool = False
    service_tier: str | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: NOTHING)
