"""Stored responses as the routes see them. A turn that has closed can be read at once; it is written in the background.
One that runs in the background is written when it starts, too: should this process end, it is known to have failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Record
from zerogravity.server.services import Services
from zerogravity.store.base import Entry
from zerogravity.store.pending_writes import Make, PendingWrites
from zerogravity.surfaces.responses.ids import response_id
from zerogravity.surfaces.responses.stored import StoredResponse, cut_off, stored_at_end, stored_at_start

CLOSE_S = 2.0  # how long the disk is waited for at the end
SLICE = 200  # records of a background response that are rendered in one go: a few milliseconds


class ResponseWriter:
    """``services.responses`` behind what is still to be written."""

    def __init__(self, services: Services) -> None:
        self._services = services
        limit = min(services.config.limits.unwritten_bytes, services.budget.share("unwritten"))
        self._unwritten = PendingWrites(services.responses, limit, partial(services.health.report, "responses"))
        services.budget.watch("unwritten", lambda: self._unwritten.bytes)
        self.delete = self._unwritten.delete
        services.store.on_closed.append(self.keep_end)

    @property
    def waiting(self) -> int:
        """How many writes the disk has not taken yet."""
        return len(self._unwritten)

    async def get(self, response_id: str, owner: str) -> StoredResponse | None:
        """That response, whether or not the disk has it yet. None: unknown, or somebody else's."""
        entry = await self._unwritten.get(response_id, owner)
        return None if entry is None else stored_of(entry)

    async def item(self, item_id: str, owner: str) -> Mapping[str, Any] | None:
        """The newest item with that id."""
        entry = await self._unwritten.with_item(item_id, owner)
        return None if entry is None else stored_of(entry).items.get(item_id)

    def keep_start(self, channel: CascadeChannel) -> None:
        """Store that this turn's response has begun, if nobody has to wait for its end."""
        if channel.turn.store and channel.turn.background and not channel.closed:
            self._add(channel, partial(self._begun, channel))

    def keep_end(self, channel: CascadeChannel) -> None:
        """Store the response of a turn that is over."""
        if channel.turn.store:
            self._add(channel, partial(self._over, channel, channel.records))

    async def begun(self, channel: CascadeChannel) -> None:
        """Wait until it has been tried to write down that this turn runs."""
        await self._unwritten.tried(channel.turn.owner, response_id(channel.id))

    async def ended(self, channel: CascadeChannel) -> None:
        """Before a client is told that its response is over and stored: wait until it has been tried to write it down.
        Where nothing outlives this process there is nothing to wait for."""
        turn = channel.turn
        if turn.store and self._services.config.store_path is not None:
            await self._unwritten.tried(turn.owner, response_id(channel.id))

    async def close(self) -> None:
        """Everything is put away, or said to be lost; then the store itself is closed."""
        await self._unwritten.close(CLOSE_S)

    def _add(self, channel: CascadeChannel, make: Make) -> None:
        self._unwritten.put(channel.turn.owner, response_id(channel.id), make, channel.held)

    async def _begun(self, channel: CascadeChannel) -> Entry:
        return entry_of(stored_at_start(channel, self._services.secret))

    async def _over(self, channel: CascadeChannel, records: Sequence[Record]) -> Entry:
        """A background response keeps its frames: they can be read again long after its records are gone. There may be
        tens of thousands: others run in between. ``records``: the list itself, which eviction takes from the channel.
        """
        services, frames = self._services, list[bytes]()
        if channel.turn.background:
            emitter = services.surfaces[channel.turn.surface].emitter(channel, services.secret)
            frames = emitter.begin()
            for number, record in enumerate(records, 1):
                frames += emitter.feed(record)
                if number % SLICE == 0:
                    await asyncio.sleep(0)
        return entry_of(stored_at_end(channel, services.secret, frames))


def entry_of(stored: StoredResponse) -> Entry:
    """As a store keeps it."""
    return Entry(
        stored.owner, stored.id, stored.created, stored.as_json(), frozenset(stored.items), stored.frames,
        stored.running,
    )  # fmt: skip


def stored_of(entry: Entry) -> StoredResponse:
    """As the surface shows it; what its process has left unfinished is cut off."""
    stored = StoredResponse.of_json(entry.data, entry.frames, running=entry.running)
    return cut_off(stored) if entry.abandoned else stored


RESPONSE_WRITER: web.AppKey[ResponseWriter] = web.AppKey("response_writer", ResponseWriter)
