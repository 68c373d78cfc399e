"""What the language server gets of an answer that is read past mitmproxy: in order, whole, and not piece by piece.

It needs no fifty writes a second: pieces are held, at most ``HOLD_S`` after the first of them, and sent as one. Whoever
reads the answer never waits for the language server; one that takes too little for too long loses its copy, no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol

HOLD_S = 0.25
SOON_S = 0.06  # a piece that comes so shortly before that time takes along what is held: no wake-up is spent on it
AT_ONCE = 256 * 1024  # no more than this is held


class Timers(Protocol):
    """What it needs of an event loop."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], object], /) -> asyncio.TimerHandle: ...


class LsCopy[Event]:
    """``deliver`` hands one event on, and returns when there is room for another; ``piece`` makes one of bytes.
    ``spawn`` runs the delivery. ``written``: gets bytes that nothing waits before, and says whether it has written
    them, so that they need not become an event. ``lost``: the rest cannot be told any more, but as an error."""

    def __init__(
        self,
        deliver: Callable[[Event], Awaitable[None]],
        piece: Callable[[bytes], Event],
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        written: Callable[[bytes], bool] = lambda _: False,
        timers: Timers | None = None,
        max_bytes: int = 64 << 20,
    ) -> None:
        self.lost = False
        self._deliver = deliver
        self._piece = piece
        self._spawn = spawn
        self._written = written
        self._timers = timers or asyncio.get_running_loop()
        self._max_bytes = max_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._queue: list[tuple[Event, int]] = []  # short; an empty deque takes half a KiB
        self._waiting = 0  # bytes in the queue and on their way
        self._sending = False

    def hold(self, pieces: Iterable[bytes]) -> None:
        """Bytes of the answer, for soon."""
        if self.lost:
            return
        for piece in pieces:
            if piece:
                self._held.append(piece)
                self._held_bytes += len(piece)
        if self._waiting and self._waiting + self._held_bytes > self._max_bytes:
            self.drop()
        elif self._held_bytes > AT_ONCE:
            self.flush()
        elif self._timer is None:
            self._timer = self._timers.call_later(HOLD_S, self.flush) if self._held else None
        elif self._timer.when() - self._timers.time() < SOON_S:
            self.flush()

    def flush(self) -> None:
        """Send what is held."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
            if self._sending or not self._written(data):
                self._put(self._piece(data), len(data))

    def send(self, event: Event) -> None:
        """An event of its own, behind all that is held."""
        self.flush()
        self._put(event, 0)

    def drop(self) -> None:
        """Nothing of the rest will be told."""
        self.lost = True
        self._held.clear()
        self._held_bytes = 0
        self.flush()
        self._queue.clear()

    def _put(self, event: Event, size: int) -> None:
        self._queue.append((event, size))
        self._waiting += size
        if not self._sending:
            self._sending = True
            self._spawn(self._pump())

    async def _pump(self) -> None:
        try:
            while self._queue:
                event, size = self._queue.pop(0)
                await self._deliver(event)
                self._waiting -= size
        finally:
            self._sending = False
