"""The language-server stand-in as a child process: metadata from stdin, Go's proxy environment, the call to its parent.

Facts: language-server-and-google A.1, A.2, A.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

STARTED = "/exa.extension_server_pb.ExtensionServerService/LanguageServerStarted"


class StdinError(Exception):
    """What the parent wrote is no metadata; the message is what the real one says."""


def read_metadata(data: bytes) -> dict[int, list[int | bytes]]:
    """A binary protobuf message as field number → values. Raises StdinError."""
    if not data:
        raise StdinError("failed to read initial metadata: initial metadata is nil")
    fields: dict[int, list[int | bytes]] = {}
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise _invalid()
        value: int | bytes
        if kind == 0:
            value, position = _varint(data, position)
        elif kind in (1, 2, 5):
            size, position = _varint(data, position) if kind == 2 else ({1: 8, 5: 4}[kind], position)
            value = data[position : position + size]
            position += size
            if position > len(data):
                raise _invalid()
        else:
            raise _invalid()
        fields.setdefault(number, []).append(value)
    return fields


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _invalid()


def _invalid() -> StdinError:
    return StdinError("failed to read initial metadata: proto: cannot parse invalid wire-format data")


def proxy_for(endpoint: str, environment: Mapping[str, str]) -> str | None:
    """Go's proxy-from-environment: by the URL's scheme, NO_PROXY by host suffix. (Loopback is left out elsewhere.)"""
    parts = urlsplit(endpoint)
    name = "HTTPS_PROXY" if parts.scheme == "https" else "HTTP_PROXY"
    proxy = environment.get(name) or environment.get(name.lower())
    host = parts.hostname or ""
    for entry in (environment.get("NO_PROXY") or environment.get("no_proxy") or "").split(","):
        suffix = entry.strip().lstrip("*").lstrip(".")
        if suffix and (host == suffix or host.endswith(f".{suffix}")):
            return None
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    return proxy or None


def trusted(environment: Mapping[str, str]) -> Path | None:
    """SSL_CERT_FILE."""
    file = environment.get("SSL_CERT_FILE")
    return Path(file) if file else None


async def report_started(port: int, token: str, *, https_port: int, http_port: int, csrf: str) -> None:
    """LanguageServerStarted: the parent's plain port, a binary message. Raises aiohttp.ClientError."""
    fields = ((1, https_port), (2, 0), (4, csrf), (5, http_port))
    message = b"".join(_field(number, value) for number, value in fields if value)
    headers = {"Content-Type": "application/proto", "Connect-Protocol-Version": "1", "X-Codeium-Csrf-Token": token}
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}{STARTED}"
        async with session.post(url, data=message, headers=headers, raise_for_status=True):
            pass


def _field(number: int, value: int | str) -> bytes:
    if isinstance(value, int):
        return bytes((number << 3,)) + _write_varint(value)
    data = value.encode()
    return bytes((number << 3 | 2,)) + _write_varint(len(data)) + data


def _write_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
