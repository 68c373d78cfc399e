"""POST requests to one language server over kept connections; its TLS is as ``endpoint.tls`` says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

from zerogravity.backends.antigravity.endpoint import Endpoint, tls
from zerogravity.carrier.calls import Target, Unopened
from zerogravity.carrier.connections import Connection
from zerogravity.carrier.pool import Carrier
from zerogravity.wire.http1 import Head
from zerogravity.wire.request import Request

CONNECT_S, IDLE_S = 5.0, 60.0


class BrokenError(Exception):
    """There is no answer, or no whole one. ``unsent``: why there was no connection, so nothing has been sent; None:
    there was one. ``begun``: some of the answer has come."""

    def __init__(self, why: str, *, begun: bool) -> None:
        super().__init__(why)
        self.begun = begun
        self.unsent: BaseException | None = why.error if isinstance(why, Unopened) else None


class Answer:
    """An answer as it comes. Ends the call with its block."""

    def __init__(self, carrier: Carrier, target: Target, request: Request) -> None:
        self.status = 0
        self._pieces: list[bytes] = []
        self._over = False
        self._why: str | None = None
        self._news: asyncio.Future[None] | None = None
        self._call = carrier.call(target, request, self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._over:
            self._call.cancel()

    async def whole(self) -> bytes:
        """Its body. Raises BrokenError."""
        while not self._over:
            await self._changed()
        return b"".join(self._taken())

    async def more(self) -> bytes:
        """What has come of its body since; nothing at its end. Raises BrokenError."""
        while not self._over and not self._pieces:
            await self._changed()
        return b"".join(self._taken())

    async def head(self) -> int:
        """Its status. Raises BrokenError."""
        while not self.status and not self._over:
            await self._changed()
        if not self.status:
            self._taken()
        return self.status

    # -- the carrier's side ------------------------------------------------------------------------------------------

    def begun(self, head: Head, connection: Connection) -> None:
        self.status = head.status
        self._wake()

    def data(self, data: bytes) -> None:
        self._pieces.append(data)
        self._wake()

    def ended(self) -> None:
        self._over = True
        self._wake()

    def broken(self, why: str) -> None:
        self._over, self._why = True, why
        self._wake()

    # -- between them ------------------------------------------------------------------------------------------------

    def _taken(self) -> list[bytes]:
        if self._why is not None:
            raise BrokenError(self._why, begun=self.status > 0)
        pieces, self._pieces = self._pieces, []
        return pieces

    async def _changed(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        await self._news

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Connections:
    """To one language server. Raises FaultError for one that must not be talked to."""

    def __init__(self, endpoint: Endpoint) -> None:
        parts = urlsplit(endpoint.url)
        secure, host = parts.scheme == "https", parts.hostname or "localhost"
        self._target = Target(host, parts.port or (443 if secure else 80), secure, host)
        self._base = parts.path
        self._host = parts.netloc.rpartition("@")[2]
        context = tls(endpoint)
        self._carrier = Carrier(lambda: context, idle_s=IDLE_S, connect_s=CONNECT_S, crossing_s=0)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send it."""
        fields = {"Host": self._host, **headers, "Content-Length": str(len(body))}
        sent = tuple((name.encode(), value.encode()) for name, value in fields.items())
        return Answer(self._carrier, self._target, Request(b"POST", (self._base + path).encode(), sent, (body,)))

    async def close(self) -> None:
        await self._carrier.close()
