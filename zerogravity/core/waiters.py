"""``Waiters``: tasks that sleep until something changes → woken together, and only then."""

from __future__ import annotations

import asyncio


class Waiters:
    """Nobody is woken twice: whoever still waits for something has to come again."""

    __slots__ = ("_sleeping",)

    def __init__(self) -> None:
        self._sleeping: dict[object, asyncio.Future[None]] = {}

    def __len__(self) -> int:
        return len(self._sleeping)

    def wake(self) -> None:
        """All of them."""
        if self._sleeping:
            for future in self._sleeping.values():
                if not future.done():
                    future.set_result(None)
            self._sleeping.clear()

    def nudge(self, who: object) -> None:
        """Wake only that one, if it sleeps."""
        future = self._sleeping.pop(who, None)
        if future is not None and not future.done():
            future.set_result(None)

    async def wait(self, who: object = None) -> None:
        """Return when they are woken the next time. ``who``: by which this one can be nudged."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        who = who or future
        self._sleeping[who] = future
        try:
            await future
        finally:
            self._sleeping.pop(who, None)
