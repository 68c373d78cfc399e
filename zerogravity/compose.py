"""A configuration → a running gateway, composed of all packages: ``async with gateway(config) as running``.

An ``async with`` takes down in reverse order what it has set up; a part that fails to stop does not keep the others
from stopping. Constructors start nothing. ``front`` is the part that needs no language server: replays and tests put
another engine behind it. No mitmproxy in here.
"""

# long: all parts of one program, in the order in which they start and end

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from zerogravity import memory, open_files, tls_buffers
from zerogravity.backends.antigravity.backend import Antigravity
from zerogravity.backends.antigravity.repoint import Repointer
from zerogravity.backends.antigravity.repointed import FILE, RepointedFile
from zerogravity.backends.base import Backend, BackendListener, GoogleApi, Route, Words
from zerogravity.backends.choice import choose, runtime_settings, strange_google
from zerogravity.backends.polling.polling import Polling
from zerogravity.backends.runtime.backend import Runtime
from zerogravity.capture.tap import Tap
from zerogravity.config import Config
from zerogravity.cooldowns import Cooldowns
from zerogravity.core.budget import Budget
from zerogravity.core.registry import MitmStore
from zerogravity.engine import Engine
from zerogravity.errors import FaultError, Origin, bad_request
from zerogravity.failover import Failover
from zerogravity.lateness import Lateness
from zerogravity.mcp.rule import ServerTools
from zerogravity.mcp.sessions import ServerSessions
from zerogravity.observe import configured, machine, prices, quotas, tls_probe
from zerogravity.observe.health import Check, Health
from zerogravity.observe.history import History
from zerogravity.observe.inspector.api import Inspector
from zerogravity.observe.inspector.token import is_inspected, token_of
from zerogravity.observe.ls_probe import LsProbe
from zerogravity.observe.mcp_servers import McpServers
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.recorder import TraceSink
from zerogravity.observe.requests import Bodies, RequestSinks
from zerogravity.observe.runs import Runs
from zerogravity.observe.sessions import Sessions
from zerogravity.recording import recorded
from zerogravity.rounds import Rule
from zerogravity.server.app import FrontServer, start_server
from zerogravity.server.counting import APIS, GoogleCount
from zerogravity.server.services import Bearer, ModelCatalogue, Services, TurnRunner
from zerogravity.store.address import MEMORY
from zerogravity.store.base import MAX_BYTES as FILE_BYTES
from zerogravity.store.base import ResponseStore
from zerogravity.store.responses import open_store
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.base import Surfaces
from zerogravity.surfaces.common.models import Catalogue

logger = logging.getLogger("zerogravity")
PRICES_S = 1.0  # after the start, which takes all of a core; who needs them before reads them


@dataclass(frozen=True, slots=True)
class Base:
    """What everything else stands on: made from the configuration alone, in memory."""

    config: Config
    budget: Budget
    store: MitmStore
    health: Health
    metrics: Metrics
    runs: Runs
    lateness: Lateness
    cooldowns: Cooldowns
    mcp_servers: McpServers

    @classmethod
    def of(cls, config: Config, surfaces: Surfaces = REGISTRY) -> Base:
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
        metrics = Metrics(surfaces, config.own_name)
        metrics.watch(store)
        runs = Runs(scoped=bool(config.accepted_keys))
        runs.watch(store)
        lateness = Lateness(store.clock, busy=lambda: store.open_count > 0, report=metrics.loop_lag.set)
        store.on_open.append(lambda _: lateness.hurry())
        cooldowns = Cooldowns(limits.cooldown_seconds)
        metrics.gauge("zg_cooldowns", "Models that are left alone because Google says so", lambda: len([*cooldowns]))
        health = Health(store.clock, intercepting=config.intercept)
        mcp_servers = McpServers(config.mcp_servers)
        mcp_servers.watch(store)
        return cls(config, budget, store, health, metrics, runs, lateness, cooldowns, mcp_servers)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway. ``url``: where agents are answered, e.g. ``http://127.0.0.1:8741``. ``inspector_url``: the
    link that opens the inspector and sets the page's cookie; None: there is no inspector. ``reads_answers``, ``words``:
    see ``Backend``."""

    url: str
    inspector_url: str | None
    services: Services
    request_sinks: RequestSinks
    reads_answers: bool
    words: Words


class ClosableEngine(TurnRunner, Protocol):
    """What runs the turns of a front server."""

    async def close(self) -> None:
        """End every turn that runs."""
        ...


@asynccontextmanager
async def front(
    base: Base, engine: ClosableEngine, catalogue: ModelCatalogue, /, **services: Any
) -> AsyncGenerator[FrontServer]:
    """A front server; at the end every open turn gets its terminal event, then the server stops. ``services``: further
    ones, or replacements, by name. Raises OSError (port taken) or FaultError (a store that cannot be used)."""
    given: dict[str, Any] = {
        "store": base.store, "config": base.config, "health": base.health, "metrics": base.metrics,
        "runs": base.runs, "budget": base.budget, "cooldowns": base.cooldowns,
        "mcp_servers": base.mcp_servers, "engine": engine,
        "catalogue": catalogue, "surfaces": REGISTRY,
        **services,
    }  # fmt: skip
    if "responses" not in given:
        given["responses"] = await _responses(base)
    async with AsyncExitStack() as stack:
        server = await start_server(Services(**given))  # which closes the responses
        base.lateness.start()
        stack.callback(base.lateness.stop)
        stack.push_async_callback(server.stop)
        stack.push_async_callback(engine.close)
        yield server


@asynccontextmanager
async def gateway(
    config: Config, route: Route | None = None, backend: Backend | None = None
) -> AsyncGenerator[Gateway]:
    """Everything. ``route``: how a language server reaches the interceptor, for one that we start (``ls_command``) or
    re-point. ``backend``: who makes the calls to Google; by default the language server that ``config`` names.

    Raises OSError (port taken) or FaultError (refused configuration, a language server that does not start).
    """
    open_files.allow_many()
    tls_buffers.keep_small()
    base, route = Base.of(config), route or Route()
    catalogue, bearer = Catalogue(config.aliases, rewrites=config.intercept), Bearer(config.token)
    async with AsyncExitStack() as stack:
        stack.enter_context(memory.given_back(base.store))
        responses, secret = await _responses(base), _secret(config.data_path / "secret")
        stack.push_async_callback(responses.close)
        if responses.peers is not None:
            secret = await responses.peers.secret(secret)
        sessions = Sessions(secret)
        recorder = await stack.enter_async_context(recorded(config, base.store, base.health, base.budget, sessions))
        async for check in configured.leftovers(config):
            logger.warning("%s", check.line)
        backend = backend or await _backend(base, route)
        stack.push_async_callback(backend.close)
        mcp_sessions = ServerSessions(config.limits)
        base.store.on_closed.append(mcp_sessions.turn_closed)
        stack.push_async_callback(mcp_sessions.close)
        tools = ServerTools(
            config, mcp_sessions, base.metrics.mcp_call, lambda surface: REGISTRY[surface].assigns_call_ids
        )
        engine = _engine(base, backend, catalogue, [tools])
        probe = LsProbe(
            backend,
            base.health,
            after_check=base.store.sweep,
            probe_google=_google_probe(config, route, backend.google),
        )
        backend.set_callbacks(BackendListener(catalogue.refresh, probe.child_changed, base.health.report))
        token = token_of(config)
        bodies = Bodies(max_bytes=base.budget.share("bodies"))
        request_sinks = RequestSinks(recorder, *([bodies] if token else []))
        _add_gauges(base, engine, recorder, bodies)
        server = await stack.enter_async_context(front(
            base, engine, catalogue, responses=responses, secret=secret, bearer=bearer, recorder=request_sinks,
            count_tokens=_counter(config, route, bearer, backend.google),
            mount=_inspector(base, engine, recorder, bodies, token, secret, sessions, catalogue).mount
            if token else None,
        ))  # fmt: skip
        await backend.start()
        probe.start()
        stack.push_async_callback(probe.stop)
        if config.ready_file:
            _write_ready_file(Path(config.ready_file), server.url)
        stack.callback(setattr, base.health, "stopping", True)
        _read_prices_later(stack)
        inspector_url = f"{server.url}/inspector?token={token}" if token else None
        yield Gateway(server.url, inspector_url, server.services, request_sinks, backend.reads_answers, backend.words)


def _read_prices_later(stack: AsyncExitStack) -> None:
    """In a thread that ends with ``stack``."""
    loader = threading.Timer(PRICES_S, prices.load)
    loader.name, loader.daemon = "zerogravity-prices", True
    loader.start()
    stack.push_async_callback(asyncio.to_thread, loader.join)
    stack.callback(loader.cancel)


async def serve(config: Config, started: Callable[[Config, Gateway], None] | None = None) -> int:
    """A gateway without interception, until SIGINT or SIGTERM. Returns the exit code. ``started``: is told when it
    answers."""
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
        if started is not None:
            started(config, running)
        await stop.wait()
        return 0


# -- background work ------------------------------------------------------------------------------------------------


def _add_gauges(base: Base, engine: Engine, recorder: TraceSink, bodies: Bodies) -> None:
    metrics, health, store, budget = base.metrics, base.health, base.store, base.budget

    def hops() -> dict[str, float]:
        return {check.name: float(check.ok) for check in health.checks()}

    metrics.watch_budget(budget)
    budget.watch("turns", lambda: store.bytes)
    budget.watch("calls", lambda: store.calls.bytes)
    budget.watch("bodies", lambda: bodies.bytes)
    budget.watch("traces", lambda: recorder.waiting_bytes)
    metrics.gauge("zg_queue_waiting", "Turns waiting in the queue", lambda: engine.waiting)
    metrics.gauge("zg_queue_active", "Turns that have a place", lambda: engine.active)
    metrics.gauge("zg_ls_up", "Whether the language server, or the runtime, serves turns, as far as is known",
                  lambda: hops()["language_server"])  # fmt: skip
    metrics.states("zg_hop_up", "Whether a hop of the path works, as far as is known", "hop", hops)
    metrics.counter("zg_tap_guarded", "Answers passed on unread after an internal error", lambda: Tap.failures)
    metrics.counter("zg_trace_dropped", "What traces did not record", lambda: recorder.dropped)


def _inspector(
    base: Base, engine: Engine, recorder: TraceSink, bodies: Bodies, token: str, secret: bytes, sessions: Sessions,
    catalogue: Catalogue,
) -> Inspector:  # fmt: skip
    def shown() -> dict[str, Any]:
        """The health strip."""
        return {
            "line": base.health.line(),
            "checks": [check.as_json() for check in base.health.checks()],
            "cooldowns": base.cooldowns.as_json(),
            "mcp_servers": base.mcp_servers.as_json(),
            "active": engine.active,
            "waiting": engine.waiting,
            "held_bytes": base.store.bytes,
            "dropped": recorder.dropped,
            "quota": [quota.as_json() for quota in quotas.of(catalogue.list())],
        }

    def cancel(turn_id: str) -> bool:
        channel = base.store.get(turn_id)
        return channel is not None and engine.cancel(channel)

    made = Inspector(
        base.store, bodies, token, surfaces=REGISTRY, secret=secret, clock=base.store.clock, health=shown,
        sessions=sessions, cancel=cancel, abandoned=base.runs.has_ended,
        history=History(base.config.trace_path, fresh=True) if base.config.trace else None,
        view_bytes=base.budget.share("views"),
    )  # fmt: skip
    base.budget.watch("views", lambda: made.replicas.bytes)
    return made


# -- the language server -------------------------------------------------------------------------------------------


async def _backend(base: Base, route: Route) -> Backend:
    config = base.config
    chosen = await choose(config, route.google, routed=route.leads_here)
    runtime = runtime_settings(config)
    fault = strange_google(chosen.ls, route.google, runtime)
    if chosen.ls == "runtime":
        if fault is not None:
            raise FaultError(fault)
        return Runtime(runtime, route, limit=base.lateness.limit)
    if fault is not None and not config.capture_passive:  # else it is other programs' calls that go there
        logger.warning("%s", fault.full_message)
    settings: dict[str, Any] = {
        "url": config.ls_url,
        "csrf": config.ls_csrf,
        "cert": Path(config.ls_cert) if config.ls_cert else None,
        "command": config.ls_command,
        "route": route,
        "deletes": config.delete_cascades,
        "repointer": _repointer(base, route) if config.repoint else None,
    }
    if config.intercept:
        return Antigravity(**settings)
    return Polling({surface.name: surface.schema_param for surface in REGISTRY.values()}, **settings)


def _repointer(base: Base, route: Route) -> Repointer:
    if not route.endpoint:
        text = "repoint needs a reverse mode of mitmproxy, as the first one: --mode reverse:https://HOST@PORT"
        raise bad_request(text, param="repoint", code="invalid_config")
    made = Repointer(RepointedFile(base.config.data_path / FILE), route, base.health.path_laid)
    base.health.on_call.append(made.call_came)
    return made


def _engine(base: Base, backend: Backend, catalogue: Catalogue, rules: Sequence[Rule]) -> Engine:
    return Engine(
        base.store,
        backend,
        limits=base.config.limits,
        clock=base.store.clock,
        why_no_call=base.health.why_no_call,
        late=base.lateness.since,
        placeholder=lambda target: catalogue.resolve(target.name).ls_model,
        rules=[_failover(base), *rules],
    )


def _failover(base: Base) -> Failover:
    limits = base.config.limits
    return Failover(
        base.cooldowns,
        clock=base.store.clock,
        seen=lambda channel: REGISTRY[channel.turn.surface].answers(channel),
        pause=limits.retry_seconds if base.config.intercept else 0,  # else the language server tries again itself
        turn_seconds=limits.turn_seconds,
        count=base.metrics.failed_over,
    )


def _google_probe(config: Config, route: Route, google: GoogleApi) -> Callable[[], Awaitable[Check]] | None:
    """How to see whether Google can be reached, where its calls pass through us."""
    if not config.intercept:
        return None
    return partial(tls_probe.google, route.google or config.upstream or google.url, ca=route.google_ca)


def _counter(config: Config, route: Route, bearer: Bearer, google: GoogleApi) -> GoogleCount:
    """Takes the same way to Google as the language server's calls, and to the same API."""
    where = route.endpoint or (config.upstream if route.proxy is None else None) or google.url
    return GoogleCount(
        APIS[google.name],
        lambda: bearer.value if google.name == "editor" else google.key,
        where.rstrip("/"),
        route.proxy,
        route.bundle,
    )


# -- what is kept --------------------------------------------------------------------------------------------------


def _budget(config: Config) -> Budget:
    """What is not kept in memory leaves its share to the turns."""
    inspected = is_inspected(config)
    in_memory = {
        "traces": config.trace,
        "responses": config.store == MEMORY or not config.store_required,
        "bodies": inspected,
        "views": inspected,
        "connections": config.websocket,
    }
    return Budget(config.limits.store_bytes, [name for name, kept in in_memory.items() if not kept])


async def _responses(base: Base) -> ResponseStore:
    config, budget = base.config, base.budget
    if config.store != MEMORY:
        report = partial(base.health.report, "store")
        base.metrics.gauge("zg_store_up", "Whether the store can be used, as far as is known",
                           lambda: float("store" not in base.health.degraded))  # fmt: skip
        try:
            return await _opened(config, config.store, FILE_BYTES, report)
        except FaultError as error:
            if config.store_required or error.fault.origin is Origin.CLIENT:
                raise
            text = f"{error.fault.message}; responses are kept in memory until the next start"
            logger.warning("%s", text)
            report(text)
    store = await _opened(config, MEMORY, budget.share("responses"))
    budget.watch("responses", lambda: store.bytes)
    return store


async def _opened(
    config: Config, store: str, max_bytes: int, report: Callable[[str | None], object] = lambda _: None
) -> ResponseStore:
    limits = config.limits
    return await open_store(
        store, limit=limits.responses, max_age_s=limits.responses_seconds, max_bytes=max_bytes, report=report
    )


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
        logger.warning(
            "%s cannot be written, so a restart will make clients' reasoning unreadable: %s", file, error.strerror
        )
        return secrets.token_bytes(32)


def _write_ready_file(file: Path, url: str) -> None:
    temporary = file.with_suffix(".tmp")
    temporary.write_text(url + "\n")
    temporary.replace(file)
