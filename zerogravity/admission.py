"""Who may begin, first come, first served: ``AdmissionQueue``, a number of places and a bounded queue for them, and
``Pace``, a few at a time of those that come at once. Knows nothing of turns."""

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


class Pace:
    """Lets ``few`` begin in each round of the event loop, so that those that have begun get on before the next ones do:
    all at once would go step by step side by side, and each be as late as the last. While more than ``many`` wait, so
    many begin: short rounds cost, and the last of a crowd waits for all of them.

    A loop that has little to do takes a round in no time, so nobody waits for others that wait; and nobody has to say
    that it has got on, so one that never does keeps no other from beginning.
    """

    def __init__(self, few: int, many: int) -> None:
        self._few, self._many = few, many
        self._left = few  # of this round
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._pacing = False

    async def turn(self) -> None:
        """Return when the caller may begin, perhaps at once."""
        if not self._pacing:
            self._pacing = True
            asyncio.get_running_loop().call_soon(self._next_round)
        if self._left:
            self._left -= 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        await mine

    def _next_round(self) -> None:
        self._left = begin = self._many if len(self._waiting) > self._many else self._few
        while self._waiting and self._left:
            following = self._waiting.popleft()
            if not following.done():  # else it has given up
                following.set_result(None)
                self._left -= 1
        self._pacing = self._left < begin
        if self._pacing:
            asyncio.get_running_loop().call_soon(self._next_round)
