"""A TLS connection's buffers: a record, and no less comes through."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto

import pytest

from zerogravity import tls_buffers
from zerogravity.testing.simulator.http import tls

SAID = bytes(range(256)) * 2000  # many records


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", sslproto.SSLProtocol.max_size)
    tls_buffers.keep_small()


async def test_a_connection_holds_a_record_and_takes_many(small: None) -> None:
    identity = tls.authority_signed()
    loop = asyncio.get_running_loop()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SAID)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    class Client(asyncio.Protocol):
        def __init__(self) -> None:
            self.heard, self.over = bytearray(), loop.create_future()

        def data_received(self, data: bytes) -> None:
            self.heard += data

        def connection_lost(self, exc: Exception | None) -> None:
            self.over.set_result(exc)

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=identity.server_context()) as server:
        address = server.sockets[0].getsockname()
        trusting = ssl.create_default_context(cadata=identity.ca_pem.decode())
        transport, client = await loop.create_connection(Client, *address, ssl=trusting, server_hostname="localhost")
        assert len(transport._ssl_protocol._ssl_buffer) == tls_buffers.RECORD
        await client.over
    assert bytes(client.heard) == SAID
