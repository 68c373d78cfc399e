"""A front server on a real socket, with a scripted engine: its turns end only as their script says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from zerogravity import config as configuration
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import CallOpened, Event, Failed, Finished, TextDelta
from zerogravity.core.store import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, Guilt, Termination
from zerogravity.ops.health import Health
from zerogravity.ops.metrics import Metrics
from zerogravity.server.app import Running, start_server
from zerogravity.server.services import Services
from zerogravity.surfaces.common.models import Catalogue

Script = Callable[[CascadeChannel], Awaitable[None]]


def say(channel: CascadeChannel, *events: Event) -> None:
    channel.append(0, b"{}", events)


async def hello(channel: CascadeChannel) -> None:
    """The default turn: two pieces of text and a good end."""
    say(channel, CallOpened())
    say(channel, TextDelta("Hel"))
    say(channel, TextDelta("lo"))
    channel.close(Finished("stop"))


class ScriptedEngine:
    """Runs ``script`` for every turn; a turn that everybody leaves is cancelled, as the real engine does."""

    def __init__(self, store: MitmStore) -> None:
        self.store = store
        self.script: Script = hello
        self.channels: list[CascadeChannel] = []
        self.tasks: list[asyncio.Task[None]] = []

    def run(self, turn: Turn) -> CascadeChannel:
        channel = self.store.open(turn)
        if not turn.background:
            channel.on_abandoned = lambda left: self.cancel(left, Termination.CLIENT_GONE) and None
        self.channels.append(channel)
        self.tasks.append(asyncio.create_task(self.script(channel)))  # type: ignore[arg-type]
        return channel

    def cancel(self, channel: CascadeChannel, termination: Termination = Termination.CANCELLED) -> bool:
        return channel.close(Failed(Fault(Guilt.CLIENT, 499, termination.value, "cancelled", termination=termination)))

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
    running: Running
    http: aiohttp.ClientSession
    logs: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.running.url

    async def post(self, path: str, body: Any, **options: Any) -> tuple[int, Any, Any]:
        """(status, parsed body, headers)"""
        async with self.http.post(self.url + path, json=body, **options) as answer:
            return answer.status, parsed(await answer.read()), answer.headers

    async def get(self, path: str, **options: Any) -> tuple[int, Any, Any]:
        async with self.http.get(self.url + path, **options) as answer:
            return answer.status, parsed(await answer.read()), answer.headers

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


def parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """``await serve(**settings)`` → Served. ``services=`` replaces services by name."""
    started: list[Served] = []

    async def make(services: dict[str, Any] | None = None, **settings: Any) -> Served:
        config = configuration.load({"listen": "127.0.0.1:0", **settings}, env={}, file=None).config
        store = MitmStore(time.monotonic_ns, turn_bytes=config.limits.turn_bytes)
        metrics, health = Metrics(), Health(time.monotonic_ns)
        metrics.watch(store)
        health.watch(store)
        engine = ScriptedEngine(store)
        made = Services(
            **{
                "store": store,
                "engine": engine,
                "catalogue": Catalogue(config.aliases),
                "config": config,
                "responses": None,
                "health": health,
                "metrics": metrics,
                "secret": bytes(32),
                **(services or {}),
            }
        )
        running = await start_server(made)
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        served = Served(made, engine, running, session)
        started.append(served)
        return served

    yield make
    for served in started:
        await served.http.close()
        await served.engine.close()
        await served.running.stop()
