"""What does not even parse as HTTP: a fixed answer, and none of the peer's bytes anywhere (T9, T15, H33)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging

import pytest

from tests.server.support import JSON, Serve, Served, read_answer

SECRET = "ya29.secret-bearer-token-"
HOST = "Host: localhost\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        f"GET /health HTTP/1.1\r\n{HOST}Authorization: Bearer {SECRET * 360}\r\n\r\n",
        f"GET /health HTTP/1.1\r\n{HOST}{SECRET * 360}: x\r\n\r\n",
        f"GET /{SECRET * 360} HTTP/1.1\r\n{HOST}\r\n",
        f"{SECRET}\r\n\r\n",
        f"GET /health HTTP/1.1\r\n{HOST}Bad Header {SECRET}: x\r\n\r\n",
        f"GET /health HTTP/1.1\r\n{HOST}X-Key: {SECRET}\x00\r\n\r\n",
        f"POST /{SECRET} HTTP/1.1\r\n{HOST}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        f"POST /{SECRET} HTTP/1.1\r\n{HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        f"POST /{SECRET} HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n",
        f"GET /{SECRET} HTTP/9.9\r\n{HOST}\r\n",
        f"GET /health HTTP/1.1\r\n{HOST}" + "".join(f"X-{n}: {SECRET}\r\n" for n in range(400)) + "\r\n",
    ],
    ids=["long value", "long name", "long target", "no request", "bad name", "zero byte", "two lengths",
         "length and chunks", "negative length", "no such version", "many fields"],
)  # fmt: skip
async def test_h33_unreadable_requests(serve: Serve, request_bytes: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    served = await serve()
    data = await served.raw(request_bytes.encode("latin-1"))
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert body == (
        b'{"error":{"message":"the HTTP request could not be read","type":"invalid_request_error","param":null,'
        b'"code":"bad_http_request"}}'
    )
    assert b"x-request-id: req_" in head
    assert b"\r\nServer-Timing: total;dur=0.0" in head
    assert b"\r\nX-Content-Type-Options: nosniff" in head
    assert b"\nserver:" not in head.lower()
    for place in (data.decode("latin-1"), caplog.text, *(str(record.__dict__) for record in caplog.records)):
        assert SECRET[:12] not in place
    assert "refused by the HTTP parser" in caplog.text


async def test_an_expectation_that_cannot_be_met(serve: Serve) -> None:
    """aiohttp refuses it before any middleware runs."""
    served = await serve()
    head = f"POST /v1/responses HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nContent-Length: 2\r\n"
    data = await served.raw(f"{head}Expect: {SECRET}\r\nConnection: close\r\n\r\n{{}}".encode())
    head_told, _, body = data.partition(b"\r\n\r\n")
    assert data.split()[1] == b"417"
    assert json.loads(body)["error"]["code"] == "expectation_failed"
    assert b"\r\nx-request-id: req_" in head_told
    assert b"\r\nServer-Timing: total;dur=" in head_told
    assert SECRET.encode() not in data
    assert not served.engine.channels


@pytest.mark.parametrize(("broken", "status"), [("Expect: nothing\r\n", 417), ("bad header\r\n", 400)])
async def test_what_no_middleware_sees_has_the_form_of_its_api(serve: Serve, broken: str, status: int) -> None:
    served = await serve()
    head = f"POST /v1/messages HTTP/1.1\r\n{HOST}{broken}Content-Length: 0\r\nConnection: close\r\n\r\n"
    found, headers, body = read_answer(await served.raw(head.encode()))
    told = json.loads(body)
    assert (found, told["type"], told["error"]["type"]) == (status, "error", "invalid_request_error")
    assert told["request_id"] == headers["request-id"] == headers["x-request-id"]


async def test_broken_chunks_of_a_body(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    served = await serve()
    head = served.head("POST /v1/responses", JSON, "Transfer-Encoding: chunked")
    data = await served.raw(head + f"zz{SECRET}\r\nabc\r\n0\r\n\r\n".encode())
    assert data.split()[1] == b"400"
    assert SECRET.encode() not in data
    assert SECRET not in caplog.text
    assert not served.engine.channels


async def test_our_own_bug_is_a_500_without_details(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def list(self) -> None:
            raise RuntimeError(SECRET)

    served = await serve(services={"catalogue": Broken()})
    status, headers, body = await served.ask("GET", "/v1/models", {"x-request-id": "bug-1"})
    assert status == 500
    assert SECRET.encode() not in body
    assert b'"message":"internal error"' in body
    assert "x-should-retry" not in headers
    assert "bug-1: the request failed with an internal error" in caplog.text


async def answered(
    served: Served, local: str = "127.0.0.1"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """A connection from ``local``, and the first line it was answered with; nothing if it was closed instead."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.running.port, local_addr=(local, 0))
    line = b""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        writer.write(served.head("GET /health"))
        line = await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
    return reader, writer, line


@pytest.mark.parametrize(
    ("limits", "name"),
    [({"connections": 2}, "limits.connections"), ({"peer_connections": 2}, "limits.peer_connections")],
)
async def test_connections_are_counted(
    serve: Serve, caplog: pytest.LogCaptureFixture, limits: dict[str, int], name: str
) -> None:
    caplog.set_level(logging.INFO, "zerogravity.server")
    served = await serve(limits={**limits, "keepalive_seconds": 1000})
    found = [await answered(served) for _ in range(5)]
    assert [line[:12] for _, _, line in found] == [b"HTTP/1.1 200"] * 2 + [b""] * 3
    lines = [record.getMessage() for record in caplog.records if "closing further ones" in record.getMessage()]
    assert len(lines) == 1, "once in a while is enough"
    assert name in lines[0]
    found[0][1].close()
    await asyncio.gather(found[0][1].wait_closed(), return_exceptions=True)
    async with asyncio.timeout(5):  # a place that is free again is given away again
        while not (await retried(served, found)):
            pass
    for _, writer, _ in found:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def retried(served: Served, found: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]]) -> bytes:
    found.append(await answered(served))
    return found[-1][2]


async def test_one_peer_takes_no_others_place(serve: Serve) -> None:
    """Every address of 127/8 is this machine's own, and a peer of its own."""
    served = await serve(limits={"peer_connections": 1, "keepalive_seconds": 1000})
    found = [await answered(served, local) for local in ("127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2")]
    assert [bool(line) for _, _, line in found] == [True, False, True, False]
    for _, writer, _ in found:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_idle_connections_are_closed(serve: Serve) -> None:
    served = await serve(limits={"keepalive_seconds": 0.05})
    assert await served.raw(b"") == b""
    assert await served.raw(b"GET /health HTTP/1.1\r\nHo") == b"", "half a head is no request"
