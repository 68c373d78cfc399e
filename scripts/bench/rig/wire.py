"""HTTP/1.1 by hand for processes that must cost little: a message reader, a server's connection, a pool of a client's.

Kept connections, one exchange at a time on each. Bytes in, bytes out; no header is looked at but framing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

BLANK = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
JSON = b"application/json"


def chunk(data: bytes) -> bytes:
    """One chunk of the chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Reader:
    """Messages of one direction. ``on_head`` gets the first line and the headers (names in lower case), ``on_body``
    pieces without their framing, ``on_end`` closes."""

    def __init__(
        self,
        on_head: Callable[[bytes, dict[bytes, bytes]], None],
        on_body: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        self._on_head, self._on_body, self._on_end = on_head, on_body, on_end
        self._rest = b""
        self._read = self._head
        self._left = 0

    def feed(self, data: bytes) -> None:
        while data:
            data = self._read(data)

    def eof(self) -> None:
        """The end of a body that nothing else ends."""
        if self._read == self._to_the_end:
            self._ended()

    # each takes what has come, and returns what belongs to the next

    def _head(self, data: bytes) -> bytes:
        data = self._rest + data
        head, blank, rest = data.partition(BLANK)
        if not blank:
            self._rest = data
            return b""
        self._rest = b""
        first, *lines = head.split(b"\r\n")
        pairs = (line.partition(b":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        self._on_head(first, headers)
        if headers.get(b"transfer-encoding") == b"chunked":
            self._read = self._chunks
        elif b"content-length" in headers or not first.startswith(b"HTTP/"):
            self._left = int(headers.get(b"content-length", b"0"))
            self._read = self._counted
            if not self._left:
                self._ended()
        else:
            self._read = self._to_the_end
        return rest

    def _counted(self, data: bytes) -> bytes:
        piece, rest = data[: self._left], data[self._left :]
        self._left -= len(piece)
        self._on_body(piece)
        if not self._left:
            self._ended()
        return rest

    def _chunks(self, data: bytes) -> bytes:
        if self._rest:
            data = self._rest + data
        at, pieces, size = 0, list[bytes](), -1
        while size and (line := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:line], 16)
            end = line + 2 + size
            if len(data) < end + 2:
                break
            if size:
                pieces.append(data[line + 2 : end])
            else:
                self._rest = b""
                if pieces:
                    self._on_body(b"".join(pieces))
                self._ended()
                return data[end + 2 :]
            at = end + 2
        self._rest = data[at:]
        if pieces:
            self._on_body(b"".join(pieces))
        return b""

    def _to_the_end(self, data: bytes) -> bytes:
        self._on_body(data)
        return b""

    def _ended(self) -> None:
        self._read = self._head
        self._on_end()


# -- a server ------------------------------------------------------------------------------------------------------


class Answer(Protocol):
    """How a request is answered; each protocol has its form. ``gone`` is called when the client leaves before the
    end; nothing may be sent from then on."""

    gone: Callable[[], None] | None

    def whole(self, status: int, body: bytes, content_type: bytes = JSON) -> None:
        """In one piece."""
        ...

    def begin(self, content_type: bytes) -> None:
        """The head of an answer in pieces, with status 200."""
        ...

    def send(self, *pieces: bytes) -> None:
        """In one write."""
        ...

    def end(self, *pieces: bytes) -> None:
        """The last ones."""
        ...

    async def drain(self) -> None:
        """Until all that was sent is on its way, and more can be."""
        ...


@dataclass(slots=True)
class Request:
    """As it came."""

    answer: Answer
    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    body: bytes = b""


class Connection(asyncio.Protocol):
    """A client's connection, and the answer (``Answer``) to the request on it. ``handle`` gets each request and
    answers it, now or in a task."""

    def __init__(self, handle: Callable[[Request], None]) -> None:
        self._handle = handle
        self._reader = Reader(self._begin, self._more, self._end)
        self._pieces: list[bytes] = []
        self._writable = asyncio.Event()
        self._writable.set()
        self.gone: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()
        if self.gone is not None:
            self.gone()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def whole(self, status: int, body: bytes, content_type: bytes = JSON) -> None:
        head = b"HTTP/1.1 %d Answer\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
        self._write(head % (status, content_type, len(body)) + body)

    def begin(self, content_type: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
        self._write(head % content_type)

    def send(self, *pieces: bytes) -> None:
        self._write(b"".join(map(chunk, pieces)))

    def end(self, *pieces: bytes) -> None:
        self.gone = None
        self._write(b"".join([*map(chunk, pieces), LAST_CHUNK]))

    async def drain(self) -> None:
        await self._writable.wait()

    def _begin(self, first: bytes, headers: dict[bytes, bytes]) -> None:
        method, path, _ = first.split(b" ")
        self._request = Request(self, method, path, headers)

    def _more(self, data: bytes) -> None:
        self._pieces.append(data)

    def _end(self) -> None:
        self._request.body = b"".join(self._pieces)
        self._pieces.clear()
        self._handle(self._request)


async def listen(
    handle: Callable[[Request], None],
    context: ssl.SSLContext | None = None,
    protocol: Callable[[Callable[[Request], None]], asyncio.Protocol] = Connection,
) -> int:
    """Serve on a free port of this machine; the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(handle), "127.0.0.1", 0, ssl=context, backlog=2048)
    return server.sockets[0].getsockname()[1]


# -- a client ------------------------------------------------------------------------------------------------------


class BrokenError(Exception):
    """The connection ended before the answer did."""


@dataclass(slots=True)
class Exchange:
    """One request under way. ``on_body`` gets the answer's pieces."""

    on_body: Callable[[bytes], None]
    ended: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    status: int = 0
    keeps: bool = True


class Kept(asyncio.Protocol):
    """A connection to a server, used for one exchange after the other."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._reader = Reader(self._begin, self._more, self._end)
        self.exchange: Exchange | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)

    def eof_received(self) -> None:
        self._reader.eof()

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._pool.idle:
            self._pool.idle.remove(self)
        if self.exchange is not None and not self.exchange.ended.done():
            self.exchange.ended.set_exception(BrokenError(str(exc or "the server closed the connection")))

    def _begin(self, first: bytes, headers: dict[bytes, bytes]) -> None:
        assert self.exchange is not None
        self.exchange.status = int(first.split(b" ", 2)[1])
        self.exchange.keeps = headers.get(b"connection", b"").lower() != b"close"

    def _more(self, data: bytes) -> None:
        assert self.exchange is not None
        self.exchange.on_body(data)

    def _end(self) -> None:
        assert self.exchange is not None
        exchange, self.exchange = self.exchange, None
        if exchange.keeps:
            self._pool.idle.append(self)
        else:
            self.transport.close()
        if not exchange.ended.done():
            exchange.ended.set_result(None)


class Pool:
    """Kept connections to one server; the one that was used last is used first, as Go's are. A server that closes an
    idle one just as it is used is asked again over a new one."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._name = f"{parts.hostname}:{parts.port}".encode()
        self._context: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        self.idle: list[Kept] = []
        self.opened = 0

    async def ask(
        self, path: bytes, body: bytes, headers: bytes, on_body: Callable[[bytes], None], method: bytes = b"POST"
    ) -> int:
        """The answer's status, once it has ended. ``headers``: whole lines, framing among them. Raises BrokenError and
        OSError; a cancelled exchange closes its connection."""
        head = b"%b %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (method, path, self._name, headers)
        while True:
            fresh = not self.idle
            kept = await self._open() if fresh else self.idle.pop()
            exchange = kept.exchange = Exchange(on_body)
            kept.transport.writelines([head, body] if body else [head])  # an empty piece would be sent for ever
            try:
                await exchange.ended
            except BrokenError:
                if fresh or exchange.status:
                    raise
                continue
            except asyncio.CancelledError:
                kept.transport.abort()
                raise
            return exchange.status

    def close(self) -> None:
        """Close what is idle."""
        for kept in tuple(self.idle):
            kept.transport.close()

    async def _open(self) -> Kept:
        self.opened += 1
        loop = asyncio.get_running_loop()
        _, kept = await loop.create_connection(lambda: Kept(self), self._host, self._port, ssl=self._context)
        return kept


def counted(body: bytes) -> bytes:
    """The framing header of a body whose length is known."""
    return b"Content-Length: %d\r\n" % len(body)
