"""``Replicas``: copies of the turns viewed last, brought up to date at each view; bounded in number and bytes.
A turn that nobody views costs nothing.

One thread does all of the work, so that viewing never delays running turns. A view whose client has left is finished
all the same, for the next one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from zerogravity.core.channel import CascadeChannel
from zerogravity.observe.inspector import blocks
from zerogravity.observe.replica import Replica
from zerogravity.observe.requests import Bodies
from zerogravity.observe.sessions import Sessions
from zerogravity.surfaces.base import Surfaces

MAX_REPLICAS = 8
MAX_BYTES = 96 << 20


class Replicas:
    """``surfaces``: name → surface, to render what clients saw; ``secret`` as the server's."""

    def __init__(
        self,
        bodies: Bodies,
        surfaces: Surfaces,
        secret: bytes,
        max_bytes: int = MAX_BYTES,
        sessions: Sessions | None = None,
    ) -> None:
        self._bodies = bodies
        self._surfaces = surfaces
        self._secret = secret
        self._max_bytes = max_bytes
        self._sessions = sessions or Sessions()
        self._kept: OrderedDict[str, tuple[CascadeChannel, Replica]] = OrderedDict()  # used by the thread only
        self._thread = ThreadPoolExecutor(1, "zerogravity-inspector")  # started by the first view
        self._prepared = False
        self.bytes = 0

    async def look[T](self, channel: CascadeChannel, read: Callable[[Replica], T]) -> T:
        """``read`` of the turn's copy, brought up to date."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._look, channel, read)

    def prepare(self) -> None:
        """The page has been asked for: a view will follow."""
        if not self._prepared:
            self._prepared = True
            self._thread.submit(blocks.load)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    # -- the thread --------------------------------------------------------------------------------------------

    def _look[T](self, channel: CascadeChannel, read: Callable[[Replica], T]) -> T:
        replica = self._of(channel)
        for _ in replica.grow():
            pass
        if channel.closed:
            replica.mask_spread_secrets()
        found = read(replica)
        self._trim()
        return found

    def _of(self, channel: CascadeChannel) -> Replica:
        if channel.id not in self._kept:
            surface = self._surfaces.get(channel.turn.surface)
            request = partial(self._bodies.get, channel.id)
            placed = partial(self._sessions.of, channel)
            self._kept[channel.id] = channel, Replica(channel, channel.records, surface, self._secret, request, placed)
        self._kept.move_to_end(channel.id)
        return self._kept[channel.id][1]

    def _trim(self) -> None:
        for turn_id in [turn_id for turn_id, (channel, _) in self._kept.items() if channel.expired]:
            del self._kept[turn_id]
        sizes = [replica.size for _, replica in self._kept.values()]
        while len(sizes) > 1 and (len(sizes) > MAX_REPLICAS or sum(sizes) > self._max_bytes):
            self._kept.popitem(last=False)
            sizes.pop(0)
        self.bytes = sum(sizes)
