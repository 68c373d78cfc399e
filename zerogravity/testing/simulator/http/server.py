"""``HttpServer``: an HTTP server with every byte in one's own hands. Turns connections into ``Exchange`` objects;
HTTP/1.1 or HTTP/2 is chosen by ALPN. Knows nothing of Google.
"""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from typing import Self, cast

from zerogravity.testing.simulator.http.exchange import Handler, Shared
from zerogravity.testing.simulator.http.http1 import Http1
from zerogravity.testing.simulator.http.http2 import Http2
from zerogravity.testing.simulator.http.tls import Identity

BACKLOG = 1024


class HttpServer:
    """``await listen(…)`` → its port, as often as wanted; ``await stop()`` ends listeners, connections and answers."""

    def __init__(self, handler: Handler, max_body: int) -> None:
        self._shared = Shared(handler, max_body)
        self._servers: list[asyncio.Server] = []

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        return self._shared.total

    async def listen(self, host: str, port: int, identity: Identity | None = None, *, http2: bool = True) -> int:
        """Serve on a port (0: any), with TLS where there is an identity."""
        context: ssl.SSLContext | None = None
        if identity is not None:
            context = identity.server_context(["h2", "http/1.1"] if http2 else ["http/1.1"])
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Front(self._shared), host, port, ssl=context, backlog=BACKLOG)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def stop_listening(self) -> None:
        """Accept no new connections; open ones go on."""
        for server in self._servers:
            server.close()

    async def stop(self) -> None:
        """Close the listeners and every connection; running answers are cut."""
        self.stop_listening()
        self._shared.stopping = True  # a handshake may be under way
        for task in list(self._shared.tasks):
            task.cancel()
        for connection in list(self._shared.connections):
            connection.transport.abort()
        await asyncio.gather(*self._shared.tasks, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        self._shared.stopping = False


class Simulator(ABC):
    """A server for tests: ``async with`` starts and stops it, or ``start`` and ``stop`` by hand."""

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def stop(self) -> None: ...

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


class _Front(asyncio.Protocol):
    """The first protocol of each connection: hands over to HTTP/2 or HTTP/1.1 as ALPN says."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)
        if self._shared.stopping:
            transport.abort()
            return
        security = transport.get_extra_info("ssl_object")
        is_h2 = security is not None and security.selected_alpn_protocol() == "h2"
        protocol = Http2(self._shared) if is_h2 else Http1(self._shared)
        self._shared.total += 1
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
