"""``Waiters``: tasks that sleep, and callbacks, until something changes → woken together, and only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class Waiters:
    """Nobody is woken twice: whoever still waits for something has to come again."""

    __slots__ = ("_sleeping",)

    def __init__(self) -> None:
        self._sleeping: dict[object, Callable[[bool], object]] = {}

    def __len__(self) -> int:
        return len(self._sleeping)

    def wake(self, whole: bool = False) -> None:
        """All of them. ``whole``: nothing more is about to change at this moment."""
        if self._sleeping:
            sleeping, self._sleeping = self._sleeping, {}
            for wake in sleeping.values():
                wake(whole)

    def nudge(self, who: object) -> None:
        """Wake only that one, if it sleeps."""
        if (wake := self._sleeping.pop(who, None)) is not None:
            wake(False)

    def call(self, who: object, wake: Callable[[bool], object]) -> None:
        """``wake`` is called when they are woken the next time, and told whether that is ``whole``. It must be quick
        and never raise."""
        self._sleeping[who] = wake

    def forget(self, who: object) -> None:
        """It does not wait any more."""
        self._sleeping.pop(who, None)

    async def wait(self) -> None:
        """Return when they are woken the next time."""
        import asyncio  # heavy, and not for who only reads turns

        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.call(future, lambda _: future.done() or future.set_result(None))
        try:
            await future
        finally:
            self.forget(future)
