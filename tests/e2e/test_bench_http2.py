"""Google for load speaks HTTP/2 to whom its ALPN chooses it, and HTTP/1.1 to all others. Nothing about time."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import h2.errors
import h2.settings
import pytest
import pytest_asyncio

from tests.e2e.http2_client import Client
from tests.running import program
from tests.testing.simulator.support import INTERNAL, contents, envelope, trust
from tests.waiting import until
from zerogravity.testing.simulator.http import tls

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench"
STAMP = re.compile(rb"@(\d+):\d+ ")
FLOOD, PACED, HOLD = "sim:bench 1000 0 40 0", "sim:bench 30 1 40 0", "sim:hold"
IDENTITY = tls.authority_signed()
ALPN = ["h2", "http/1.1"]


def connected(port: int, window: int = 65_535, **habits: Any) -> Client:
    return Client(port, IDENTITY.ca_pem, window, **habits)


def numbers(body: bytes) -> list[int]:
    """Of the events, as they came; nothing but whole events, and the last one at the end."""
    *events, last, rest = body.split(b"\r\n\r\n")
    assert [rest, *(event[:6] for event in events)] == [b"", *(b"data: " for _ in events)]
    assert b'"finishReason": "STOP"' in last
    return [int(number) for number in STAMP.findall(body)]


# -- the stand-in, as the bench starts it ------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def google(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """Its port."""
    folder = tmp_path_factory.mktemp("google")
    (folder / "google.pem").write_bytes(IDENTITY.key_pem + IDENTITY.chain_pem)
    words = sys.executable, "-m", "rig.google", str(folder / "google.pem")
    async with program(folder, *words, PYTHONPATH=str(BENCH)) as running:
        yield int((await running.until(re.compile(r"\d+\n")))[0])


@pytest.mark.parametrize("window", [1_000, 65_535, 1 << 20])
async def test_answers_at_once_are_whole_whatever_the_client_s_window(google: int, window: int) -> None:
    async with connected(google, window) as client:
        asked = {await client.prompt(text): text for text in (FLOOD, PACED, FLOOD, PACED, FLOOD)}
        for number, text in asked.items():
            reply = await client.whole(number)
            assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
            assert numbers(reply.raw) == list(range(int(text.split()[1])))
            assert max(map(len, reply.chunks)) <= min(window, 16_384)


async def test_a_paced_event_is_one_frame(google: int) -> None:
    async with connected(google) as client:
        reply = await client.whole(await client.prompt(PACED))
    assert [STAMP.findall(chunk) for chunk in reply.chunks[:-1]] == [[b"%d" % number] for number in range(30)]


async def test_a_flood_is_few_frames(google: int) -> None:
    async with connected(google, 1 << 20) as client:
        client.h2.increment_flow_control_window(1 << 20)
        reply = await client.whole(await client.prompt(FLOOD))
    assert len(reply.chunks) < 40


async def test_large_requests_go_through(google: int) -> None:
    async with connected(google) as client:
        asked = await asyncio.gather(*(client.prompt(FLOOD, 3_000_000) for _ in range(3)))
        for number in asked:
            assert numbers((await client.whole(number)).raw) == list(range(1000))


async def test_a_reset_leaves_the_others_alive(google: int) -> None:
    async with connected(google) as client:
        first, second, third = [await client.prompt(HOLD) for _ in range(3)]
        for number in (first, second, third):
            await client.begun(number)
        client.reset(second)
        released = await client.whole(client.ask("/release"))
        assert (released.status, released.raw, released.headers["content-type"]) == (200, b"{}", "application/json")
        for number in (first, third):
            assert numbers((await client.whole(number)).raw) == [0, 1]
        assert len(STAMP.findall(client.replies[second].raw)) == 1
        assert numbers((await client.whole(await client.prompt(PACED))).raw) == list(range(30))


@pytest.mark.parametrize("offered", [(), ("http/1.1",)])
@pytest.mark.parametrize(("text", "count"), [(FLOOD, 1000), (PACED, 30)])
async def test_others_get_http1(
    google: int, http: aiohttp.ClientSession, offered: tuple[str, ...], text: str, count: int
) -> None:
    body, context = envelope({"contents": contents(text)}), trust(IDENTITY.ca_pem, *offered)
    async with http.post(f"https://localhost:{google}{INTERNAL}", json=body, ssl=context) as answer:
        assert (answer.status, answer.headers["Transfer-Encoding"]) == (200, "chunked")
        assert numbers(await answer.read()) == list(range(count))


# -- the connection itself ---------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module")
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    """Serves a handler of requests; gives its port."""
    monkeypatch.syspath_prepend(BENCH)
    http2 = importlib.import_module("rig.http2")
    servers: list[asyncio.Server] = []

    async def served(handle: Callable[[Any], None]) -> int:
        loop, context = asyncio.get_running_loop(), IDENTITY.server_context(ALPN)
        servers.append(await loop.create_server(lambda: http2.Chosen(handle), "127.0.0.1", 0, ssl=context))
        return servers[0].sockets[0].getsockname()[1]

    yield served
    for server in servers:
        server.close()
        await server.wait_closed()


def told(request: Any) -> None:
    """Answer with what was asked."""
    asked = request.method, request.path, len(request.body), len(request.headers.get(b"x-large", b""))
    request.answer.whole(203, repr(asked).encode(), b"text/plain")


@pytest.mark.parametrize(
    ("head", "body", "padding", "trailers", "expected"),
    [
        ({}, b"", {}, (), (0, 0)),
        ({"priority_weight": 9, "priority_depends_on": 0, "priority_exclusive": False}, b"x" * 9, {}, (), (9, 0)),
        ({}, b"x" * 40_000, {"pad_length": 20}, (), (40_000, 0)),
        ({"more": [("x-large", "ü" * 20_000)]}, b"x", {}, (), (1, 40_000)),
        ({}, b"xy", {}, [("x-end", "1")], (2, 0)),
    ],
    ids=["nothing", "priority", "padding", "continuation", "trailers"],
)
async def test_every_form_of_a_request_is_read(
    serve: Any, head: Any, body: bytes, padding: Any, trailers: Any, expected: tuple[int, int]
) -> None:
    async with connected(await serve(told)) as client:
        for _ in range(2):
            number = client.ask("/path", ends=not body, **head)
            await client.body(number, body, ends=not trailers, **padding)
            if trailers:
                client.h2.send_headers(number, trailers, end_stream=True)
                client.flush()
            reply = await client.whole(number)
            assert (reply.status, reply.raw) == (203, repr((b"POST", b"/path", *expected)).encode())


async def test_requests_larger_than_a_window_go_through(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["rig.http2"], "WINDOW_OF_ALL", 100_000)
    async with connected(await serve(told)) as client:
        asked = [client.ask("/path", ends=False) for _ in range(3)]
        await asyncio.gather(*(client.body(number, b"x" * 1_200_000) for number in asked))
        for number in asked:
            assert (await client.whole(number)).raw == repr((b"POST", b"/path", 1_200_000, 0)).encode()


async def test_a_ping_is_answered_and_a_farewell_is_not(serve: Any) -> None:
    async with connected(await serve(told)) as client:
        client.h2.ping(b"12345678")
        client.say(bytes.fromhex("000008 07 00 00000000 00000000 00000000"))
        await client.seen(lambda: client.pings)
        assert (await client.whole(client.ask("/path"))).status == 203
        assert client.pings == [b"12345678"]


async def test_drain_waits_for_the_client_s_window(serve: Any) -> None:
    passed: list[int] = []
    tasks: list[asyncio.Task[None]] = []

    async def answer(request: Any) -> None:
        request.answer.begin(b"text/plain")
        for number in range(3):
            request.answer.send(b"x" * 500, b"y" * 400)
            await request.answer.drain()
            passed.append(number)
        request.answer.end(b"z")

    port = await serve(lambda request: tasks.append(asyncio.create_task(answer(request))))
    async with connected(port, 1000, slow=True) as client:
        number = client.ask()
        await client.begun(number, 1000)
        assert passed == [0]
        client.h2.acknowledge_received_data(1000, number)
        client.flush()
        await client.begun(number, 2000)
        assert passed == [0, 1]
        client.h2.increment_flow_control_window(701, number)
        client.flush()
        assert (await client.whole(number)).raw == (b"x" * 500 + b"y" * 400) * 3 + b"z"
        await asyncio.gather(*tasks)


async def test_nobody_waits_for_the_window_of_one_who_left(serve: Any) -> None:
    tasks: list[asyncio.Task[None]] = []

    def answer(request: Any) -> None:
        request.answer.begin(b"text/plain")
        request.answer.send(b"x" * 1001)
        tasks.append(asyncio.create_task(request.answer.drain()))

    async with connected(await serve(answer), 1000, slow=True) as client:
        left, stays = client.ask(), client.ask()
        for number in (left, stays):
            await client.begun(number, 1000)
        client.reset(left)
        await asyncio.wait_for(tasks[0], 20)
        assert not tasks[1].done()
    await asyncio.wait_for(tasks[1], 20)


async def test_new_settings_change_the_windows_of_streams_that_wait(serve: Any) -> None:
    codes = h2.settings.SettingCodes

    def answer(request: Any) -> None:
        request.answer.whole(200, b"x" * 50_000)

    async with connected(await serve(answer), 1000, largest=60_000, slow=True) as client:
        number = client.ask()
        await client.begun(number, 1000)
        client.h2.update_settings({codes.INITIAL_WINDOW_SIZE: 100})
        client.flush()
        client.h2.increment_flow_control_window(500, number)  # 400 are missing still
        client.h2.update_settings({codes.INITIAL_WINDOW_SIZE: 60_000})
        client.flush()
        assert [len(chunk) for chunk in (await client.whole(number)).chunks] == [1000, 49_000]


async def test_whoever_leaves_is_gone_once_and_whoever_has_all_is_not(serve: Any) -> None:
    gone: list[bytes] = []

    def answer(request: Any) -> None:
        request.answer.begin(b"text/plain")
        request.answer.gone = lambda: gone.append(request.path)
        request.answer.send(b"begun")
        if request.path == b"/ended":
            request.answer.end(b"." * 2000)

    async with connected(await serve(answer), 1000, slow=True) as client:
        left, ended, stays = [client.ask(path) for path in ("/left", "/ended", "/stays")]
        for number in (left, ended, stays):
            await client.begun(number, 5)
        client.reset(left)
        client.reset(ended)
        await until(lambda: gone)
        await client.begun(client.ask("/closed"), 5)
        assert gone == [b"/left"]
    await until(lambda: len(gone) == 3)
    assert gone == [b"/left", b"/stays", b"/closed"]


async def test_more_streams_than_allowed_are_refused(serve: Any) -> None:
    def answer(request: Any) -> None:
        if request.path == b"/open":
            request.answer.begin(b"text/plain")
            request.answer.send(b"begun")
        else:
            told(request)

    async with connected(await serve(answer)) as client:
        await client.begun([client.ask("/open") for _ in range(100)][-1])
        assert client.h2.remote_settings.max_concurrent_streams == 100
        client.h2.remote_settings.update({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 200})
        client.h2.remote_settings.acknowledge()
        refused = client.ask("/refused")
        await client.seen(lambda: client.replies[refused].end)
        assert client.replies[refused].end == f"reset {int(h2.errors.ErrorCodes.REFUSED_STREAM)}"
        client.reset(1)
        assert (await client.whole(client.ask("/path"))).status == 203


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("400001 00 00 00000001"),
    ],
    ids=["no preface", "a frame that is too large"],
)
async def test_what_is_not_http2_ends_the_connection(serve: Any, said: bytes) -> None:
    context = trust(IDENTITY.ca_pem, "h2")
    reader, writer = await asyncio.open_connection("127.0.0.1", await serve(told), ssl=context)
    writer.write(said)
    try:
        with contextlib.suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()
