"""Compressed body bytes → plain bytes as they come, with a cap on output and on the ratio (threat T12).

Nothing is inflated further than one step beyond a limit, whatever the input claims.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import brotli  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_brotli: Any = brotli  # has no type information
MAX_OUTPUT = 256 << 20
MAX_RATIO = 1_000
RATIO_FLOOR = 1 << 20  # below this much output no ratio is suspicious
STEP = 256 << 10  # most bytes that one step of one stage gives out
ZSTD_WINDOW: Mapping[int, int] = {
    zstd.DecompressionParameter.window_log_max: 23
}  # 8 MiB, all that HTTP allows (RFC 9659)
_ERRORS: tuple[type[Exception], ...] = (zlib.error, zstd.ZstdError, _brotli.error)


class InflateError(Exception):
    """The bytes are not what content-encoding says, cut in the middle, or a bomb."""


class TooMuch(InflateError):
    """Beyond a limit; whether the rest would have been right is not known."""


class _Stage(Protocol):
    """One encoding. ``feed`` gives pieces of about STEP bytes at most; ``complete``: the data may end here."""

    complete: bool

    def feed(self, data: bytes) -> Iterator[bytes]: ...


class _Zlib:
    """gzip (also several members, also padding after them); ``deflate`` as zlib or, as some servers have it, raw."""

    def __init__(self, *, gzip: bool) -> None:
        self.complete = True
        self._gzip = gzip
        self._head = b""  # the first byte of a deflate stream: the second one tells which kind it is
        self._inflate: Any = None
        self._ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        data, self._head = self._head + data, b""
        while data:
            inflate = self._inflate = self._inflate or self._member(data)
            if inflate is None:
                return
            while piece := inflate.decompress(data, STEP):
                yield piece
                data = inflate.unconsumed_tail
            if not inflate.eof:
                return
            data, self._inflate = inflate.unused_data, None
            self._ended = self.complete = True

    def _member(self, data: bytes) -> Any:
        """Begin a member; None: there is none (padding), or too little has come to know."""
        if self._ended and (not self._gzip or data[0] != 0x1F):
            return None
        self.complete = False
        if self._gzip:
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        if len(data) == 1:
            self._head = data
            return None
        is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0
        return zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)


class _Brotli:
    def __init__(self) -> None:
        self.complete = True
        self._inflate: Any = _brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._inflate.is_finished():
            return
        yield self._inflate.process(data, output_buffer_limit=STEP)
        while not self._inflate.can_accept_more_data():
            yield self._inflate.process(b"", output_buffer_limit=STEP)
        self.complete = self._inflate.is_finished()


class _Zstd:
    """One or several frames."""

    def __init__(self) -> None:
        self.complete = True
        self._inflate = zstd.ZstdDecompressor(options=ZSTD_WINDOW)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate.eof:
                self._inflate = zstd.ZstdDecompressor(options=ZSTD_WINDOW)
            yield self._inflate.decompress(data, STEP)
            while not self._inflate.needs_input and not self._inflate.eof:
                yield self._inflate.decompress(b"", STEP)
            data = self._inflate.unused_data if self._inflate.eof else b""
            self.complete = self._inflate.eof


class Inflater:
    """``Inflater("gzip").feed(bytes) → bytes``; several encodings are undone from the last to the first.

    Raises InflateError on an unknown encoding, broken or cut data, and beyond the limits.
    """

    def __init__(self, encoding: str, *, max_output: int = MAX_OUTPUT, max_ratio: int = MAX_RATIO) -> None:
        names = [name.strip().lower() for name in encoding.split(",")]
        self._stages = [_stage(name) for name in reversed(names) if name not in ("", "identity")]
        self._max_output, self._max_ratio = max_output, max_ratio
        self._in = self._out = 0

    @property
    def identity(self) -> bool:
        """Whether nothing is compressed at all."""
        return not self._stages

    def feed(self, data: bytes) -> bytes:
        """The plain bytes that ``data`` completes; may be empty."""
        if not self._stages:
            return data
        self._in += len(data)
        try:
            return b"".join(self._through(0, data))
        except _ERRORS as error:
            raise InflateError(str(error)) from error

    def end(self) -> bytes:
        """Must be called at the end of the body. Raises InflateError when data is missing; no bytes at all are none."""
        if self._in and not all(stage.complete for stage in self._stages):
            raise InflateError("the compressed body is cut")
        return b""

    def _through(self, number: int, data: bytes) -> Iterator[bytes]:
        """``data`` through the stages from ``number`` on. What any stage gives out counts for the limits."""
        if number == len(self._stages):
            yield data
            return
        for piece in self._stages[number].feed(data):
            self._out += len(piece)
            if self._out > self._max_output or (self._out > RATIO_FLOOR and self._out > self._in * self._max_ratio):
                raise TooMuch("the compressed body grows beyond the limit")
            yield from self._through(number + 1, piece)


def _stage(name: str) -> _Stage:
    match name:
        case "gzip" | "x-gzip":
            return _Zlib(gzip=True)
        case "deflate":
            return _Zlib(gzip=False)
        case "br":
            return _Brotli()
        case "zstd":
            return _Zstd()
        case _:
            raise InflateError(f"unknown content encoding {name!r}")
