"""The life of one Google call as mitmproxy's hooks: matched, claimed, rewritten, tapped.

Fails open: bytes flow whatever happens. The decisions are pure, in modules of their own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakSet

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from zerogravity import ids
from zerogravity.capture import decision, flow_bodies, ls_answer, match, mitm, passive, proxy_guard, rewrite, tap
from zerogravity.capture.decision import Action
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, RequestLine
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import PASSIVE
from zerogravity.errors import internal
from zerogravity.hosts import is_google
from zerogravity.observe.health import Health
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.requests import RequestSinks
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

logger = logging.getLogger("zerogravity.capture")
NAME = "the language server"


@dataclass(frozen=True, slots=True)
class Deps:
    """What the interceptor works with. ``bearer``: replaces the LS's own login, where there is one. ``upstream``: where
    calls go instead of Google. ``titles, passive``: see ``decision``. ``reads_answers``: see ``Backend``.
    ``name``: what people read about the back end."""

    store: MitmStore
    health: Health
    metrics: Metrics
    request_sinks: RequestSinks
    bearer: Callable[[], str | None] = lambda: None
    upstream: str | None = None
    titles: bool = True
    passive: bool = False
    reads_answers: bool = True
    name: str = NAME


@dataclass(slots=True)
class Claim:
    """An attempt of a turn, from its request to the end of its answer."""

    running: RunningTurn
    expected: ls_answer.Expected
    tap: tap.Tap | None = None


class Interceptor:
    """``deps``: set while the gateway runs; without them calls pass. ``abort``: ends a running call to Google;
    ``given_up``: whether the language server has, of a call over HTTP/2. ``keeps_flows``: whether flows are kept, so
    that they need bodies.

    ``claims``: not in the flows' metadata, which mitmproxy copies and saves.
    """

    name = "zerogravity.interceptor"

    def __init__(
        self,
        abort: Callable[[http.HTTPFlow], None] = proxy_guard.abort,
        given_up: Callable[[http.HTTPFlow], bool] = proxy_guard.given_up,
        keeps_flows: Callable[[], bool] = lambda: False,
    ) -> None:
        self.deps: Deps | None = None
        self.claims: WeakKeyDictionary[http.HTTPFlow, Claim] = WeakKeyDictionary()
        self._to_google: WeakSet[http.HTTPFlow] = WeakSet()  # their fate shows whether the path to Google works
        self._abort = abort
        self._given_up = given_up
        self._keeps_flows = keeps_flows

    def turn_of(self, flow: http.HTTPFlow) -> str | None:
        """The turn that has claimed this call; None: nobody has, or it is only recorded."""
        claim = self.claims.get(flow)
        return None if claim is None or claim.running.turn.surface == PASSIVE else claim.running.id

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Note what goes to Google: a proxy gets other requests as well."""
        if self.deps is None:
            return
        google = is_google(flow.request.host)
        if google or isinstance(flow.client_conn.proxy_mode, ReverseMode):
            self._to_google.add(flow)
        if google and self.deps.upstream:
            redirect(flow, self.deps.upstream)

    def request(self, flow: http.HTTPFlow) -> None:
        """Decide what this call is; put the turn into it if it is the agent call of an open turn."""
        if (deps := self.deps) is None or flow.response is not None:
            return
        if flow in self._to_google:
            deps.health.path_seen(flow.request.path)
        if not match.is_generate_path(flow.request.path):
            return
        running: RunningTurn | None = None
        try:
            content = flow.request.get_content(strict=False) or b""
            body = narrow.an_object(jsonio.exact(content))
            if body is not None:
                found = match.match(flow.request.path, body)
                running = deps.store.find(found.cascade_id) if found.cascade_id else None
                self._act(deps, flow, content, body, found, running)
        except Exception:  # guard: interception fails open (invariant 5)
            logger.exception("rewriting failed; the request goes to Google unchanged")
            self.failed_open("request")
            if running is not None:
                running.close(Failed(internal("the request to Google could not be rewritten")))

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Tap a claimed answer as it streams; an error answer is read whole, in ``response``. What is not ours streams
        through: mitmproxy would otherwise buffer it to its end."""
        if self.deps is None or flow.response is None:
            return
        if flow in self._to_google and flow.server_conn.timestamp_start is not None:  # else it is our own answer
            self.deps.health.google_seen(None)
        if (claim := self.claims.get(flow)) is None:
            flow.response.stream = match.is_generate_path(flow.request.path)
            return
        number = claim.running.attempt_answered(_line(flow))
        if flow.response.status_code == 200:
            claim.tap = _tapped(flow, flow.response, claim, number, muted=not self.deps.reads_answers)

    def response(self, flow: http.HTTPFlow) -> None:
        """A claimed call that Google refused: the client gets the fault, the LS a clean stop (it would retry)."""
        claim = self.claims.pop(flow, None)
        if claim is None or flow.response is None:
            return
        running, response = claim.running, flow.response
        if claim.tap is not None:
            _untap(flow)
            self._fill_body(flow, running.channel)
            return
        tap.close_with_error(
            running, response.status_code, dict(response.headers), response.get_content(strict=False) or b"",
            claim.expected.api,
        )  # fmt: skip
        if running.turn.surface != PASSIVE:
            flow.metadata["zerogravity.original_status"] = response.status_code
            flow.response = _stopped(claim.expected)

    def error(self, flow: http.HTTPFlow) -> None:
        """The connection broke, before or in the middle of the answer: Google's, or the LS's that waits for it."""
        claim, message = self.claims.pop(flow, None), flow.error.msg if flow.error else "connection lost"
        loss = decision.connection_loss(
            message, name=NAME if self.deps is None else self.deps.name,
            connected=flow.client_conn.connected, given_up=self._given_up(flow),
            answered=flow.response is not None, ours=claim is not None and claim.running.closed,
        )  # fmt: skip
        if self.deps is not None and flow in self._to_google and loss.google_away:
            self.deps.health.google_seen(loss.lost)
        if claim is None:
            return
        if claim.tap is not None:
            claim.tap.abort(message, loss.gone)
            _untap(flow)
            self._fill_body(flow, claim.running.channel)
        else:
            claim.running.close(Failed(loss.fault))

    def failed_open(self, place: str) -> None:
        """Count a fault of our own."""
        if self.deps is not None:
            self.deps.metrics.failed_open(place)

    def _act(
        self, deps: Deps, flow: http.HTTPFlow, content: bytes, body: Json, found: match.Match,
        running: RunningTurn | None,
    ) -> None:  # fmt: skip
        action = decision.decide(found, running, titles=deps.titles, passive=deps.passive)
        if action in (Action.COUNT, Action.RECORD):
            deps.metrics.unmatched(found.reason)
        expected = ls_answer.expected(flow.request.path, body.get("model"))
        if action is Action.TITLE:
            flow.response = _stopped(expected, "Conversation")
        elif action is Action.STOP:
            flow.response = _stopped(expected)
        elif action is Action.RECORD:
            self._record(deps, flow, content, body)
        elif action is Action.CLAIM and running is not None:
            self._claim(deps, flow, content, body, Claim(running, expected))

    def _claim(self, deps: Deps, flow: http.HTTPFlow, content: bytes, body: Json, claim: Claim) -> None:
        running = claim.running
        running.mark("matched")
        done = rewrite.rewrite(body, running.turn)
        flow.request.content = done.body
        headers = mitm.headers(flow.request)
        headers.pop("accept-encoding", None)  # compressed data cannot be read before a block is full
        if (bearer := deps.bearer()) is not None:
            headers["authorization"] = f"Bearer {bearer}"
        self._track(deps, flow, claim, content, done.body, abort=lambda: self._abort(flow))
        if done.notes:
            logger.debug("%s: %s", running.id, "; ".join(done.notes))

    def _record(self, deps: Deps, flow: http.HTTPFlow, content: bytes, body: Json) -> None:
        """A call that is not ours, untouched."""
        created, headers = round(time.time(), 3), mitm.headers(flow.request)
        turn = passive.turn_of(flow.request.path, body, ids.new("turn"), created, headers)
        running = deps.store.open(turn)
        running.mark("matched")
        self._track(deps, flow, Claim(running, ls_answer.expected(flow.request.path)), content, content)

    def _track(
        self, deps: Deps, flow: http.HTTPFlow, claim: Claim, original: bytes, sent: bytes,
        *, abort: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        running = claim.running
        self.claims[flow] = claim
        flow.comment = running.id
        number = running.attempt_sent(_line(flow), abort)
        deps.request_sinks.upstream_request(running.id, number, original, sent, dict(flow.request.headers))

    def _fill_body(self, flow: http.HTTPFlow, channel: CascadeChannel) -> None:
        """A flow that is saved or shown needs the body that has streamed by."""
        if self._keeps_flows():
            flow_bodies.fill(flow, channel)


def redirect(flow: http.HTTPFlow, base: str) -> None:
    """Send a call to the server at ``base`` instead of the host it names."""
    parts = urlsplit(base)
    flow.request.scheme = parts.scheme
    flow.request.host = parts.hostname or "localhost"
    flow.request.port = parts.port or (443 if parts.scheme == "https" else 80)
    flow.request.path = parts.path.rstrip("/") + flow.request.path


def _tapped(flow: http.HTTPFlow, response: http.Response, claim: Claim, number: int, *, muted: bool) -> tap.Tap:
    """The tap of an answer. A passive one keeps its bytes and its headers."""
    running, headers = claim.running, mitm.headers(response)
    untouched = running.turn.surface == PASSIVE
    flow.metadata[flow_bodies.ATTEMPT] = number
    made = tap.Tap(
        running,
        number,
        encoding=headers.get("content-encoding", ""),
        content_type=headers.get("content-type", ""),
        passive=untouched,
        muted=muted and not untouched,
        expected=claim.expected,
    )
    response.stream = made.feed
    if not untouched:
        headers.pop("content-length", None)
        if made.inflates:
            headers.pop("content-encoding", None)
        if flow.request.http_version == "HTTP/1.1":
            headers["transfer-encoding"] = "chunked"
    return made


def _untap(flow: http.HTTPFlow) -> None:
    """The answer is over. What mitmproxy has of a flow is freed when the garbage collector comes round: the turn, with
    a request of perhaps many MB, must not wait for that."""
    if flow.response is not None:
        flow.response.stream = True


def _line(flow: http.HTTPFlow) -> RequestLine:
    """How a call goes out. The version is the LS's own until Google has answered in another one."""
    return RequestLine(flow.request.method, flow.request.url, (flow.response or flow.request).http_version)


def _stopped(expected: ls_answer.Expected, text: str = ls_answer.FILLER) -> http.Response:
    """A local answer to the LS's call."""
    body = ls_answer.synthetic_stop(expected.model, text, envelope=expected.envelope, form=expected.form)
    return http.Response.make(200, body, {"content-type": expected.content_type})
