"""``Fault`` → the headers of its answer, on every surface."""

from __future__ import annotations

import math

from zerogravity.errors import Fault


def fault_headers(fault: Fault) -> dict[str, str]:
    """``Retry-After`` in whole seconds, at least 1; ``x-should-retry: false`` when a retry cannot help."""
    headers: dict[str, str] = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(whole_seconds(fault.retry_after))
    if not fault.retryable:
        headers["x-should-retry"] = "false"
    return headers


def whole_seconds(delay: float) -> int:
    """A delay as every answer says it: at least 1, since 0 makes clients ask again without a pause."""
    return max(1, math.ceil(delay))
