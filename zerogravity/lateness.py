"""``Lateness``: how much of the time since a moment this process was too busy to look at what had come for it.
Deadlines that blame somebody else leave it out: what they wait for may lie unread in a socket.

Cassandra's failure detector does the same after a pause of its own process; aiohttp's timeouts, like asyncio's, count
it (aiohttp issue 3457).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

NS = 1_000_000_000
BUSY_S, IDLE_S = 0.05, 1.0  # between two looks while somebody is waited for, and else
CALM_S = 0.5  # the first of these once a look was punctual: a process that wakes oftener spends a tenth more (measured)
LEAST = NS // 500  # less is no lateness: a timer is never quite punctual
MUCH = NS // 100  # more, and the next look comes soon
KEPT = 4096  # spells: minutes of the worst overload


class Timer(Protocol):
    def cancel(self) -> None: ...


class Lateness:
    """From ``start`` to ``stop`` the event loop is asked to call at short intervals, and is late when it calls later.

    ``busy``: whether somebody is waited for. ``report`` gets how many seconds late each call was. ``call_later``: the
    running loop's by default.
    """

    def __init__(
        self,
        clock: Callable[[], int],
        *,
        busy: Callable[[], bool] = lambda: True,
        report: Callable[[float], object] = lambda _: None,
        call_later: Callable[[float, Callable[[], Any]], Timer] | None = None,
    ) -> None:
        self._clock = clock
        self._busy = busy
        self._report = report
        self._later = call_later
        self._due = 0
        self._timer: Timer | None = None
        self._spells: deque[tuple[int, int]] = deque(maxlen=KEPT)  # when it was over, how long it was

    def start(self) -> None:
        self._arm(BUSY_S if self._busy() else IDLE_S)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def hurry(self) -> None:
        """From now on somebody is waited for."""
        if self._timer is not None and self._due - self._clock() > BUSY_S * NS:
            self._timer.cancel()
            self._arm(BUSY_S)

    def since(self, then: int) -> int:
        """How many of the nanoseconds since ``then``."""
        now = self._clock()
        overdue = now - max(self._due, then) if self._timer is not None else 0
        late = overdue if overdue > LEAST else 0
        for end, length in reversed(self._spells):
            if end <= then:
                break
            late += min(length, end - then)
        return late

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncGenerator[None]:
        """As ``asyncio.timeout``, without the time in which we were late."""
        loop, began, left_out = asyncio.get_running_loop(), self._clock(), 0

        def due() -> None:
            nonlocal left_out, timer
            ours = self.since(began)
            further, left_out = ours - left_out, ours
            if further > 0:
                timer = later(further / NS, due)
            else:
                scope.reschedule(loop.time())

        later = self._later or loop.call_later
        timer = later(seconds, due)
        try:
            async with asyncio.timeout(None) as scope:
                yield
        finally:
            timer.cancel()

    def _arm(self, pause: float) -> None:
        self._due = self._clock() + int(pause * NS)
        self._timer = (self._later or asyncio.get_running_loop().call_later)(pause, self._look)

    def _look(self) -> None:
        now = self._clock()
        late = max(now - self._due, 0)
        if late > LEAST:
            self._spells.append((now, late))
        self._report(late / NS)
        self._arm(IDLE_S if not self._busy() else BUSY_S if late > MUCH else CALM_S)
