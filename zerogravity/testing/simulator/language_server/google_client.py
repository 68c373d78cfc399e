"""How the language-server stand-in talks to Google: HTTP/1.1, chunked body, gzip, through a proxy; SSE → chunks.

Written independently of ``wire/``: what is tested must not be read by the code that is tested.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from zerogravity.hosts import is_loopback
from zerogravity.testing.simulator.language_server.google_http2 import Http2Connection
from zerogravity.testing.simulator.language_server.google_requests import ENUMS, go_json
from zerogravity.testing.simulator.language_server.narrow import count, mapping
from zerogravity.testing.simulator.language_server.options import LsOptions

PIECE = 4096  # Go's transport writes a chunked body from a buffer of this size
MAX_ERROR = 1 << 20
MAX_LINE = 32 << 20
API_CLIENT = "google-genai-sdk/1.74.0 gl-go/go1.28"
AUTOMATIC = ("Accept", "User-Agent", "Content-Type", "Accept-Encoding")


class GoogleRefused(Exception):
    """An HTTP status other than 200, or an error event inside a stream."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.error = mapping(body.get("error"))
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
    """Sends what the stand-in has to say to the endpoint of its options; follows changes of those options."""

    def __init__(self, options: LsOptions) -> None:
        self._options = options
        self._session: aiohttp.ClientSession | None = None
        self._retired: list[aiohttp.ClientSession] = []
        self._made_for: tuple[Any, ...] = ()
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

    async def generate(self, body: dict[str, Any], enum: str, call: GoogleCall) -> AsyncIterator[dict[str, Any]]:
        """The inner chunks of one streamed answer. Raises GoogleRefused, GoogleGone."""
        path, headers = self._address(enum)
        try:
            async with self._post(path, body, headers) as response:
                call.status = response.status
                if response.status != 200:
                    raise GoogleRefused(response.status, _error_of(await response.content.read(MAX_ERROR)))
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

    async def background(self, method: str, body: dict[str, Any]) -> int:
        """One of the LS's other calls; its status."""
        try:
            async with self._post(f"/v1internal:{method}", body, self._bearer()) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GoogleGone(f"{type(error).__name__}: {error}") from error

    def _address(self, enum: str) -> tuple[str, dict[str, str]]:
        if self._options.envelope:
            return "/v1internal:streamGenerateContent?alt=sse", self._bearer()
        model = ENUMS.get(enum, enum)
        return f"/v1beta/models/{model}:streamGenerateContent?alt=sse", {"X-Goog-Api-Key": self._options.api_key}

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._options.token}"}

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
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
                # like SSL_CERT_FILE: this file, and nothing else, is trusted
                self._ssl = ssl.create_default_context(cafile=str(self._options.proxy_ca))
            connector = aiohttp.TCPConnector(limit=self._options.connections, keepalive_timeout=90)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=self._options.read_timeout)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=1 << 20)
        return self._session


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
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


def _error_of(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, dict) else {}


def _inner(chunk: dict[str, Any]) -> dict[str, Any]:
    error = chunk.get("error")
    if isinstance(error, dict):
        raise GoogleRefused(count(error.get("code")) or 500, chunk)
    inner = chunk.get("response")
    return inner if isinstance(inner, dict) else chunk


class _Events:
    """A line scanner as the LS has it: only lines that begin with ``data:`` count, each is one JSON text."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
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

    def end(self) -> list[dict[str, Any]]:
        """What an unended last line holds: Go's scanner hands that out, too."""
        value = _value(b"".join(self._rest))
        return [] if value is None else [value]


def _value(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b"data:") or (text := line[5:].strip()) in (b"", b"[DONE]"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        raise GoogleGone("invalid JSON in the stream") from None
    return value if isinstance(value, dict) else None
