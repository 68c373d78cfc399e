"""Inflating: every encoding, every split, live output, cuts, and bombs that are stopped early."""

from __future__ import annotations

import gzip
import random
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.wire import inflate
from zerogravity.wire.inflate import InflateError, Inflater

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(data) + squeezer.flush()


def brotlied(data: bytes) -> bytes:
    return brotli.compress(data, quality=3)


Squeeze = Callable[[bytes], bytes]
ENCODINGS: dict[str, tuple[str, Squeeze]] = {
    "identity": ("identity", bytes),
    "none": ("", bytes),
    "gzip": ("gzip", gzip.compress),
    "gzip, other case": (" GZip ", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "gzip, several members": ("gzip", lambda data: gzip.compress(data[:10]) + gzip.compress(data[10:])),
    "gzip, padding": ("gzip", lambda data: gzip.compress(data) + bytes(7)),
    "zlib": ("deflate", zlib.compress),
    "zlib, padding": ("deflate", lambda data: zlib.compress(data) + b"xx"),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotlied),
    "zstd": ("zstd", zstd.compress),
    "zstd, several frames": ("zstd", lambda data: zstd.compress(data[:10]) + zstd.compress(data[10:])),
    "gzip then br": ("gzip, br", lambda data: brotlied(gzip.compress(data))),
    "zstd, identity, gzip": ("zstd,identity,gzip", lambda data: gzip.compress(zstd.compress(data))),
}
SAMPLE = b'data: {"text": "Paris is the capital of France."}\r\n\r\n' * 20


@pytest.fixture(params=ENCODINGS)
def encoding(request: pytest.FixtureRequest) -> tuple[str, Squeeze]:
    return ENCODINGS[request.param]


def inflated(name: str, *chunks: bytes) -> bytes:
    inflater = Inflater(name)
    return b"".join([*map(inflater.feed, chunks), inflater.end()])


def test_every_split(encoding: tuple[str, Squeeze]) -> None:
    name, squeeze = encoding
    body = squeeze(SAMPLE)
    assert inflated(name, body) == SAMPLE
    assert inflated(name, *(body[at : at + 1] for at in range(len(body)))) == SAMPLE
    for at in range(len(body) + 1):
        assert inflated(name, body[:at], b"", body[at:]) == SAMPLE


@given(st.sampled_from(sorted(ENCODINGS)), st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes(key: str, data: bytes, cut: int) -> None:
    name, squeeze = ENCODINGS[key]
    body = squeeze(data)
    assert inflated(name, body[:cut], body[cut:]) == data


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd", "", "gzip, br"])
def test_an_empty_body_is_complete(name: str) -> None:
    assert inflated(name) == b""


def test_what_is_flushed_comes_at_once() -> None:
    squeezer = zlib.compressobj(wbits=31)
    inflater = Inflater("gzip")
    for number in range(20):
        event = b"data: %d\r\n\r\n" % number
        assert inflater.feed(squeezer.compress(event) + squeezer.flush(zlib.Z_SYNC_FLUSH)) == event
    assert inflater.feed(squeezer.flush()) + inflater.end() == b""


@pytest.mark.parametrize("key", ["gzip", "zlib", "raw deflate", "br", "zstd", "gzip then br"])
@pytest.mark.parametrize("missing", [1, 5])
def test_a_cut_body_gives_what_there_is_then_says_so(key: str, missing: int) -> None:
    name, squeeze = ENCODINGS[key]
    inflater = Inflater(name)
    assert SAMPLE.startswith(inflater.feed(squeeze(SAMPLE)[:-missing]))
    with pytest.raises(InflateError, match="cut"):
        inflater.end()


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd", "gzip, zstd"])
def test_what_is_not_compressed_that_way(name: str) -> None:
    inflater = Inflater(name)
    with pytest.raises(InflateError):
        for _ in range(100):
            inflater.feed(b'\xffdata: {"a": 1}\r\n\r\n')


def test_one_byte_is_no_deflate_stream() -> None:
    inflater = Inflater("deflate")
    assert inflater.feed(b"x") == b""
    with pytest.raises(InflateError):
        inflater.end()


def test_broken_in_the_middle() -> None:
    body = bytearray(gzip.compress(random.Random(0).randbytes(5000)))
    body[-8:-4] = b"1234"
    with pytest.raises(InflateError, match="check"):
        Inflater("gzip").feed(bytes(body))


@pytest.mark.parametrize("name", ["compress", "gzip, snappy", "*"])
def test_unknown_encodings(name: str) -> None:
    with pytest.raises(InflateError, match="unknown"):
        Inflater(name)


def test_identity() -> None:
    assert Inflater("").identity
    assert Inflater("identity").identity
    assert not Inflater("gzip").identity
    data = b"abc"
    assert Inflater("").feed(data) is data


BOMB = bytes(64 << 20)


@pytest.mark.parametrize("key", ["gzip", "zlib", "br", "zstd", "gzip then br"])
def test_inflating_stops_at_the_limit(key: str) -> None:
    name, squeeze = ENCODINGS[key]
    body = squeeze(BOMB)
    tracemalloc.start()
    try:
        with pytest.raises(InflateError, match="limit"):
            Inflater(name, max_output=4 << 20).feed(body)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_the_ratio_is_limited_too() -> None:
    with pytest.raises(InflateError, match="limit"):
        Inflater("br").feed(brotlied(BOMB))
    assert len(Inflater("gzip").feed(gzip.compress(bytes(inflate.RATIO_FLOOR)))) == inflate.RATIO_FLOOR


def test_the_limit_holds_between_two_encodings() -> None:
    members = gzip.compress(gzip.compress(b"") * 400_000)  # inflates to much that inflates to nothing
    with pytest.raises(InflateError, match="limit"):
        Inflater("gzip, gzip", max_output=1 << 20).feed(members)
