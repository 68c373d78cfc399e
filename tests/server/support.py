"""A front server on a real socket, with a scripted engine: its turns end only as their script says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import AttemptOpened, Event, Failed, Finished, TextDelta
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination, cancelled
from zerogravity.server.app import FrontServer
from zerogravity.server.response_writer import RESPONSE_WRITER, ResponseWriter
from zerogravity.server.services import Services

JSON = "Content-Type: application/json"
Script = Callable[[RunningTurn], Awaitable[None]]


def say(running: RunningTurn, *events: Event) -> None:
    running.append(0, b"", events)


async def hello(running: RunningTurn) -> None:
    """The default turn: two pieces of text and a good end."""
    say(running, AttemptOpened())
    say(running, TextDelta("Hel"))
    say(running, TextDelta("lo"))
    running.close(Finished("stop"))


async def forever(running: RunningTurn) -> None:
    """A turn that only ends when it is cancelled."""
    await running.channel.wait_closed()


class ScriptedEngine:
    """Runs ``script`` for every turn; a turn that everybody leaves is cancelled, as the real engine does."""

    def __init__(self, store: MitmStore) -> None:
        self.store = store
        self.script: Script = hello
        self.turns: list[RunningTurn] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._begun = asyncio.Event()

    def run(self, turn: Turn) -> CascadeChannel:
        running = self.store.open(turn, abandoned=None if turn.background else self._abandoned)
        self.turns.append(running)
        self._begun.set()
        self.tasks.append(asyncio.create_task(self.script(running)))  # type: ignore[arg-type]
        return running.channel

    @property
    def channels(self) -> list[CascadeChannel]:
        return [running.channel for running in self.turns]

    def inside(self, channel: CascadeChannel) -> RunningTurn:
        """The turn whose channel it is, running or over."""
        return next(running for running in self.turns if running.channel is channel)

    async def begun(self) -> CascadeChannel:
        """The newest turn's channel, as soon as there is one that was not asked for before."""
        await self._begun.wait()
        self._begun.clear()
        return self.channels[-1]

    def cancel(self, channel: CascadeChannel, termination: Termination = Termination.CANCELLED) -> bool:
        return self.inside(channel).close(Failed(cancelled(termination)))

    def _abandoned(self, channel: CascadeChannel) -> None:
        self.cancel(channel, Termination.CLIENT_GONE)

    async def close(self) -> None:
        for channel in self.channels:
            self.cancel(channel, Termination.SHUTDOWN)
        for task in self.tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


@dataclass
class Served:
    """A running server and a client beside it. ``events(bytes)`` parses SSE data lines."""

    services: Services
    engine: ScriptedEngine
    running: FrontServer
    http: aiohttp.ClientSession
    logs: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def writer(self) -> ResponseWriter:
        return self.running._runner.app[RESPONSE_WRITER]  # pyright: ignore[reportPrivateUsage]

    async def post(self, path: str, body: Any, **options: Any) -> tuple[int, Any, Any]:
        """(status, headers, parsed body)"""
        async with self.http.post(self.url + path, json=body, **options) as answer:
            return answer.status, answer.headers, parsed(await answer.read())

    async def get(self, path: str, **options: Any) -> tuple[int, Any, Any]:
        async with self.http.get(self.url + path, **options) as answer:
            return answer.status, answer.headers, parsed(await answer.read())

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """A request with exactly these headers (and Host, if none is given): (status, lower-case headers, body)."""
        told = {"Host": f"127.0.0.1:{self.running.port}", **(headers or {}), "Connection": "close"}
        if body:
            told |= {"Content-Type": told.get("Content-Type", "application/json"), "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        return read_answer(await self.raw(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body))

    def head(self, line: str, *fields: str) -> bytes:
        """The head of a request: ``POST /path``, this server's Host, further header lines."""
        return "\r\n".join((f"{line} HTTP/1.1", f"Host: localhost:{self.running.port}", *fields, "", "")).encode()

    async def raw(self, request: bytes, *, wait: float = 5) -> bytes:
        """Send bytes as they are, read until the server closes (or ``wait`` is over)."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.running.port)
        try:
            writer.write(request)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), wait)
        finally:
            writer.close()
            await writer.wait_closed()


def read_answer(data: bytes) -> tuple[int, dict[str, str], bytes]:
    """(status, headers with lower-case names, body) of one HTTP answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields}, body


def parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


Serve = Callable[..., Awaitable[Served]]


def open_sockets() -> int:
    """How many sockets this process has."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            count += str(descriptor.readlink()).startswith("socket:")
        except FileNotFoundError:  # the listing's own
            continue
    return count
