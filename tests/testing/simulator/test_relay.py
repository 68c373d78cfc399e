"""A relay: what goes in comes out, late and in pieces; it breaks where it should, and on request."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio

from zerogravity.testing.simulator.relay import Relay

DATA = bytes(range(256)) * 40


@pytest_asyncio.fixture
async def relay() -> AsyncIterator[Relay]:
    """In front of a server that says everything again."""

    async def again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(again, "127.0.0.1", 0)
    made = Relay(server.sockets[0].getsockname()[1], random.Random(1))
    await made.start()
    yield made
    await made.stop()
    server.close()
    await server.wait_closed()


async def left(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def received(relay: Relay, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(data)
    writer.write_eof()
    async with asyncio.timeout(20):
        got = await reader.read()
    await left(writer)
    return got


@pytest.mark.parametrize("delays", [0.0, 0.002])
async def test_everything_comes_back(relay: Relay, delays: float) -> None:
    relay.delays = delays
    assert await received(relay, DATA) == DATA


async def test_it_breaks_after_some_bytes(relay: Relay) -> None:
    relay.cuts = 5000
    sizes = {len(await received(relay, DATA)) for _ in range(5)}
    assert len(sizes) > 1
    assert max(sizes) < 5000


async def test_it_breaks_on_request(relay: Relay) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    await relay.drop()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    await left(writer)


async def test_nothing_listens_behind_it() -> None:
    alone = Relay(1, random.Random(1))
    await alone.start()
    assert await received(alone, b"") == b""
    await alone.stop()


async def test_a_reset_is_handed_on() -> None:
    """Whoever waits behind the relay must hear of it: the other side was killed, say."""

    async def resets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(resets, "127.0.0.1", 0)
    made = Relay(server.sockets[0].getsockname()[1], random.Random(1))
    await made.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            assert await reader.read() == b""
    await left(writer)
    await made.stop()
    server.close()
    await server.wait_closed()
