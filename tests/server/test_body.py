"""Request bodies: every limit and every encoding (T2, T12, T13, T14, T15, H31, H32)."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import aiohttp
import brotli
import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from tests.server.support import JSON, Serve, Served, read_answer
from tests.waiting import until
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


def broken(data: bytes) -> bytes:
    """One byte before the end, in what checks the rest, is another one."""
    return data[:-6] + bytes([data[-6] ^ 0x55]) + data[-5:]


def crowd(served: Served) -> int:
    """How many requests are being answered."""
    return next(each.__self__.count for each in served.running._runner.app.middlewares if hasattr(each, "__self__"))  # type: ignore[union-attr]  # pyright: ignore


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
async def test_h28_content_type(serve: Serve, content_type: str | None, status: int) -> None:
    served = await serve()
    given = [f"Content-Type: {content_type}"] if content_type else []
    head = served.head(f"POST {PATH}", "Connection: close", *given, f"Content-Length: {len(DATA)}")
    data = await served.raw(head + DATA)
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


GOOGLE = "/v1beta/models/gemini-3-flash:generateContent"
UNDECODABLE = {
    **{f"{name} that is none": (name, b"\x00no such thing" * 9) for name in (*PACKED, "x-gzip")},
    **{f"{name} that is text": (name, DATA) for name in PACKED},
    **{f"{name} cut": (name, pack(DATA * 9)[:-5]) for name, pack in PACKED.items()},
    **{f"{name} after its head": (name, pack(DATA)[:3]) for name, pack in PACKED.items()},
    **{f"{name} with a wrong byte": (name, broken(pack(DATA * 9))) for name, pack in PACKED.items() if name != "br"},
    "raw deflate cut": ("deflate", raw_deflate(DATA * 9)[:-5]),
    "gzip of gzip": ("gzip, gzip", gzip.compress(gzip.compress(DATA))),
    "unknown": ("compress", DATA),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize(
    "path", ["/v1/responses", PATH, "/v1/messages", GOOGLE, "/v1beta/models/gemini-3-flash:countTokens"]
)
@pytest.mark.parametrize("case", UNDECODABLE)
async def test_an_undecodable_body_is_refused_at_once_and_ends_the_connection(
    serve: Serve, case: str, path: str, chunked: bool
) -> None:
    """Whatever follows on it is not guessed at, and a client that keeps connections knows."""
    served = await serve()
    encoding, data = UNDECODABLE[case]
    body, size = (b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data), "Transfer-Encoding: chunked") if chunked else (
        data, f"Content-Length: {len(data)}")  # fmt: skip
    head = served.head(f"POST {path}", JSON, f"Content-Encoding: {encoding}", size)
    answer = await served.raw(head + body + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1
    status, headers, told = read_answer(answer)
    assert status == (415 if "," in encoding or encoding == "compress" else 400)
    assert headers["connection"] == "close"
    error = json.loads(told)["error"]
    assert (error["code"] == status) if path.startswith("/v1beta") else (error["type"] == "invalid_request_error")
    assert "no such thing" not in error["message"]
    assert not served.engine.channels


@pytest.mark.parametrize("path", ["/v1/responses", PATH, GOOGLE])
@pytest.mark.parametrize("at_once", [True, False], ids=["in one piece", "behind the head"])
async def test_invalid_chunks_are_refused_at_once_in_the_form_of_the_path(
    serve: Serve, path: str, at_once: bool, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve()
    head = served.head(f"POST {path}", JSON, "Transfer-Encoding: chunked")
    reader, writer = await asyncio.open_connection("127.0.0.1", served.running.port)
    try:
        writer.write(head + (b"" if at_once else b"2\r\n{}\r\n"))
        if not at_once:
            await until(lambda: crowd(served) == 1)
        writer.write(b"zz no chunk\r\nabc\r\n0\r\n\r\n")
        status, headers, told = read_answer(await asyncio.wait_for(reader.read(), 5))
    finally:
        writer.close()
        await writer.wait_closed()
    assert (status, headers["connection"]) == (400, "close")
    error = json.loads(told)["error"]
    assert ("status" in error) is (path == GOOGLE)
    assert "zz" not in error["message"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_body_of_several_members_and_no_body(serve: Serve) -> None:
    served = await serve()
    two = gzip.compress(DATA[:20]) + gzip.compress(DATA[20:]) + bytes(8)
    assert (await served.ask("POST", PATH, {"Content-Encoding": "x-gzip"}, two))[0] == 200
    status, _, told = await served.ask("POST", PATH, {"Content-Encoding": "gzip", "Content-Type": "application/json",
                                                      "Content-Length": "0"})  # fmt: skip
    assert (status, json.loads(told)["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("encoding", PACKED)
async def test_h31_bombs(serve: Serve, encoding: str) -> None:
    served = await serve(limits={"body_bytes": 64 << 10})
    bomb = PACKED[encoding](b'{"a":"' + bytes(20 << 20))
    assert len(bomb) < 64 << 10
    status, told, body = await served.ask("POST", PATH, {"Content-Encoding": encoding}, bomb)
    assert status == 413
    assert told["connection"] == "close"
    assert json.loads(body)["error"]["code"] == "request_too_large"


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("beyond", [0, 1])
async def test_h31_body_at_its_limit(serve: Serve, chunked: bool, beyond: int) -> None:
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
        (b'{"a": "\x00"}', "not valid JSON: Invalid control character at line 1 column 8"),
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
async def test_h31_what_is_no_request(serve: Serve, data: bytes, message: str) -> None:
    served = await serve()
    status, _, body = await served.ask("POST", PATH, {"Content-Type": "application/json"}, data or b" ")
    error = json.loads(body)["error"]
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert message in error["message"]
    assert not served.engine.channels


BOM = b"\xef\xbb\xbf"
ODD_TEXT = [  # what T14 refuses, and what it says
    (BOM + b'{"a": 1}', "a byte order mark at line 1 column 1"),
    (BOM, "a byte order mark"),
]
ASKED = [
    ("/v1/responses", "error"), (PATH, "error"), ("/v1/responses/compact", "error"), ("/v1/token", "error"),
    ("/v1/responses/input_tokens", "error"),
    ("/v1/messages", "invalid_request_error"), ("/v1/messages/count_tokens", "invalid_request_error"),
    *((f"/v1beta/models/gemini-3-flash:{method}", "INVALID_ARGUMENT")
      for method in ("generateContent", "streamGenerateContent?alt=sse", "countTokens")),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), ODD_TEXT)
def test_what_stands_for_no_characters_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(FaultError) as caught:
        module.parse_now(data, Limits())  # pyright: ignore[reportCallIssue]
    assert caught.value.fault.status == 400
    assert caught.value.fault.code == "invalid_json"
    assert message in caught.value.fault.message


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (rb'{"a": "\ud83d\ude00"}', "😀"),
        (rb'{"a": "\uD83D\uDE00\ud83d\ude00"}', "😀😀"),
        (rb'{"a": "\\ud800"}', r"\ud800"),
        (rb'{"a": "\\\\ud800"}', r"\\ud800"),
        (rb'{"a": "\\\ud83d\ude00"}', "\\😀"),
        (rb'{"a": "\ud7ff\ue000"}', "\ud7ff\ue000"),
        (rb'{"a": "\ufeff"}', "\ufeff"),
        ('{"a": "\ufeff\ufffd"}'.encode(), "\ufeff\ufffd"),
    ],
)
def test_what_only_looks_like_it_is_read(data: bytes, value: str) -> None:
    assert module.parse_now(data, Limits()).members == {"a": value}  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (rb'{"a": "\ud800"}', "\ufffd"),
        (rb'{"a": "x\uDC00y"}', "x\ufffdy"),
        (rb'{"a": "\ud83d\ud83d\ude00"}', "\ufffd😀"),
        (rb'{"a": "\ude00\ud83d"}', "\ufffd\ufffd"),
        (rb'{"a": "\ud83d \ude00"}', "\ufffd \ufffd"),
        (rb'{"a": "\\\ud800"}', "\\\ufffd"),
        (rb'{"a": "\\ud83d\ude00"}', "\\ud83d\ufffd"),
        (rb'{"a": "\ud83d\\ude00"}', "\ufffd\\ude00"),
        (b'{"a": "' + b"x" * (1 << 21) + rb'\udabc"}', "x" * (1 << 21) + "\ufffd"),
        (rb'{"n": 123456789012345678901234567890, "a": "\ud800"}', "\ufffd"),
    ],
)
def test_half_a_pair_becomes_the_replacement_character(data: bytes, value: str) -> None:
    assert module.parse_now(data, Limits()).members["a"] == value  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("data", "notes"),
    [(rb'{"a": "\ud83d\ude00"}', ()), (rb'{"a": "\\ud800"}', ()), (rb'{"a": "\ud800"}', (module.REPAIRED,))],
)
def test_a_repair_is_noted(data: bytes, notes: tuple[str, ...]) -> None:
    assert module.parse_now(data, Limits()).notes == notes  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("opening", ["[", '{"x":'])
@pytest.mark.parametrize("number", ["1", "1.5", "1e400", r'"\ud800"'], ids=["plain", "float", "huge", "repaired"])
def test_depth_is_limited_whoever_parses(opening: str, number: str) -> None:
    def nested(depth: int) -> bytes:
        closing = "]" if opening == "[" else "}"
        return ('{"a":' + opening * (depth - 1) + number + closing * (depth - 1) + "}").encode()

    limits = Limits.model_construct(json_depth=30, json_structure=20_000)
    assert module.parse_now(nested(30), limits)
    for depth in (31, 1023, 1025, 5000):
        with pytest.raises(FaultError, match="nested deeper than 30"):
            module.parse_now(nested(depth), limits)


def test_a_name_with_half_a_pair() -> None:
    assert module.parse_now(rb'{"\udfff": 1}', Limits()).members == {"\ufffd": 1}  # pyright: ignore[reportCallIssue]


@given(st.lists(st.sampled_from([r"\ud83d", r"\ude00", "\\\\", r"\n", "u", "d800", r"\u0041", '\\"']), max_size=12))
def test_halves_are_found_exactly(pieces: list[str]) -> None:
    text = f'"{"".join(pieces)}"'
    expected = re.sub("[\ud800-\udfff]", "\ufffd", json.loads(text))
    assert json.loads(module.repair_surrogates(text.encode())) == expected


@pytest.mark.parametrize("path", ["/v1/responses", PATH, GOOGLE])
@pytest.mark.parametrize("size", [1, 2 << 20])
async def test_half_a_pair_costs_no_turn_and_is_noted(serve: Serve, path: str, size: int) -> None:
    served = await serve()
    bodies: dict[str, dict[str, Any]] = {
        "/v1/responses": {"model": "gemini-3-flash", "input": "x" * size + "cut \ud83d"},
        PATH: {**HELLO, "messages": [{"role": "user", "content": "x" * size + "cut \ud83d"}]},
        GOOGLE: {"contents": [{"parts": [{"text": "x" * size + "cut \ud83d"}]}]},
    }
    status, headers, body = await served.ask("POST", path, body=json.dumps(bodies[path]).encode())
    assert status == 200, body
    assert "U+FFFD" in headers["x-zerogravity-notes"]
    text: str = served.engine.channels[0].turn.google_request["contents"][0]["parts"][0]["text"]
    assert text.endswith("cut \ufffd")


@pytest.mark.parametrize(("path", "form"), ASKED)
async def test_every_surface_refuses_odd_text_in_its_own_form(serve: Serve, path: str, form: str) -> None:
    served = await serve()
    status, _, body = await served.ask("POST", path, body=BOM + b'{"a": 1}')
    error = json.loads(body)["error"]
    assert status == 400
    assert "at line 1 column" in error["message"]
    assert form in (error.get("status"), error.get("type"), "error" if error.get("code") == "invalid_json" else "")
    assert not served.engine.channels


@pytest.mark.parametrize("text", ["[" * 5000, 'NaN "quoted" \\ [{' * 300, '\\" [[[[ \\\\'])
async def test_structure_inside_of_strings_counts_nothing(serve: Serve, text: str) -> None:
    served = await serve()
    body = json.dumps({**HELLO, "messages": [{"role": "user", "content": text}]}).encode()
    status, _, _ = await served.ask("POST", PATH, body=body)
    assert status == 200
    assert served.engine.channels[0].turn.google_request["contents"][0]["parts"][0]["text"] == text


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
    data = await served.raw(served.head(f"POST {PATH}", JSON, "Content-Length: 9000") + b" " * 9000)
    assert data.startswith(b"HTTP/1.1 413")
    assert b"\r\nConnection: close\r\n" in data
    assert data.count(b"HTTP/1.1") == 1


async def test_h32_half_sent_body(serve: Serve) -> None:
    served = await serve(limits={"body_seconds": 0.05})
    head = served.head(f"POST {PATH}", JSON, "Content-Length: 1000")
    data = await served.raw(head + b'{"model":')  # read to the end: the server closes
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
def test_h31_measuring_needs_little_memory(data: bytes) -> None:
    """Less than three times the limit, where parsing would need thirty times the body."""
    tracemalloc.start()
    try:
        with pytest.raises(FaultError, match=r"more than|deeper than"):
            module.check_structure(data, Limits())  # pyright: ignore[reportCallIssue]
        assert tracemalloc.get_traced_memory()[1] < 3 * Limits().body_bytes  # pyright: ignore[reportCallIssue]
    finally:
        tracemalloc.stop()


async def test_a_request_does_not_keep_its_body() -> None:
    """A turn may take half an hour, and its request lives as long."""
    app = web.Application()
    app[module.ARRIVALS] = module.Arrivals()
    payload = aiohttp.StreamReader(BaseProtocol(asyncio.get_running_loop()), 1 << 16)
    payload.feed_data(DATA)
    payload.feed_eof()
    request = make_mocked_request("POST", PATH, app=app, payload=payload)
    data = await module.receive(request, Limits())  # pyright: ignore[reportCallIssue]
    assert data == DATA
    assert sys.getrefcount(data) <= 2, "ours, and the one of this question"


async def test_large_bodies_are_parsed_in_threads_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    here, running, most = threading.get_ident(), 0, 0
    real, lock = module.parse_now, threading.Lock()
    threads: set[int] = set()

    def parse_now(data: bytes, limits: Limits) -> module.Body:
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
    assert [len(body.members["a"]) for body in found] == [module.THREAD_FROM] * 4
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
