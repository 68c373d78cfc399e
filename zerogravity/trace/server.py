"""The front server with a replay instead of a language server: for ``zerogravity replay``, ``zerogravity cassette`` and
the pytest fixture. Composition: one of the few places that put rooms together.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from zerogravity.config import Config
from zerogravity.core.store import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.ops.health import Health
from zerogravity.ops.metrics import Metrics
from zerogravity.server.app import Running, Services, start_server
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.responses.stored import open_store
from zerogravity.trace.read import Trace
from zerogravity.trace.replay import Pace, ReplayEngine

START_S = 20.0


@dataclass(slots=True)
class ReplayServer:
    """All three surfaces, answered from recordings."""

    url: str
    engine: ReplayEngine
    _running: Running

    async def stop(self) -> None:
        await self.engine.close()
        await self._running.stop()  # closes the store of responses as well


async def start(
    pick: Callable[[Turn], Trace],
    *,
    listen: str = "127.0.0.1:0",
    pace: Pace | None = None,
    secret: bytes = bytes(32),
    services: Mapping[str, Any] | None = None,
) -> ReplayServer:
    """Serve what ``pick`` finds. ``services`` replaces parts of the server by name. Raises OSError: port taken."""
    config = Config.model_validate({"listen": listen})
    store = MitmStore(time.monotonic_ns)
    engine = ReplayEngine(store, pick, pace=pace)
    metrics = Metrics()
    metrics.watch(store)
    given = dict(services or {})
    if "responses" not in given:
        given["responses"] = await open_store(None, limit=config.limits.responses)
    made = Services(**{
        "store": store,
        "engine": engine,
        "catalogue": Catalogue(config.aliases),
        "config": config,
        "health": Health(time.monotonic_ns, intercepting=False),
        "metrics": metrics,
        "secret": secret,
        **given,
    })  # fmt: skip
    running = await start_server(made)
    return ReplayServer(running.url, engine, running)


@contextmanager
def in_thread(pick: Callable[[Turn], Trace], **options: Any) -> Iterator[str]:
    """The same for programs without an event loop: its URL, as long as the block lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="zerogravity-replay", daemon=True)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(start(pick, **options), loop).result(START_S)
        try:
            yield server.url
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(START_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_S)
        loop.close()
