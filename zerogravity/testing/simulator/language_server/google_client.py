"""How the language-server stand-in talks to Google: HTTP/1.1 with a chunked body and gzip, or one connection of HTTP/2
for all calls as Google's Antigravity runtime has it; through a proxy or without. SSE → chunks.

Written independently of ``wire/``: what is tested must not be read by the code that is tested.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from zerogravity.hosts import is_loopback
from zerogravity.testing.simulator import Json, Object
from zerogravity.testing.simulator.language_server.google_requests import ENUMS, go_json
from zerogravity.testing.simulator.language_server.options import LsOptions
from zerogravity.wire.narrow import an_object, count, members, objects

# long: one client, over either HTTP
PIECE = 4096  # Go's transport writes a chunked body from a buffer of this size
MAX_ERROR = 1 << 20
MAX_LINE = 32 << 20
API_CLIENT = "google-genai-sdk/1.74.0 gl-go/go1.28"
READ = 64 << 10
GONE = "the HTTP/2 stream was cut"
AUTOMATIC = ("Accept", "User-Agent", "Content-Type", "Accept-Encoding")


class GoogleRefused(Exception):
    """An HTTP status other than 200, or an error event inside a stream."""

    def __init__(self, status: int, body: Object) -> None:
        self.status = status
        self.error = members(body.get("error"))
        self.message = str(self.error.get("message") or f"HTTP {status}")
        super().__init__(f"{self.error.get('status', 'UNKNOWN')} (code {status}): {self.message}")


class GoogleGone(Exception):
    """The connection failed, or the answer was no event stream."""


@dataclass(slots=True)
class GoogleCall:
    """One upstream call, for tests: which cascade, what kind, how it went."""

    cascade_id: str | None
    kind: str
    seq: int
    started_ns: int
    status: int | None = None
    first_ns: int | None = None
    ended_ns: int | None = None
    chunks: int = 0
    outcome: str = "running"


class GoogleClient:
    """Sends the stand-in's calls to the endpoint of its options, which may change while it runs."""

    def __init__(self, options: LsOptions) -> None:
        self._options = options
        self._session: aiohttp.ClientSession | None = None
        self._retired: list[aiohttp.ClientSession] = []
        self._made_for: tuple[object, ...] = ()
        self._http2: Http2Connection | None = None
        self._ssl: ssl.SSLContext | bool = True

    async def close(self) -> None:
        """Close all connections."""
        sessions = [*self._retired, *([self._session] if self._session is not None else [])]
        self._session, self._retired = None, []
        for session in sessions:
            await session.close()
        if self._http2 is not None:
            await self._http2.close()

    async def generate(self, body: Json, enum: str, call: GoogleCall) -> AsyncIterator[Object]:
        """The inner chunks of one streamed answer. Raises GoogleRefused, GoogleGone."""
        path, headers = self._address(enum)
        try:
            async with self._post(path, body, headers) as response:
                call.status = response.status
                if response.status != 200:
                    raise GoogleRefused(response.status, _object_of(await response.content.read(MAX_ERROR)))
                if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
                    raise GoogleGone(f"answered with {response.headers.get('Content-Type')}")
                async for chunk in _chunks(response):
                    if call.first_ns is None:
                        call.first_ns = time.monotonic_ns()
                    call.chunks += 1
                    yield chunk if self._options.runtime else _inner(chunk)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GoogleGone(f"{type(error).__name__}: {error}") from error
        finally:
            call.ended_ns = time.monotonic_ns()

    async def background(self, method: str, body: Json) -> int:
        """Make one of the LS's other calls; returns its status."""
        return (await self._other(method, body))[0]

    async def ask(self, method: str, body: Json) -> Object:
        """The answer to one of the LS's other calls. Raises GoogleRefused, GoogleGone."""
        status, answer = await self._other(method, body)
        if status != 200:
            raise GoogleRefused(status, _object_of(answer))
        return _object_of(answer)

    async def _other(self, method: str, body: Json) -> tuple[int, bytes]:
        try:
            async with self._post(f"/v1internal:{method}", body, self._bearer()) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GoogleGone(f"{type(error).__name__}: {error}") from error

    def _address(self, enum: str) -> tuple[str, dict[str, str]]:
        if self._options.envelope:
            return "/v1internal:streamGenerateContent?alt=sse", self._bearer()
        model = ENUMS.get(enum, enum)
        return f"/v1beta/models/{model}:streamGenerateContent?alt=sse", {"X-Goog-Api-Key": self._options.api_key}

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._options.token}"}

    def _post(
        self, path: str, body: Json, headers: dict[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse | Http2Answer]:
        options = self._options
        endpoint = options.endpoint.rstrip("/")
        proxy = options.proxy_url
        if proxy is not None and is_loopback(urlsplit(endpoint).hostname) and not options.proxy_loopback:
            proxy = None  # Go's proxy-from-environment leaves loopback addresses alone (A.2)
        if proxy is None and (urlsplit(endpoint).hostname or "").endswith(".googleapis.com"):
            raise GoogleGone("a stand-in talks to the real Google through a proxy only")
        lines = {
            "User-Agent": options.user_agent, **headers, "Content-Type": "application/json", "Accept-Encoding": "gzip",
        }  # fmt: skip
        if options.runtime:
            lines["X-Goog-Api-Client"] = API_CLIENT
        session, data = self._open(), go_json(body)
        if options.one_connection and endpoint.startswith("https:"):
            return self._shared_with(endpoint, proxy).post(path, lines, data)
        return session.post(
            endpoint + path, data=data if options.runtime else _pieces(data), headers=lines, proxy=proxy, ssl=self._ssl,
            skip_auto_headers=AUTOMATIC, allow_redirects=False,
        )  # fmt: skip

    def _shared_with(self, endpoint: str, proxy: str | None) -> Http2Connection:
        if self._http2 is None:
            context = self._ssl if isinstance(self._ssl, ssl.SSLContext) else ssl.create_default_context()
            self._http2 = Http2Connection(endpoint, proxy, context)
        return self._http2

    def _open(self) -> aiohttp.ClientSession:
        key = (self._options.endpoint, self._options.proxy_url, self._options.proxy_ca)
        if self._session is None or key != self._made_for:
            if self._session is not None:
                self._retired.append(self._session)  # answers may still be running on it
            self._made_for = key
            self._ssl = True
            if self._options.proxy_ca is not None:
                # like SSL_CERT_FILE: nothing but this file is trusted
                self._ssl = ssl.create_default_context(cafile=str(self._options.proxy_ca))
            connector = aiohttp.TCPConnector(limit=self._options.connections, keepalive_timeout=90)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=self._options.read_timeout)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=1 << 20)
        return self._session


async def _chunks(response: aiohttp.ClientResponse | Http2Answer) -> AsyncIterator[Object]:
    reader = _Events()
    async for data in response.content.iter_any():
        for chunk in reader.feed(data):
            yield chunk
    for chunk in reader.end():
        yield chunk


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]
        await asyncio.sleep(0)


def _object_of(body: bytes) -> Object:
    try:
        value: object = json.loads(body)
    except ValueError:
        return {}
    return next(iter(objects(value)), members(value))


def _inner(chunk: Object) -> Object:
    if (error := an_object(chunk.get("error"))) is not None:
        raise GoogleRefused(count(error.get("code")) or 500, chunk)
    return an_object(chunk.get("response")) or chunk


class _Events:
    """A line scanner as the LS has it: only lines that begin with ``data:`` count, each is one JSON text."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Object]:
        """The chunks that ``data`` completes; those before a bad one come first."""
        first, newline, others = data.partition(b"\n")
        self._rest.append(first)
        self._size += len(first)
        if self._size > MAX_LINE:
            raise GoogleGone("line too long")
        if not newline:
            return
        lines = [b"".join(self._rest), *others.split(b"\n")]
        self._rest = [lines.pop()]
        self._size = len(self._rest[0])
        yield from (value for line in lines if (value := _value(line)) is not None)

    def end(self) -> list[Object]:
        """The chunk of a last line without its end: Go's scanner returns that, too."""
        value = _value(b"".join(self._rest))
        return [] if value is None else [value]


def _value(line: bytes) -> Object | None:
    if not line.startswith(b"data:") or (text := line[5:].strip()) in (b"", b"[DONE]"):
        return None
    try:
        return an_object(json.loads(text))
    except ValueError:
        raise GoogleGone("invalid JSON in the stream") from None


# -- HTTP/2 ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Http2Answer:
    """One exchange, used like a request of aiohttp's; leaving it before its end resets its stream alone."""

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

    async def __aexit__(self, *_: object) -> None:
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
        """Handle an event of this stream."""
        match event:
            case h2.events.ResponseReceived(headers=pairs):
                headers = {str(name).title(): str(value) for name, value in pairs or ()}
                self.status = int(headers.pop(":Status", "0"))
                self.headers = headers
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


_OF_A_STREAM = (
    h2.events.ResponseReceived, h2.events.DataReceived, h2.events.StreamEnded, h2.events.StreamReset,
)  # fmt: skip


class Http2Connection:
    """A connection to one endpoint; opened by the first call, and again after it has broken."""

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
        """Send a request; returns the number of its stream."""
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
        """Reset a stream that is still open."""
        self._answers.pop(answer.number, None)
        if not answer.over and self._h2 is not None:
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._h2.reset_stream(answer.number, h2.errors.ErrorCodes.CANCEL)
            self._flush()
        answer.over = True

    async def _open(self) -> None:
        host, port = self._endpoint.hostname or "", self._endpoint.port or 443
        self._context.set_alpn_protocols(["h2", "http/1.1"])
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
