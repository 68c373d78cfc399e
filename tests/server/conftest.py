"""The server room's fixtures: a served front server, and the leak check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from tests.server.support import ScriptedEngine, Serve, Served, open_sockets
from zerogravity import compose
from zerogravity import config as configuration
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.common.models import Catalogue


@pytest.fixture(autouse=True)
async def no_leaks() -> AsyncIterator[None]:
    """After each test: no task and no socket more than before."""
    tasks, sockets = asyncio.all_tasks(), open_sockets()
    yield

    def left() -> tuple[set[asyncio.Task[Any]], int]:
        own = {asyncio.current_task()}
        return asyncio.all_tasks() - tasks - own, max(0, open_sockets() - sockets)

    for _ in range(20):  # closed transports free their sockets a few rounds later
        if left() == (set(), 0):
            break
        await asyncio.sleep(0)
    assert left() == (set(), 0)


@pytest.fixture
async def serve(no_leaks: None) -> AsyncIterator[Serve]:
    """``await serve(**settings)`` → Served. ``services=`` replaces services by name."""
    started: list[Served] = []
    async with AsyncExitStack() as stack:

        async def make(services: dict[str, Any] | None = None, **settings: Any) -> Served:
            config = configuration.load({"listen": "127.0.0.1:0", **settings}, env={}, file=None).config
            given = {"secret": bytes(32), **(services or {})}
            base = compose.Base.of(config, given.get("surfaces", REGISTRY))
            base.health.watch(base.store)
            engine = ScriptedEngine(base.store)
            server = await stack.enter_async_context(compose.front(base, engine, Catalogue(config.aliases), **given))
            session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
            await stack.enter_async_context(session)
            started.append(Served(server.services, engine, server, session))
            return started[-1]

        yield make
    for served in started:
        for channel in served.engine.channels:
            assert channel.closed
            assert channel.readers == 0
