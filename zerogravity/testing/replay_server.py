"""The front server with a replay instead of a language server: for ``zerogravity replay``, ``zerogravity cassette`` and
the pytest fixture.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from zerogravity import compose
from zerogravity import config as configuration
from zerogravity.core.family import rules
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import FaultError
from zerogravity.observe.trace_reader import Trace
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.common.models import Catalogue, ModelInfo
from zerogravity.testing.replay import Pace, ReplayEngine

START_S = 20.0
SETTINGS = {"intercept": False, "inspector": False}  # nothing to intercept, nothing to inspect


class RecordedModels(Catalogue):
    """The usual models, and those of recordings under the names in their requests: a language server's own names, and
    aliases of the configuration. ``always``: the trace whose model any other name stands for."""

    def __init__(self, traces: Iterable[Trace] = (), always: Trace | None = None) -> None:
        super().__init__()
        self._named: dict[str, Target] = {}
        for trace in traces:
            self._learn(trace)
        self._always = None if always is None else self._learn(always)

    def _learn(self, trace: Trace) -> Target | None:
        with suppress(ValueError):  # written by another version: only its model stays unknown
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


@dataclass(frozen=True, slots=True)
class ReplayServer:
    """Every surface, answered from recordings."""

    url: str
    engine: ReplayEngine


@asynccontextmanager
async def serve(
    pick: Callable[[Turn], Trace],
    *,
    listen: str = "127.0.0.1:0",
    pace: Pace | None = None,
    secret: bytes = bytes(32),
    recorded: Iterable[Trace] = (),
    always: Trace | None = None,
    services: Mapping[str, Any] | None = None,
) -> AsyncGenerator[ReplayServer]:
    """Serve what ``pick`` finds. ``recorded``: traces whose models are known as well as the usual ones. ``always``:
    the trace that answers whatever the model. ``services`` replaces parts of the server by name. Raises OSError."""
    config = configuration.load({"listen": listen, **SETTINGS}, file=os.devnull, env={}).config
    given: dict[str, Any] = {"secret": secret, **(services or {})}
    base = compose.Base.of(config, given.get("surfaces", REGISTRY))
    engine = ReplayEngine(base.store, pick, pace=pace)
    async with compose.front(base, engine, RecordedModels(recorded, always), **given) as server:
        yield ReplayServer(server.url, engine)


@contextmanager
def in_thread(pick: Callable[[Turn], Trace], **options: Any) -> Generator[str]:
    """``serve`` for programs without an event loop: its URL, for as long as the block lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="zerogravity-replay", daemon=True)
    thread.start()

    def run[T](work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(START_S)

    stack = AsyncExitStack()
    try:
        yield run(stack.enter_async_context(serve(pick, **options))).url
    finally:
        run(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_S)
        loop.close()
