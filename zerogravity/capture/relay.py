"""Claimed calls past mitmproxy's own connection to Google: it keeps the language server's side and all hooks, the call
itself goes out by ``carrier``, and the bytes of its answer go straight into the tap.

mitmproxy's HTTP layer asks for a connection to the server per request. For a claimed call it gets one that does not
exist (``RelayedCall``): what is sent there becomes a call of the carrier, and what the language server is to get of the
answer comes back as that connection's events (``ls_copy``). Everything else goes mitmproxy's way, and so does what is
unusual (``Relay.call_for``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from mitmproxy import ctx, http
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import GetHttpConnection, GetHttpConnectionCompleted, HttpLayer, HTTPMode, HttpStream
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
from mitmproxy.proxy.mode_specs import UpstreamMode

from zerogravity.capture import mitm, proxy_guard
from zerogravity.capture.carrier import CUT, Call, Carrier, Connection, Target, Trust
from zerogravity.capture.ls_copy import LsCopy
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import PASSIVE
from zerogravity.wire.http1 import Head

if TYPE_CHECKING:
    from mitmproxy.proxy.server import ConnectionHandler

logger = logging.getLogger("zerogravity.capture")

HOP_BY_HOP = {b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"upgrade"}  # of one connection
WARM = 8  # connections at most that wait for turns to come
UNUSUAL = ("client_certs", "ciphers_server", "tls_version_server_min", "tls_version_server_max",
           "tls_ecdh_curve_server")  # fmt: skip
"""Options of mitmproxy that the carrier does not follow."""


@dataclass
class Relayed(events.ConnectionEvent):
    """What has come for a connection that does not exist. Passes through all layers down to that connection's."""

    event: HttpEvent


class Relay:
    """``carrier``: set while the gateway runs; without it everything goes mitmproxy's way. ``turn_of``: the turn whose
    claimed call a flow is, or None. ``google``: where calls go, as far as is known."""

    name = "zerogravity.relay"

    def __init__(self, turn_of: Callable[[http.HTTPFlow], str | None]) -> None:
        self.carrier: Carrier | None = None
        self.google: Target | None = None
        self._turn_of = turn_of
        self._calls: WeakKeyDictionary[http.HTTPFlow, RelayedCall] = WeakKeyDictionary()
        self._due: set[str] = set()  # turns whose call has not come yet

    def call_for(self, asking: RelayingLayer, event: GetHttpConnection) -> RelayedCall | None:
        """The call that carries the flow which asks for a connection; None: mitmproxy makes that."""
        try:
            stream = asking.command_sources.get(event)
            if self.carrier is None or not isinstance(stream, HttpStream):
                return None
            flow, turn = stream.flow, self._turn_of(stream.flow)
            if turn is None or _is_unusual(flow, event):
                return None
            handler = proxy_guard.handler_of(flow.client_conn)
            if handler is None:
                return None
            target = Target(*event.address, event.tls, _name(asking, event))
            call = RelayedCall(flow, asking, handler, self.carrier, target)
            self._calls[flow], self.google = call, target
            self._due.discard(turn)
        except Exception:  # guard: the call goes mitmproxy's way
            logger.exception("a call cannot be relayed; mitmproxy carries it")
            return None
        return call

    def turn_begins(self, channel: CascadeChannel) -> None:
        """A call to Google will follow: a connection is made while the language server gets ready for it."""
        if self.carrier is not None and channel.turn.surface != PASSIVE:
            self._due.add(channel.id)
            if self.google is not None:
                self.carrier.warm(self.google, min(len(self._due), WARM))

    def turn_ends(self, channel: CascadeChannel) -> None:
        self._due.discard(channel.id)

    def abort(self, flow: http.HTTPFlow) -> None:
        """End a running call to Google; see ``proxy_guard.abort``."""
        if (call := self._calls.get(flow)) is None:
            proxy_guard.abort(flow)
        elif flow.error is None:
            call.cut()

    # -- hooks, behind those of the interceptor ---------------------------------------------------------------

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """What would read the answer in mitmproxy's layer reads it here."""
        if flow.response is not None and (call := self._calls.get(flow)) is not None:
            call.attach(flow.response)

    def error(self, flow: http.HTTPFlow) -> None:
        if (call := self._calls.get(flow)) is not None:
            call.give_up()


class LayerChoice:
    """Puts our layer in the place of mitmproxy's HTTP layer. Its ``next_layer`` has to run last."""

    name = "zerogravity.layer_choice"

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        if self._relay.carrier is None:
            return
        above, found = None, nextlayer.layer
        while found is not None and not isinstance(found, HttpLayer):
            above, found = found, cast("layer.Layer | None", getattr(found, "child_layer", None))
        if found is None or type(found) is not HttpLayer:
            return
        ours = RelayingLayer(found, self._relay)
        if above is None:
            nextlayer.layer = ours
        else:
            above.child_layer = ours  # type: ignore[attr-defined]


class RelayingLayer(HttpLayer):
    """mitmproxy's, but for the connection of a call that is relayed."""

    def __init__(self, replaced: HttpLayer, relay: Relay) -> None:
        layers = replaced.context.layers
        super().__init__(replaced.context, replaced.mode)
        layers.remove(self)
        layers[layers.index(replaced)] = self
        self._relay = relay

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> layer.CommandGenerator[None]:
        call = self._relay.call_for(self, event)
        if call is None:
            yield from super().get_connection(event, reuse=reuse)
            return
        stream = self.command_sources.pop(event)
        call.register()
        yield from self.event_to_child(stream, GetHttpConnectionCompleted(event, (call.server, None)))


class RelayedCall:
    """A connection to Google that does not exist, for one request; what its layer would do, and the carrier's listener.

    ``server``: as mitmproxy and its users see it.
    """

    def __init__(
        self, flow: http.HTTPFlow, asking: HttpLayer, handler: ConnectionHandler, carrier: Carrier, target: Target
    ) -> None:
        self.server = Server(address=(target.host, target.port), tls=target.tls)
        self.server.sni = target.name if target.tls else None
        self.server.state = ConnectionState.OPEN
        self._asking = asking
        self._handler = handler
        self._carrier = carrier
        self._target = target
        self._stream_id = 0
        self._request: http.Request | None = None
        self._body: list[bytes] = []
        self._call: Call | None = None
        self._copy: LsCopy[HttpEvent] = LsCopy(
            self._deliver, lambda data: ResponseData(self._stream_id, data),
            spawn=lambda work: mitm.spawn(work, "relay", flow.client_conn.peername),
        )  # fmt: skip
        self._attached = False
        self._feed: Callable[[bytes], list[bytes]] | None = None
        self._early: list[bytes] = []  # of the body, before the hook for its head has run
        self._end: HttpEvent | None = None

    # -- the layer's side ------------------------------------------------------------------------------------

    def register(self) -> None:
        """Events for this connection find their way down to it, through the tunnels that carry its stream."""
        for carrying, below in self._carrying():
            carrying.connections[self.server] = below
        self._asking.connections[self.server] = cast("layer.Layer", self)

    def _unregister(self) -> None:
        for carrying, _ in self._carrying():
            carrying.connections.pop(self.server, None)
        self._asking.connections.pop(self.server, None)
        self.server.state = ConnectionState.CLOSED
        self.server.timestamp_end = time.time()

    def _carrying(self) -> Iterator[tuple[HttpLayer, HttpStream]]:
        layers = self._asking.context.layers
        for above, below in pairwise(layers[: layers.index(self._asking)]):
            if isinstance(above, HttpLayer) and isinstance(below, HttpStream):
                yield above, below

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
                self._unregister()
            case _:
                logger.error("a relayed call got %r", event)

    def _start(self) -> None:
        assert self._request is not None
        self.server.timestamp_start = time.time()
        sent = _request(self._request, self._body)
        self._request, self._body = None, []
        self._call = self._carrier.call(self._target, sent, self)

    # -- the carrier's side ----------------------------------------------------------------------------------

    def begun(self, head: Head, connection: Connection) -> None:
        _describe(self.server, connection)
        self._copy.send(ResponseHeaders(self._stream_id, _response(head)))

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
            self._feed = cast("Callable[[bytes], list[bytes]]", stream)
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
        self._copy.drop()

    def _read(self, data: bytes) -> None:
        self._copy.hold([data] if self._feed is None else self._fed(self._feed, data))
        if self._feed is None:
            self._copy.flush()

    def _fed(self, feed: Callable[[bytes], list[bytes]], data: bytes) -> list[bytes]:
        try:
            made: list[bytes] | bytes = feed(data)
        except Exception:  # guard: the language server still gets Google's bytes
            logger.exception("an answer's reader failed; the bytes flow on")
            return [data]
        return [made] if isinstance(made, bytes) else made

    def _finish(self, event: HttpEvent) -> None:
        if not self._attached and isinstance(event, ResponseEndOfMessage):
            self._end = event
            return
        if not self._attached and self._early:
            self._end = event
            return
        if isinstance(event, ResponseEndOfMessage):
            if self._feed is not None:
                self._copy.hold(self._fed(self._feed, b""))
            if self._copy.lost:
                event = ResponseProtocolError(self._stream_id, "the client reads too slowly", ErrorCode.CANCEL)
        self._copy.send(event)

    async def _deliver(self, event: HttpEvent) -> None:
        if self.server not in self._asking.connections:
            return  # nobody waits for it any more
        await self._handler.server_event(Relayed(self.server, event))
        await self._handler.drain_writers()


def _is_unusual(flow: http.HTTPFlow, event: GetHttpConnection) -> bool:
    """What is left to mitmproxy itself."""
    return (
        event.via is not None
        or event.transport_protocol != "tcp"
        or isinstance(flow.client_conn.proxy_mode, UpstreamMode)
        or flow.is_replay is not None
        or bool(flow.request.stream)
        or not proxy_guard.is_local(flow.client_conn)
        or bool(flow.request.trailers)
        or flow.server_conn.sockname is not None
        or any(mitm.is_set(name) for name in UNUSUAL)
    )


def _name(asking: HttpLayer, event: GetHttpConnection) -> str:
    """The server's name in TLS, as mitmproxy chooses it."""
    server, client = asking.context.server, asking.context.client
    if asking.mode is HTTPMode.transparent and event.address == server.address:
        return server.sni or client.sni or event.address[0]
    return event.address[0]


def target_of(url: str) -> Target:
    """The server that a base URL names."""
    parts = urlsplit(url)
    secure, host = parts.scheme == "https", parts.hostname or "localhost"
    return Target(host, parts.port or (443 if secure else 80), secure, host)


def trust() -> Trust:
    """As mitmproxy's options say."""
    options = ctx.options
    return Trust(
        options.ssl_verify_upstream_trusted_ca, options.ssl_verify_upstream_trusted_confdir, options.ssl_insecure
    )


def _request(request: http.Request, body: Sequence[bytes]) -> list[bytes]:
    """A request as mitmproxy would send it on a connection of HTTP/1.1, without what belongs to the other one."""
    fields = [(name, value) for name, value in request.headers.fields if name.lower() not in HOP_BY_HOP]
    known = {name.lower(): name for name, _ in fields}
    if b"host" not in known:
        fields.insert(0, (b"Host", (request.authority or request.host).encode("idna")))
    chunked = any(name.lower() == b"transfer-encoding" and b"chunked" in value.lower() for name, value in fields)
    if not chunked and b"content-length" not in known:
        fields.append((b"Content-Length", b"%d" % sum(map(len, body))))
    cookies = [value for name, value in fields if name.lower() == b"cookie"]
    if len(cookies) > 1:  # HTTP/2 alone has several
        fields = [(name, value) for name, value in fields if name.lower() != b"cookie"]
        fields.append((b"Cookie", b"; ".join(cookies)))
    first = b"%s %s HTTP/1.1\r\n" % (request.data.method, request.data.path)
    head = first + b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n"
    if chunked:
        framed = [part for piece in body if piece for part in (b"%x\r\n" % len(piece), piece, b"\r\n")]
        return [head, *framed, b"0\r\n\r\n"]
    return [head, *body]


def _response(head: Head) -> http.Response:
    now = time.time()
    fields = tuple((name, value) for name, value in head.headers if name.lower() not in HOP_BY_HOP)
    version = f"HTTP/{head.version}".encode()
    return http.Response(version, head.status, head.reason, http.Headers(fields), None, None, now, None)


def _describe(server: Server, connection: Connection) -> None:
    """What HAR files and the views show."""
    server.peername, server.sockname = connection.info("peername"), connection.info("sockname")
    server.timestamp_tcp_setup = connection.born
    if (tls := connection.info("ssl_object")) is not None:
        server.timestamp_tls_setup = connection.born
        server.alpn = (tls.selected_alpn_protocol() or "").encode() or None
        server.tls_version, server.cipher = tls.version(), (tls.cipher() or (None,))[0]
