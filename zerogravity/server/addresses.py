"""IP address → whether a client may make us connect to it (threat T11). Pure.

| refused                                                    | example                                   |
|------------------------------------------------------------|-------------------------------------------|
| everything that is not globally routed                     | 127.0.0.1, 10.0.0.1, 169.254.169.254, ::1 |
| multicast, reserved, site-local                            | 224.0.0.1, 255.255.255.255, fec0::1       |
| metadata services at public addresses                      | 168.63.129.16                             |
| all of these inside IPv6: mapped, compatible, 6to4, Teredo, NAT64, ISATAP | ::ffff:127.0.0.1           |
| what is no address, or has a zone                          | localhost, fe80::1%eth0                   |
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NAT64 = ip_network("64:ff9b::/96")
_METADATA = {"168.63.129.16"}  # Azure's wire server; the other clouds' are link-local or private
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(text: str) -> bool:
    """Whether it is a global unicast address, and no way into a private network."""
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
