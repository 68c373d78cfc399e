"""Those who want to be told of something → all of them are told, whatever one of them does."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger("zerogravity.core")


def attempt[**P](work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Guard point: what is done for somebody else may fail; that is logged, and goes no further."""
    try:
        work(*args, **kwargs)
    except Exception:
        logger.exception("%s failed", getattr(work, "__qualname__", work))


class Callbacks[T]:
    """Called in the order in which they came. One that fails keeps no other from being called."""

    __slots__ = ("_members", "_over")

    def __init__(self) -> None:
        self._members: list[Callable[[T], object]] = []
        self._over: T | None = None

    def __len__(self) -> int:
        return len(self._members)

    def append(self, callback: Callable[[T], object]) -> None:
        """Have it called from now on; at once and never again where all is ``over`` already."""
        if self._over is not None:
            attempt(callback, self._over)
        else:
            self._members.append(callback)

    def tell(self, subject: T) -> None:
        """Something has happened, and may happen again."""
        for callback in tuple(self._members):
            attempt(callback, subject)

    def over(self, subject: T) -> None:
        """It has happened for the only time. Nobody is held any longer."""
        members, self._members, self._over = self._members, [], subject
        for callback in members:
            attempt(callback, subject)
