"""Content encodings, and answers that end by themselves when their handler does not end them."""

from __future__ import annotations

import gzip
import zlib

import aiohttp
import pytest

from zerogravity.testing.simulator.http import Exchange, HttpServer
from zerogravity.testing.simulator.http.exchange import Compressor, compressed, decoded

PACKED = gzip.compress(b"hello", mtime=0)


@pytest.mark.parametrize(("data", "encoding"), [(b"hello", ""), (b"hello", "identity"), (PACKED, "gzip")])
def test_bodies_are_decoded(data: bytes, encoding: str) -> None:
    assert decoded(data, encoding, 5) == b"hello"


@pytest.mark.parametrize(
    ("data", "encoding", "limit", "message"),
    [(b"x", "br", 9, "unsupported content encoding br"), (b"no gzip", "gzip", 9, "incorrect header"),
     (PACKED, "gzip", 4, "body too large")],
)  # fmt: skip
def test_bodies_that_cannot_be_decoded(data: bytes, encoding: str, limit: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decoded(data, encoding, limit)


def test_each_compressed_piece_can_be_read_at_once() -> None:
    compressor, inflate = Compressor(), zlib.decompressobj(31)
    assert [inflate.decompress(compressor.feed(piece)) for piece in (b"one", b"two")] == [b"one", b"two"]
    inflate.decompress(compressor.end())
    assert inflate.eof
    assert gzip.decompress(compressed(b"whole")) == b"whole"


async def test_an_answer_that_its_handler_leaves_open_is_dropped() -> None:
    async def forgetful(exchange: Exchange) -> None:
        exchange.start(200, [])
        exchange.write(b"begun")

    server = HttpServer(forgetful, max_body=100)
    port = await server.listen("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    await server.stop()
