"""What asyncio's TLS connections read into: one buffer for all of a thread, instead of 256 KiB for each.

asyncio fills a buffer with zeros for every connection that it makes, so all of it is memory, however little is said; a
turn has two such connections. But asyncio copies what it has read out of the buffer before anything else runs
(``SSLProtocol.buffer_updated``), so that one is enough. A piece of one TLS record is what comes at once anyhow.
Measured: the CPU of a flood is the same with either.

Where asyncio's own names are others, its connections have buffers of their own, of the size of a record. uvloop's are
its own affair.
"""

from __future__ import annotations

import threading
from asyncio import sslproto

RECORD = 16 << 10  # the most that one TLS record holds
SHARED = {"_ssl_buffer": "buffer", "_ssl_buffer_view": "view"}
"""asyncio's name → ours."""


class _OfThread(threading.local):
    """Loops of other threads read at the same time."""

    def __init__(self) -> None:
        self.buffer = bytearray(RECORD)
        self.view = memoryview(self.buffer)


class _Shared:
    """In the place of an attribute of each connection: what they set is dropped."""

    def __init__(self, name: str, shared: _OfThread) -> None:
        self._name = name
        self._shared = shared

    def __get__(self, connection: object, owner: type | None = None) -> object:
        return getattr(self._shared, self._name)

    def __set__(self, connection: object, value: object) -> None:
        pass


def keep_small() -> None:
    """Of this process, for connections that are opened from now on."""
    sslproto.SSLProtocol.max_size = RECORD
    shared = _OfThread()
    for theirs, ours in SHARED.items():
        setattr(sslproto.SSLProtocol, theirs, _Shared(ours, shared))
