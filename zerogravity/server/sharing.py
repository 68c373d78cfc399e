"""What this gateway shows the others on its store: the frames of its background turns while they run; and what it does
at their command.

Nobody waits for this. What cannot be shown yet stays in the turn's own log, which is the only buffer; the end of a turn
writes its whole stream once more, whatever the others have seen of it. What has come of all turns goes out at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from zerogravity import background
from zerogravity.core.channel import CascadeChannel, CursorExpired
from zerogravity.errors import FaultError
from zerogravity.server.following import following
from zerogravity.server.services import Services
from zerogravity.store.peers import Batch, Command, Peers
from zerogravity.store.pending_writes import PendingWrites
from zerogravity.surfaces.responses.ids import turn_id_of

logger = logging.getLogger("zerogravity.server")
SLICE = 200  # records that are rendered at once: a few milliseconds
PAUSE_S = 0.1  # in which what comes is gathered
RETRY_S = 1.0  # after a failure
CLOSE_S = 2.0  # for deletions at shutdown
MOST = 100  # batches that go out at once, one of a turn
Waiting = tuple[Batch, asyncio.Future[bool]]


class Sharing:
    """``pending``: the writes to the store."""

    def __init__(self, services: Services, peers: Peers, pending: PendingWrites) -> None:
        self._services = services
        self._peers = peers
        self._pending = pending
        self._tasks = background.Tasks()
        self._deletions = background.Tasks()
        self._closed = False
        self._waiting: list[Waiting] = []
        self._sender: asyncio.Task[None] | None = None
        self._trouble: str | None = None
        self.failed = 0
        services.metrics.counter(
            "zg_frames_held_up", "Failed tries to show other gateways what has come of a background turn",
            lambda: self.failed,
        )  # fmt: skip
        peers.listen(self._obey)

    def begin(self, channel: CascadeChannel, response_id: str) -> None:
        """From now on others see what comes of that turn."""
        self._tasks.spawn(self._share(channel, response_id), "frames for other gateways")

    async def close(self) -> None:
        """Show nothing more, at once; what has been asked for by then is done."""
        self._closed = True
        await self._tasks.end()
        await self._deletions.end(CLOSE_S)

    async def _share(self, channel: CascadeChannel, response_id: str) -> None:
        """The first frames stand in the entry that says that the turn has begun, the last ones in that of its end."""
        services, owner = self._services, channel.turn.owner
        emitter = following(services.surfaces[channel.turn.surface], channel, services.secret)
        number = len(emitter.begin())
        await self._pending.tried(owner, response_id)
        cursor = channel.cursor(observer=True)
        try:
            async for batch in cursor:
                for begin in range(0, len(batch), SLICE):
                    frames = [frame for record in batch[begin : begin + SLICE] for frame in emitter.feed(record)]
                    await self._show(channel, Batch(owner, response_id, number, frames))
                    number += len(frames)
        except CursorExpired:  # over long ago
            return

    async def _show(self, channel: CascadeChannel, batch: Batch) -> None:
        """Until it has worked, or the turn is over."""
        while batch.frames and not channel.closed:
            shown = asyncio.get_running_loop().create_future()
            self._waiting.append((batch, shown))
            if self._sender is None or self._sender.done():
                self._sender = self._tasks.spawn(self._send_all(), "frames for other gateways")
            if await shown:
                return
            self.failed += 1
            await asyncio.sleep(RETRY_S)

    async def _send_all(self) -> None:
        """What waits, and what has come meanwhile."""
        while self._waiting:
            await asyncio.sleep(PAUSE_S)
            some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            for (_, shown), answer in zip(some, await self._sent([batch for batch, _ in some]), strict=True):
                if not shown.done():
                    shown.set_result(answer)

    async def _sent(self, batches: list[Batch]) -> Sequence[bool]:
        """Guard point: whatever fails, turns wait for the outcome."""
        try:
            answers = await self._peers.append(batches)
        except FaultError as error:
            if self._trouble is None:
                logger.warning("%s; other gateways do not see how turns go on", error.fault.message)
            self._trouble = error.fault.message
            return [False] * len(batches)
        except Exception:
            logger.exception("frames for other gateways failed")
            return [False] * len(batches)
        if self._trouble is not None:
            logger.info("other gateways see again how turns go on")
            self._trouble = None
        return answers

    def _obey(self, command: Command, owner: str, response_id: str) -> None:
        if self._closed:
            return
        turn_id = turn_id_of(response_id)
        channel = None if turn_id is None else self._services.store.get(turn_id)
        if channel is None or not channel.turn.store or channel.turn.owner != owner:
            return
        if not channel.closed:
            self._services.engine.cancel(channel)
        if command == "delete":
            self._deletions.spawn(self._pending.delete(response_id, owner), "deletion for another gateway")
