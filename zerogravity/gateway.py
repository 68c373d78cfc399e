"""``Gateway``: all rooms put together from one configuration; started and stopped by the addon or the command line.

No mitmproxy in here: with ``--no-mitm`` and for replay the same gateway runs without it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from zerogravity import ids
from zerogravity.config import Config
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.store import MitmStore
from zerogravity.core.turn import Target, Turn
from zerogravity.engine import Engine, Limits
from zerogravity.errors import FaultError
from zerogravity.language_server.client import Endpoint, LsClient
from zerogravity.language_server.discover import discover
from zerogravity.ops.health import Health
from zerogravity.ops.metrics import Metrics
from zerogravity.server.app import Running, start_server
from zerogravity.server.services import Bearer, Services
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.responses.stored import open_store

logger = logging.getLogger("zerogravity")
KEEP_S = 60.0  # how often the LS is looked at between turns, and the store is swept


class Gateway:
    """One process's rooms. ``start`` returns when agents are answered; ``stop`` ends every open stream properly."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.clock = time.monotonic_ns
        self.store = MitmStore(
            self.clock,
            max_bytes=config.limits.store_bytes,
            max_age_s=config.limits.store_seconds,
            turn_bytes=config.limits.turn_bytes,
        )
        self.bearer = Bearer(config.token)
        self.metrics = Metrics()
        self.catalogue = Catalogue(config.aliases)
        self.ls = LsClient(_given(config), rediscover=None if config.ls_url else discover)
        self.engine = Engine(self.store, self.ls, limits=_limits(config), clock=self.clock)
        self.health = Health(self.clock, known_fault=self.ls.known_fault, intercepting=config.intercept)
        self.metrics.watch(self.store)
        self.health.watch(self.store)
        self._running: Running | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where agents are answered, e.g. ``http://127.0.0.1:8741``; empty before the start."""
        return self._running.url if self._running is not None else ""

    async def start(self) -> None:
        """Open the front server. Raises OSError (port taken) or FaultError (refused configuration)."""
        config = self.config
        services = Services(
            store=self.store,
            engine=self.engine,
            catalogue=self.catalogue,
            config=config,
            responses=await open_store(config.store_path, limit=config.limits.responses),
            health=self.health,
            metrics=self.metrics,
            secret=_secret(),
            bearer=self.bearer,
        )
        self._running = await start_server(services)
        self._keeper = asyncio.create_task(self._keep(), name="keeper")
        if config.ready_file:
            _announce(Path(config.ready_file), self.url)

    async def stop(self) -> None:
        """Every open turn gets its terminal, then the server, then the connections to the LS."""
        self.health.stopping = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self.engine.close()
        if self._running is not None:
            await self._running.stop()
        await self.ls.close()

    async def _keep(self) -> None:
        """Look at the LS (login, models) and sweep the store, now and then; failures are the next turn's to tell."""
        while True:
            try:
                self.catalogue.refresh(await self.ls.model_configs())
            except FaultError as error:
                logger.info("language server: %s", error.fault.message)
            self.store.sweep()
            await asyncio.sleep(KEEP_S)

    # -- what the interceptor needs --------------------------------------------------------------------------

    def path_seen(self) -> None:
        """A request of the LS has come through the proxy."""
        self.health.path_seen()

    def health_line(self) -> str:
        return self.health.line()

    def passive_channel(self, path: str, body: Mapping[str, Any]) -> CascadeChannel:
        """A channel for a Google call that is not ours: recorded, answered by nobody."""
        request = body.get("request")
        model = body.get("model") or path.rpartition("models/")[2].partition(":")[0]
        name = model if isinstance(model, str) and model else "unknown"
        turn = Turn(
            id=ids.new("turn"),
            surface="passive",
            model=name,
            target=Target(name, ""),
            generate=request if isinstance(request, dict) else body,
            stream=True,
            created=int(time.time()),
        )
        channel = self.store.open(turn)
        channel.mark("matched")
        return channel


def _given(config: Config) -> Endpoint | None:
    if config.ls_url is None:
        return None
    return Endpoint(config.ls_url.rstrip("/"), config.ls_csrf or "")


def _limits(config: Config) -> Limits:
    limits = config.limits
    return Limits(
        concurrent=limits.turns,
        waiting=limits.waiting,
        queue_wait=limits.queue_seconds,
        match=limits.match_seconds,
        idle=limits.idle_seconds,
        total=limits.turn_seconds,
    )


def _secret() -> bytes:
    """The key of ``encrypted_content``, per install, so that clients' histories survive a restart."""
    file = user_data_path("zerogravity") / "secret"
    try:
        if file.exists() and len(found := file.read_bytes()) == 32:
            return found
        made = secrets.token_bytes(32)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.write_bytes(made)
        return made
    except OSError:
        return secrets.token_bytes(32)


def _announce(file: Path, url: str) -> None:
    temporary = file.with_suffix(".tmp")
    temporary.write_text(url + "\n")
    temporary.replace(file)
