"""The server room's fixtures: a served front server, and the leak check."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.server.support import ScriptedEngine, Serve, Served, open_sockets
from zerogravity import config as configuration
from zerogravity.core.registry import MitmStore
from zerogravity.observe.health import Health
from zerogravity.observe.metrics import Metrics
from zerogravity.server.app import start_server
from zerogravity.server.services import Services
from zerogravity.store.responses import open_store
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

    async def make(services: dict[str, Any] | None = None, **settings: Any) -> Served:
        config = configuration.load({"listen": "127.0.0.1:0", **settings}, env={}, file=None).config
        limits = config.limits
        store = MitmStore(time.monotonic_ns, turn_bytes=limits.turn_bytes, turn_readers=limits.readers)
        metrics, health = Metrics(REGISTRY), Health(time.monotonic_ns)
        metrics.watch(store)
        health.watch(store)
        engine = ScriptedEngine(store)
        given = dict(services or {})
        if "responses" not in given:
            given["responses"] = await open_store(None, limit=config.limits.responses)
        made = Services(
            **{
                "store": store,
                "engine": engine,
                "catalogue": Catalogue(config.aliases),
                "config": config,
                "health": health,
                "metrics": metrics,
                "surfaces": REGISTRY,
                "secret": bytes(32),
                **given,
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
        for channel in served.engine.channels:
            assert channel.closed
            assert channel.readers == 0
