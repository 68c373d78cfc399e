"""Claimed calls past mitmproxy's own connection to Google: it keeps the language server's side and all hooks, the call
itself goes out by ``carrier``, and the bytes of its answer go straight into the tap.

mitmproxy's HTTP layer asks for a connection to the server per request. For a claimed call it gets one that does not
exist (``RelayedCall``): what is sent there becomes a call of the carrier, and what the language server is to get of the
answer comes back as that connection's events (``ls_copy``). Everything else goes mitmproxy's way, and so does what is
unusual (``Relay.call_for``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from mitmproxy import ctx, http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.commands import StartHook
from mitmproxy.proxy.layers.http import GetHttpConnection, GetHttpConnectionCompleted, HttpLayer, HTTPMode, HttpStream
from mitmproxy.proxy.mode_specs import UpstreamMode
from mitmproxy.proxy.server import ConnectionHandler

from zerogravity.capture import mitm, proxy_guard
from zerogravity.capture.relayed_call import Relayed, RelayedCall, carrying
from zerogravity.carrier.calls import Target
from zerogravity.carrier.pool import Carrier, Trust
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import PASSIVE

logger = logging.getLogger("zerogravity.capture")

WARM = 8  # connections at most that wait for turns to come
UNUSUAL = ("client_certs", "ciphers_server", "tls_version_server_min", "tls_version_server_max",
           "tls_ecdh_curve_server", "body_size_limit", "connect_addr")  # fmt: skip
"""Options of mitmproxy that the carrier does not follow; with ``body_size_limit`` mitmproxy may speak to a connection
that is over."""


class Relay:
    """``carrier``: set while the gateway runs; without it everything goes mitmproxy's way. ``turn_of``: the turn whose
    claimed call a flow is, or None. ``failed``: told of each fault of our own. ``google``: where calls go, as far as is
    known."""

    name = "zerogravity.relay"

    def __init__(
        self, turn_of: Callable[[http.HTTPFlow], str | None], failed: Callable[[], object] = lambda: None
    ) -> None:
        self.carrier: Carrier | None = None
        self.google: Target | None = None
        self._turn_of = turn_of
        self._failed = failed
        self._calls: WeakKeyDictionary[http.HTTPFlow, RelayedCall] = WeakKeyDictionary()
        self._due: set[str] = set()  # turns whose call has not come yet
        self._options_are_unusual: bool | None = None  # None: to be found out, which takes copies of them

    def configure(self, _: set[str]) -> None:
        """Options have changed."""
        self._options_are_unusual = None

    def call_for(self, asking: RelayingLayer, event: GetHttpConnection) -> RelayedCall | None:
        """The call that carries the flow which asks for a connection; None: mitmproxy makes that."""
        try:
            stream = asking.command_sources.get(event)
            if self.carrier is None or not isinstance(stream, HttpStream):
                return None
            flow, turn = stream.flow, self._turn_of(stream.flow)
            if self._options_are_unusual is None:
                self._options_are_unusual = any(mitm.is_set(name) for name in UNUSUAL)
            if turn is None or self._options_are_unusual or _is_unusual(flow, event):
                return None
            if asking.handler is None:
                return None
            target = Target(*event.address, event.tls, _name(asking, event))
            call = RelayedCall(flow, asking, asking.handler, self.carrier, target, failed=self._failed)
            self._calls[flow], self.google = call, target
            self._due.discard(turn)
        except Exception:  # guard: the call goes mitmproxy's way
            logger.exception("a call cannot be relayed; mitmproxy carries it")
            self._failed()
            return None
        return call

    def turn_begins(self, channel: CascadeChannel) -> None:
        """A call to Google will follow: a connection is made while the language server gets ready for it."""
        turn = channel.turn
        if self.carrier is not None and turn.surface != PASSIVE and not turn.at_once:
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

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, Relayed) and event.connection not in self.connections:
            return  # nobody waits for it any more
        yield from _joined(cast("Iterator[commands.Command]", super()._handle_event(event)))

    @cached_property
    def handler(self) -> ConnectionHandler | None:
        """Of the client's connection."""
        return proxy_guard.handler_of(self.context.client)

    def event_to_child(self, child: layer.Layer | HttpStream, event: events.Event) -> layer.CommandGenerator[None]:
        """A flow's hook that has run at once is over: mitmproxy would come back to it through all layers, in a task of
        its own, which costs more than nearly all that hooks do. One that fails is over too, so that only its task tells
        of it: raised in here it would end what came for other calls at the same moment."""
        for command in super().event_to_child(child, event):
            if not isinstance(command, mitm.FLOW_HOOKS) or self.handler is None or not self._may_be_at_once(command):
                yield command
                continue
            if (hooking := mitm.begun(self.handler, command)).done():
                self.command_sources.pop(command)
                yield from self.event_to_child(child, events.HookCompleted(command))
            else:
                for above, stream in carrying(self):
                    above.command_sources[command] = stream
                mitm.spawn(self._completed(self.handler, hooking, command), command.name, self.context.client.peername)

    def _may_be_at_once(self, hook: StartHook) -> bool:
        """Not behind an answer when the client's next request is here: the server's layer would get it before it has
        come to the end of this one."""
        return not (isinstance(hook, mitm.LAST_HOOKS) and mitm.has_more(self))

    async def _completed(self, handler: ConnectionHandler, hooking: asyncio.Task[None], hook: StartHook) -> None:
        await asyncio.wait([hooking])
        await handler.server_event(events.HookCompleted(hook))

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> layer.CommandGenerator[None]:
        call = self._relay.call_for(self, event)
        if call is None:
            yield from super().get_connection(event, reuse=reuse)
            return
        stream = self.command_sources.pop(event)
        call.register()
        yield from self.event_to_child(stream, GetHttpConnectionCompleted(event, (call.server, None)))


def _joined(given: Iterator[commands.Command]) -> Iterator[commands.Command]:
    """What goes to one connection in a row goes in one write."""
    held: commands.SendData | None = None
    try:
        for command in given:
            if isinstance(command, commands.SendData) and held is not None and command.connection is held.connection:
                held.data += command.data
                continue
            ready, held = held, command if isinstance(command, commands.SendData) else None
            if ready is not None:
                yield ready
            if held is None:
                yield command
    except GeneratorExit:
        held = None  # nobody takes it any more
        raise
    finally:
        if held is not None:
            yield held


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
        options.ssl_verify_upstream_trusted_ca,
        options.ssl_verify_upstream_trusted_confdir,
        options.ssl_insecure,
        options.http2,
    )
