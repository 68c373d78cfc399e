"""A configuration → a gateway that runs, put together from all rooms: ``async with gateway(config) as running``.

What an ``async with`` sets up it takes down again in reverse, however it ends, and what cannot be ended keeps nothing
else from its end. Nothing begins in a constructor. ``front`` is the part that needs no language server: replays and
tests put another engine behind it. No mitmproxy in here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from zerogravity.backends.antigravity.backend import Antigravity
from zerogravity.backends.base import Backend, Callbacks, Route
from zerogravity.backends.polling.polling import Polling
from zerogravity.capture.tap import Tap
from zerogravity.config import Config
from zerogravity.core.budget import Budget
from zerogravity.core.registry import MitmStore
from zerogravity.deadlines import Limits
from zerogravity.engine import Engine
from zerogravity.errors import FaultError
from zerogravity.hosts import GOOGLE, is_loopback
from zerogravity.observe import machine, otel, tls_probe
from zerogravity.observe.health import Check, Health
from zerogravity.observe.inspector.api import Inspector
from zerogravity.observe.ls_probe import LsProbe
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.recorder import NullRecorder, Recorder, TraceLimits, TraceSink
from zerogravity.observe.witnesses import Bodies, Witnesses
from zerogravity.server.app import Running, start_server
from zerogravity.server.counting import GoogleCount
from zerogravity.server.services import Bearer, Models, Runs, Services
from zerogravity.store import usage
from zerogravity.store.base import MAX_BYTES as FILE_BYTES
from zerogravity.store.base import ResponseStore
from zerogravity.store.responses import open_store
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.base import Surfaces
from zerogravity.surfaces.common.models import Catalogue

logger = logging.getLogger("zerogravity")


@dataclass(frozen=True, slots=True)
class Base:
    """What all else stands on: made from the configuration alone, in memory, by ``base``."""

    config: Config
    budget: Budget
    store: MitmStore
    health: Health
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Front:
    """A front server that answers."""

    services: Services
    running: Running

    @property
    def url(self) -> str:
        """Where agents are answered, e.g. ``http://127.0.0.1:8741``."""
        return self.running.url


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that runs, as far as others have to do with it. ``inspector_url``: the link that opens the inspector
    and sets the page's cookie; None: there is no inspector."""

    url: str
    inspector_url: str | None
    services: Services
    witnesses: Witnesses
    backend: Backend


class EndingEngine(Runs, Protocol):
    """What is put behind a front server."""

    async def close(self) -> None:
        """End every turn that runs."""
        ...


def base(config: Config, surfaces: Surfaces = REGISTRY) -> Base:
    """No I/O, no thread, no task."""
    limits, budget = config.limits, _budget(config)
    store = MitmStore(
        time.monotonic_ns,
        max_bytes=budget.share("turns"),
        call_bytes=budget.share("calls"),
        max_turns=limits.store_turns,
        max_age_s=limits.store_seconds,
        turn_bytes=limits.turn_bytes,
        turn_readers=limits.readers,
    )
    metrics = Metrics(surfaces)
    metrics.watch(store)
    return Base(config, budget, store, Health(store.clock, intercepting=config.intercept), metrics)


@asynccontextmanager
async def front(ground: Base, engine: EndingEngine, catalogue: Models, /, **services: Any) -> AsyncIterator[Front]:
    """Agents are answered; at the end every open turn gets its terminal, then the server stops. ``services``: further
    ones, or others, by name. Raises OSError (port taken) or FaultError (a store that cannot be used)."""
    given = {
        "store": ground.store, "config": ground.config, "health": ground.health, "metrics": ground.metrics,
        "budget": ground.budget, "engine": engine, "catalogue": catalogue, "surfaces": REGISTRY, **services,
    }  # fmt: skip
    if "responses" not in given:
        given["responses"] = await _responses(ground)
    made = Services(**given)
    async with AsyncExitStack() as stack:
        running = await start_server(made)  # which closes the responses
        stack.push_async_callback(running.stop)
        stack.push_async_callback(engine.close)
        yield Front(made, running)


@asynccontextmanager
async def gateway(config: Config, route: Route | None = None, backend: Backend | None = None) -> AsyncIterator[Gateway]:
    """Everything. ``route``: how a language server that we start ourselves (``ls_command``) reaches the interceptor.
    ``backend``: who makes the calls to Google, where that is not the language server that ``config`` names.

    Raises OSError (port taken) or FaultError (refused configuration, a language server that does not start).
    """
    ground, route = base(config), route or Route()
    secret, bearer = _secret(config.data_path / "secret"), Bearer(config.token)
    catalogue = Catalogue(config.aliases, rewrites=config.intercept)
    async with AsyncExitStack() as stack:
        recorder = await stack.enter_async_context(_recorded(ground, secret))
        backend = backend or _backend(config, route)
        stack.push_async_callback(backend.close)
        engine = _engine(ground, backend, catalogue)
        probe = LsProbe(backend, ground.health, besides=ground.store.sweep, greet=_greet(config, route))
        backend.set_callbacks(Callbacks(catalogue.refresh, probe.child_changed, partial(_tell, ground.health)))
        token = _inspector_token(config)
        bodies = Bodies(max_bytes=ground.budget.share("bodies"))
        witnesses = Witnesses(recorder, *([bodies] if token else []))
        _measure(ground, engine, recorder, bodies)
        serving = front(
            ground, engine, catalogue, secret=secret, bearer=bearer, recorder=witnesses,
            count_tokens=_counter(config, route, bearer),
            mount=_inspector(ground, engine, recorder, bodies, token, secret).mount if token else None,
        )  # fmt: skip
        running = await stack.enter_async_context(serving)
        await backend.start()
        probe.start()
        stack.push_async_callback(probe.stop)
        if config.ready_file:
            _announce(Path(config.ready_file), running.url)
        stack.callback(_stopping, ground.health)
        yield Gateway(running.url, f"{running.url}/inspector?token={token}" if token else None, running.services,
                      witnesses, backend)  # fmt: skip


async def serve(config: Config) -> int:
    """A gateway without interception, until SIGINT or SIGTERM. Returns the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        try:
            running = await stack.enter_async_context(gateway(config))
        except (OSError, FaultError) as error:
            logger.error("zerogravity cannot serve: %s", machine.why(error, config.host, config.port, "--listen"))
            return 1
        logger.info("zerogravity answers agents on %s", running.url)
        await stop.wait()
        return 0


# -- beside the turns ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def _recorded(ground: Base, secret: bytes) -> AsyncIterator[TraceSink]:
    """What is told of every turn, each by a thread of its own: traces, sums of tokens, spans."""
    async with AsyncExitStack() as stack:
        spans = otel.start(ground.store, REGISTRY)
        sums = usage.UsageLog(ground.config.data_path / usage.FILE, report=partial(_tell, ground.health, "usage"))
        recorder = _recorder(ground, secret)
        for beside in (spans, sums, recorder):
            if beside is not None:
                stack.push_async_callback(asyncio.to_thread, beside.close)
        ground.health.watch(ground.store)
        recorder.attach(ground.store)
        sums.attach(ground.store)
        yield recorder


def _recorder(ground: Base, secret: bytes) -> TraceSink:
    config = ground.config
    if not config.trace:
        return NullRecorder()
    waiting = ground.budget.share("traces") // 2  # for the thread, and by it for turns that have not begun
    return Recorder(
        config.trace_path,
        clock=ground.store.clock,
        limits=TraceLimits(max_bytes=config.trace_bytes, max_age_s=config.trace_days * 86400, job_bytes=waiting),
        surfaces=REGISTRY,
        secret=secret,
        report=partial(_tell, ground.health, "traces"),
    )


def _measure(ground: Base, engine: Engine, recorder: TraceSink, bodies: Bodies) -> None:
    metrics, health, store, budget = ground.metrics, ground.health, ground.store, ground.budget

    def hops() -> dict[str, float]:
        return {check.name: float(check.ok) for check in health.checks()}

    metrics.kept(budget)
    budget.watch("turns", lambda: store.bytes)
    budget.watch("calls", lambda: store.calls.bytes)
    budget.watch("bodies", lambda: bodies.bytes)
    budget.watch("traces", lambda: recorder.waiting_bytes)
    metrics.gauge("zg_queue_waiting", "Turns waiting for a place", lambda: engine.waiting)
    metrics.gauge("zg_queue_active", "Turns that have a place", lambda: engine.active)
    metrics.gauge("zg_ls_up", "Whether the language server serves turns, as far as is known",
                  lambda: hops()["language_server"])  # fmt: skip
    metrics.states("zg_hop_up", "Whether a hop of the path works, as far as is known", "hop", hops)
    metrics.counter("zg_tap_guarded", "Answers that went on unread by our own fault", lambda: Tap.failures)
    metrics.counter("zg_trace_dropped", "What traces did not record", lambda: recorder.dropped)


def _inspector(
    ground: Base, engine: Engine, recorder: TraceSink, bodies: Bodies, token: str, secret: bytes
) -> Inspector:
    def shown() -> dict[str, Any]:
        """The health strip."""
        return {
            "line": ground.health.line(),
            "checks": [check.as_json() for check in ground.health.checks()],
            "active": engine.active,
            "waiting": engine.waiting,
            "held_bytes": ground.store.bytes,
            "dropped": recorder.dropped,
        }

    made = Inspector(
        ground.store, bodies, token, surfaces=REGISTRY, secret=secret, clock=ground.store.clock, health=shown,
        view_bytes=ground.budget.share("views"),
    )  # fmt: skip
    ground.budget.watch("views", lambda: made.replicas.bytes)
    return made


def _tell(health: Health, what: str, trouble: str | None) -> None:
    """Something beside the path works less well, or well again."""
    if trouble is None:
        health.recover(what)
    else:
        health.degrade(what, trouble)


def _stopping(health: Health) -> None:
    health.stopping = True


# -- the language server -------------------------------------------------------------------------------------------


def _backend(config: Config, route: Route) -> Backend:
    settings: dict[str, Any] = {
        "url": config.ls_url,
        "csrf": config.ls_csrf,
        "cert": Path(config.ls_cert) if config.ls_cert else None,
        "command": config.ls_command,
        "route": route,
        "deletes": config.delete_cascades,
    }
    if config.intercept:
        return Antigravity(**settings)
    return Polling({surface.name: surface.schema_param for surface in REGISTRY.values()}, **settings)


def _engine(ground: Base, backend: Backend, catalogue: Catalogue) -> Engine:
    limits = ground.config.limits
    return Engine(
        ground.store,
        backend,
        limits=Limits(
            concurrent=limits.turns,
            waiting=limits.waiting,
            queue_wait=limits.queue_seconds,
            match=limits.match_seconds,
            first_byte=limits.first_byte_seconds,
            idle=limits.idle_seconds,
            total=limits.turn_seconds,
        ),
        clock=ground.store.clock,
        why_no_call=ground.health.why_no_call,
        placeholder=lambda target: catalogue.resolve(target.name).ls_model,
    )


def _greet(config: Config, route: Route) -> Callable[[], Awaitable[Check]] | None:
    """How to see whether Google can be reached, where calls go by us."""
    if not config.intercept:
        return None
    return partial(tls_probe.google, route.google or config.upstream or GOOGLE, ca=route.google_ca)


def _counter(config: Config, route: Route, bearer: Bearer) -> GoogleCount:
    """Goes the way that the language server's calls go."""
    where = route.endpoint or (config.upstream if route.proxy is None else None) or GOOGLE
    return GoogleCount(bearer, where.rstrip("/"), route.proxy, route.bundle)


# -- what is kept --------------------------------------------------------------------------------------------------


def _budget(config: Config) -> Budget:
    """What is kept nowhere, or on the disk, leaves its share to the turns."""
    inspected = _is_inspected(config)
    present = {"traces": config.trace, "responses": not config.store_path, "bodies": inspected, "views": inspected,
               "connections": config.websocket}  # fmt: skip
    return Budget(config.limits.store_bytes, [name for name, there in present.items() if not there])


async def _responses(ground: Base) -> ResponseStore:
    config, budget = ground.config, ground.budget
    store = await open_store(
        config.store_path,
        limit=config.limits.responses,
        max_age_s=config.limits.responses_seconds,
        max_bytes=FILE_BYTES if config.store_path else budget.share("responses"),
    )
    if not config.store_path:
        budget.watch("responses", lambda: store.bytes)
    return store


def _is_inspected(config: Config) -> bool:
    """Beyond loopback there is an inspector only with a token that somebody has chosen (T20)."""
    return bool(config.inspector and (config.inspector_token or is_loopback(config.host)))


def _inspector_token(config: Config) -> str | None:
    return (config.inspector_token or secrets.token_urlsafe(24)) if _is_inspected(config) else None


def _secret(file: Path) -> bytes:
    """The key of ``encrypted_content``, per install, so that clients' histories survive a restart."""
    try:
        if file.exists() and len(found := file.read_bytes()) == 32:
            return found
        made = secrets.token_bytes(32)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.write_bytes(made)
        return made
    except OSError as error:
        logger.warning("%s cannot be kept, reasoning from before a restart will be ignored: %s", file, error.strerror)
        return secrets.token_bytes(32)


def _announce(file: Path, url: str) -> None:
    temporary = file.with_suffix(".tmp")
    temporary.write_text(url + "\n")
    temporary.replace(file)
