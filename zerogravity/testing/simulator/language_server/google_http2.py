"""The language-server stand-in's calls over HTTP/2: one connection for all of them, through a proxy's tunnel or
without, as Google's Antigravity runtime makes them on https. Looks like aiohttp's client as far as it is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

ALPN = ["h2", "http/1.1"]
READ = 64 << 10
GONE = "the HTTP/2 stream was cut"


@dataclass(slots=True)
class Http2Answer:
    """One exchange, entered like a request of aiohttp's; leaving it before its end resets its stream, and only that."""

    connection: Http2Connection
    path: str
    lines: Mapping[str, str]
    body: bytes
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    number: int = 0
    over: bool = False
    _pieces: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue[bytes | None])
    _begun: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def content(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        self.number = await self.connection.send(self)
        try:
            await self._begun.wait()
            if not self.status:
                raise ConnectionResetError(GONE)
        except BaseException:
            self.connection.reset(self)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.reset(self)

    async def iter_any(self) -> AsyncIterator[bytes]:
        """The pieces as they come. Raises ConnectionResetError."""
        while (piece := await self._pieces.get()) is not None:
            if piece:
                yield piece
            else:
                raise ConnectionResetError(GONE)

    async def read(self, most: int = -1) -> bytes:
        """The whole body, however long."""
        return b"".join([piece async for piece in self.iter_any()])[: most if most >= 0 else None]

    def take(self, event: h2.events.Event) -> None:
        """Something has come for this stream."""
        match event:
            case h2.events.ResponseReceived(headers=headers):
                told = {str(name).title(): str(value) for name, value in headers or ()}
                self.status = int(told.pop(":Status", "0"))
                self.headers = told
                self._begun.set()
            case h2.events.DataReceived(data=data):
                if data:
                    self._pieces.put_nowait(data)
            case h2.events.StreamEnded():
                self.over = True
                self._pieces.put_nowait(None)
            case _:
                self.cut()

    def cut(self) -> None:
        """The stream, or the connection, has broken."""
        if not self.over:
            self.over = True
            self._begun.set()
            self._pieces.put_nowait(b"")


class Http2Connection:
    """To one endpoint; opened with the first call, and again when it has broken."""

    def __init__(self, endpoint: str, proxy: str | None, context: ssl.SSLContext) -> None:
        self._endpoint, self._proxy, self._context = urlsplit(endpoint), proxy, context
        self._opening = asyncio.Lock()
        self._h2: h2.connection.H2Connection | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answers: dict[int, Http2Answer] = {}
        self._room = asyncio.Condition()

    def post(self, path: str, lines: Mapping[str, str], body: bytes) -> Http2Answer:
        return Http2Answer(self, path, lines, body)

    async def close(self) -> None:
        """Cut the connection."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def send(self, answer: Http2Answer) -> int:
        """Send a request; the number of its stream."""
        async with self._opening:
            if self._h2 is None:
                await self._open()
        connection = self._h2
        assert connection is not None
        number = connection.get_next_available_stream_id()
        self._answers[number] = answer
        connection.send_headers(number, [
            (":method", "POST"), (":scheme", "https"), (":authority", self._endpoint.netloc), (":path", answer.path),
            *((name.lower(), value) for name, value in answer.lines.items()),
            ("content-length", str(len(answer.body))),
        ])  # fmt: skip
        body = memoryview(answer.body)
        while body and not answer.over:
            room = min(connection.local_flow_control_window(number), connection.max_outbound_frame_size)
            if room > 0:
                connection.send_data(number, bytes(body[:room]))
                body = body[room:]
                self._flush()
                continue
            async with self._room:
                await self._room.wait()
        if not answer.over:
            connection.end_stream(number)
        self._flush()
        return number

    def reset(self, answer: Http2Answer) -> None:
        """Give a stream up, if it runs."""
        self._answers.pop(answer.number, None)
        if not answer.over and self._h2 is not None:
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._h2.reset_stream(answer.number, h2.errors.ErrorCodes.CANCEL)
            self._flush()
        answer.over = True

    async def _open(self) -> None:
        host, port = self._endpoint.hostname or "", self._endpoint.port or 443
        self._context.set_alpn_protocols(ALPN)
        if self._proxy is None:
            reader, writer = await asyncio.open_connection(host, port, ssl=self._context)
        else:
            proxy = urlsplit(self._proxy)
            reader, writer = await asyncio.open_connection(proxy.hostname, proxy.port)
            writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            if b" 200" not in (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0]:
                writer.close()
                raise ConnectionRefusedError("the proxy opens no tunnel")
            await writer.start_tls(self._context, server_hostname=host)
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            writer.close()
            raise ConnectionRefusedError("HTTP/2 is not spoken there")
        self._writer = writer
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._flush()
        self._reading = asyncio.create_task(self._read(reader, self._h2))

    async def _read(self, reader: asyncio.StreamReader, connection: h2.connection.H2Connection) -> None:
        try:
            while data := await reader.read(READ):
                for event in connection.receive_data(data):
                    number = getattr(event, "stream_id", None)
                    if isinstance(event, h2.events.DataReceived):
                        connection.acknowledge_received_data(event.flow_controlled_length or 0, number or 0)
                    if isinstance(event, h2.events.WindowUpdated | h2.events.RemoteSettingsChanged):
                        async with self._room:
                            self._room.notify_all()
                    elif isinstance(event, _OF_A_STREAM) and (answer := self._answers.get(number or 0)) is not None:
                        answer.take(event)
                self._flush()
        except (OSError, h2.exceptions.ProtocolError):
            pass
        finally:
            self._h2 = None
            for answer in self._answers.values():
                answer.cut()
            self._answers.clear()
            if self._writer is not None:
                self._writer.close()

    def _flush(self) -> None:
        if self._h2 is not None and self._writer is not None and (data := self._h2.data_to_send()):
            self._writer.write(data)


_OF_A_STREAM = (
    h2.events.ResponseReceived, h2.events.DataReceived, h2.events.StreamEnded, h2.events.StreamReset,
)  # fmt: skip
