"""Request bodies: every limit and every encoding (T2, T12, T13, T14, T15, H31, H32)."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import aiohttp
import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.support import Serve
from zerogravity.config import Limits
from zerogravity.errors import FaultError
from zerogravity.server import body as module

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PATH = "/v1/chat/completions"
HELLO = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "hi"}]}
DATA = json.dumps(HELLO).encode()


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (None, 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/json", 415),
        ("application/jsonp", 415),
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/vnd.api+json", 200),
    ],
)
async def test_content_type(serve: Serve, content_type: str | None, status: int) -> None:
    served = await serve()
    said = f"Content-Type: {content_type}\r\n" if content_type else ""
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost:{served.running.port}\r\nConnection: close\r\n{said}"
    data = await served.raw(f"{head}Content-Length: {len(DATA)}\r\n\r\n".encode() + DATA)
    assert int(data.split()[1]) == status
    if status == 415:
        assert b"unsupported_content_type" in data
        assert not served.engine.channels


@pytest.mark.parametrize("encoding", [*PACKED, "raw deflate", "GZIP", "identity"])
async def test_encodings(serve: Serve, encoding: str) -> None:
    served = await serve()
    pack = {"raw deflate": raw_deflate, "identity": bytes}.get(encoding) or PACKED[encoding.lower()]
    headers = {"Content-Encoding": encoding.split()[-1]}
    status, _, body = await served.ask("POST", PATH, headers, pack(DATA))
    assert status == 200, body


@pytest.mark.parametrize("encoding", ["compress", "gzip, gzip", "x", "br, gzip"])
async def test_unknown_encoding(serve: Serve, encoding: str) -> None:
    served = await serve()
    status, _, body = await served.ask("POST", PATH, {"Content-Encoding": encoding}, DATA)
    assert status == 415
    assert json.loads(body)["error"]["code"] == "unsupported_content_encoding"


@pytest.mark.parametrize("encoding", PACKED)
async def test_broken_encoding(serve: Serve, encoding: str) -> None:
    served = await serve()
    status, _, body = await served.ask("POST", PATH, {"Content-Encoding": encoding}, b"\x00no such thing" * 9)
    assert status == 400
    assert b"no such thing" not in body


@pytest.mark.parametrize("encoding", PACKED)
async def test_bombs(serve: Serve, encoding: str) -> None:
    served = await serve(limits={"body_bytes": 64 << 10})
    bomb = PACKED[encoding](b'{"a":"' + bytes(20 << 20))
    assert len(bomb) < 64 << 10
    status, told, body = await served.ask("POST", PATH, {"Content-Encoding": encoding}, bomb)
    assert status == 413
    assert told["connection"] == "close"
    assert json.loads(body)["error"]["code"] == "request_too_large"


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("beyond", [0, 1])
async def test_body_at_its_limit(serve: Serve, chunked: bool, beyond: int) -> None:
    limit = 8192
    served = await serve(limits={"body_bytes": limit})
    text = "x" * (limit - len(DATA) + len("hi") + beyond)
    body = json.dumps({**HELLO, "messages": [{"role": "user", "content": text}]}).encode()
    assert len(body) == limit + beyond

    async def pieces() -> Any:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    async with served.http.post(
        served.url + PATH, data=pieces() if chunked else body, headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == (413 if beyond else 200)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "line 1 column"),
        (b'{"a": 1,\n"b": }', "line 2 column 6"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "NaN and Infinity"),
        (b'{"a": "\xff\xfe"}', "not UTF-8: byte 7"),
        (b'{"a": "' + "é".encode("utf-16") + b'"}', "not UTF-8"),
        (b'{"a": 1} {"b": 2}', "not valid JSON"),
        (b"[" * 1000, "deeper than 200"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "deeper than 200"),
        (b'{"a":[' + b"{}," * 2_000_000 + b"{}]}", "more than 2000000"),
    ],
)
async def test_what_is_no_request(serve: Serve, data: bytes, message: str) -> None:
    served = await serve()
    status, _, body = await served.ask("POST", PATH, {"Content-Type": "application/json"}, data or b" ")
    error = json.loads(body)["error"]
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert message in error["message"]
    assert not served.engine.channels


@pytest.mark.parametrize("text", ["[" * 5000, 'NaN "quoted" \\ [{' * 300, '\\" [[[[ \\\\'])
async def test_structure_inside_of_strings_counts_nothing(serve: Serve, text: str) -> None:
    served = await serve()
    body = json.dumps({**HELLO, "messages": [{"role": "user", "content": text}]}).encode()
    status, _, _ = await served.ask("POST", PATH, body=body)
    assert status == 200
    assert served.engine.channels[0].turn.generate["contents"][0]["parts"][0]["text"] == text


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab"\\[]{},:NaN', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a"[', max_size=3), inner, max_size=4),
    max_leaves=25,
)


def measure(value: object) -> tuple[int, int]:
    """(depth, brackets that open + commas + colons), the long way."""
    match value:
        case dict():
            inner = [measure(member) for member in value.values()]
            return 1 + max((depth for depth, _ in inner), default=0), sum(count for _, count in inner) + 1 + len(
                value
            ) + max(0, len(value) - 1)
        case list():
            inner = [measure(member) for member in value]
            return 1 + max((depth for depth, _ in inner), default=0), sum(count for _, count in inner) + 1 + max(
                0, len(value) - 1
            )
        case _:
            return 0, 0


@given(values)
def test_structure_is_measured_exactly(value: object) -> None:
    data = json.dumps(value).encode()
    depth, count = measure(value)
    exact = Limits.model_construct(json_depth=depth, json_structure=count)
    module.check_structure(data, exact)
    if depth:
        with pytest.raises(FaultError, match="nested deeper"):
            module.check_structure(data, Limits.model_construct(json_depth=depth - 1, json_structure=count))
        with pytest.raises(FaultError, match="more than"):
            module.check_structure(data, Limits.model_construct(json_depth=depth, json_structure=count - 1))


def test_structure_across_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.dumps({"a": ['[[["', {"b": "NaN"}], "c": "\\"}).encode()
    for size in range(1, 12):
        monkeypatch.setattr(module, "_SLICE", size)
        module.check_structure(data, Limits.model_construct(json_depth=3, json_structure=8))
        with pytest.raises(FaultError, match="nested deeper"):
            module.check_structure(data, Limits.model_construct(json_depth=2, json_structure=8))


def test_no_number_hides_between_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in range(1, 12):
        monkeypatch.setattr(module, "_SLICE", size)
        for word in ("NaN", "Infinity", "-Infinity"):
            with pytest.raises(FaultError, match="NaN and Infinity"):
                module.check_structure(b'{"some": ["text", ' + word.encode() + b"]}", Limits())  # pyright: ignore[reportCallIssue]


async def test_after_a_body_that_was_not_read_the_connection_is_closed(serve: Serve) -> None:
    """What follows would be read as the next request."""
    served = await serve(limits={"body_bytes": 8192})
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost:{served.running.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: 9000\r\n\r\n"
    )
    data = await served.raw(head.encode() + b" " * 9000)
    assert data.startswith(b"HTTP/1.1 413")
    assert b"\r\nConnection: close\r\n" in data
    assert data.count(b"HTTP/1.1") == 1


async def test_half_sent_body(serve: Serve) -> None:
    served = await serve(limits={"body_seconds": 0.05})
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost:{served.running.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    data = await served.raw(head.encode() + b'{"model":')  # read to the end: the server closes
    assert data.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in data
    assert not served.engine.channels


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":[' + b"{}," * 2_000_001 + b"{}]}",
        b"[" * (1 << 19),
        b'{"a":[' + b'"",' * (2 << 20) + b'""]}',
        b'{"a":"' + b'\\"[{' * (1 << 20) + b'"}' + b"[" * 300,
    ],
    ids=["objects", "depth", "strings", "escapes"],
)
def test_measuring_needs_little_memory(data: bytes) -> None:
    """Less than three times the limit, where parsing would need thirty times the body."""
    tracemalloc.start()
    try:
        with pytest.raises(FaultError, match=r"more than|deeper than"):
            module.check_structure(data, Limits())  # pyright: ignore[reportCallIssue]
        assert tracemalloc.get_traced_memory()[1] < 3 * Limits().body_bytes  # pyright: ignore[reportCallIssue]
    finally:
        tracemalloc.stop()


async def test_large_bodies_are_parsed_in_threads_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    here, running, most = threading.get_ident(), 0, 0
    real, lock = module.parse_now, threading.Lock()
    threads: set[int] = set()

    def parse_now(data: bytes, limits: Limits) -> dict[str, Any]:
        nonlocal running, most
        threads.add(threading.get_ident())
        with lock:
            running += 1
            most = max(most, running)
        try:
            return real(data, limits)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(module, "parse_now", parse_now)
    limits, parses = Limits(), asyncio.Semaphore(1)  # pyright: ignore[reportCallIssue]
    large = json.dumps({"a": "x" * module.THREAD_FROM}).encode()
    found = await asyncio.gather(*(module.parse(large, limits, parses) for _ in range(4)))
    assert [len(value["a"]) for value in found] == [module.THREAD_FROM] * 4
    assert here not in threads
    assert most == 1
    threads.clear()
    await module.parse(b'{"a": 1}', limits, parses)
    assert threads == {here}


async def test_client_that_leaves_while_sending(serve: Serve) -> None:
    served = await serve()
    async with aiohttp.ClientSession() as session:

        async def pieces() -> Any:
            yield b'{"model":'
            raise ConnectionAbortedError

        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await session.post(served.url + PATH, data=pieces(), headers={"Content-Type": "application/json"})
    assert (await served.ask("GET", "/health"))[0] == 200
    assert not served.engine.channels
