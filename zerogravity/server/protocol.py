"""aiohttp's connection handling with our answers where no middleware reaches: requests that do not even parse.

aiohttp logs such a request at ERROR with the first bytes of the offending header and echoes them to the client
(measured); a bearer token fits in there (T9).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage

from zerogravity import ids
from zerogravity.errors import bad_request
from zerogravity.server.paths import canonical, split_run, surface_at
from zerogravity.server.services import RUN
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio

logger = logging.getLogger("zerogravity.server")
LOG_EVERY_S = 60.0  # between two log lines about refused connections
_PLACEHOLDER = re.compile(r"%[-+ #0-9.]*[a-zA-Z]")
TARGET = 1024  # bytes of an unreadable request in which its target is looked for
UNREADABLE = bad_request("the HTTP request could not be read", code="bad_http_request").fault
EXPECTATION_FAILED = bad_request("only Expect: 100-continue is supported", code="expectation_failed", status=417).fault
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Factory = Callable[..., web.BaseRequest]


class NoArguments(logging.Filter):
    """Drops the arguments and exceptions of aiohttp's own messages: they quote the peer's bytes."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _PLACEHOLDER.sub("…", str(record.msg))
        if record.exc_info and record.exc_info[0] is not None:
            record.msg += f" ({record.exc_info[0].__name__})"
        record.args = ()
        record.exc_info = None
        record.exc_text = None
        return True


def framework_logger() -> logging.Logger:
    """The logger that aiohttp's server writes to, without the peer's bytes."""
    framework = logging.getLogger("zerogravity.server.http")
    for logger in (framework, logging.getLogger("aiohttp.websocket")):  # the latter quotes what a handshake offers
        if not any(isinstance(known, NoArguments) for known in logger.filters):
            logger.addFilter(NoArguments())
    return framework


class BareResponse(web.Response):
    """An answer outside the application, where no signal removes the ``Server`` header."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


class Connection(web.RequestHandler):
    """One connection. Unreadable requests get a fixed answer and one log line without their bytes."""

    _unreadable = b""  # the beginning of what could not be parsed
    surfaces: Surfaces

    def data_received(self, data: bytes) -> None:
        """aiohttp itself does not tell the reader of a body when its rest cannot be parsed."""
        super().data_received(data)
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            self._unreadable = data[:TARGET]
            if self._current_request is not None:
                content = self._current_request.content
                content.set_exception(web.RequestPayloadError("broken chunks"))
                content.feed_eof()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        request_id = ids.new("req")
        kind = type(exc).__name__ if exc is not None else "error"
        logger.info("%s: refused by the HTTP parser or outside the middlewares: %d %s", request_id, status, kind)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        answer = BareResponse(
            status=status,
            body=jsonio.dumps(unreadable(self._unreadable, self.surfaces, request_id)),
            content_type="application/json",
            headers={
                "Connection": "close",
                **id_headers(request_id),
                "Server-Timing": "total;dur=0.0" if status == 400 else "total",  # one that did not parse took no time
                "X-Content-Type-Options": "nosniff",
            },
        )
        answer.force_close()
        return answer


def id_headers(request_id: str) -> dict[str, str]:
    """Which request an answer is to, under OpenAI's name and under Anthropic's."""
    return {"x-request-id": request_id, "request-id": request_id}


def unreadable(beginning: bytes, surfaces: Surfaces, request_id: str = "") -> object:
    """The fixed answer, in the form of the API whose path stands in the request's first line."""
    _, _, rest = beginning.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1")
    return surface_at(split_run(canonical(path))[1], surfaces).error(UNREADABLE, request_id).body


def refuse_expectation(handler: Handler, surfaces: Surfaces) -> Handler:
    """aiohttp refuses an ``Expect`` before any middleware runs; this gives it our form."""

    async def refused(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPExpectationFailed:
            request_id, path = ids.new("req"), request.rel_url.raw_path
            told = surface_at(path, surfaces, request.headers, request.query).error(EXPECTATION_FAILED, request_id)
            return web.Response(
                status=told.status,
                body=jsonio.dumps(told.body),
                headers=id_headers(request_id),
                content_type="application/json",
            )

    return refused


def with_canonical_path(factory: Factory) -> Factory:
    """Requests get their canonical path first, and lose the run in front of it, so that routes and guards see the same
    one."""

    def made(message: RawRequestMessage, *rest: Any) -> web.BaseRequest:
        url = message.url
        run, path = split_run(canonical(url.raw_path))
        if path != url.raw_path:
            message = message._replace(url=url.with_path(path, encoded=True, keep_query=True))
        request = factory(message, *rest)
        if run:
            request[RUN] = run
        return request

    return made


def address_of(transport: asyncio.BaseTransport | None, end: str) -> tuple[str, int]:
    """(host, port) of ``sockname`` or ``peername``; ("", 0) where there is none."""
    found: object = transport.get_extra_info(end) if transport is not None else None
    if not isinstance(found, tuple):
        return "", 0
    host, port, *_ = cast("tuple[object, ...]", found)
    return str(host), int(str(port))


class Connections(web.Server):
    """Makes ``Connection`` objects; beyond ``limit`` open ones, or ``peer_limit`` of one address, new connections are
    closed at once (T15). That is logged once in a while, so that a flood does not flood the log."""

    def __init__(self, handler: Handler, *, surfaces: Surfaces, limit: int, peer_limit: int, **arguments: Any) -> None:
        super().__init__(handler, **arguments)
        self._surfaces = surfaces
        self._limit = limit
        self._peer_limit = peer_limit
        self._peers: dict[web.RequestHandler, str] = {}
        self._of_peer: Counter[str] = Counter()
        self._refused = 0
        self._logged_at: float | None = None

    @classmethod
    def like(cls, server: web.Server, surfaces: Surfaces, limit: int, peer_limit: int) -> Connections:
        """The same server with our connections."""
        return cls(
            refuse_expectation(server.request_handler, surfaces),
            surfaces=surfaces,
            limit=limit,
            peer_limit=peer_limit,
            request_factory=with_canonical_path(server.request_factory),
            handler_cancellation=server.handler_cancellation,
            **server._kwargs,  # aiohttp builds the server itself and offers no public access to its arguments
        )

    def __call__(self) -> web.RequestHandler:
        connection = Connection(self, loop=asyncio.get_running_loop(), **self._kwargs)
        connection.surfaces = self._surfaces
        return connection

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        peer = self._peers[handler] = address_of(transport, "peername")[0]
        self._of_peer[peer] += 1
        if len(self._connections) > self._limit:
            self._refuse(transport, f"{self._limit} connections are open (limits.connections)")
        elif self._of_peer[peer] > self._peer_limit:
            self._refuse(transport, f"{peer} has {self._peer_limit} connections open (limits.peer_connections)")

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        if (peer := self._peers.pop(handler, None)) is not None:
            self._of_peer[peer] -= 1
            if not self._of_peer[peer]:
                del self._of_peer[peer]

    def _refuse(self, transport: asyncio.Transport, why: str) -> None:
        transport.abort()
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if self._logged_at is None or now - self._logged_at >= LOG_EVERY_S:
            logger.warning("%s: closing further ones, %d so far", why, self._refused)
            self._logged_at = now


class Runner(web.AppRunner):
    """An ``AppRunner`` that serves with ``Connections``."""

    def __init__(
        self, app: web.Application, *, surfaces: Surfaces, connections: int, peer_connections: int, **arguments: Any
    ) -> None:
        super().__init__(app, **arguments)
        self._arguments = surfaces, connections, peer_connections

    async def _make_server(self) -> web.Server:
        return Connections.like(await super()._make_server(), *self._arguments)
