"""mitmdump is told to end while connections are open: idle ones do not put it off, answers that run end within the
limit, and with a proper end.

| what is open                                                  | gone, exit code 0, within        |
|---------------------------------------------------------------|----------------------------------|
| connections with nothing to say, at either port; pages; idle WebSockets | 3 s                    |
| turns, streamed or not, whose clients read                     | 3 s: each gets its terminal at once |
| turns whose clients do not read                                | ``limits.shutdown_seconds`` + 3 s |
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.e2e.support import CHECK, MODEL, quick, request
from tests.waiting import until
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = pytest.mark.e2e
LIMIT_S = 60.0  # for what runs
TOLD_S = 20.0  # far below that, on a busy machine too
UPGRADE = (
    "GET /v1/responses HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@dataclass(slots=True)
class Peer:
    """A client that says what it is told to, and reads only when it is told to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str

    @classmethod
    async def at(cls, port: int) -> Peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 12)
        return cls(reader, writer, f"127.0.0.1:{port}")

    async def say(self, text: str) -> None:
        self.writer.write(text.replace("{host}", self.host).encode())
        await self.writer.drain()

    async def hear(self, word: bytes) -> bytes:
        return await self.reader.readuntil(word)

    async def rest(self) -> bytes:
        heard = b""
        while data := await self.reader.read(1 << 16):
            heard += data
        return heard


@dataclass(slots=True)
class Open:
    """What a test holds open, and where."""

    stack: Stack
    peers: list[Peer] = field(default_factory=list[Peer])

    @property
    def front(self) -> int:
        return urlsplit(self.stack.url).port or 0

    async def peer(self, port: int, text: str = "", heard: bytes = b"") -> Peer:
        peer = await Peer.at(port)
        self.peers.append(peer)
        await peer.say(text)
        if heard:
            await peer.hear(heard)
        return peer


def post(path: str, body: dict[str, Any]) -> str:
    text = json.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: {{host}}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n{text}"


async def keep_alive(held: Open) -> None:
    await held.peer(held.front, "GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n", b"\r\n\r\n")


async def silent(held: Open) -> None:
    await held.peer(held.front)


async def half_a_head(held: Open) -> None:
    await held.peer(held.front, "POST /v1/responses HTTP/1.1\r\nHost: {ho")


async def half_a_body(held: Open) -> None:
    head = (
        "POST /v1/responses HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
    )
    await held.peer(held.front, head + '{"model": "g')


async def web_sockets(held: Open) -> None:
    for _ in range(20):
        await held.peer(held.front, UPGRADE, b"\r\n\r\n")


async def half_a_message(held: Open) -> None:
    peer = await held.peer(held.front, UPGRADE, b"\r\n\r\n")
    peer.writer.write(b"\x81\xfe\x7f\xff" + b"abcd" + b"half")


async def inspector(held: Open) -> None:
    key = f"zg_inspector_{held.front}={held.stack.inspector_token}"
    live = "GET /inspector/api/live HTTP/1.1\r\nHost: {host}\r\n" + f"Cookie: {key}\r\n\r\n"
    await held.peer(held.front, live, b"\n\n")
    await held.peer(held.front, live)


async def proxy_silent(held: Open) -> None:
    await held.peer(held.stack.proxy_port)


async def proxy_keep_alive(held: Open) -> None:
    await held.peer(held.stack.proxy_port, post("/v1internal:loadCodeAssist", {}), b"\r\n\r\n")


async def proxy_half(held: Open) -> None:
    await held.peer(held.stack.proxy_port, post("/v1internal:loadCodeAssist", {"metadata": {}})[:-5])


IDLE: dict[str, tuple[Callable[[Open], Awaitable[None]], ...]] = {
    "front": (keep_alive, silent, half_a_head, half_a_body, inspector),
    "web sockets": (web_sockets, half_a_message),
    "proxy": (proxy_silent, proxy_keep_alive, proxy_half),
}


@asynccontextmanager
async def opened(**settings: str) -> AsyncIterator[Open]:
    env = {"ZEROGRAVITY_LIMITS_SHUTDOWN_SECONDS": str(LIMIT_S), **settings}
    async with Stack(StackOptions(ls=quick(), env=env)) as stack:
        held = Open(stack)
        try:
            yield held
        finally:
            for peer in held.peers:
                peer.writer.transport.abort()


async def ended(stack: Stack, seconds: float) -> None:
    """Tell mitmdump to end, and it does in that time."""
    assert stack.process is not None
    stack.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(seconds):
        assert await stack.process.wait() == 0


@pytest.mark.parametrize("where", IDLE)
async def test_idle_connections_do_not_put_the_end_off(where: str) -> None:
    async with opened() as held:
        for hold in IDLE[where]:
            await hold(held)
        await ended(held.stack, TOLD_S)


async def test_a_body_on_its_way_gets_an_answer() -> None:
    async with opened() as held:
        await half_a_body(held)
        await ended(held.stack, TOLD_S)
        heard = await held.peers[0].rest()
        assert heard.startswith(b"HTTP/1.1 503 ")
        assert b'"code":"shutting_down"' in heard


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_turns_that_run_get_their_end_at_once(stream: bool) -> None:
    async with opened(ZEROGRAVITY_LIMITS_TURNS="4") as held:
        for surface in CHECK:
            for _ in range(2):  # six turns, two of them wait for a place
                await held.peer(held.front, post(*request(surface, "sim:stall 60", stream=stream)))
        await until(lambda: len(held.stack.ls.calls) == 4)
        hearing = [asyncio.create_task(peer.rest()) for peer in held.peers]
        await ended(held.stack, TOLD_S)
        for heard in await asyncio.gather(*hearing):
            assert b"shutting down" in heard


async def test_who_does_not_read_is_waited_for_no_longer_than_configured() -> None:
    limit = 2.0
    async with opened(ZEROGRAVITY_LIMITS_SHUTDOWN_SECONDS=str(limit)) as held:
        for surface in CHECK:
            await held.peer(held.front, post(*request(surface, "sim:long 20000", stream=True)), b"\r\n\r\n")
        await until(lambda: len(held.stack.ls.calls) == len(CHECK))
        await ended(held.stack, limit + TOLD_S)


async def test_a_response_behind_the_scenes_and_one_over_web_socket() -> None:
    async with opened() as held:
        path, body = request("responses", "sim:stall 60", stream=False)
        await held.peer(held.front, post(path, {**body, "background": True}), b"queued")
        http = aiohttp.ClientSession()
        async with http, http.ws_connect(f"{held.stack.url}{path}") as socket:
            await socket.send_json({"type": "response.create", "model": MODEL, "input": "sim:stall 60"})
            await until(lambda: len(held.stack.ls.calls) == 2)
            hearing = asyncio.create_task(everything(socket))
            await ended(held.stack, TOLD_S)
            heard = await hearing
        assert "shutting down" in heard[-1].data
        assert socket.close_code == aiohttp.WSCloseCode.GOING_AWAY


async def everything(socket: aiohttp.ClientWebSocketResponse[bool]) -> list[aiohttp.WSMessage]:
    return [message async for message in socket]
