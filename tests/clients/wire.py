"""What goes between a client and zerogravity: handed on as it is, kept, and every stream put to its grammar checker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from zerogravity.testing.check import (
    check_chat,
    check_gemini,
    check_message,
    check_messages,
    check_response,
    check_responses,
)

HOP = {"host", "connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "content-encoding"}


@dataclass(slots=True)
class Exchange:
    """One request and its answer; on a WebSocket one for each message, whose answer is kept in the form of SSE."""

    path: str
    asked: Any
    status: int = 0
    answer: bytes = b""
    kind: str = ""  # the answer's media type

    def check(self) -> None:
        """Raises GrammarError when the answer is not what its surface's stream or object must be."""
        if self.status != 200 or not self.answer:
            return
        checker: Callable[..., Any] | None = None
        match self.path.rpartition("/")[2].partition("?")[0], self.kind:
            case "responses", "text/event-stream":
                checker = check_responses
            case "responses", _:
                checker = _whole(check_response)
            case "completions", "text/event-stream":
                checker = check_chat
            case "messages", "text/event-stream":
                checker = check_messages
            case "messages", _:
                checker = _whole(check_message)
            case last, _ if last.endswith(":streamGenerateContent"):
                checker = check_gemini
            case _:
                return
        checker(self.answer)


class Wire:
    """``async with Wire(target) as wire:`` → ``wire.url`` is the target, seen through."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.exchanges: list[Exchange] = []
        self.url = ""

    async def __aenter__(self) -> Wire:
        self._http = aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=120))
        app = web.Application(client_max_size=1 << 28)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._http.close()

    def asked(self, path: str) -> list[Any]:
        """The bodies sent to a path that ends so (queries do not count)."""
        return [one.asked for one in self.exchanges if one.path.partition("?")[0].endswith(path)]

    def check(self) -> None:
        """Every answer so far keeps its grammar, and none told of a failure."""
        for exchange in self.exchanges:
            exchange.check()
            where = f"{exchange.path}: {exchange.status} {exchange.answer[:500]!r}"
            assert exchange.status < 400 or exchange.status in (404, 426), where

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, headers)
        body = await request.read()
        exchange = Exchange(request.path_qs, _parsed(body))
        self.exchanges.append(exchange)
        async with self._http.request(
            request.method, self._target + request.path_qs, data=body or None, headers=headers
        ) as got:
            passed = {name: value for name, value in got.headers.items() if name.lower() not in HOP}
            exchange.status, exchange.kind = got.status, got.content_type
            answer = web.StreamResponse(status=got.status, headers=passed)
            await answer.prepare(request)
            here = True
            async for piece in got.content.iter_any():
                exchange.answer += piece
                here = here and await _reached(answer.write(piece))
            if here:
                await _reached(answer.write_eof())
            return answer

    async def _websocket(self, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
        kept = {name: value for name, value in headers.items() if not name.lower().startswith("sec-websocket")}
        try:
            upstream = await self._http.ws_connect(self._target + request.path_qs, headers=kept, max_msg_size=0)
        except aiohttp.WSServerHandshakeError as error:
            self.exchanges.append(Exchange(request.path_qs, None, error.status))
            return web.Response(status=error.status, headers={"Upgrade": "HTTP/1.1", "Connection": "close"})
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)

        async def down() -> None:
            async for message in upstream:
                event = json.loads(message.data)
                frame = f"event: {event['type']}\ndata: {message.data}\n\n"
                self.exchanges[-1].answer += frame.encode()
                await socket.send_str(message.data)

        task = asyncio.create_task(down())
        async for message in socket:
            asked = json.loads(message.data)
            self.exchanges.append(Exchange(request.path_qs, asked, 200, kind="text/event-stream"))
            await upstream.send_str(message.data)
        await upstream.close()
        await task
        return socket


async def _reached(writing: Awaitable[None]) -> bool:
    """Codex leaves as soon as it has the terminal event; the rest is read all the same, to be checked."""
    try:
        await writing
    except ConnectionError:
        return False
    return True


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _whole(check: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    return lambda answer: check(json.loads(answer))
