"""The front server with a replay instead of a language server: for ``zerogravity replay``, ``zerogravity cassette`` and
the pytest fixture. Composition: one of the few places that put rooms together.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from zerogravity import config as configuration
from zerogravity.core.family import rules
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import FaultError
from zerogravity.observe.health import Health
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.trace_reader import Trace
from zerogravity.server.app import Running, Services, start_server
from zerogravity.store.responses import open_store
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.common.models import Catalogue, ModelInfo
from zerogravity.testing.replay import Pace, ReplayEngine

START_S = 20.0


class RecordedModels(Catalogue):
    """The usual models, and those of recordings under the names by which they were asked for: a language server's own
    and the configuration's aliases. ``always``: the trace whose model any other name means."""

    def __init__(self, traces: Iterable[Trace] = (), always: Trace | None = None) -> None:
        super().__init__()
        self._named: dict[str, Target] = {}
        for trace in traces:
            self._learn(trace)
        self._always = None if always is None else self._learn(always)

    def _learn(self, trace: Trace) -> Target | None:
        with suppress(ValueError):  # written by another version: only its model is lost
            target = trace.turn.target
            if target.name not in self._models:
                thinking = rules(target.family).thinking != "none"
                self._models[target.name] = ModelInfo(target.name, target.name, target, thinking=thinking)
            self._named[trace.turn.model] = target
            return target
        return None

    def resolve(self, name: str) -> Target:
        """Raises FaultError 404 ``model_not_found``."""
        if (target := self._named.get(name)) is not None:
            return target
        try:
            return super().resolve(name)
        except FaultError:
            if self._always is None:
                raise
            return self._always


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
    recorded: Iterable[Trace] = (),
    always: Trace | None = None,
    services: Mapping[str, Any] | None = None,
) -> ReplayServer:
    """Serve what ``pick`` finds. ``recorded``: traces whose models are known beside the usual ones. ``always``: what
    answers whatever the model. ``services`` replaces parts of the server by name. Raises OSError: port taken."""
    config = configuration.load({"listen": listen}, file=os.devnull, env={}).config
    store = MitmStore(time.monotonic_ns)
    engine = ReplayEngine(store, pick, pace=pace)
    given = {"surfaces": REGISTRY, **(services or {})}
    metrics = Metrics(given["surfaces"])
    metrics.watch(store)
    if "responses" not in given:
        given["responses"] = await open_store(None, limit=config.limits.responses)
    made = Services(**{
        "store": store,
        "engine": engine,
        "catalogue": RecordedModels(recorded, always),
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
