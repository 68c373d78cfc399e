"""Content encodings: a request body without its own, an answer with gzip, in one piece or as it goes."""

from __future__ import annotations

import gzip
import zlib


def decoded(data: bytes, encoding: str, limit: int) -> bytes:
    """A request body without its content encoding. Raises ValueError."""
    if encoding in ("identity", ""):
        return data
    if encoding != "gzip":
        raise ValueError(f"unsupported content encoding {encoding}")
    try:
        plain = zlib.decompressobj(31).decompress(data, limit + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(plain) > limit:
        raise ValueError("body too large")
    return plain


class Compressor:
    """Compresses an answer as it goes, flushed after each piece, so that every event can be read at once."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, 31)

    def feed(self, data: bytes) -> bytes:
        return self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._deflate.flush()


def compressed(data: bytes) -> bytes:
    """A whole body, compressed."""
    return gzip.compress(data, 6, mtime=0)
