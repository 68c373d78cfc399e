"""Who comes in by mitmproxy's ports, where to, and what of it is opened; what is decided where: ``proxy_rules``.

A proxy that forwards to this machine is a way around every check of the front server, which trusts loopback. So the
proxy is on loopback unless its user says otherwise, a proxied request to one of our own ports gets 403, and what has
been connected to is looked at once more before a byte is sent: a name may have changed its address since.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
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
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import ClientHelloData, TlsData

from zerogravity import certs
from zerogravity.capture import http2_reset, match, proxy_rules
from zerogravity.config import Config
from zerogravity.errors import Fault, certificate_refused, not_an_endpoint
from zerogravity.hosts import is_google, is_loopback
from zerogravity.observe import machine

logger = logging.getLogger("zerogravity.capture")

LOOPBACK = "127.0.0.1"
NAMED = (RegularMode, UpstreamMode, Socks5Mode)  # where the client names its target
REFUSED = "zerogravity: this leads back to the machine that the proxy runs on; ask it directly, without the proxy\n"


@dataclass(frozen=True, slots=True)
class Front:
    """The gateway, as far as its address is asked for. ``refused`` is told of a call for Google that could not be
    opened."""

    config: Config
    url: str
    refused: Callable[[Fault], None] = lambda _: None


class ProxyGuard:
    """``front``: as long as the gateway runs; else nobody is let in."""

    name = "zerogravity.porter"

    def __init__(self) -> None:
        self.front: Front | None = None

    # -- before a connection is made -------------------------------------------------------------------------

    def client_connected(self, client: Client) -> None:
        """A program of another machine gets in only where the proxy is exposed, whatever is listened on."""
        if self.front is None or not (self.front.config.expose_proxy or _is_here(client)):
            client.error = "the proxy is for this machine only"

    async def http_connect(self, flow: http.HTTPFlow) -> None:
        await self._refuse(flow)

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        await self._refuse(flow)

    async def _refuse(self, flow: http.HTTPFlow) -> None:
        if await self._is_refused(flow.client_conn, (flow.request.host, flow.request.port)):
            logger.warning("refused: a proxied request to %s:%s", flow.request.host, flow.request.port)
            if self.front is not None and match.is_generate_path(flow.request.path):
                self.front.refused(not_an_endpoint())
            flow.request.stream = False  # else mitmproxy would connect to hand its body on
            flow.response = http.Response.make(403, REFUSED, {"content-type": "text/plain"})

    # -- when it is made -------------------------------------------------------------------------------------

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """For everything that is no HTTP: tunnels, other layers."""
        if data.server.address is not None and await self._is_refused(data.client, data.server.address, made=True):
            data.server.error = REFUSED.strip()

    async def server_connected(self, data: ServerConnectionHookData) -> None:
        peer, client = data.server.peername, data.client
        stranger = self._is_stranger(client, data.server.address)
        if peer is not None and await proxy_rules.is_refused(peer, self._ours(), stranger=stranger):
            logger.warning("refused: %s has led to %s:%s", data.server.address, *peer[:2])
            cut(data.server)

    async def _is_refused(self, client: Client, target: proxy_rules.Address, *, made: bool = False) -> bool:
        blind = isinstance(client.proxy_mode, UpstreamMode) and not made
        return await proxy_rules.is_refused(
            target, self._ours(), stranger=self._is_stranger(client, target), blind=blind
        )

    def _is_stranger(self, client: Client, target: proxy_rules.Address | None) -> bool:
        """Whether another machine has chosen this target."""
        return not _is_here(client) and target not in self._targets()

    def _targets(self) -> set[tuple[str, int]]:
        return targets(self.front.config) if self.front is not None else set()

    def _ours(self) -> set[int]:
        """The ports that we listen on, the front server's among them."""
        ports = {address[1] for server in _servers() for address in server.listen_addrs}
        if self.front is not None and (port := urlsplit(self.front.url).port) is not None:
            ports.add(port)
        return ports

    # -- what is opened --------------------------------------------------------------------------------------

    def next_layer(self, nextlayer: NextLayer) -> None:
        """Only what goes to a Google host *and* asks for one is opened, all else tunnelled as it is (T7).

        mitmproxy's own ``allow_hosts`` is content with either, or with a Host header; so this is decided before it
        chooses. Where the client names no target (transparent, local) its TLS has to.
        """
        context, client = nextlayer.context, nextlayer.context.client
        target = _chosen(context)
        if nextlayer.layer is not None or target is None:
            return
        if isinstance(client.proxy_mode, NAMED):
            looked_at = _is_wanted(*target[:2])
        else:
            looked_at = client.tls_established or starts_like_tls_record(nextlayer.data_client())
        if not looked_at:
            raw = TCPLayer if client.transport_protocol == "tcp" else UDPLayer
            nextlayer.layer = raw(context, ignore=not ctx.options.show_ignored_hosts)

    def tls_clienthello(self, data: ClientHelloData) -> None:
        """The second half: the target is known to be right."""
        target = _chosen(data.context)
        if target is not None and not _is_wanted(data.client_hello.sni or "", target[1]):
            data.ignore_connection = True

    def tls_failed_client(self, data: TlsData) -> None:
        """Somebody's call to Google was opened and broken off: they do not take our certificate."""
        if self.front is not None and is_google(data.conn.sni):
            self.front.refused(certificate_refused(data.conn.error or "TLS failed"))


def _chosen(context: Context) -> proxy_rules.Address | None:
    """The target that a client has chosen; None: it speaks to the proxy itself, or its user has chosen."""
    return None if isinstance(context.client.proxy_mode, ReverseMode) else context.server.address


def _is_wanted(name: str, port: int) -> bool:
    if ctx.options.allow_hosts:
        return any(re.search(one, f"{name}:{port}", re.IGNORECASE) for one in ctx.options.allow_hosts)
    return name.lower() in _spoken_for(ctx.options.confdir)


@lru_cache(1)
def _spoken_for(confdir: str) -> frozenset[str]:
    return frozenset(certs.permitted_hosts(Path(confdir).expanduser()))


def _is_here(client: Client) -> bool:
    return not client.peername or proxy_rules.is_home(client.peername)


# -- the start -----------------------------------------------------------------------------------------------------


def modes() -> list[ProxyMode]:
    """As asked for. Raises ValueError for what is none."""
    return [ProxyMode.parse(spec) for spec in ctx.options.mode]


def targets(config: Config) -> set[tuple[str, int]]:
    """Where the user, and no client, sends things."""
    found = {mode.address for mode in modes() if isinstance(mode, ReverseMode | UpstreamMode)}
    if config.upstream:
        parts = urlsplit(config.upstream)
        found.add((parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)))
    return found


def no_start(*, exposed: bool) -> str | None:
    """What is wrong with the modes, in one sentence."""
    try:
        asked = modes()
    except ValueError:  # mitmproxy says so itself
        return None
    for mode in asked:
        host = None if isinstance(mode, LocalMode) else mode.listen_host(ctx.options.listen_host)
        scheme = mode.scheme if isinstance(mode, ReverseMode) else ""
        if why := proxy_rules.no_start(proxy_rules.Entrance(mode.type_name, scheme, host), exposed=exposed):
            return why
    return None


def taken(flag: str) -> str | None:
    """Who holds a port that a mode is to listen on, in one sentence."""
    for mode in modes() if ctx.options.server else ():
        port = mode.listen_port(ctx.options.listen_port)
        if port is None or mode.transport_protocol == "udp":
            continue
        host = mode.listen_host(ctx.options.listen_host)
        if why := machine.taken(host, port, flag):
            return why
    return None


async def loops(config: Config) -> str | None:
    """A target of the user's own that is ourselves, in one sentence."""
    ours = {config.port} | {address[1] for server in _servers() for address in server.listen_addrs}
    for host, port in sorted(targets(config)):
        if await proxy_rules.is_refused((host, port), ours):
            return f"{host}:{port} is zerogravity itself, calls would go round in circles: name Google, or a stand-in"
    return None


async def settle() -> None:
    """mitmproxy opens its ports while it loads our file: those that nobody named an address for it opens again."""
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
    """Close a connection at once; mitmproxy has no word for that between hooks."""
    for handler in list(_proxyserver().connections.values()):
        transport = handler.transports.get(connection)
        if transport is not None and transport.writer is not None:
            transport.writer.transport.abort()


def abort(flow: http.HTTPFlow) -> None:
    """End a running call to Google; its ``error`` hook then runs as for any drop. mitmproxy can kill a flow only
    between hooks, so the transport itself is closed; where other calls share it, the stream alone is ended."""
    if flow.error is not None or (flow.response is not None and flow.response.timestamp_end is not None):
        return  # nothing runs any more; the connection may serve another turn
    if flow.server_conn.alpn == b"h2":
        end_stream(flow)
    else:
        cut(flow.server_conn)


def end_stream(flow: http.HTTPFlow) -> None:
    """End one of the calls that share a connection."""
    for handler in list(_proxyserver().connections.values()):
        if handler.client is flow.client_conn:
            http2_reset.end(flow, handler)


def _proxyserver() -> Any:
    return ctx.master.addons.get("proxyserver")


def _servers() -> Iterator[Any]:
    return iter(_proxyserver().servers if _proxyserver() is not None else ())
