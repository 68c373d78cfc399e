"""What an open TLS connection of asyncio's costs: 16 KiB for what it reads, not 256.

asyncio fills each connection's buffer with zeros when it makes it, so all of it is memory, however little is said; a
turn is such a connection. A piece of one TLS record is what comes at once anyhow. Measured: the CPU of a flood is the
same with either.
"""

from __future__ import annotations

from asyncio import sslproto

RECORD = 16 << 10  # the most that one TLS record holds


def keep_small() -> None:
    """Of this process, for connections that are opened from now on."""
    sslproto.SSLProtocol.max_size = RECORD
