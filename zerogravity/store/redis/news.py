"""``News``: a gateway's one subscription to Redis: wake-ups for what is followed here, and commands for what runs here.

A message may be lost with the connection, so it carries nothing: whoever is woken looks for himself, and everybody is
woken when a subscription begins, for the first time or again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.exceptions import RedisError

from zerogravity import background
from zerogravity.store.peers import Command, Obey
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import Connection

logger = logging.getLogger("zerogravity.server")
SILENCE_S = 5.0  # until the server is asked whether it is still there, and as long again until it is given up
PAUSE_S = 0.5  # before the next connection
COMMANDS: Mapping[str, Command] = {"cancel": "cancel", "delete": "delete"}


class News:
    """``own``: this gateway's run."""

    def __init__(self, connection: Connection, own: str) -> None:
        self._connection = connection
        self._own = keys.to(own)
        self._followers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._wire: Any = None  # redis.asyncio.Connection, while it is subscribed
        self._obey: Obey | None = None
        self._task: asyncio.Task[None] | None = None

    def listen(self, obey: Obey) -> None:
        """See ``Peers``."""
        self._obey = obey
        self._task = background.task(self._listen_for_ever(), "news from Redis")

    @asynccontextmanager
    async def followed(self, owner: str, response_id: str) -> AsyncGenerator[asyncio.Event]:
        """See ``Peers.news``."""
        channel, event = keys.news(owner, response_id), asyncio.Event()
        self._followers[channel].add(event)
        try:
            if len(self._followers[channel]) == 1:
                await self._tell("SUBSCRIBE", channel)
            yield event
        finally:
            self._followers[channel].discard(event)
            if not self._followers[channel]:
                del self._followers[channel]
                await self._tell("UNSUBSCRIBE", channel)

    async def ask(self, run: str, command: Command, owner: str, response_id: str) -> None:
        """Ask that gateway."""
        with self._connection.guarded():
            message = f"{command} {keys.member(owner, response_id)}"
            await self._connection.client.publish(keys.to(run), message)  # pyright: ignore[reportUnknownMemberType]

    async def close(self) -> None:
        """May be called twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    # -- the subscription ------------------------------------------------------------------------------------

    async def _tell(self, *command: str) -> None:
        """Without a connection there is nothing to tell: the next one begins with all that is followed then."""
        if self._wire is not None and self._wire.is_connected:
            with suppress(RedisError, OSError):  # which its reader finds, too
                await self._wire.send_command(*command)

    async def _listen_for_ever(self) -> None:
        while True:
            wire: Any = self._connection.client.connection_pool.make_connection()
            try:
                await wire.connect()
                self._wire = wire
                await wire.send_command("SUBSCRIBE", self._own, *self._followers)
                await self._listen(wire)
            except (RedisError, OSError) as error:
                logger.debug("news from Redis: %s", error)
            except Exception:  # guard point: without news nothing is followed, and no command heard
                logger.exception("news from Redis failed; connecting again")
            finally:
                self._wire = None
                await wire.disconnect(nowait=True)
            await asyncio.sleep(PAUSE_S)

    async def _listen(self, wire: Any) -> None:
        """Until the connection breaks, or nothing is heard for too long."""
        asked = False
        while True:
            heard = await wire.read_response(timeout=SILENCE_S, disconnect_on_error=False, push_request=True)
            if heard is not None:
                asked = False
                self._hear(heard)
            elif asked:
                raise ConnectionResetError("no answer")
            else:
                asked = True
                await wire.send_command("PING")

    def _hear(self, heard: Any) -> None:
        """``[kind, channel, content]``; the answer to PING is another."""
        if not isinstance(heard, list) or len(heard) != 3:  # pyright: ignore[reportUnknownArgumentType]
            return
        kind, channel, content = heard  # pyright: ignore[reportUnknownVariableType]
        name = channel.decode()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if kind in (b"message", b"subscribe"):
            for event in self._followers.get(name, ()):  # pyright: ignore[reportUnknownArgumentType]
                event.set()
        if kind == b"message" and name == self._own:
            self._command(content)  # pyright: ignore[reportUnknownArgumentType]

    def _command(self, content: bytes) -> None:
        word, _, member = content.decode(errors="replace").partition(" ")
        if (command := COMMANDS.get(word)) is None:
            logger.warning("another gateway asks for something unknown; is it of another version?")
            return
        if self._obey is not None:
            self._obey(command, *keys.named(member))
