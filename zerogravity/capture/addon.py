"""The mitmproxy addon: hooks → match, claim, rewrite, tap; starts and stops the gateway in mitmproxy's own loop.

Everything that decides something is in the pure modules beside this one; here is only the order of the hooks.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakSet

from mitmproxy import contentviews, ctx, exceptions, http, tls
from mitmproxy.addonmanager import Loader
from mitmproxy.log import ALERT
from mitmproxy.optmanager import unset
from mitmproxy.proxy.mode_specs import ReverseMode

from zerogravity import config as configuration
from zerogravity import logs
from zerogravity.capture import flow_bodies, ls_answer, match, proxy_guard, proxy_options, rewrite, tap
from zerogravity.capture.commands import Commands
from zerogravity.capture.contentview import GoogleStreamContentview
from zerogravity.compose import Gateway
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, RequestLine
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import RunningTurn
from zerogravity.errors import FaultError, Termination, internal, language_server, unreachable, untrusted
from zerogravity.hosts import is_google
from zerogravity.observe import machine
from zerogravity.wire import jsonio

logger = logging.getLogger("zerogravity.capture")

RESET = "stream reset by client"  # mitmproxy's words for either side's; whoever resets a stream has been reached


@dataclass(slots=True)
class Claim:
    """An attempt of a turn, from its request to the end of its answer."""

    running: RunningTurn
    expected: ls_answer.Expected
    tap: tap.Tap | None = None


class Interceptor:
    """The life of one Google call: matched, claimed, rewritten, tapped. Fails open: bytes flow whatever happens.

    ``claims``: beside the flows, not in their metadata: mitmproxy copies and saves that. ``kept``: whether somebody
    keeps flows, so that they need bodies.
    """

    def __init__(
        self,
        gateway: Gateway,
        abort: Callable[[http.HTTPFlow], None],
        kept: Callable[[], bool] = lambda: False,
    ) -> None:
        self.store: MitmStore = gateway.store
        self.claims: WeakKeyDictionary[http.HTTPFlow, Claim] = WeakKeyDictionary()
        self._bound: WeakSet[http.HTTPFlow] = WeakSet()  # for Google: what they meet tells of the path
        self._gateway = gateway
        self._abort = abort
        self._kept = kept

    def requestheaders(self, flow: http.HTTPFlow, *, google: bool = True) -> None:
        """``google``: that is where it goes; a proxy gets other requests as well."""
        if google:
            self._bound.add(flow)

    def request(self, flow: http.HTTPFlow) -> None:
        """Decide what this call is; put the turn into it if it is the agent call of an open turn."""
        if flow in self._bound:
            self._gateway.path_seen()
        if not match.is_generate_path(flow.request.path):
            return
        running: RunningTurn | None = None
        try:
            body = jsonio.loads(flow.request.get_content(strict=False) or b"")
            if not isinstance(body, dict):
                return
            found = match.match(flow.request.path, body)
            running = self.store.find(found.cascade_id) if found.cascade_id else None
            if running is None:
                self._gateway.metrics.unmatched(found.reason)
                self._passive(flow, body)
            elif found.kind == "checkpoint":
                if self._gateway.config.answer_checkpoints:
                    flow.response = _stopped(ls_answer.expected(flow.request.path, body.get("model")), "Conversation")
            elif found.kind != "agent":
                self._gateway.metrics.unmatched(found.reason)
            elif running.closed:
                flow.response = _stopped(ls_answer.expected(flow.request.path, body.get("model")))
            else:
                self._claim(flow, running, body)
        except Exception:  # guard: interception fails open (invariant 5)
            logger.exception("request left unchanged")
            self._gateway.metrics.failed_open("request")
            if running is not None:
                running.close(Failed(internal("the request to Google could not be rewritten")))

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Tap a claimed answer as it streams; an error answer to it is read whole, in ``response``. What is not ours
        streams through: mitmproxy would hold it back until its end."""
        claim = self.claims.get(flow)
        if flow.response is None:
            return
        if flow in self._bound and flow.server_conn.timestamp_start is not None:  # else it is our own answer
            self._gateway.google_seen(None)
        if claim is None:
            flow.response.stream = match.is_generate_path(flow.request.path)
            return
        headers, passive = flow.response.headers, claim.running.turn.surface == "passive"
        number = claim.running.attempt_answered(_line(flow))
        if flow.response.status_code != 200:
            return
        flow.metadata[flow_bodies.CALL] = number
        claim.tap = active = tap.Tap(
            claim.running,
            number,
            encoding=headers.get("content-encoding", ""),
            content_type=headers.get("content-type", ""),
            passive=passive,
            expected=claim.expected,
        )
        flow.response.stream = active.feed
        if passive:
            return  # the same bytes, under the same headers
        headers.pop("content-length", None)
        if active.inflates:
            headers.pop("content-encoding", None)
        if flow.request.http_version == "HTTP/1.1":
            headers["transfer-encoding"] = "chunked"

    def response(self, flow: http.HTTPFlow) -> None:
        """A claimed call that Google refused: the client gets the fault, the LS a clean stop (it would retry)."""
        claim = self.claims.pop(flow, None)
        if claim is None or flow.response is None:
            return
        running, response = claim.running, flow.response
        if claim.tap is not None:
            self._keep(flow, running.channel)
            return
        tap.refused(running, response.status_code, dict(response.headers), response.get_content(strict=False) or b"")
        if running.turn.surface != "passive":
            flow.metadata["zerogravity.original_status"] = response.status_code
            flow.response = _stopped(claim.expected)

    def error(self, flow: http.HTTPFlow) -> None:
        """The connection broke, before or in the middle of the answer: Google's, or the LS's that waits for it."""
        message = flow.error.msg if flow.error else "connection lost"
        reset, claim = message.startswith(RESET), self.claims.pop(flow, None)
        hung_up = not flow.client_conn.connected or (reset and flow.request.is_http2)
        lost, ours = unreachable(message), claim is not None and claim.running.closed  # then we have cut it
        if flow in self._bound and flow.response is None and not (hung_up or reset or ours):
            self._gateway.google_seen(lost)
        if claim is None:
            return
        gone = language_server(503, "ls_gone", "the language server ended or hung up", Termination.LS_GONE)
        if claim.tap is not None:
            claim.tap.abort(message, gone if hung_up else None)
            self._keep(flow, claim.running.channel)
        else:
            claim.running.close(Failed(gone if hung_up else lost))

    def _keep(self, flow: http.HTTPFlow, channel: CascadeChannel) -> None:
        """Somebody saves or shows this flow: it needs the body that has streamed by."""
        if self._kept():
            flow_bodies.fill(flow, channel)

    def _claim(self, flow: http.HTTPFlow, running: RunningTurn, body: dict[str, Any]) -> None:
        original = flow.request.get_content(strict=False) or b""
        running.mark("matched")
        done = rewrite.rewrite(body, running.turn)
        flow.request.content = done.body
        # What is compressed can not be read before a block is full.
        flow.request.headers.pop("accept-encoding", None)
        if (bearer := self._gateway.bearer.value) is not None:
            flow.request.headers["authorization"] = f"Bearer {bearer}"
        self.claims[flow] = Claim(running, ls_answer.expected(flow.request.path, body.get("model")))
        flow.comment = running.id
        number = running.attempt_sent(_line(flow), lambda: self._abort(flow))
        self._gateway.witnesses.upstream_request(running.id, number, original, done.body, dict(flow.request.headers))
        for note in done.notes:
            logger.debug("%s: %s", running.id, note)

    def _passive(self, flow: http.HTTPFlow, body: dict[str, Any]) -> None:
        """Record a call that is not ours, untouched, when ``capture_passive`` is on."""
        if not self._gateway.config.capture_passive:
            return
        running = self._gateway.passive_turn(flow.request.path, body)
        self.claims[flow] = Claim(running, ls_answer.expected(flow.request.path))
        flow.comment = running.id
        number = running.attempt_sent(_line(flow))
        content = flow.request.get_content(strict=False) or b""
        self._gateway.witnesses.upstream_request(running.id, number, content, content, dict(flow.request.headers))


def _line(flow: http.HTTPFlow) -> RequestLine:
    """How a call goes out. The version is the LS's own until Google has answered in another one."""
    return RequestLine(flow.request.method, flow.request.url, (flow.response or flow.request).http_version)


def _stopped(expected: ls_answer.Expected, text: str = ls_answer.FILLER) -> http.Response:
    """A local answer to the LS's call."""
    body = ls_answer.synthetic_stop(expected.model, text, envelope=expected.envelope, form=expected.form)
    return http.Response.make(200, body, {"content-type": expected.content_type})


class Capture:
    """What ``addons/capture.py`` hands to mitmproxy. Options start with ``zg_``; unset ones come from the
    environment (``ZEROGRAVITY_…``), the configuration file, then the defaults.

    ``flags``: what the user calls the options for the front server's port and the proxy's.
    """

    name = "zerogravity"

    def __init__(
        self, flags: tuple[str, str] = ("--set zg_listen=HOST:PORT", "--listen-port or --mode MODE@PORT")
    ) -> None:
        self.gateway: Gateway | None = None
        self._interceptor: Interceptor | None = None
        self._flags = flags
        self.addons = [
            Commands(lambda: self.gateway),
            proxy_guard.ProxyGuard(lambda: self.gateway),
        ]  # mitmproxy finds them here

    # -- options ---------------------------------------------------------------------------------------------

    def load(self, loader: Loader) -> None:
        logs.install()
        for name, kind, help_text in OPTIONS:
            loader.add_option(f"zg_{name}", kind, False if kind is bool else None, help_text)
        contentviews.add(GoogleStreamContentview())
        if not ctx.options.listen_host:  # mitmproxy would listen on all addresses
            ctx.options.update(listen_host=proxy_guard.LOOPBACK)

    def configure(self, updated: set[str]) -> None:
        if updated and not any(name.startswith("zg_") or name in ("mode", "listen_host") for name in updated):
            return
        why = self._no_start()
        if {"scripts", "mode"} <= updated:  # our file has just been loaded: an exception would be shown as its bug
            if why := why or proxy_guard.taken(self._flags[1]):
                logger.error("zerogravity can not serve: %s", why)
        elif why:
            raise exceptions.OptionsError(why)

    def _no_start(self) -> str | None:
        """Why the options are no good."""
        try:
            return proxy_guard.no_start(exposed=self._load_config().expose_proxy)
        except FaultError as error:
            return error.fault.told

    def _load_config(self) -> configuration.Config:
        """What has been given counts, ``false`` too; what has not is left to the environment, file and defaults."""
        known = {name.removeprefix("zg_"): option.value for name, option in ctx.options.items()}
        given = {name: known[name] for name, _, _ in OPTIONS if name != "config" and known[name] is not unset}
        return configuration.load(given, file=ctx.options.zg_config).config

    # -- start and stop --------------------------------------------------------------------------------------

    async def running(self) -> None:
        if self.gateway is not None:
            return
        if unknown := sorted(name for name in ctx.options.deferred if name.startswith("zg_")):
            logger.error("unknown options: %s; more settings in config.toml or as ZEROGRAVITY_…", ", ".join(unknown))
            return
        config = self._load_config()
        await proxy_guard.settle()
        if why := await proxy_guard.loops(config):
            logger.error("zerogravity can not serve: %s", why)  # an error during start ends mitmdump
            return
        proxy_options.prepare()
        gateway = Gateway(config, proxy_options.route())
        try:
            await gateway.start()
        except (OSError, FaultError) as error:
            await gateway.stop()
            logger.error("zerogravity can not serve: %s", machine.why(error, config.host, config.port, self._flags[0]))
            return
        proxy_options.settle()
        self.gateway = gateway
        self._interceptor = (
            Interceptor(gateway, abort_upstream, lambda: flow_bodies.kept(ctx.master)) if config.intercept else None
        )
        logger.log(ALERT, "zerogravity answers agents on %s", gateway.url)
        if gateway.inspector_url is not None:  # to the terminal alone: its token belongs in no log
            sys.stderr.write(f"inspector: {gateway.inspector_url}\n")
            sys.stderr.flush()

    async def done(self) -> None:
        gateway, self.gateway, self._interceptor = self.gateway, None, None
        if gateway is not None:
            await gateway.stop()

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Somebody's call to Google was opened and broken off: they do not take our certificate."""
        if self.gateway is not None and is_google(data.conn.sni):
            self.gateway.path_refused(untrusted(data.conn.error or "TLS failed"))

    # -- hooks -----------------------------------------------------------------------------------------------

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if self._interceptor is None or self.gateway is None:
            return
        google = is_google(flow.request.host)
        if (base := self.gateway.config.upstream) and google:
            redirect(flow, base)
        self._interceptor.requestheaders(flow, google=google or isinstance(flow.client_conn.proxy_mode, ReverseMode))

    def request(self, flow: http.HTTPFlow) -> None:
        if self._interceptor is not None and flow.response is None:
            self._interceptor.request(flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if self._interceptor is not None:
            self._interceptor.responseheaders(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        if self._interceptor is not None:
            self._interceptor.response(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        if self._interceptor is not None:
            self._interceptor.error(flow)


OPTIONS: tuple[tuple[str, Any, str], ...] = (
    ("config", str | None, "Configuration file (TOML)."),
    ("listen", str | None, "Where agents are answered, HOST:PORT; port 0 takes a free one."),
    ("key", str | None, "API key that agents must send; needed beyond loopback."),
    ("ls_url", str | None, "The language server's URL; default: found by itself."),
    ("ls_csrf", str | None, "The language server's CSRF token; better given as ZEROGRAVITY_LS_CSRF."),
    ("ls_cert", str | None, "PEM file that its certificate is pinned to."),
    ("ls_command", str | None, "Start a language server with this command and look after it."),
    ("upstream", str | None, "Send calls for Google's hosts to this base URL instead (a stand-in)."),
    ("trace", bool, "Write a trace folder for each turn."),
    ("trace_dir", str | None, "Where traces go."),
    ("store_path", str | None, "SQLite file for stored responses; default: memory only."),
    ("capture_passive", bool, "Record Google calls that are not ours as well, untouched."),
    ("expose_proxy", bool, "Let other machines use the proxy, where it listens beyond loopback."),
    ("ready_file", str | None, "Write the URL being served to this file when ready."),
)


def redirect(flow: http.HTTPFlow, base: str) -> None:
    """Send a call to the server at ``base`` instead of the host it names."""
    parts = urlsplit(base)
    flow.request.scheme = parts.scheme
    flow.request.host = parts.hostname or "localhost"
    flow.request.port = parts.port or (443 if parts.scheme == "https" else 80)
    flow.request.path = parts.path.rstrip("/") + flow.request.path


def abort_upstream(flow: http.HTTPFlow) -> None:
    """End a running call to Google; its ``error`` hook then runs as for any drop. mitmproxy can kill a flow only
    between hooks, so the transport itself is closed; where other calls share it, the stream alone is ended."""
    if flow.error is not None or (flow.response is not None and flow.response.timestamp_end is not None):
        return  # nothing runs any more; the connection may serve another turn
    if flow.server_conn.alpn == b"h2":
        proxy_guard.end_stream(flow)
    else:
        proxy_guard.cut(flow.server_conn)
