"""What the runtime reads from stdin before anything else, and what it writes to stdout then: length-prefixed protobuf
messages. Pure: bytes ↔ values.

Facts: antigravity-runtime, Start recipe.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from zerogravity.wire import protobuf

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
    message = protobuf.text_field(BIND_ADDRESS, "127.0.0.1")
    return LENGTH.pack(len(message)) + message


def size_of(prefix: bytes) -> int:
    """The length of the message that follows. Raises HandshakeError."""
    (size,) = LENGTH.unpack(prefix)
    if not 0 < size <= MAX_SIZE:
        raise HandshakeError(f"a message of {size} bytes")
    return size


def read(message: bytes) -> Listening:
    """OutputConfig. Raises HandshakeError."""
    try:
        found = dict(protobuf.fields(message))
    except protobuf.ProtobufError as error:
        raise HandshakeError(str(error)) from None
    port, key = found.get(PORT, 0), found.get(API_KEY, b"")
    if not isinstance(port, int) or not 0 < port < 1 << 16:
        raise HandshakeError(f"port {port!r}")
    return Listening(port, key.decode("utf-8", "replace") if isinstance(key, bytes) else "")
