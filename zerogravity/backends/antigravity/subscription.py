"""Whether a build runs the model only once somebody streams the state of its cascade: sources differ, builds too (F4).

A stream is dear: over HTTP/1.1 to stop reading it is to close its connection. So a turn is given a while to call Google
by itself, and its state is followed after that; a build that has twice needed this, and never called by itself, is
followed at once.

Facts: language-server-and-google A.10, F4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.core.running import RunningTurn

PATIENCE_S = 1.0
SURE = 2  # turns: the first of a server may just be slow


class Subscription:
    """``sleep``: ``asyncio.sleep`` by default."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._alone: set[Endpoint] = set()  # have called Google by themselves
        self._late: dict[Endpoint, int] = {}  # turns of those that have not

    async def needed(self, endpoint: Endpoint, running: RunningTurn) -> None:
        """Return when the state of this turn has to be followed. Cancelled when its call is here, it learns."""
        if endpoint not in self._alone and self._late.get(endpoint, 0) >= SURE:
            return
        try:
            await self._sleep(PATIENCE_S)
        finally:
            if "matched" in running.marks:
                self._alone.add(endpoint)
        self._late[endpoint] = self._late.get(endpoint, 0) + 1
