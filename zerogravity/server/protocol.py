"""aiohttp's connection handling with our answers where no middleware reaches: requests that do not even parse.

aiohttp logs such a request at ERROR with the first bytes of the offending header and echoes them to the client
(measured); a bearer token fits in there (T9).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from zerogravity import ids
from zerogravity.wire import jsonio

logger = logging.getLogger("zerogravity.server")
_PLACE = re.compile(r"%[-+ #0-9.]*[a-zA-Z]")
UNREADABLE = {
    "error": {
        "message": "the HTTP request could not be read",
        "type": "invalid_request_error",
        "param": None,
        "code": "bad_http_request",
    }
}  # fmt: skip
UNMET = {
    "error": {
        "message": "the only Expect that is known here is 100-continue",
        "type": "invalid_request_error",
        "param": None,
        "code": "expectation_failed",
    }
}  # fmt: skip
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class NoArguments(logging.Filter):
    """Drops what aiohttp's own messages carry along: exception texts quote the peer's bytes."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _PLACE.sub("…", str(record.msg))
        if record.exc_info and record.exc_info[0] is not None:
            record.msg += f" ({record.exc_info[0].__name__})"
        record.args = ()
        record.exc_info = None
        record.exc_text = None
        return True


def framework_logger() -> logging.Logger:
    """The logger aiohttp's server writes to: never with the peer's bytes."""
    framework = logging.getLogger("zerogravity.server.http")
    for logger in (framework, logging.getLogger("aiohttp.websocket")):  # the latter quotes what a handshake offers
        if not any(isinstance(known, NoArguments) for known in logger.filters):
            logger.addFilter(NoArguments())
    return framework


class BareResponse(web.Response):
    """An answer outside of the application: no signal removes its ``Server`` header, so it does that itself."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


class Connection(web.RequestHandler):
    """One connection. Unreadable requests get a fixed answer and one log line without their bytes."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        request_id = ids.new("req")
        kind = type(exc).__name__ if exc is not None else "error"
        logger.info("%s: request refused by the HTTP parser or after the guard: %d %s", request_id, status, kind)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        answer = BareResponse(
            status=status,
            body=jsonio.dumps(UNREADABLE),
            content_type="application/json",
            headers={
                "x-request-id": request_id,
                "Server-Timing": "total;dur=0.0" if status == 400 else "total",  # one that did not parse took no time
                "X-Content-Type-Options": "nosniff",
            },
        )
        answer.force_close()
        return answer


def in_our_form(handler: Handler) -> Handler:
    """aiohttp refuses an ``Expect`` before any middleware runs, in its own form."""

    async def answered(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPExpectationFailed:
            return web.Response(status=417, body=jsonio.dumps(UNMET), content_type="application/json")

    return answered


class Connections(web.Server):
    """Makes ``Connection`` objects; beyond ``limit`` open ones new connections are closed at once."""

    limit = 2048

    @classmethod
    def like(cls, server: web.Server, limit: int) -> Connections:
        """The same server with our connections."""
        made = cls(
            in_our_form(server.request_handler),
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            **server._kwargs,  # aiohttp builds the server itself and offers no other way to its arguments
        )
        made.limit = limit
        return made

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=asyncio.get_running_loop(), **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self._connections) > self.limit:
            transport.abort()


class Runner(web.AppRunner):
    """An ``AppRunner`` that serves with ``Connections``."""

    def __init__(self, app: web.Application, *, connections: int, **arguments: Any) -> None:
        super().__init__(app, **arguments)
        self._limit = connections

    async def _make_server(self) -> web.Server:
        return Connections.like(await super()._make_server(), self._limit)
