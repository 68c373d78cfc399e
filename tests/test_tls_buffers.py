"""TLS connections' buffers: one for all of a thread, and no less comes through."""

from __future__ import annotations

import asyncio
import ssl
import threading
from asyncio import sslproto
from collections.abc import Iterator

import pytest

from zerogravity import tls_buffers
from zerogravity.testing.simulator.http import tls

SAID = [bytes([letter]) * 300_000 for letter in b"abcdefgh"]  # many records each
PATCHED = ("max_size", "_ssl_buffer", "_ssl_buffer_view")


@pytest.fixture
def small() -> Iterator[None]:
    before = {name: vars(sslproto.SSLProtocol).get(name) for name in PATCHED}
    tls_buffers.keep_small()
    yield
    for name, value in before.items():
        if value is None:
            delattr(sslproto.SSLProtocol, name)
        else:
            setattr(sslproto.SSLProtocol, name, value)


class Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard, self.over = bytearray(), asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set_result(exc)


async def connected() -> list[Client]:
    """Clients, each of which has heard its own piece of ``SAID`` to the end, all at the same time."""
    identity, loop, texts = tls.authority_signed(), asyncio.get_running_loop(), iter(SAID)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(texts))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=identity.server_context()) as server:
        address = server.sockets[0].getsockname()
        trusting = ssl.create_default_context(cadata=identity.ca_pem.decode())
        made = [loop.create_connection(Client, *address, ssl=trusting, server_hostname="localhost") for _ in SAID]
        clients = [client for _, client in await asyncio.gather(*made)]
        for client in clients:
            await client.over
    return clients


async def test_connections_share_a_buffer_and_none_hears_another(small: None) -> None:
    """Fails where asyncio's internals are others: then ``tls_buffers`` is to be looked at."""
    clients = await connected()
    buffers = {id(client.transport._ssl_protocol.get_buffer(-1)) for client in clients}
    assert len(buffers) == 1
    assert len(clients[0].transport._ssl_protocol.get_buffer(-1)) == tls_buffers.RECORD
    assert sorted(bytes(client.heard) for client in clients) == SAID


async def test_nothing_is_left_in_the_buffer_that_has_not_been_taken(small: None) -> None:
    """What one buffer for all rests on: asyncio copies out of it before anything else runs."""
    protocol = (await connected())[0].transport._ssl_protocol
    protocol._state = sslproto.SSLProtocolState.UNWRAPPED  # nobody reads on
    protocol.get_buffer(-1)[:3] = b"abc"
    protocol.buffer_updated(3)
    protocol.get_buffer(-1)[:3] = b"xyz"
    assert protocol._incoming.read()[-3:] == b"abc"


async def test_loops_of_other_threads_have_their_own(small: None) -> None:
    protocol = (await connected())[0].transport._ssl_protocol
    seen: list[object] = [protocol.get_buffer(-1)]
    other = threading.Thread(target=lambda: seen.append(protocol.get_buffer(-1)))
    other.start()
    other.join()
    assert seen[0] is not seen[1]
