"""Which addresses a client may make us connect to: the guard of threat T11, and the look-up that it judges."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
_NAT64 = ip_network("64:ff9b::/96")
_METADATA = {"168.63.129.16"}  # a metadata service at a public address: Azure's
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(text: str) -> bool:
    """Whether it is a global unicast address, and so is every IPv4 address inside it (mapped, compatible, 6to4, Teredo,
    NAT64, ISATAP)."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_global(address) and str(address) not in _METADATA
    return address.scope_id is None and not address.is_site_local and all(
        is_public(str(inner)) for inner in _inside(address)
    ) and (_is_wrapped(address) or _is_global(address))  # fmt: skip


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_wrapped(address: IPv6Address) -> bool:
    """Forms that are routed as the IPv4 address inside."""
    return address.ipv4_mapped is not None or address in _NAT64


def _inside(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address may lead to."""
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    found = [inner for inner in (address.ipv4_mapped, address.sixtofour) if inner is not None]
    if address.teredo is not None:
        found += address.teredo
    if address in _NAT64 or int(address) >> 32 == 0 or int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        found.append(low)
    return found


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a name, as the system resolves it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
