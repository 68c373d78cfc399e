"""A connection to Google that does not exist, in mitmproxy's HTTP layer: what is sent there becomes a call of the
carrier, and what the language server is to get of the answer comes back as this connection's events.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from mitmproxy import http
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.net.http import status_codes
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)

from zerogravity.capture import mitm
from zerogravity.capture.ls_copy import LsCopy, Timers
from zerogravity.carrier.calls import CUT, Call, Target
from zerogravity.carrier.connections import Connection
from zerogravity.carrier.pool import Carrier
from zerogravity.wire.http1 import NO_BODY, Head
from zerogravity.wire.request import OF_A_CONNECTION, Request

if TYPE_CHECKING:
    from mitmproxy.proxy.server import ConnectionHandler

logger = logging.getLogger("zerogravity.capture")

UNREAD, HELD_BYTES = 64 << 10, 64 << 20  # of one answer, for a language server that does not read


@dataclass
class Relayed(events.ConnectionEvent):
    """What has come for a connection that does not exist. Passes through all layers down to that connection's."""

    event: HttpEvent


class RelayedCall:
    """A connection to Google that does not exist, for one request; what its layer would do, and the carrier's listener.

    ``server``: as mitmproxy and its users see it.
    """

    def __init__(
        self,
        flow: http.HTTPFlow,
        asking: HttpLayer,
        handler: ConnectionHandler,
        carrier: Carrier,
        target: Target,
        *,
        failed: Callable[[], object] = lambda: None,
        timers: Timers | None = None,
    ) -> None:
        self.server = Server(address=(target.host, target.port), tls=target.tls)
        self.server.sni = target.name if target.tls else None
        self.server.state = ConnectionState.OPEN
        self._asking = asking
        self._handler = handler
        self._carrier = carrier
        self._target = target
        self._failed = failed
        self._stream_id = 0
        self._request: http.Request | None = None
        self._body: list[bytes] = []
        self._call: Call | None = None
        peer = flow.client_conn.peername  # not the flow: it would keep itself alive
        self._copy: LsCopy[HttpEvent] = LsCopy(
            self._deliver, lambda data: ResponseData(self._stream_id, data),
            spawn=lambda work: mitm.spawn(work, "relay", peer), written=self._written, timers=timers,
            max_bytes=HELD_BYTES,
        )  # fmt: skip
        self._chunks = flow.request.http_version == "HTTP/1.1"  # the language server's way to find the end of a body
        self._attached = False
        self._feed: Callable[[bytes], list[bytes]] | None = None
        self._early: list[bytes] = []  # of the body, before the hook for its head has run
        self._end: HttpEvent | None = None

    # -- the layer's side ------------------------------------------------------------------------------------

    def register(self) -> None:
        """Events for this connection find their way down to it, through the tunnels that carry its stream."""
        for above, stream in carrying(self._asking):
            above.connections[self.server] = stream
        self._asking.connections[self.server] = cast("layer.Layer", self)

    def _unregister(self) -> None:
        for above, _ in carrying(self._asking):
            above.connections.pop(self.server, None)
        self._asking.connections.pop(self.server, None)
        self.server.state = ConnectionState.CLOSED
        self.server.timestamp_end = time.time()

    def handle_event(self, event: events.Event) -> Iterator[commands.Command]:
        match event:
            case Relayed():
                if isinstance(event.event, ResponseEndOfMessage | ResponseProtocolError):
                    self._unregister()
                yield ReceiveHttp(event.event)
            case RequestHeaders():
                self._stream_id, self._request = event.stream_id, event.request
            case RequestData():
                self._body.append(event.data)
            case RequestEndOfMessage():
                self._start()
            case RequestProtocolError():
                self.give_up()
            case _:
                logger.error("a relayed call got %s", type(event).__name__)

    def _start(self) -> None:
        assert self._request is not None
        self.server.timestamp_start = time.time()
        try:
            sent = _request(self._request, self._body)
            self._request, self._body = None, []
            self._call = self._carrier.call(self._target, sent, self)
        except Exception:  # guard: an exception would end all calls of this connection
            logger.exception("a call cannot be relayed")
            self._failed()
            self.broken("the call could not be sent")

    # -- the carrier's side ----------------------------------------------------------------------------------

    def begun(self, head: Head, connection: Connection) -> None:
        _describe(self.server, connection)
        self._copy.send(ResponseHeaders(self._stream_id, _response(head, chunks=self._chunks)))

    def data(self, data: bytes) -> None:
        if self._attached:
            self._read(data)
        else:
            self._early.append(data)

    def ended(self) -> None:
        self._call = None
        self._finish(ResponseEndOfMessage(self._stream_id))

    def broken(self, why: str) -> None:
        self._call = None
        self._finish(ResponseProtocolError(self._stream_id, why, ErrorCode.GENERIC_SERVER_ERROR))

    # -- between them ----------------------------------------------------------------------------------------

    def attach(self, response: http.Response) -> None:
        """The hook for the answer's head has run: its reader is known."""
        stream, self._attached = response.stream, True
        if callable(stream):
            self._feed = self._feed or cast("Callable[[bytes], list[bytes]]", stream)
            response.stream = True
        early, self._early = self._early, []
        for data in early:
            self._read(data)
        if self._end is not None:
            self._finish(self._end)

    def cut(self) -> None:
        """Our own end of it: as if Google had closed the connection."""
        if self._call is not None:
            self._call.cancel()
            self.broken(CUT)

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        self._forget()
        self._copy.drop()
        self._unregister()  # a flow that is killed tells its connection nothing

    def _read(self, data: bytes) -> None:
        self._copy.hold([data] if self._feed is None else self._fed(self._feed, data))
        if self._feed is None:
            self._copy.flush()

    def _fed(self, feed: Callable[[bytes], list[bytes]], data: bytes) -> list[bytes]:
        try:
            made: list[bytes] | bytes = feed(data)
        except Exception:  # guard: the language server still gets Google's bytes
            logger.exception("an answer's reader failed; the bytes flow on")
            self._failed()
            return [data]
        return [made] if isinstance(made, bytes) else made

    def _finish(self, event: HttpEvent) -> None:
        whole = isinstance(event, ResponseEndOfMessage)
        if not self._attached and (whole or self._early):
            self._end = event
            return
        if whole:
            if self._feed is not None:
                self._copy.hold(self._fed(self._feed, b""))
            if self._copy.lost:
                event = ResponseProtocolError(self._stream_id, "the client reads too slowly", ErrorCode.CANCEL)
        self._forget()
        self._copy.send(event)

    def _forget(self) -> None:
        """Let go of the reader, which holds the turn and its request: this object and its copy hold each other, and are
        freed only when the garbage collector comes round."""
        self._feed = _nothing

    def _written(self, data: bytes) -> bool:
        """Past mitmproxy's layers too, where these would only frame it: six of them, and a task, cost several times as
        much as the write. Only while the language server takes what it gets."""
        try:
            response = mitm.streaming(self._asking, self._stream_id)
            if response is None or next(carrying(self._asking), None) is not None:
                return False
            io = self._handler.transports.get(self._asking.context.client)
            writer = None if io is None else io.writer
            if not isinstance(writer, asyncio.StreamWriter) or writer.transport.get_write_buffer_size() > UNREAD:
                return False
            if not writer.is_closing():
                chunked = "chunked" in mitm.headers(response).get("transfer-encoding", "").lower()
                writer.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
                self._handler.timeout_watchdog.register_activity()
        except Exception:  # guard: the bytes go mitmproxy's way, and the carrier's connection goes on
            logger.exception("a piece of an answer cannot be written past mitmproxy")
            self._failed()
            return False
        return True

    async def _deliver(self, event: HttpEvent) -> None:
        await self._handler.server_event(Relayed(self.server, event))
        await self._handler.drain_writers()


def _nothing(_: bytes) -> list[bytes]:
    """What the language server gets of what comes behind an end."""
    return []


def carrying(asking: HttpLayer) -> Iterator[tuple[HttpLayer, HttpStream]]:
    """The layers above, each with its stream that is the tunnel through which ``asking`` gets its events."""
    layers = asking.context.layers
    for above, stream in pairwise(layers[: layers.index(asking)]):
        if isinstance(above, HttpLayer) and isinstance(stream, HttpStream):
            yield above, stream


def _request(request: http.Request, body: Sequence[bytes]) -> Request:
    """A request as mitmproxy would send it, without what belongs to the other connection.

    Other calls will follow on the same connection, so its end is as it says, whoever has changed it on its way. Raises
    ValueError for one that could be read as two.
    """
    fields = [(name, value) for name, value in request.headers.fields if name.lower() not in OF_A_CONNECTION]
    known = {name.lower(): name for name, _ in fields}
    if b"host" not in known:
        fields.insert(0, (b"Host", (request.authority or request.host).encode("idna")))
    chunked = any(name.lower() == b"transfer-encoding" and b"chunked" in value.lower() for name, value in fields)
    length = (b"Content-Length", b"%d" % sum(map(len, body)))
    lengths = [field for field in fields if field[0].lower() == b"content-length"]
    if chunked or [value for _, value in lengths] != [length[1]]:
        fields = [field for field in fields if field not in lengths] + ([] if chunked else [length])
    cookies = [value for name, value in fields if name.lower() == b"cookie"]
    if len(cookies) > 1:  # HTTP/2 alone has several
        fields = [(name, value) for name, value in fields if name.lower() != b"cookie"]
        fields.append((b"Cookie", b"; ".join(cookies)))
    return Request(request.data.method, request.data.path, tuple(fields), body)


def _response(head: Head, *, chunks: bool) -> http.Response:
    """Its body ends in one way only: where it has chunks its length says nothing (RFC 9112, 6.3), and an answer without
    a body has no chunks. ``chunks``: the language server gets it by HTTP/1.1, as which mitmproxy has it then; what it
    came by is the connection's ``alpn``."""
    now, dropped, fields = time.time(), OF_A_CONNECTION, head.headers
    version, reason = f"HTTP/{head.version}".encode(), head.reason
    if head.version == "2":
        version = b"HTTP/1.1" if chunks else b"HTTP/2.0"
        reason = status_codes.RESPONSES.get(head.status, "").encode()
        if chunks and not head.tokens(b"content-length"):
            fields += ((b"Transfer-Encoding", b"chunked"),)
    if head.status in NO_BODY:
        dropped = dropped | {b"transfer-encoding"}
    elif head.tokens(b"transfer-encoding"):
        dropped = dropped | {b"content-length"}
    fields = tuple((name, value) for name, value in fields if name.lower() not in dropped)
    return http.Response(version, head.status, reason, http.Headers(fields), None, None, now, None)


def _describe(server: Server, connection: Connection) -> None:
    """What HAR files and the views show."""
    server.peername, server.sockname = connection.info("peername"), connection.info("sockname")
    server.timestamp_tcp_setup = connection.born
    if (tls := connection.info("ssl_object")) is not None:
        server.timestamp_tls_setup = connection.born
        server.alpn = (tls.selected_alpn_protocol() or "").encode() or None
        server.tls_version, server.cipher = tls.version(), (tls.cipher() or (None,))[0]
