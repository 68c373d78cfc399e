"""Who may use mitmproxy's ports, for which targets, and which connections are intercepted, by ``proxy_rules``.

A proxy that forwards to this machine bypasses every check of the front server, which trusts loopback. So the proxy
listens on loopback unless its user says otherwise, a proxied request to one of our own ports gets 403, and the peer is
checked once more before a byte is sent: a name may have changed its address since.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mitmproxy import ctx, http
from mitmproxy.connection import Client, Server
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers import TCPLayer, UDPLayer
from mitmproxy.proxy.mode_specs import LocalMode, ProxyMode, RegularMode, ReverseMode, Socks5Mode, UpstreamMode
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import ClientHelloData, TlsData

from zerogravity import certs
from zerogravity.capture import http2_reset, match, mitm, proxy_rules
from zerogravity.capture.proxy_rules import Address
from zerogravity.config import Config
from zerogravity.errors import Fault, certificate_refused, not_an_endpoint
from zerogravity.hosts import is_google, is_loopback
from zerogravity.observe import machine

logger = logging.getLogger("zerogravity.capture")

LOOPBACK = "127.0.0.1"
NAMED = (RegularMode, UpstreamMode, Socks5Mode)  # where the client names its target
REFUSED = "zerogravity: this leads back to the machine that the proxy runs on; connect directly, without the proxy\n"


@dataclass(frozen=True)
class Front:
    """The front server. ``refused`` is called for a call to Google that could not be intercepted."""

    config: Config
    url: str
    refused: Callable[[Fault], None] = lambda _: None

    @cached_property
    def port(self) -> int | None:
        return urlsplit(self.url).port


class ProxyGuard:
    """``front``: set while the gateway runs; without it nobody is let in."""

    name = "zerogravity.proxy_guard"

    def __init__(self) -> None:
        self.front: Front | None = None

    # -- before a connection is made -------------------------------------------------------------------------

    def client_connected(self, client: Client) -> None:
        """Another machine gets in only where the proxy is exposed, whatever address it listens on."""
        if self.front is None or not (self.front.config.expose_proxy or is_local(client)):
            client.error = "the proxy is for this machine only"

    async def http_connect(self, flow: http.HTTPFlow) -> None:
        await self._refuse(flow)

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        await self._refuse(flow)

    async def _refuse(self, flow: http.HTTPFlow) -> None:
        target, blind = (flow.request.host, flow.request.port), isinstance(flow.client_conn.proxy_mode, UpstreamMode)
        if await self._is_refused(flow.client_conn, target, target, blind=blind):
            logger.warning("refused: a proxied request to %s:%s", flow.request.host, flow.request.port)
            if self.front is not None and match.is_generate_path(flow.request.path):
                self.front.refused(not_an_endpoint())
            flow.request.stream = False  # else mitmproxy would connect in order to forward its body
            flow.response = http.Response.make(403, REFUSED, {"content-type": "text/plain"})

    # -- when a connection is made -------------------------------------------------------------------------------------

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """For everything that is not HTTP: tunnels, other layers."""
        target = data.server.address
        if target is not None and await self._is_refused(data.client, target, target):
            data.server.error = REFUSED.strip()

    async def server_connected(self, data: ServerConnectionHookData) -> None:
        peer = data.server.peername
        if peer is not None and await self._is_refused(data.client, peer, data.server.address):
            logger.warning("refused: %s resolves to %s:%s on this machine", data.server.address, *peer[:2])
            cut(data.server)

    async def leads_back(self, peer: Address) -> str | None:
        """Why not to talk to an address that a name has turned out to have; for calls that are relayed."""
        return REFUSED.strip() if await proxy_rules.is_refused(peer, self._our_ports()) else None

    async def _is_refused(
        self, client: Client, target: Address, chosen: Address | None, *, blind: bool = False
    ) -> bool:
        """``chosen``: the target as it was named; ``target`` may be the address that it leads to."""
        stranger = not is_local(client) and (self.front is None or chosen not in targets(self.front.config))
        return await proxy_rules.is_refused(target, self._our_ports(), stranger=stranger, blind=blind)

    def _our_ports(self) -> set[int]:
        """The ports that we listen on, the front server's included."""
        ports = {address[1] for server in _servers() for address in server.listen_addrs}
        if self.front is not None and self.front.port is not None:
            ports.add(self.front.port)
        return ports

    # -- what is intercepted --------------------------------------------------------------------------------------

    def next_layer(self, nextlayer: NextLayer) -> None:
        """Only what goes to a Google host *and* names one in TLS is intercepted, all else is tunnelled as it is (T7).

        mitmproxy's own ``allow_hosts`` accepts either, or a Host header; so this decides before it does. Where the
        client names no target (transparent, local) its TLS has to.
        """
        context, client = nextlayer.context, nextlayer.context.client
        target = _client_target(context)
        if nextlayer.layer is not None or target is None:
            return
        if isinstance(client.proxy_mode, NAMED):
            intercepted = _is_wanted(*target[:2])
        else:
            intercepted = client.tls_established or starts_like_tls_record(nextlayer.data_client())
        if not intercepted:
            raw = TCPLayer if client.transport_protocol == "tcp" else UDPLayer
            nextlayer.layer = raw(context, ignore=not ctx.options.show_ignored_hosts)

    def tls_clienthello(self, data: ClientHelloData) -> None:
        """The second half: the target has been checked."""
        target = _client_target(data.context)
        if target is not None and not _is_wanted(data.client_hello.sni or "", target[1]):
            data.ignore_connection = True

    def tls_failed_client(self, data: TlsData) -> None:
        """A call to Google that was intercepted, and broken off because the client does not accept our certificate."""
        if self.front is not None and is_google(data.conn.sni):
            self.front.refused(certificate_refused(data.conn.error or "TLS failed"))


def _client_target(context: Context) -> Address | None:
    """The target that the client has chosen; None if it is fixed (reverse mode) or the proxy itself."""
    return None if isinstance(context.client.proxy_mode, ReverseMode) else context.server.address


def _is_wanted(name: str, port: int) -> bool:
    if ctx.options.allow_hosts:
        return any(re.search(one, f"{name}:{port}", re.IGNORECASE) for one in ctx.options.allow_hosts)
    return name.lower() in _permitted_hosts(ctx.options.confdir)


@lru_cache(1)
def _permitted_hosts(confdir: str) -> frozenset[str]:
    return frozenset(certs.permitted_hosts(Path(confdir).expanduser()))


def is_local(client: Client) -> bool:
    """Whether it is on this machine."""
    return not client.peername or proxy_rules.is_this_machine(client.peername)


# -- the start -----------------------------------------------------------------------------------------------------


def modes() -> list[ProxyMode]:
    """As configured. Raises ValueError for an unknown one."""
    return [ProxyMode.parse(spec) for spec in ctx.options.mode]


def targets(config: Config) -> set[tuple[str, int]]:
    """Where the configuration, and no client, sends connections."""
    found = {mode.address for mode in modes() if isinstance(mode, ReverseMode | UpstreamMode)}
    if config.upstream:
        parts = urlsplit(config.upstream)
        found.add((parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)))
    return found


def bad_modes(*, exposed: bool) -> str | None:
    """What is wrong with the modes, in one sentence."""
    try:
        configured = modes()
    except ValueError:  # mitmproxy reports it itself
        return None
    for mode in configured:
        host = None if isinstance(mode, LocalMode) else mode.listen_host(ctx.options.listen_host)
        scheme = mode.scheme if isinstance(mode, ReverseMode) else ""
        if why := proxy_rules.bad_mode(proxy_rules.Mode(mode.type_name, scheme, host), exposed=exposed):
            return why
    return None


def port_taken(flag: str) -> str | None:
    """Who holds a port that a mode is to listen on, in one sentence."""
    for mode in modes() if ctx.options.server else ():
        port = mode.listen_port(ctx.options.listen_port)
        if port is None or mode.transport_protocol == "udp":
            continue
        host = mode.listen_host(ctx.options.listen_host)
        if why := machine.taken(host, port, flag):
            return why
    return None


async def self_target(config: Config) -> str | None:
    """A configured target that is ourselves, in one sentence."""
    ours = {config.port} | {address[1] for server in _servers() for address in server.listen_addrs}
    for host, port in sorted(targets(config)):
        if await proxy_rules.is_refused((host, port), ours):
            return f"{host}:{port} is zerogravity itself, calls would go round in circles: name Google, or a stand-in"
    return None


async def rebind_to_loopback() -> None:
    """mitmproxy opens its ports while it loads our file, before ``listen_host`` is set: open the wide ones again."""
    wide = [
        server
        for server in _servers()
        if is_loopback(server.mode.listen_host(ctx.options.listen_host))
        and not all(is_loopback(address[0]) for address in server.listen_addrs)
    ]
    if wide:
        servers = _proxyserver().servers
        await servers.update([mode for mode in modes() if mode not in {server.mode for server in wide}])
        await servers.update(modes())


def cut(connection: Server) -> None:
    """Close a connection at once, which mitmproxy itself cannot do between hooks."""
    for handler in list(_proxyserver().connections.values()):
        transport = handler.transports.get(connection)
        if transport is not None and transport.writer is not None:
            transport.writer.transport.abort()


def abort(flow: http.HTTPFlow) -> None:
    """End a running call to Google; its ``error`` hook then runs as for any drop. mitmproxy can kill a flow only inside
    a hook, so the transport itself is closed; where other calls share it, only the stream is ended."""
    if flow.error is not None or (flow.response is not None and flow.response.timestamp_end is not None):
        return  # nothing runs any more; the connection may serve another turn
    if flow.server_conn.alpn != b"h2":
        cut(flow.server_conn)
        return
    if (handler := handler_of(flow.client_conn)) is not None:
        http2_reset.end(flow, handler)


def given_up(flow: http.HTTPFlow) -> bool:
    """Whether the language server has reset its stream, in the ``error`` hook of a call over HTTP/2: mitmproxy's words
    do not tell it from Google."""
    handler = handler_of(flow.client_conn) if flow.request.is_http2 else None
    return handler is not None and http2_reset.is_clients(flow, handler)


def handler_of(client: Client) -> ConnectionHandler | None:
    """mitmproxy's handler of a client's connection; None once that is gone."""
    handlers: Iterator[ConnectionHandler] = iter(list(_proxyserver().connections.values()))
    return next((handler for handler in handlers if handler.client is client), None)


def _proxyserver() -> Any:
    return mitm.addon("proxyserver")


def _servers() -> Iterator[Any]:
    return iter(_proxyserver().servers if _proxyserver() is not None else ())
