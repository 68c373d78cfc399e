"""Token counts that are not Google's own say so with the header ``MARK``."""

from __future__ import annotations

from zerogravity.core import token_estimate
from zerogravity.wire.narrow import Json

MARK = {"x-zerogravity-tokens": "estimate"}


def count_of(request: Json, counted: int | None) -> tuple[int, dict[str, str]]:
    """(tokens, headers): Google's own count of that request, or the estimate and its mark."""
    return (token_estimate.total(request), MARK) if counted is None else (counted, {})
