"""Compressed body bytes → plain bytes as they come, with a cap on output and on the ratio (threat T12)."""

from __future__ import annotations

import zlib
from typing import Any, Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

_brotli: Any = brotli  # has no type information
MAX_OUTPUT = 256 << 20
MAX_RATIO = 1_000
_ERRORS: tuple[type[Exception], ...] = (zlib.error, zstandard.ZstdError, _brotli.error)
RATIO_FLOOR = 1 << 20  # below this much output no ratio is suspicious


class InflateError(Exception):
    """The bytes are not what content-encoding says, cut in the middle, or a bomb."""


class _Stage(Protocol):
    def feed(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...


class _Zlib:
    """gzip or zlib by header; raw deflate when a server means that by ``deflate``."""

    def __init__(self, *, raw_allowed: bool) -> None:
        self._raw_allowed = raw_allowed
        self._inflate: Any = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._started = False

    def feed(self, data: bytes) -> bytes:
        out = b""
        while data:
            try:
                out += self._inflate.decompress(data)
            except zlib.error:
                if self._started or not self._raw_allowed:
                    raise
                self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
                out += self._inflate.decompress(data)
            self._started = True
            data = self._inflate.unused_data
            if data:  # gzip members may follow each other
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        return out

    def end(self) -> bytes:
        if self._started and not self._inflate.eof:
            raise InflateError("the compressed body is cut")
        return b""


class _Brotli:
    def __init__(self) -> None:
        self._inflate: Any = _brotli.Decompressor()

    def feed(self, data: bytes) -> bytes:
        return self._inflate.process(data)

    def end(self) -> bytes:
        if not self._inflate.is_finished():
            raise InflateError("the compressed body is cut")
        return b""


class _Zstd:
    def __init__(self) -> None:
        self._inflate: Any = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True)

    def feed(self, data: bytes) -> bytes:
        return self._inflate.decompress(data)

    def end(self) -> bytes:
        return b""


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
            for stage in self._stages:
                data = stage.feed(data)
        except _ERRORS as error:
            raise InflateError(str(error)) from error
        self._out += len(data)
        if self._out > self._max_output or (self._out > RATIO_FLOOR and self._out > self._in * self._max_ratio):
            raise InflateError("the compressed body grows beyond the limit")
        return data

    def end(self) -> bytes:
        """Must be called at the end of the body. Raises InflateError when data is missing."""
        for stage in self._stages:
            stage.end()
        return b""


def _stage(name: str) -> _Stage:
    match name:
        case "gzip" | "x-gzip":
            return _Zlib(raw_allowed=False)
        case "deflate":
            return _Zlib(raw_allowed=True)
        case "br":
            return _Brotli()
        case "zstd":
            return _Zstd()
        case _:
            raise InflateError(f"unknown content encoding {name!r}")
