"""What the runtime reads from stdin before anything else, and what it writes to stdout then: length-prefixed protobuf
messages. Pure: bytes ↔ values.

Facts: antigravity-runtime, Start recipe.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

LENGTH = struct.Struct("<I")
BIND_ADDRESS = 3  # of InputConfig; without a storage directory it keeps no conversation on disk
PORT, API_KEY = 1, 2  # of OutputConfig
MAX_SIZE = 64 << 10


class HandshakeError(ValueError):
    """What came is not the runtime's."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where it listens on loopback; ``key``: what it wants in the header ``x-goog-api-key``."""

    port: int
    key: str = field(repr=False)


def greeting() -> bytes:
    """InputConfig: listen on loopback, on any free port."""
    message = _text_field(BIND_ADDRESS, "127.0.0.1")
    return LENGTH.pack(len(message)) + message


def size_of(prefix: bytes) -> int:
    """The length of the message that follows. Raises HandshakeError."""
    (size,) = LENGTH.unpack(prefix)
    if not 0 < size <= MAX_SIZE:
        raise HandshakeError(f"a message of {size} bytes")
    return size


def read(message: bytes) -> Listening:
    """OutputConfig. Raises HandshakeError."""
    port, key, at = 0, "", 0
    while at < len(message):
        tag, at = _varint(message, at)
        value, at = _varint(message, at)
        match tag & 7:
            case 0:
                port = value if tag >> 3 == PORT else port
            case 2:
                text, at = message[at : at + value], at + value
                if at > len(message):
                    raise HandshakeError("a message that is cut")
                key = text.decode("utf-8", "replace") if tag >> 3 == API_KEY else key
            case kind:
                raise HandshakeError(f"a field of wire type {kind}")
    if not 0 < port < 1 << 16:
        raise HandshakeError(f"port {port}")
    return Listening(port, key)


def _text_field(number: int, text: str) -> bytes:
    data = text.encode()
    return bytes((number << 3 | 2, len(data))) + data  # both fit a one-byte varint here


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise HandshakeError("a message that is cut")
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise HandshakeError("a number without an end")
