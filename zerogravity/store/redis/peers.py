"""``RedisPeers``: the other gateways on one Redis."""

from __future__ import annotations

from zerogravity.store.peers import Command, Shown
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import Connection
from zerogravity.store.redis.frames import LiveFrames
from zerogravity.store.redis.leases import Leases
from zerogravity.store.redis.news import News


class RedisPeers:
    """``Peers``."""

    def __init__(self, connection: Connection, leases: Leases) -> None:
        self._connection = connection
        self._leases = leases
        self._live = LiveFrames(connection, leases.own)
        self._news = News(connection, leases.own)
        self.append = self._live.append
        self.news = self._news.followed
        self.listen = self._news.listen
        self.close = self._news.close

    async def secret(self, own: bytes) -> bytes:
        """See ``Peers``."""
        with self._connection.guarded():
            await self._connection.client.set(keys.SECRET, own, nx=True)
            found = await self._connection.client.get(keys.SECRET)
        secret = found if isinstance(found, bytes) else own
        self._leases.keep(keys.SECRET, secret)
        return secret

    async def frames(self, owner: str, response_id: str, number: int) -> Shown | None:
        """See ``Peers``. Only while nothing comes is it worth asking whether its gateway lives."""
        found = await self._live.read(owner, response_id, number)
        if found is None:
            return None
        run, shown = found
        return shown if shown.frames or (run and await self._leases.alive(run)) else None

    async def is_deleted(self, owner: str, response_id: str) -> bool:
        """See ``Peers``."""
        with self._connection.guarded():
            return bool(await self._connection.client.exists(keys.deleted(owner, response_id)))

    async def ask(self, command: Command, owner: str, response_id: str) -> bool:
        """See ``Peers``."""
        run = await self._live.run(owner, response_id)
        if not run or not await self._leases.alive(run):
            return False
        await self._news.ask(run, command, owner, response_id)
        return True
