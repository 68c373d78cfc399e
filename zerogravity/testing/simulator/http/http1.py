"""The HTTP/1.1 half of ``server.py``: one request after the other, bodies by length or chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from zerogravity.testing.simulator.http.encoding import decoded
from zerogravity.testing.simulator.http.exchange import (
    ClientGone,
    Exchange,
    Flow,
    Headers,
    Shared,
    hard_reset,
    shut_sending,
)

MAX_HEAD = 64 << 10
MAX_BUFFERED = 1 << 20  # how much of a next, pipelined request may wait
REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    409: "Conflict", 413: "Payload Too Large", 415: "Unsupported Media Type", 429: "Too Many Requests",
    499: "Client Closed Request", 500: "Internal Server Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip


class Http1(asyncio.Protocol):
    """One HTTP/1.1 connection: one request after the other, keep-alive, pipelining in order."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.flow = Flow()
        self.transport: asyncio.Transport
        self._buffer = bytearray()
        self._body: _Body | None = None
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._exchange: Http1Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._close_after = False
        self._eof = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.shared.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.shared.connections.discard(self)
        self.flow.set(False)
        if self._exchange is not None and not self._exchange.over:
            self._exchange.client_gone = True
            if self._task is not None:
                self._task.cancel()

    def eof_received(self) -> bool:
        # A client that half-closes after its requests still reads the answers.
        self._eof = True
        return self._exchange is not None and self.transport.get_extra_info("ssl_object") is None

    def pause_writing(self) -> None:
        self.flow.set(True)

    def resume_writing(self) -> None:
        self.flow.set(False)

    def close(self) -> None:
        """Server shutdown."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._exchange is None:
            self._parse()
        elif len(self._buffer) > MAX_BUFFERED:
            self.transport.pause_reading()

    def _parse(self) -> None:
        if self._head is None and not self._parse_head():
            return
        assert self._head is not None
        assert self._body is not None
        try:
            complete = self._body.feed(self._buffer)
        except ValueError as error:
            self._refuse(413 if "large" in str(error) else 400, str(error))
            return
        if not complete:
            return
        method, target, headers = self._head
        body = self._body.data
        self._head = self._body = None
        self._close_after = headers.get("connection", "").lower() == "close"
        self._exchange = Http1Exchange(self, method, target, headers, body)
        self._task = self.shared.run(self._exchange, self._finished)

    def _parse_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                self._refuse(400, "header too large")
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        try:
            method, target, version = lines[0].split(" ")
            headers = {
                name.strip().lower(): value.strip() for name, _, value in (ln.partition(":") for ln in lines[1:])
            }
            self._body = _Body(headers, self.shared.max_body)
        except ValueError as error:
            self._refuse(400, str(error))
            return False
        if version == "HTTP/1.0":
            headers.setdefault("connection", "close")
        if headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._head = (method, target, headers)
        return True

    def _refuse(self, status: int, text: str) -> None:
        body = text.encode()
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _finished(self) -> None:
        self._exchange = self._task = None
        if self._close_after and not self.transport.is_closing():
            self.transport.close()
        elif not self.transport.is_closing():
            self.transport.resume_reading()
            if self._buffer:
                self._parse()
            if self._eof and self._exchange is None:
                self.transport.close()


class _Body:
    """Reads a request body by Content-Length or chunks; ``feed`` takes from the buffer and says whether it is whole."""

    def __init__(self, headers: dict[str, str], limit: int) -> None:
        self._chunked = headers.get("transfer-encoding", "").lower().endswith("chunked")
        self._left = 0 if self._chunked else int(headers.get("content-length", "0"))
        self._encoding = headers.get("content-encoding", "identity").lower()
        self._limit = limit
        self._parts = bytearray()
        self._state = "size" if self._chunked else "data"
        if self._left > limit:
            raise ValueError("body too large")
        if self._left < 0 or (self._chunked and "content-length" in headers):
            raise ValueError("no such length")

    @property
    def data(self) -> bytes:
        return decoded(bytes(self._parts), self._encoding, self._limit)

    def feed(self, buffer: bytearray) -> bool:
        while True:
            if self._state == "data":
                taken = min(self._left, len(buffer))
                self._parts += buffer[:taken]
                del buffer[:taken]
                self._left -= taken
                if len(self._parts) > self._limit:
                    raise ValueError("body too large")
                if self._left:
                    return False
                if not self._chunked:
                    return True
                self._state = "after"
            end = buffer.find(b"\r\n")
            if end < 0:
                return False
            line = bytes(buffer[:end])
            del buffer[: end + 2]
            if self._state == "after":
                self._state = "size"
            elif self._state == "size":
                self._left = int(line.split(b";")[0], 16)
                self._state = "data" if self._left else "trailer"
            elif not line:  # the empty line after the trailers
                return True


class Http1Exchange(Exchange):
    """An answer over HTTP/1.1; each ``write`` is one chunk of the chunked encoding."""

    def __init__(self, protocol: Http1, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        super().__init__("1.1", method, target, headers, body)
        self._protocol = protocol
        self._chunked = False

    def start(self, status: int, headers: Headers, *, length: int | None = None) -> None:
        self._chunked = length is None
        framing = ("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length))
        lines = [f"{name}: {value}\r\n" for name, value in (*headers, framing)]
        head = f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}\r\n{''.join(lines)}\r\n"
        self._protocol.transport.write(head.encode("latin-1"))

    def write(self, data: bytes) -> None:
        if not data:
            return
        self._protocol.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def write_all(self, pieces: Sequence[bytes]) -> None:
        if self._chunked:
            pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
        self._protocol.transport.write(b"".join(pieces))

    def raw(self, data: bytes) -> None:
        self._protocol.transport.write(data)

    async def drain(self) -> None:
        if self._protocol.flow.paused:
            await self._protocol.flow.wait()
        if self.client_gone:
            raise ClientGone

    def end(self) -> None:
        self.over = True
        if self._chunked:
            self._protocol.transport.write(b"0\r\n\r\n")

    def drop(self) -> None:
        self.over = True
        self._protocol.transport.close()

    def reset(self) -> None:
        self.over = True
        hard_reset(self._protocol.transport)

    def half_close(self) -> None:
        self.over = True
        shut_sending(self._protocol.transport)
