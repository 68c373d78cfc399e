"""``Gateway``: all rooms put together from one configuration; started and stopped by the addon or the command line.

No mitmproxy in here: with ``--no-mitm`` and for replay the same gateway runs without it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import shlex
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

from zerogravity import ids
from zerogravity.backends.antigravity.child import LsChild, Route
from zerogravity.backends.antigravity.client import ABSENT, LsClient
from zerogravity.backends.antigravity.discover import discover
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.polling.polling import read_steps, told_in_full
from zerogravity.capture.tap import Tap
from zerogravity.config import Config, is_loopback
from zerogravity.core.budget import Budget
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target, Turn
from zerogravity.engine import Engine, Limits
from zerogravity.errors import Fault, FaultError
from zerogravity.observe import machine, otel, tls_probe
from zerogravity.observe.health import Check, Health
from zerogravity.observe.inspector.api import Inspector
from zerogravity.observe.ls_probe import LsProbe
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.recorder import NullRecorder, Recorder, TraceLimits, TraceSink
from zerogravity.observe.witnesses import Bodies, Witnesses
from zerogravity.server.app import Running, start_server
from zerogravity.server.counting import GOOGLE, GoogleCount
from zerogravity.server.services import Bearer, Services
from zerogravity.store.responses import MAX_BYTES as FILE_BYTES
from zerogravity.store.responses import open_store
from zerogravity.store.usage import UsageLog
from zerogravity.surfaces import chat, gemini, responses
from zerogravity.surfaces.base import Surface
from zerogravity.surfaces.common.models import Catalogue, family_of

logger = logging.getLogger("zerogravity")
SURFACES: Mapping[str, Surface] = {"responses": responses.surface, "chat": chat.surface, "gemini": gemini.surface}


class Gateway:
    """One process's rooms. ``start`` returns when agents are answered; ``stop`` ends every open stream properly.

    ``route``: how a language server that we start ourselves (``ls_command``) reaches the interceptor.
    """

    def __init__(self, config: Config, route: Route | None = None) -> None:
        self.config = config
        self.clock = time.monotonic_ns
        self.inspector_token = _inspector_token(config)
        self.budget = _budget(config, inspected=self.inspector_token is not None)
        self.store = MitmStore(
            self.clock,
            max_bytes=self.budget.share("turns"),
            call_bytes=self.budget.share("calls"),
            max_turns=config.limits.store_turns,
            max_age_s=config.limits.store_seconds,
            turn_bytes=config.limits.turn_bytes,
            turn_readers=config.limits.readers,
        )
        self.secret = _secret(config.data_path / "secret")
        self.bearer = Bearer(config.token)
        self.metrics = Metrics()
        self.catalogue = Catalogue(config.aliases, rewrites=config.intercept)
        self._route = route or Route()
        self.child = (
            LsChild(
                shlex.split(config.ls_command),
                self._route,
                changed=lambda up: self.keeper.child_changed(up),
                report=lambda trouble: self._tell("the language server of ls_command", trouble),
            )
            if config.ls_command
            else None
        )
        cert = Path(config.ls_cert) if config.ls_cert else None
        locate = self.child.locate if self.child is not None else partial(discover, csrf=config.ls_csrf, cert=cert)
        self.ls = LsClient(
            _given(config),
            rediscover=None if config.ls_url else locate,
            absent=ABSENT if self.child is None else "the language server of ls_command is not up (yet)",
            learn=self.catalogue.refresh,
        )
        self.health = Health(self.clock, intercepting=config.intercept)
        self.engine = self._engine()
        self.keeper = LsProbe(self.ls, self.health, besides=self.store.sweep, greet=self._greet())
        self.recorder = self._recorder()
        self.usage = UsageLog(config.data_path / "usage.sqlite", report=lambda trouble: self._tell("usage", trouble))
        self.spans = otel.start(self.store)
        self.bodies = Bodies(max_bytes=self.budget.share("bodies"))
        self.witnesses = Witnesses(self.recorder, *([self.bodies] if self.inspector_token else []))
        self._watch()
        self._running: Running | None = None

    def _engine(self) -> Engine[LsClient]:
        config = self.config
        by_steps: dict[str, Any] = {} if config.intercept else {"reader": read_steps, "message": told_in_full}
        return Engine(
            self.store,
            self.ls,
            limits=_limits(config),
            clock=self.clock,
            delete_cascades=config.delete_cascades,
            why_no_call=self.health.why_no_call,
            placeholder=lambda target: self.catalogue.resolve(target.name).ls_model,
            **by_steps,
        )

    def _greet(self) -> Callable[[], Awaitable[Check]] | None:
        """How to see whether Google can be reached, where calls go by us."""
        if not self.config.intercept:
            return None
        where = self._route.google or self.config.upstream or GOOGLE
        return partial(tls_probe.google, where, ca=self._route.google_ca)

    def _recorder(self) -> TraceSink:
        config = self.config
        if not config.trace:
            return NullRecorder()
        waiting = self.budget.share("traces") // 2  # for the thread, and by it for turns that have not begun
        limits = TraceLimits(max_bytes=config.trace_bytes, max_age_s=config.trace_days * 86400, job_bytes=waiting)
        return Recorder(
            config.trace_path,
            clock=self.clock,
            limits=limits,
            surfaces=SURFACES,
            secret=self.secret,
            report=lambda trouble: self._tell("traces", trouble),
        )

    def _tell(self, what: str, trouble: str | None) -> None:
        """Something beside the path works less well, or well again."""
        if trouble is None:
            self.health.recover(what)
        else:
            self.health.degrade(what, trouble)

    def _watch(self) -> None:
        self.metrics.watch(self.store)
        self.metrics.kept(self.budget)
        for name, held in (
            ("turns", lambda: self.store.bytes), ("calls", lambda: self.store.calls.bytes),
            ("bodies", lambda: self.bodies.bytes), ("traces", lambda: self.recorder.waiting_bytes),
        ):  # fmt: skip
            self.budget.watch(name, held)
        self.health.watch(self.store)
        self.recorder.attach(self.store)
        self.usage.attach(self.store)
        self.metrics.gauge("zg_queue_waiting", "Turns waiting for a place", lambda: self.engine.waiting)
        self.metrics.gauge("zg_queue_active", "Turns that have a place", lambda: self.engine.active)
        self.metrics.gauge("zg_ls_up", "Whether the language server serves turns, as far as is known",
                           lambda: self._hops()["language_server"])  # fmt: skip
        self.metrics.states("zg_hop_up", "Whether a hop of the path works, as far as is known", "hop", self._hops)
        self.metrics.counter("zg_tap_guarded", "Answers that went on unread by our own fault", lambda: Tap.failures)
        self.metrics.counter("zg_trace_dropped", "What traces did not record", lambda: self.recorder.dropped)

    def _counter(self) -> GoogleCount:
        """Goes the way that the language server's calls go."""
        route = self._route
        base = route.endpoint or (self.config.upstream if route.proxy is None else None) or GOOGLE
        return GoogleCount(self.bearer, base.rstrip("/"), route.proxy, route.bundle)

    def _inspector(self) -> Inspector | None:
        if self.inspector_token is None:
            return None
        made = Inspector(
            self.store,
            self.bodies,
            self.inspector_token,
            surfaces=SURFACES,
            secret=self.secret,
            clock=self.clock,
            health=self._shown,
            view_bytes=self.budget.share("views"),
        )
        self.budget.watch("views", lambda: made.replicas.bytes)
        return made

    def _shown(self) -> dict[str, Any]:
        """The inspector's health strip."""
        return {
            "line": self.health.line(),
            "checks": [check.as_json() for check in self.health.checks()],
            "active": self.engine.active,
            "waiting": self.engine.waiting,
            "held_bytes": self.store.bytes,
            "dropped": self.recorder.dropped,
        }

    @property
    def inspector_url(self) -> str | None:
        """The link that opens the inspector; it sets the page's cookie."""
        return f"{self.url}/inspector?token={self.inspector_token}" if self.inspector_token else None

    @property
    def url(self) -> str:
        """Where agents are answered, e.g. ``http://127.0.0.1:8741``; empty before the start."""
        return self._running.url if self._running is not None else ""

    async def start(self) -> None:
        """Open the front server. Raises OSError (port taken) or FaultError (refused configuration)."""
        config = self.config
        responses_store = await open_store(
            config.store_path,
            limit=config.limits.responses,
            max_age_s=config.limits.responses_seconds,
            max_bytes=FILE_BYTES if config.store_path else self.budget.share("responses"),
        )
        if not config.store_path:
            self.budget.watch("responses", lambda: responses_store.bytes)
        inspector = self._inspector()
        services = Services(
            store=self.store,
            engine=self.engine,
            catalogue=self.catalogue,
            config=config,
            responses=responses_store,  # the server closes it
            health=self.health,
            metrics=self.metrics,
            budget=self.budget,
            secret=self.secret,
            bearer=self.bearer,
            recorder=self.witnesses,
            count_tokens=self._counter(),
            mount=None if inspector is None else inspector.mount,
            surfaces=SURFACES,
        )
        self._running = await start_server(services)
        if self.child is not None:
            await self.child.start()
            if self._route.proxy is not None:
                with suppress(FaultError):  # what it does is not known for sure (F1); the environment is enough
                    await self.ls.use_proxy()
        self.keeper.start()
        if config.ready_file:
            _announce(Path(config.ready_file), self.url)

    async def stop(self) -> None:
        """Every open turn gets its terminal, then the server, then the connections to the LS."""
        self.health.stopping = True
        async with AsyncExitStack() as stack:  # last in, first out; one that fails keeps no other from its end
            for beside in (self.spans, self.usage, self.recorder):
                if beside is not None:
                    stack.push_async_callback(asyncio.to_thread, beside.close)
            if self.child is not None:
                stack.push_async_callback(self.child.stop)
            stack.push_async_callback(self.ls.close)
            if self._running is not None:
                stack.push_async_callback(self._running.stop)
            stack.push_async_callback(self.engine.close)
            stack.push_async_callback(self.keeper.stop)

    def _hops(self) -> dict[str, float]:
        return {check.name: float(check.ok) for check in self.health.checks()}

    # -- what the interceptor needs --------------------------------------------------------------------------

    def path_seen(self) -> None:
        """A request of the LS has come through the proxy."""
        self.health.path_seen()

    def path_refused(self, fault: Fault) -> None:
        """A call for Google has come through the proxy, and it could not be opened."""
        self.health.path_refused(fault)

    def google_seen(self, fault: Fault | None) -> None:
        """A call of the LS came here, and there was no connection to Google; None: Google answers."""
        self.health.google_seen(fault)

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
            target=Target(name, "", family=family_of(name)),
            google_request=request if isinstance(request, dict) else body,
            stream=True,
            created=int(time.time()),
        )
        channel = self.store.open(turn)
        channel.mark("matched")
        return channel


async def serve(config: Config) -> int:
    """A gateway without interception, until SIGINT or SIGTERM. Returns the exit code."""
    gateway = Gateway(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await gateway.start()
    except (OSError, FaultError) as error:
        logger.error("zerogravity can not serve: %s", machine.why(error, config.host, config.port, "--listen"))
        return 1
    else:
        logger.info("zerogravity answers agents on %s", gateway.url)
        await stop.wait()
        return 0
    finally:
        await gateway.stop()


def _budget(config: Config, *, inspected: bool) -> Budget:
    """What is kept nowhere, or on the disk, leaves its share to the turns."""
    present = {"traces": config.trace, "responses": not config.store_path, "bodies": inspected, "views": inspected,
               "connections": config.websocket}  # fmt: skip
    return Budget(config.limits.store_bytes, [name for name, there in present.items() if not there])


def _given(config: Config) -> Endpoint | None:
    if config.ls_url is None:
        return None
    cert = Path(config.ls_cert) if config.ls_cert else None
    return Endpoint(config.ls_url.rstrip("/"), config.ls_csrf or "", cert=cert)


def _limits(config: Config) -> Limits:
    limits = config.limits
    return Limits(
        concurrent=limits.turns,
        waiting=limits.waiting,
        queue_wait=limits.queue_seconds,
        match=limits.match_seconds,
        first_byte=limits.first_byte_seconds,
        idle=limits.idle_seconds,
        total=limits.turn_seconds,
    )


def _inspector_token(config: Config) -> str | None:
    """None: no inspector. Beyond loopback there is one only with a token that somebody has chosen (T20)."""
    if not config.inspector or not (config.inspector_token or is_loopback(config.host)):
        return None
    return config.inspector_token or secrets.token_urlsafe(24)


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
        logger.warning("%s can not be kept, reasoning from before a restart will be ignored: %s", file, error.strerror)
        return secrets.token_bytes(32)


def _announce(file: Path, url: str) -> None:
    temporary = file.with_suffix(".tmp")
    temporary.write_text(url + "\n")
    temporary.replace(file)
