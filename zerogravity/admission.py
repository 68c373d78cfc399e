"""A number of places and a bounded queue for them, first come, first served. Knows nothing of turns."""

from __future__ import annotations

import asyncio
from collections import deque


class AdmissionQueue:
    def __init__(self, count: int, waiting: int) -> None:
        self.taken = 0
        self.queue: deque[asyncio.Future[None]] = deque()
        self._count = count
        self._waiting = waiting

    def acquire(self) -> asyncio.Future[None] | None:
        """A future that is done when the caller has a place, perhaps at once. None: the queue is full."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.taken < self._count:
            self.taken += 1
            place.set_result(None)
        elif len(self.queue) < self._waiting:
            self.queue.append(place)
        else:
            return None
        return place

    def release(self, place: asyncio.Future[None]) -> None:
        """Leave the queue, or hand the place on; the future says which of the two, even when both race."""
        if not place.done() or place.cancelled():
            place.cancel()
            if place in self.queue:
                self.queue.remove(place)
            return
        while self.queue:
            following = self.queue.popleft()
            if not following.done():
                following.set_result(None)
                return
        self.taken -= 1
