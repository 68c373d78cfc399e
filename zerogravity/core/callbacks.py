"""Those who want to hear of something → all of them do, whatever one of them does."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger("zerogravity.core")


def run_guarded[**P](work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Guard point: what is done for somebody else may fail; that is logged, and goes no further."""
    try:
        work(*args, **kwargs)
    except Exception:
        logger.exception("%s failed", getattr(work, "__qualname__", work))


class Callbacks[T]:
    """Called in the order in which they came. One that fails keeps no other from being called."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: list[Callable[[T], object]] = []

    def __len__(self) -> int:
        return len(self._members)

    def append(self, callback: Callable[[T], object]) -> None:
        """Have it called from now on."""
        self._members.append(callback)

    def call(self, subject: T) -> None:
        """It has happened to ``subject``."""
        for callback in tuple(self._members):
            run_guarded(callback, subject)
