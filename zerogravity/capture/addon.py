"""The mitmproxy addon: its options, and the gateway started and stopped in mitmproxy's own loop.

Calls are handled by ``interceptor``, admission by ``proxy_guard``; this one gives them what they work with.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.log import ALERT
from mitmproxy.optmanager import unset

from zerogravity import config as configuration
from zerogravity import logs, memory
from zerogravity.capture import commands, flow_bodies, interceptor, mitm, proxy_guard, proxy_options, relay
from zerogravity.carrier.pool import Carrier
from zerogravity.compose import Gateway, gateway
from zerogravity.errors import FaultError
from zerogravity.observe import log_output, machine

logger = logging.getLogger("zerogravity.capture")


class Capture:
    """What ``addons/capture.py`` hands to mitmproxy. Options start with ``zg_``; unset ones come from the
    environment (``ZEROGRAVITY_…``), the configuration file, then the defaults.

    ``flags``: how the user sets the front server's port and the proxy's, for error messages. ``started``: is told when
    agents are answered, by a program that prints the log itself; None: under mitmdump.
    """

    name = "zerogravity"

    def __init__(
        self,
        flags: tuple[str, str] = ("--set zg_listen=HOST:PORT", "--listen-port or --mode MODE@PORT"),
        started: Callable[[configuration.Config, Gateway], None] | None = None,
    ) -> None:
        self.commands = commands.Commands()
        self.relay = relay.Relay(self._turn_of, lambda: self.interceptor.failed_open("relay"))
        self.interceptor = interceptor.Interceptor(abort=self.relay.abort, keeps_flows=flow_bodies.flows_are_kept)
        self.guard = proxy_guard.ProxyGuard()
        self.addons = [
            self.commands,
            self.interceptor,
            self.relay,
            self.guard,
        ]  # mitmproxy finds them here, and calls their hooks in this order
        self._layers = relay.LayerChoice(self.relay)
        self._running: AsyncExitStack | None = None
        self._flags = flags
        self._started = started

    # -- options ---------------------------------------------------------------------------------------------

    def load(self, loader: Loader) -> None:
        logs.install()
        memory.reuse()  # in mitmdump: ``serve`` has done so before
        for name, kind, help_text in OPTIONS:
            loader.add_option(f"zg_{name}", kind, False if kind is bool else None, help_text)
        if not ctx.options.listen_host:  # mitmproxy would listen on all addresses
            mitm.set_options(ctx.options, listen_host=proxy_guard.LOOPBACK)

    def configure(self, updated: set[str]) -> None:
        if "termlog_verbosity" in updated and mitm.addon("eventstore") is None:  # which shows records of any level
            logging.getLogger("zerogravity").setLevel(ctx.options.termlog_verbosity.upper())  # none in vain
        if updated and not any(name.startswith("zg_") or name in ("mode", "listen_host") for name in updated):
            return
        why = self._bad_options()
        if {"scripts", "mode"} <= updated:  # our file has just been loaded: an exception would look like its bug
            if why := why or proxy_guard.port_taken(self._flags[1]):
                logger.error("zerogravity cannot serve: %s", why)
        elif why:
            raise exceptions.OptionsError(why)

    def _bad_options(self) -> str | None:
        """Why it cannot start with these options."""
        try:
            return proxy_guard.bad_modes(exposed=self._load_config().expose_proxy)
        except FaultError as error:
            return error.fault.full_message

    def _load_config(self) -> configuration.Config:
        """Options that were given count, ``false`` too; the others are left to the environment, file and defaults."""
        known = {name.removeprefix("zg_"): option.value for name, option in ctx.options.items()}
        given = {name: known[name] for name, _, _ in OPTIONS if name != "config" and known[name] is not unset}
        return configuration.load(given, file=ctx.options.zg_config).config

    # -- start and stop --------------------------------------------------------------------------------------

    async def running(self) -> None:
        if self._running is not None:
            return
        if unknown := sorted(name for name in ctx.options.deferred if name.startswith("zg_")):
            logger.error("unknown options: %s; other settings go into config.toml or ZEROGRAVITY_…", ", ".join(unknown))
            return
        config = self._load_config()
        await proxy_guard.rebind_to_loopback()
        if why := await proxy_guard.self_target(config):
            logger.error("zerogravity cannot serve: %s", why)  # an error during start ends mitmdump
            return
        proxy_options.prepare()
        async with AsyncExitStack() as stack:
            if self._started is None and config.log is not None:
                mitm.no_terminal_log()
                stack.enter_context(log_output.printed(sys.stdout, config.log))
            if self._started is None and config.loop != "auto":
                logger.warning("loop = %s has no effect here: mitmdump has chosen the event loop", config.loop)
            route = proxy_options.route()
            if config.relay and config.intercept:
                self._relay(stack, route.google or config.upstream)
            try:
                made = await stack.enter_async_context(gateway(config, route))
            except (OSError, FaultError) as error:
                why = machine.why(error, config.host, config.port, self._flags[0])
                logger.error("zerogravity cannot serve: %s", why)
                return
            self._running = stack.pop_all()
        proxy_options.freeze_imports()
        self._connect(config, made)
        if self._started is not None:
            self._started(config, made)
            return
        logger.log(ALERT, "zerogravity answers agents on %s", made.url)
        if made.inspector_url is not None:  # to the terminal alone: its token must not be in a log
            sys.stderr.write(f"inspector: {made.inspector_url}\n")
            sys.stderr.flush()

    def _connect(self, config: configuration.Config, made: Gateway) -> None:
        """Give the other addons what they work with while the gateway runs."""
        services = made.services
        self.guard.front = proxy_guard.Front(config, made.url, services.health.path_refused)
        services.store.on_open.append(self.relay.turn_begins)
        services.store.on_closed.append(self.relay.turn_ends)
        self.commands.deps = commands.Deps(services.store, config.trace_path, services.health)
        if config.intercept:
            self.interceptor.deps = interceptor.Deps(
                services.store, services.health, services.metrics, made.request_sinks,
                bearer=lambda: services.bearer.value, upstream=config.upstream,
                titles=config.answer_checkpoints, passive=config.capture_passive,
                reads_answers=made.reads_answers, name=made.words.name,
            )  # fmt: skip

    def _turn_of(self, flow: http.HTTPFlow) -> str | None:
        return self.interceptor.turn_of(flow)

    def _relay(self, stack: AsyncExitStack, google: str | None) -> None:
        """Claimed calls go out past mitmproxy from now on, once they are made."""
        made = self.relay.carrier = Carrier(relay.trust, self.guard.leads_back)
        self.relay.google = relay.target_of(google) if google else None
        stack.push_async_callback(made.close)
        if mitm.addon(self._layers.name) is None:
            mitm.add_addons(ctx.master, self._layers)  # behind mitmproxy's own choice

    async def done(self) -> None:
        logging.getLogger("zerogravity").setLevel(logging.NOTSET)
        running, self._running = self._running, None
        self.guard.front = self.relay.carrier = self.commands.deps = self.interceptor.deps = None
        if running is not None:
            await running.aclose()


OPTIONS: tuple[tuple[str, Any, str], ...] = (
    ("config", str | None, "Configuration file (TOML)."),
    ("listen", str | None, "Where agents are answered, HOST:PORT; port 0 takes a free one."),
    ("key", str | None, "API key that agents must send; needed beyond loopback."),
    ("ls", str | None, "The editor's language server or Google's runtime: auto, editor or runtime."),
    ("ls_url", str | None, "The language server's URL; default: found by itself."),
    ("ls_csrf", str | None, "The language server's CSRF token; better given as ZEROGRAVITY_LS_CSRF."),
    ("ls_cert", str | None, "PEM file that its certificate is pinned to."),
    ("ls_command", str | None, "Start a language server with this command and look after it."),
    ("runtime_path", str | None, "The runtime's program; default: that of the package google-antigravity."),
    ("repoint", bool, "Make the running language server call us, and Google again at our end (reverse mode)."),
    ("upstream", str | None, "Send calls for Google's hosts to this base URL instead (a stand-in)."),
    ("trace", bool, "Keep a trace folder of each turn; false turns it off."),
    ("trace_dir", str | None, "Where traces go."),
    ("store", str | None, "Where responses are stored: memory or an SQLite file; a Redis better by ZEROGRAVITY_STORE."),
    ("store_path", str | None, "The old name of zg_store."),
    ("capture_passive", bool, "Record Google calls that are not ours as well, untouched."),
    ("expose_proxy", bool, "Let other machines use the proxy, where it listens beyond loopback."),
    ("ready_file", str | None, "Write the URL being served to this file when ready."),
)
