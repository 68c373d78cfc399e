"""What the runtime keeps of a conversation that is over is removed: at once, and once more a little later, because it
may still be writing when it has hung up (up to 40 ms later, on a busy machine)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from zerogravity import background

LATE_S = 2.0


class Forgetting:
    """``await forget(folder)`` when a conversation is over; ``await stop()`` when the runtime is."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._over: set[Path] = set()  # to be removed once more
        self._again: asyncio.Task[None] | None = None
        self._stopped = False

    async def forget(self, folder: Path) -> None:
        """Cancelled, it is removed all the same."""
        self._over.add(folder)
        if not self._stopped and (self._again is None or self._again.done()):
            self._again = background.task(self._remove_again(), "removing what the runtime wrote late")
        await asyncio.to_thread(_remove, {folder})

    async def stop(self) -> None:
        self._stopped = True
        if self._again is not None:
            self._again.cancel()
            await asyncio.wait((self._again,))

    async def _remove_again(self) -> None:
        while self._over:
            over, self._over = self._over, set()
            await self._sleep(LATE_S)
            await asyncio.to_thread(_remove, over)


def _remove(folders: set[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
