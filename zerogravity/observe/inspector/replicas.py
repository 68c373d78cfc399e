"""``Replicas``: the copies of the turns that were looked at last, each up to date when it is looked at; bounded in
number and bytes. A turn at which nobody looks costs nothing.

All of the work is done by one thread, since looking at a turn must not hold up those that run; what somebody asked for
who has gone away since is finished, and the next one finds it done.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from zerogravity.core.channel import CascadeChannel
from zerogravity.observe.replica import Replica
from zerogravity.observe.requests import Bodies
from zerogravity.surfaces.base import Surfaces

MAX_VIEWS = 8
MAX_BYTES = 96 << 20


class Replicas:
    """``surfaces``: name → surface, to render what clients saw; ``secret`` as the server's."""

    def __init__(self, bodies: Bodies, surfaces: Surfaces, secret: bytes, max_bytes: int = MAX_BYTES) -> None:
        self._bodies = bodies
        self._surfaces = surfaces
        self._secret = secret
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, tuple[CascadeChannel, Replica]] = OrderedDict()  # the thread's alone
        self._thread = ThreadPoolExecutor(1, "zerogravity-inspector")  # started by the first look
        self.bytes = 0

    async def look[T](self, channel: CascadeChannel, read: Callable[[Replica], T]) -> T:
        """What ``read`` says of the turn's copy, brought up to date."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._look, channel, read)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    # -- the thread --------------------------------------------------------------------------------------------

    def _look[T](self, channel: CascadeChannel, read: Callable[[Replica], T]) -> T:
        replica = self._of(channel)
        for _ in replica.grow():
            pass
        if channel.closed:
            replica.mend()
        found = read(replica)
        self._trim()
        return found

    def _of(self, channel: CascadeChannel) -> Replica:
        if channel.id not in self._kept:
            surface = self._surfaces.get(channel.turn.surface)
            request = partial(self._bodies.get, channel.id)
            self._kept[channel.id] = channel, Replica(channel, channel.records, surface, self._secret, request)
        self._kept.move_to_end(channel.id)
        return self._kept[channel.id][1]

    def _trim(self) -> None:
        for turn_id in [turn_id for turn_id, (channel, _) in self._kept.items() if channel.expired]:
            del self._kept[turn_id]
        sizes = [replica.size for _, replica in self._kept.values()]
        while len(sizes) > 1 and (len(sizes) > MAX_VIEWS or sum(sizes) > self._max_bytes):
            self._kept.popitem(last=False)
            sizes.pop(0)
        self.bytes = sum(sizes)
