"""Stored responses as the routes see them: a turn that has closed is put away in the background, and whoever asks for
one that is still on its way waits for it. So a client that continues at once finds what it continues.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from zerogravity.core.channel import CascadeChannel
from zerogravity.server.services import Services
from zerogravity.surfaces.responses.ids import response_id
from zerogravity.surfaces.responses.stored import StoredResponse, of_turn

logger = logging.getLogger("zerogravity.server")


class Shelf:
    """``services.responses`` with the writing that is under way."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._writing: dict[str, asyncio.Task[None]] = {}

    def keep(self, channel: CascadeChannel) -> None:
        """Store this turn's response as soon as it is over."""
        if channel.closed:
            self._put(channel)
        else:
            channel.on_close.append(self._put)

    async def get(self, identity: str, owner: str) -> StoredResponse | None:
        """None: unknown, deleted, expired, running, or somebody else's."""
        await self._settled(identity)
        return await self._services.responses.get(identity, owner)

    async def delete(self, identity: str, owner: str) -> bool:
        """False: there was nothing of that owner."""
        await self._settled(identity)
        return await self._services.responses.delete(identity, owner)

    async def item(self, item_id: str, owner: str) -> Mapping[str, Any] | None:
        """An item of any stored response, which an ``item_reference`` names."""
        await self._settled(*self._writing)
        return await self._services.responses.item(item_id, owner)

    async def close(self) -> None:
        """Everything is put away; then the store itself is closed."""
        await self._settled(*self._writing)
        await self._services.responses.close()

    def _put(self, channel: CascadeChannel) -> None:
        identity = response_id(channel.id)
        task = asyncio.create_task(self._write(channel), name=f"store {identity}")
        self._writing[identity] = task

        def written(task: asyncio.Task[None]) -> None:
            self._writing.pop(identity, None)
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.error("%s could not be stored: %s", identity, type(error).__name__)

        task.add_done_callback(written)

    async def _write(self, channel: CascadeChannel) -> None:
        """A background response keeps its frames: they can be read again long after its records are gone."""
        services, frames = self._services, list[bytes]()
        if channel.turn.background:
            emitter = services.surfaces["responses"].emitter(channel, services.secret)
            frames = emitter.begin()
            for record in channel.records:
                frames += emitter.feed(record)
        await services.responses.put(of_turn(channel, services.secret, frames))

    async def _settled(self, *identities: str) -> None:
        if waited := [self._writing[identity] for identity in identities if identity in self._writing]:
            await asyncio.wait(waited)


SHELF: web.AppKey[Shelf] = web.AppKey("shelf", Shelf)
