"""Which proxy modes and addresses we start with, and which proxied targets are refused. No mitmproxy in here.

Nothing is guessed from how a name is written (``127.1``, ``0x7f000001``, ``LOCALHOST.``, ``::ffff:127.0.0.1``, a name
in DNS): the resolver that the connection would use is asked, and the system whether an address is one of its own.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any

from zerogravity.hosts import is_loopback

Address = tuple[Any, ...]
"""A socket's: host, port, and for IPv6 what else belongs to it."""

HTTP = ("http", "https", "http3")
UNSERVED = {
    "wireguard": "it lets other devices in by itself",
    "tun": "it takes in whole networks",
    "dns": "no call to Google comes by it",
}
SERVED = "regular, reverse to an http(s) URL, upstream, socks5, transparent or local"


@dataclass(frozen=True, slots=True)
class Mode:
    """A proxy mode as configured. ``scheme``: a reverse target's; ``host``: where it listens, empty: everywhere, None:
    nowhere (the system redirects this machine's programs to it)."""

    name: str
    scheme: str = ""
    host: str | None = "127.0.0.1"


def bad_mode(mode: Mode, *, exposed: bool) -> str | None:
    """Why we do not start with this mode, in one sentence; None: we do."""
    if (why := UNSERVED.get(mode.name)) is not None:
        return f"mode {mode.name} is not served, {why}: take {SERVED}"
    if mode.name == "reverse" and mode.scheme not in HTTP:
        return f"mode reverse to {mode.scheme}:// is not served, no call to Google can be read there: take {SERVED}"
    if exposed or mode.host is None or is_loopback(mode.host):
        return None
    return (
        f"a proxy on {mode.host or 'all addresses'} would be open to other machines: listen on 127.0.0.1, "
        "or, where only machines you trust reach it, add --set zg_expose_proxy=true"
    )


async def is_refused(target: Address, ours: Collection[int], *, stranger: bool = False, blind: bool = False) -> bool:
    """Whether a proxied request must not go there. ``ours``: the ports that we listen on; ``stranger``: another machine
    asks; ``blind``: another proxy makes the connection. Names are looked up only where it matters."""
    host, port, *_ = target
    if port in ours and blind:
        return True  # where the other proxy connects to cannot be seen
    if port not in ours and not stranger:
        return False  # this machine's programs may use this machine's ports; those of other machines may not
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):  # whatever a resolver makes of it
        return True
    return any(is_this_machine(address) for address in await _addresses(host, port))


async def _addresses(host: str, port: int) -> list[Address]:
    """What a connection to it would try; nothing where it would fail."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [address for *_, address in found]


def is_this_machine(address: Address) -> bool:
    """Whether an IP address is this machine's: loopback, unspecified, or the source address that the system would use
    to reach it (nothing is sent)."""
    try:
        ip = ip_address(str(address[0]))
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
        address = (str(ip), *address[1:2])
    if ip.is_loopback or ip.is_unspecified:
        return True
    try:
        with socket.socket(socket.AF_INET if ip.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((address[0], 9, *address[2:]))
            return probe.getsockname()[0].partition("%")[0] == str(address[0]).partition("%")[0]
    except OSError:
        return False
