"""HTTP/1.1: one request after the other, read by ``h11``; answers are written by hand, so that they can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

import h11

from zerogravity.testing.simulator.http.exchange import ClientGone, Connection, Exchange, Headers, Shared, decoded

MAX_HEAD = 64 << 10
MAX_BUFFERED = 1 << 20  # how much of a next, pipelined request may wait
REASONS = {one.value: one.phrase for one in HTTPStatus} | {413: "Payload Too Large", 499: "Client Closed Request"}


class Http1(Connection):
    """One HTTP/1.1 connection: keep-alive, pipelining in order."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._reader = _Reader(shared.max_body)
        self._waiting = bytearray()  # what came while a request was answered
        self._exchange: Http1Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._close_after = False
        self._eof = False

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._exchange is not None and not self._exchange.over:
            self._exchange.client_gone = True
            if self._task is not None:
                self._task.cancel()

    def eof_received(self) -> bool:
        # A client that half-closes after its requests still reads the answers.
        self._eof = True
        return self._exchange is not None and self.transport.get_extra_info("ssl_object") is None

    def data_received(self, data: bytes) -> None:
        if self._exchange is None:
            self._read(data)
            return
        self._waiting += data
        if len(self._waiting) > MAX_BUFFERED:
            self.transport.pause_reading()

    def _read(self, data: bytes) -> None:
        try:
            request = self._reader.feed(data)
            if self._reader.expects_continue():
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if request is None:
                return
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
            encoding = headers.get("content-encoding", "identity").lower()
            body = decoded(self._reader.body, encoding, self.shared.max_body)
        except (ValueError, h11.RemoteProtocolError) as error:
            self._refuse(413 if "large" in str(error) else 400, str(error))
            return
        if request.http_version == b"1.0":
            headers.setdefault("connection", "close")
        self._close_after = headers.get("connection", "").lower() == "close"
        self._waiting += self._reader.rest
        self._reader = _Reader(self.shared.max_body)
        method, target = request.method.decode("ascii"), request.target.decode("latin-1")
        self._exchange = Http1Exchange(self, method, target, headers, body)
        self._task = self.shared.run(self._exchange, self._finished)

    def _refuse(self, status: int, text: str) -> None:
        body = text.encode()
        head = f"HTTP/1.1 {_status(status)}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _finished(self) -> None:
        self._exchange = self._task = None
        if self.transport.is_closing():
            return
        if self._close_after:
            self.transport.close()
            return
        self.transport.resume_reading()
        if self._waiting:
            data, self._waiting = bytes(self._waiting), bytearray()
            self._read(data)
        if self._eof and self._exchange is None:
            self.transport.close()


class _Reader:
    """Reads one request: ``feed`` returns its head once it is whole; then ``body`` and ``rest`` are valid."""

    def __init__(self, limit: int) -> None:
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._limit = limit
        self._head: h11.Request | None = None
        self._body = bytearray()

    @property
    def body(self) -> bytes:
        return bytes(self._body)

    @property
    def rest(self) -> bytes:
        """The beginning of the next request."""
        return self._h11.trailing_data[0]

    def feed(self, data: bytes) -> h11.Request | None:
        """Raises ValueError and h11.RemoteProtocolError."""
        self._h11.receive_data(data)
        while True:
            match self._h11.next_event():
                case h11.Request() as head:
                    self._head = head
                    self._check_length(dict(head.headers))
                case h11.Data(data=piece):
                    self._body += piece
                    if len(self._body) > self._limit:
                        raise ValueError("body too large")
                case h11.EndOfMessage():
                    return self._head
                case _:
                    return None

    def expects_continue(self) -> bool:
        """Whether the client waits to be told that it may send the body; true once."""
        waits = self._h11.they_are_waiting_for_100_continue
        if waits:
            self._h11.send(h11.InformationalResponse(status_code=100, headers=[]))
        return waits

    def _check_length(self, headers: dict[bytes, bytes]) -> None:
        length = headers.get(b"content-length")
        if length is not None and b"transfer-encoding" in headers:
            raise ValueError("both a length and chunks")
        if int(length or 0) > self._limit:
            raise ValueError("body too large")


class Http1Exchange(Exchange):
    """An answer over HTTP/1.1; each ``write`` is one chunk of the chunked encoding."""

    def __init__(self, connection: Http1, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        super().__init__("1.1", method, target, headers, body)
        self._connection = connection
        self._chunked = False

    def start(self, status: int, headers: Headers, *, length: int | None = None) -> None:
        self._chunked = length is None
        framing = ("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length))
        lines = [f"{name}: {value}\r\n" for name, value in (*headers, framing)]
        self.raw(f"HTTP/1.1 {_status(status)}\r\n{''.join(lines)}\r\n".encode("latin-1"))

    def write(self, data: bytes) -> None:
        self.write_all([data])

    def write_all(self, pieces: Sequence[bytes]) -> None:
        if self._chunked:
            pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
        self.raw(b"".join(pieces))

    def raw(self, data: bytes) -> None:
        self._connection.transport.write(data)

    async def drain(self) -> None:
        await self._connection.writable.wait()
        if self.client_gone:
            raise ClientGone

    def end(self) -> None:
        self.over = True
        if self._chunked:
            self.raw(b"0\r\n\r\n")

    def drop(self) -> None:
        self.over = True
        self._connection.transport.close()

    def reset(self) -> None:
        self.over = True
        self._connection.reset()

    def half_close(self) -> None:
        self.over = True
        self._connection.half_close()


def _status(status: int) -> str:
    return f"{status} {REASONS.get(status, 'Unknown')}"
