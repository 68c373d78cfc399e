"""``Exchange``: a request that has been read whole, and an answer that can be cut into chunks anywhere, dropped, reset
or half closed; and what the connections of one server share. ``http1.py`` and ``http2.py`` are the two protocols.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

Headers = Iterable[tuple[str, str]]


class ClientGone(Exception):
    """The other side closed the connection, or reset the stream, before the answer was complete."""


class Exchange(ABC):
    """One request, read whole, and the answer to it. ``headers`` has lower-case names.

    ``over``: ended, dropped, reset: nothing can be written any more.
    """

    def __init__(
        self, connection: Connection, http: str, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> None:
        self.connection = connection
        self.http = http
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.over = False
        self.client_gone = False

    @abstractmethod
    def start(self, status: int, headers: Headers, *, length: int | None = None) -> None:
        """Send status and headers; without ``length`` the body is chunked."""

    def write(self, data: bytes) -> None:
        """Send one piece of the body: one HTTP chunk, or DATA frames."""
        self.write_all([data])

    @abstractmethod
    def write_all(self, pieces: Sequence[bytes]) -> None:
        """Send several pieces, each as a chunk of its own, with one write."""

    @abstractmethod
    def raw(self, data: bytes) -> None:
        """Send bytes as they are, past all framing (HTTP/1.1), or as body (HTTP/2)."""

    async def drain(self) -> None:
        """Wait until the client takes more. Raises ClientGone."""
        await self.connection.writable.wait()
        if self.client_gone:
            raise ClientGone

    @abstractmethod
    def end(self) -> None:
        """The proper end of the body."""

    def drop(self) -> None:
        """Close the connection without ending the body."""
        self.over = True
        self.connection.transport.close()

    @abstractmethod
    def reset(self) -> None:
        """RST: of the connection (HTTP/1.1), of the stream (HTTP/2)."""

    def half_close(self) -> None:
        """Stop sending, keep reading: the client sees the end of the connection's bytes."""
        self.over = True
        self.connection.half_close()


Handler = Callable[[Exchange], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One connection, of whichever HTTP."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.transport: asyncio.Transport
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.shared.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.shared.connections.discard(self)
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def half_close(self) -> None:
        """Send a FIN and go on reading; under TLS this is a truncation, without close_notify."""
        with contextlib.suppress(OSError):
            self._socket().shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with a TCP RST."""
        self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _socket(self) -> socket.socket:
        found: socket.socket = self.transport.get_extra_info("socket")
        return found


@dataclass(slots=True)
class Shared:
    """What all connections of one server share. ``stopping``: no new one is served."""

    handler: Handler
    max_body: int
    connections: set[Connection] = field(default_factory=set[Connection])
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    total: int = 0
    stopping: bool = False

    def run(self, exchange: Exchange, after: Callable[[], None]) -> asyncio.Task[None]:
        """Answer one exchange in a task of its own."""
        task = asyncio.create_task(self._answer(exchange, after))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _answer(self, exchange: Exchange, after: Callable[[], None]) -> None:
        try:
            await self.handler(exchange)
        except ClientGone:
            pass
        finally:
            if not exchange.over and not exchange.client_gone:
                exchange.drop()
            after()


# -- content encodings ----------------------------------------------------------------------------------------------


def decoded(data: bytes, encoding: str, limit: int) -> bytes:
    """A request body without its content encoding. Raises ValueError."""
    if encoding in ("identity", ""):
        return data
    if encoding != "gzip":
        raise ValueError(f"unsupported content encoding {encoding}")
    try:
        plain = zlib.decompressobj(31).decompress(data, limit + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(plain) > limit:
        raise ValueError("body too large")
    return plain


class Compressor:
    """Compresses an answer as it goes, flushed after each piece, so that every event can be read at once."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, 31)

    def feed(self, data: bytes) -> bytes:
        return self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._deflate.flush()


def compressed(data: bytes) -> bytes:
    """A whole body, compressed."""
    return gzip.compress(data, 6, mtime=0)
