"""Conversations as the routes see them, behind the same pending writes as stored responses.

One turn at a time: it holds its conversation from its start, in this process and, through the store, in the others that
share the file. Whatever else ends, a conversation is not held any longer than the process lives that holds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from aiohttp import web

from zerogravity import background
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import Turn
from zerogravity.server.services import Services
from zerogravity.store.base import Change, Entry, reading
from zerogravity.store.pending_writes import MakeChange, PendingWrites
from zerogravity.surfaces.responses.conversation import Conversation, added_by, locked, not_found

Key = tuple[str, str]  # owner, id
Edit = Callable[[Conversation], Conversation]


class ConversationWriter:
    """``services.responses`` holds them. All ids are looked up by owner; raises FaultError 404 for the others."""

    def __init__(self, services: Services, pending: PendingWrites) -> None:
        self._services = services
        self._pending = pending
        self._held: dict[Key, str] = {}  # → id of the turn
        self._turns: dict[str, Key] = {}  # … and back

    async def create(self, conversation: Conversation, size: int) -> None:
        """Store a new one. ``size``: bytes, about."""

        async def make() -> Entry:
            return entry_of(conversation, self._services.wall())

        self._pending.put(conversation.owner, conversation.id, make, size)
        await self._pending.tried(conversation.owner, conversation.id)

    async def find(self, identity: str, owner: str) -> Conversation | None:
        """That conversation, written or pending."""
        found = await self._pending.get(identity, owner)
        return conversation_of(found) if found is not None and found.is_conversation else None

    async def get(self, identity: str, owner: str) -> Conversation:
        """The same, where there must be one."""
        return conversation_of(await self._entry(identity, owner))

    async def edit(self, identity: str, owner: str, edit: Edit, size: int = 0, *, aside: bool = False) -> Conversation:
        """Change it, which is tried once before this ends. ``edit`` is pure, and does not mind what it has done
        already. ``size``: bytes of what it adds, about; one that adds nothing is never lost. Raises FaultError 400
        while a turn holds it, unless the change stands ``aside`` from its items."""
        before = await self._entry(identity, owner)
        read = conversation_of(before)
        if not aside and (before.running or (owner, identity) in self._held):
            raise locked()
        change = self._changed(edit)

        async def make() -> Change:
            return change

        if size:
            self._pending.change(owner, identity, make=make, size=size)
        else:
            self._pending.change(owner, identity, change)
        await self._pending.tried(owner, identity)
        return edit(read)

    async def delete(self, identity: str, owner: str) -> None:
        """Remove it; its turn, if one runs, goes on and adds nothing."""
        if not await self._pending.delete(identity, owner):
            raise not_found(identity)

    # -- turns -------------------------------------------------------------------------------------------------------

    async def hold(self, turn: Turn, read: Conversation) -> None:
        """For a turn that is about to start, and has read it like that. Raises FaultError 400 if another turn holds
        it, or it has changed since."""
        key = turn.owner, read.id
        if key in self._held:
            raise locked()
        self._held[key], self._turns[turn.id] = turn.id, key
        now = self._services.wall()

        def take(entry: Entry) -> Entry:
            if entry.running or [*conversation_of(entry).visible] != [*read.visible]:
                raise locked()
            return replace(entry, created=now, running=True, abandoned=False)

        taking = background.task(self._pending.change_at_once(*key, take), f"hold {read.id}")
        try:
            if await asyncio.shield(taking) is None:
                raise not_found(read.id)
        except asyncio.CancelledError:  # the client has gone, and the store may have let the turn in all the same
            taking.add_done_callback(partial(self._not_started, turn))
            raise
        except Exception:
            self._forget(turn)
            raise

    def _not_started(self, turn: Turn, taking: asyncio.Task[Entry | None]) -> None:
        if taking.cancelled() or taking.exception() is not None or taking.result() is None:
            self._forget(turn)
        else:
            self.release(turn)

    def _forget(self, turn: Turn) -> None:
        """It does not hold its conversation."""
        del self._held[self._turns.pop(turn.id)]

    def turn_over(self, channel: CascadeChannel) -> None:
        """Add what a turn has brought, and let its conversation go."""

        async def make() -> Change:
            new = await asyncio.to_thread(added_by, channel, self._services.secret)
            return self._changed(lambda conversation: conversation.adding(new)) if new else _unchanged

        self._let_go(channel.id, make, channel.held)

    def release(self, turn: Turn) -> None:
        """The turn has not come to start."""

        self._let_go(turn.id)

    def _let_go(self, turn_id: str, make: MakeChange | None = None, size: int = 0) -> None:
        if (key := self._turns.pop(turn_id, None)) is not None:
            del self._held[key]
            self._pending.change(*key, _let_go, make=make, size=size)

    # -- entries -----------------------------------------------------------------------------------------------------

    async def _entry(self, identity: str, owner: str) -> Entry:
        found = await self._pending.get(identity, owner)
        if found is None or not found.is_conversation:
            raise not_found(identity)
        return found

    def _changed(self, edit: Edit) -> Change:
        now = self._services.wall()
        return lambda entry: replace(entry_of(edit(conversation_of(entry)), now), running=entry.running)


def _let_go(entry: Entry) -> Entry:
    return replace(entry, running=False, abandoned=False)


def _unchanged(entry: Entry) -> Entry:
    return entry


def conversation_of(entry: Entry) -> Conversation:
    with reading(entry.owner, entry.id):
        return Conversation.of_json(entry.id, entry.owner, entry.data)


def entry_of(conversation: Conversation, changed: float) -> Entry:
    """As a store keeps it. ``changed``: wall-clock seconds, from which its age counts."""
    data, items = conversation.as_json(), frozenset(conversation.visible)
    return Entry(conversation.owner, conversation.id, changed, data, items)


CONVERSATIONS: web.AppKey[ConversationWriter] = web.AppKey("conversations", ConversationWriter)
