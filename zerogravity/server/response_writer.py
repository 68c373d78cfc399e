"""Stored responses as the routes see them. The response of a closed turn can be read at once and is written in the
background. A background turn is also written when it starts: if this process is killed, it is known to have failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from aiohttp import web

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Record
from zerogravity.core.turn import Turn
from zerogravity.server.conversation_writer import conversation_of
from zerogravity.server.services import Services
from zerogravity.server.sharing import Sharing
from zerogravity.store import address
from zerogravity.store.base import Change, End, Entry, reading
from zerogravity.store.pending_writes import Make, PendingWrites
from zerogravity.surfaces.base import StoredForm, Storing
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.stored import NOT_KEPT, StoredResponse, cut_off, remains, so_far
from zerogravity.wire.narrow import Json

CLOSE_S = 2.0  # wait for the disk at shutdown
SAVE_S = 0.5  # wait for the store before a client reads the end of its answer
SHARED_S = 2.0  # … where it may go on at another gateway; as long as a server has for its answer
AT_ONCE = 8  # writes to a store that is a server; more of them only wait for this process
SLICE = 200  # records of a background response that are rendered at once: a few milliseconds


class ResponseWriter:
    """``services.responses`` behind its ``pending`` writes."""

    def __init__(self, services: Services) -> None:
        self._services = services
        limit = min(services.config.limits.unwritten_bytes, services.budget.share("unwritten"))
        peers = services.responses.peers
        self.pending = PendingWrites(
            services.responses, limit, partial(services.health.report, "responses"), AT_ONCE if peers else 1
        )
        services.budget.watch("unwritten", lambda: self.pending.bytes)
        self.delete = self.pending.delete
        self._sharing = None if peers is None else Sharing(services, peers, self.pending)
        metrics = services.metrics
        metrics.gauge("zg_responses_waiting", "Writes that wait for the store", lambda: len(self.pending))
        metrics.counter("zg_responses_lost", "Writes that the store never took", lambda: self.pending.lost)

    @property
    def waiting(self) -> int:
        """How many writes are pending."""
        return len(self.pending)

    async def get(self, response_id: str, owner: str) -> StoredResponse | None:
        """That response, written or pending. None: unknown, or of another owner."""
        entry = await self.pending.get(response_id, owner)
        if entry is None or entry.is_conversation:
            return None
        if entry.abandoned and self._sharing is not None:  # written down, so that all gateways tell of the same end
            entry = await self.pending.change_at_once(owner, response_id, failed)
        return None if entry is None else stored_of(entry)

    async def item(self, item_id: str, owner: str) -> Json | None:
        """The newest item with that id."""
        entry = await self.pending.with_item(item_id, owner)
        if entry is None:
            return None
        items = conversation_of(entry).visible if entry.is_conversation else stored_of(entry).items
        return items.get(item_id)

    def save_start(self, channel: CascadeChannel) -> None:
        """Store that a background turn has started."""
        storing = self._storing(channel.turn)
        if storing is not None and channel.turn.background and not channel.closed:
            self._add(channel, storing, partial(self._start_entry, channel, storing))
            if self._sharing is not None:
                self._sharing.begin(channel, storing.id(channel.id))

    def save_end(self, channel: CascadeChannel) -> None:
        """Store the response of a turn that is over."""
        if (storing := self._storing(channel.turn)) is None:
            return
        turn, make = channel.turn, partial(self._end_entry, channel, storing, channel.records)
        if self._sharing is not None and turn.background:
            lost = Lost(entry_of(remains(turn)))
            self.pending.change(
                turn.owner, storing.id(channel.id), lost, make=partial(_ending, make), size=channel.held
            )
        else:
            self._add(channel, storing, make, unkept if turn.background else None)

    async def start_saved(self, channel: CascadeChannel) -> None:
        """Wait until one try to write the start has been made."""
        if (storing := self._storing(channel.turn)) is not None:
            await self.pending.tried(channel.turn.owner, storing.id(channel.id))

    async def end_saved(self, channel: CascadeChannel) -> None:
        """Before a client reads that its response is stored, and part of its conversation: wait until one try to write
        it has been made, where the store outlives this process; but not for a store that hangs."""
        turn, storing, ids = channel.turn, self._storing(channel.turn), list[str]()
        if isinstance(turn.details, ResponsesDetails) and turn.details.conversation:
            ids.append(turn.details.conversation)
        if storing is not None:
            ids.append(storing.id(channel.id))
        await self.saved(turn.owner, *ids)

    async def saved(self, owner: str, *ids: str) -> None:
        """The same of what has these ids."""
        if self._services.config.store == address.MEMORY:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(SAVE_S if self._sharing is None else SHARED_S):
                for entry_id in ids:
                    await self.pending.tried(owner, entry_id)

    async def close(self) -> None:
        """Write everything, or log what is lost; then close the store."""
        if self._sharing is not None:
            await self._sharing.close()
        await self.pending.close(CLOSE_S)

    def _storing(self, turn: Turn) -> Storing | None:
        """None: it is not stored."""
        surface = self._services.surfaces.get(turn.surface)
        return surface.storing if turn.store and surface is not None else None

    def _add(self, channel: CascadeChannel, storing: Storing, make: Make, rest: Change | None = None) -> None:
        self.pending.put(channel.turn.owner, storing.id(channel.id), make, channel.held, rest)

    async def _start_entry(self, channel: CascadeChannel, storing: Storing) -> Entry:
        return entry_of(storing.at_start(channel, self._services.secret))

    async def _end_entry(self, channel: CascadeChannel, storing: Storing, records: Sequence[Record]) -> Entry:
        """A background response keeps its frames: they can be read again long after its records are gone. There may be
        tens of thousands, so other tasks run in between. ``records``: the list itself: eviction removes it there.
        """
        services, frames = self._services, list[bytes]()
        if channel.turn.background:
            emitter = services.surfaces[channel.turn.surface].emitter(channel, services.secret)
            frames = emitter.begin()
            for number, record in enumerate(records, 1):
                frames += emitter.feed(record)
                if number % SLICE == 0:
                    await asyncio.sleep(0)
        return entry_of(storing.at_end(channel, services.secret, frames))


def entry_of(stored: StoredForm) -> Entry:
    """As a store keeps it."""
    return Entry(
        stored.owner, stored.id, stored.created, stored.as_json(), frozenset(stored.items), stored.frames,
        stored.running,
    )  # fmt: skip


async def _ending(make: Make) -> Change:
    """What the end changes. Another gateway may have deleted the response, or found that this one was not alive."""
    return End(await make())


def failed(entry: Entry) -> Entry:
    """One that was abandoned, as it is shown from now on."""
    return entry_of(stored_of(entry)) if entry.abandoned else entry


def stored_of(entry: Entry) -> StoredResponse:
    """As the surface shows it; an abandoned one has failed."""
    with reading(entry.owner, entry.id):
        stored = StoredResponse.of_json(entry.data, entry.frames, running=entry.running)
        if entry.abandoned:
            return cut_off(stored)
        return so_far(stored) if entry.running else stored


def unkept(entry: Entry) -> Entry:
    """The entry of a response whose start is stored and whose end is lost: nobody is working on it any more."""
    if not entry.running:
        return entry
    with reading(entry.owner, entry.id):
        return entry_of(cut_off(StoredResponse.of_json(entry.data, entry.frames), NOT_KEPT))


class Lost(End):
    """The end of a response is lost: of that what ``unkept`` says. ``entry``: where its beginning is, too."""

    __slots__ = ()

    def __call__(self, entry: Entry) -> Entry:
        return unkept(entry)


RESPONSE_WRITER: web.AppKey[ResponseWriter] = web.AppKey("response_writer", ResponseWriter)
