"""The inspector's fixtures: a scene of scripted turns, and a served inspector that looks at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.observe.inspector.support import TOKEN, Looked, Scene
from zerogravity import config as configuration
from zerogravity.observe.health import Health
from zerogravity.observe.history import History
from zerogravity.observe.inspector.api import Inspector
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.recorder import Recorder
from zerogravity.observe.sessions import Sessions
from zerogravity.server.app import start_server
from zerogravity.server.services import Services
from zerogravity.store.responses import open_store
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.common.models import Catalogue

Look = Callable[..., Awaitable[Looked]]


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


@pytest.fixture
def recorder(tmp_path: Path, scene: Scene, sessions: Sessions) -> Iterator[Recorder]:
    """Records the scene's turns when it is flushed."""
    made = Recorder(tmp_path / "traces", sessions=sessions, tick=3600)
    made.attach(scene.store)
    yield made
    made.close()


@pytest.fixture
async def look(scene: Scene, clock: Any, sessions: Sessions) -> AsyncIterator[Look]:
    """``await look(**settings)`` → Looked. ``surfaces`` render instead of the real ones."""
    started: list[Looked] = []

    async def make(
        surfaces: Any = REGISTRY,
        history: History | None = None,
        cancel: Any = lambda turn_id: False,
        token: str = TOKEN,
        **settings: Any,
    ) -> Looked:
        config = configuration.load({"listen": "127.0.0.1:0", **settings}, env={}, file=None).config
        inspector = Inspector(
            scene.store, scene.bodies, token, surfaces=surfaces, secret=bytes(32), clock=clock,
            health=lambda: dict(scene.health), history=history, sessions=sessions,
            cancel=cancel,
        )  # fmt: skip
        services = Services(
            store=scene.store,
            engine=None,  # type: ignore[arg-type]  # no turn is asked for here
            catalogue=Catalogue(config.aliases),
            config=config,
            responses=await open_store("memory", limit=config.limits.responses),
            health=Health(clock),
            metrics=Metrics(REGISTRY),
            surfaces=REGISTRY,
            mount=inspector.mount,
        )
        looked = Looked(
            scene,
            await start_server(services),
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20), cookie_jar=aiohttp.DummyCookieJar()),
        )
        started.append(looked)
        return looked

    yield make
    for looked in started:
        await looked.http.close()
        await looked.stop()
