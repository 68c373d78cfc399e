"""``Watchdog``: the one timer of a reader, however many events it gets. It looks after both things that a reader waits
for: something to write (long silence wants a heartbeat) and room in the client's socket (a long wait is a stall)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

NEVER = float("inf")
Room = Callable[[], Awaitable[None]]
"""How to wait for room."""


class Stalled(Exception):
    """The client has read nothing for too long."""


class Timers(Protocol):
    """What it needs of an event loop."""

    def time(self) -> float: ...
    def call_at(self, when: float, callback: Callable[[], object], /) -> asyncio.TimerHandle: ...


class Watchdog:
    """``stall``: seconds that one wait for room may take. ``silence``: seconds after the last write until ``silent`` is
    called, and again and again. The timer is set anew only when it fires; a write only moves what it is compared with.
    """

    __slots__ = ("_expiry", "_limits", "_silent", "_since", "_step", "_time", "_timer", "_timers", "_waiting")

    def __init__(
        self,
        stall: float,
        silence: float = NEVER,
        silent: Callable[[], object] = lambda: None,
        timers: Timers | None = None,
    ) -> None:
        self._limits = silence, stall
        self._step = min(stall, silence)  # no wait that begins between two looks is over before the second one
        self._silent = silent
        self._timers = timers or asyncio.get_running_loop()
        self._time = self._timers.time
        self._timer: asyncio.TimerHandle | None = None
        self._expiry: asyncio.Timeout | None = None
        self._since = 0.0
        self._waiting = False

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """Around all that the reader does. Raises Stalled out of it when there is no room for too long."""
        expiry = asyncio.timeout(None)
        try:
            async with expiry:
                self._expiry, self._since = expiry, self._time()
                self._look()
                yield
        except TimeoutError:
            if not expiry.expired():
                raise
            raise Stalled from None
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def written(self) -> None:
        """Something has been written, and there is room for more."""
        self._since = self._time()

    async def wait(self, room: Room) -> None:
        """Something has been written, and there is no room for more; wait for some."""
        self._since, self._waiting = self._time(), True
        try:
            await room()
        finally:
            self._since, self._waiting = self._time(), False

    def _look(self) -> None:
        now, limit = self._time(), self._limits[self._waiting]
        if now >= self._since + limit:
            if self._waiting:
                assert self._expiry is not None
                self._expiry.reschedule(0)  # now
                return
            self._since = now
            self._silent()
        self._timer = self._timers.call_at(min(self._since + limit, now + self._step), self._look)
