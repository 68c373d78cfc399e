"""HTTP/1.1: bodies, keep-alive, pipelining, connections that half close."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from tests.testing.simulator.support import (
    WEATHER,
    envelope,
    inner,
    post,
)
from zerogravity.testing.simulator.google import (
    GoogleSimulator,
)


@pytest.mark.parametrize(("name", "open_after"), [("drop", False), ("half-close", True)])
async def test_half_close_leaves_the_other_half_open(name: str, open_after: bool) -> None:
    async with GoogleSimulator(tls=False, pace=0.0) as google:
        body = json.dumps(envelope(inner(f"sim:{name}"))).encode()

        def talk() -> bool:
            with socket.create_connection(("127.0.0.1", google.port), timeout=10) as client:
                client.sendall(post(f"Content-Length: {len(body)}") + body)
                while client.recv(1 << 16):
                    pass
                try:
                    for _ in range(3):
                        client.sendall(b"x")
                except ConnectionError:
                    return False
                return True

        assert await asyncio.to_thread(talk) is open_after


async def test_keep_alive_and_pipelining() -> None:
    async with GoogleSimulator(tls=False, pace=0.0) as google:
        reader, writer = await asyncio.open_connection("127.0.0.1", google.port)
        body = json.dumps(envelope(inner("sim:text"))).encode()
        writer.write((post(f"Content-Length: {len(body)}") + body) * 3)
        writer.write_eof()
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert data.count(b"HTTP/1.1 200 OK") == data.count(b"\r\n0\r\n\r\n") == 3
    assert google.connections == 1


@pytest.mark.parametrize("encode", ["gzip", "chunked"])
async def test_request_bodies_may_be_compressed_or_chunked(encode: str) -> None:
    import gzip

    async with GoogleSimulator(tls=False, pace=0.0) as google:
        body = json.dumps(envelope(inner("sim:text"))).encode()
        if encode == "gzip":
            body = gzip.compress(body)
            framing = ["Content-Encoding: gzip", f"Content-Length: {len(body)}"]
        else:
            body = b"".join(b"%x;x=y\r\n%b\r\n" % (len(p), p) for p in (body[:7], body[7:])) + b"0\r\nT: t\r\n\r\n"
            framing = ["Transfer-Encoding: chunked"]
        reader, writer = await asyncio.open_connection("127.0.0.1", google.port)
        writer.write(post("Connection: close", *framing) + body)
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert data.startswith(b"HTTP/1.1 200 OK")
    assert WEATHER["name"] == google.requests[0].request["tools"][0]["functionDeclarations"][0]["name"]
