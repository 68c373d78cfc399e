"""``Waiters``: tasks that sleep until something changes → woken together, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Waiters:
    """Nobody is woken twice: whoever still waits for something has to come again."""

    __slots__ = ("_sleeping",)

    def __init__(self) -> None:
        self._sleeping: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return len(self._sleeping)

    def wake(self) -> None:
        for future in self._sleeping:
            if not future.done():
                future.set_result(None)
        self._sleeping.clear()

    async def wait(self) -> None:
        """Return when they are woken the next time."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleeping.append(future)
        try:
            await future
        finally:
            if future in self._sleeping:
                self._sleeping.remove(future)

    async def until(self, true: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait for it to be true; it is looked at each time they are woken. False: ``timeout`` seconds passed."""
        try:
            async with asyncio.timeout(timeout):
                while not true():
                    await self.wait()
        except TimeoutError:
            return False
        return True
