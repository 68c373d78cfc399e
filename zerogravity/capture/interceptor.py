"""The life of one Google call as mitmproxy's hooks: matched, claimed, rewritten, tapped.

Fails open: bytes flow whatever happens. What decides something is pure and beside this module.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakSet

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from zerogravity import ids
from zerogravity.capture import decision, flow_bodies, ls_answer, match, passive, proxy_guard, rewrite, tap
from zerogravity.capture.decision import Action
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, RequestLine
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import RunningTurn
from zerogravity.errors import internal
from zerogravity.hosts import is_google
from zerogravity.observe.health import Health
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.requests import RequestSinks
from zerogravity.wire import jsonio

logger = logging.getLogger("zerogravity.capture")


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the interceptor stands on. ``bearer``: replaces the LS's own login, where there is one. ``upstream``: where
    calls go instead of Google. ``titles, passive``: see ``decision``."""

    store: MitmStore
    health: Health
    metrics: Metrics
    request_sinks: RequestSinks
    bearer: Callable[[], str | None] = lambda: None
    upstream: str | None = None
    titles: bool = True
    passive: bool = False


@dataclass(slots=True)
class Claim:
    """An attempt of a turn, from its request to the end of its answer."""

    running: RunningTurn
    expected: ls_answer.Expected
    tap: tap.Tap | None = None


class Interceptor:
    """``rooms``: as long as the gateway runs; else calls pass. ``abort``: ends a running call to Google.
    ``kept``: whether somebody keeps flows, so that they need bodies.

    ``claims``: beside the flows, not in their metadata: mitmproxy copies and saves that.
    """

    name = "zerogravity.interceptor"

    def __init__(
        self, abort: Callable[[http.HTTPFlow], None] | None = None, kept: Callable[[], bool] = lambda: False
    ) -> None:
        self.rooms: Rooms | None = None
        self.claims: WeakKeyDictionary[http.HTTPFlow, Claim] = WeakKeyDictionary()
        self._bound: WeakSet[http.HTTPFlow] = WeakSet()  # for Google: what they meet tells of the path
        self._abort = abort or proxy_guard.abort
        self._kept = kept

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Note what goes to Google: a proxy gets other requests as well."""
        if self.rooms is None:
            return
        google = is_google(flow.request.host)
        if google or isinstance(flow.client_conn.proxy_mode, ReverseMode):
            self._bound.add(flow)
        if google and self.rooms.upstream:
            redirect(flow, self.rooms.upstream)

    def request(self, flow: http.HTTPFlow) -> None:
        """Decide what this call is; put the turn into it if it is the agent call of an open turn."""
        if (rooms := self.rooms) is None or flow.response is not None:
            return
        if flow in self._bound:
            rooms.health.path_seen()
        if not match.is_generate_path(flow.request.path):
            return
        running: RunningTurn | None = None
        try:
            body = jsonio.loads(flow.request.get_content(strict=False) or b"")
            if isinstance(body, dict):
                found = match.match(flow.request.path, body)
                running = rooms.store.find(found.cascade_id) if found.cascade_id else None
                self._act(rooms, flow, body, found, running)
        except Exception:  # guard: interception fails open (invariant 5)
            logger.exception("request left unchanged")
            rooms.metrics.failed_open("request")
            if running is not None:
                running.close(Failed(internal("the request to Google could not be rewritten")))

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Tap a claimed answer as it streams; an error answer to it is read whole, in ``response``. What is not ours
        streams through: mitmproxy would hold it back until its end."""
        if self.rooms is None or flow.response is None:
            return
        if flow in self._bound and flow.server_conn.timestamp_start is not None:  # else it is our own answer
            self.rooms.health.google_seen(None)
        if (claim := self.claims.get(flow)) is None:
            flow.response.stream = match.is_generate_path(flow.request.path)
            return
        number = claim.running.attempt_answered(_line(flow))
        if flow.response.status_code == 200:
            claim.tap = _tapped(flow, flow.response, claim, number)

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
        if running.turn.surface != passive.SURFACE:
            flow.metadata["zerogravity.original_status"] = response.status_code
            flow.response = _stopped(claim.expected)

    def error(self, flow: http.HTTPFlow) -> None:
        """The connection broke, before or in the middle of the answer: Google's, or the LS's that waits for it."""
        claim, message = self.claims.pop(flow, None), flow.error.msg if flow.error else "connection lost"
        found = decision.broken(
            message, connected=flow.client_conn.connected, http2=flow.request.is_http2,
            answered=flow.response is not None, ours=claim is not None and claim.running.closed,
        )  # fmt: skip
        if self.rooms is not None and flow in self._bound and found.google:
            self.rooms.health.google_seen(found.lost)
        if claim is None:
            return
        if claim.tap is not None:
            claim.tap.abort(message, found.gone)
            self._keep(flow, claim.running.channel)
        else:
            claim.running.close(Failed(found.fault))

    def _act(
        self, rooms: Rooms, flow: http.HTTPFlow, body: dict[str, Any], found: match.Match,
        running: RunningTurn | None,
    ) -> None:  # fmt: skip
        action = decision.decide(found, running, titles=rooms.titles, passive=rooms.passive)
        if action in (Action.COUNT, Action.RECORD):
            rooms.metrics.unmatched(found.reason)
        expected = ls_answer.expected(flow.request.path, body.get("model"))
        if action is Action.TITLE:
            flow.response = _stopped(expected, "Conversation")
        elif action is Action.STOP:
            flow.response = _stopped(expected)
        elif action is Action.RECORD:
            self._record(rooms, flow, body)
        elif action is Action.CLAIM and running is not None:
            self._claim(rooms, flow, body, Claim(running, expected))

    def _claim(self, rooms: Rooms, flow: http.HTTPFlow, body: dict[str, Any], claim: Claim) -> None:
        running, original = claim.running, flow.request.get_content(strict=False) or b""
        running.mark("matched")
        done = rewrite.rewrite(body, running.turn)
        flow.request.content = done.body
        # What is compressed cannot be read before a block is full.
        flow.request.headers.pop("accept-encoding", None)
        if (bearer := rooms.bearer()) is not None:
            flow.request.headers["authorization"] = f"Bearer {bearer}"
        self._follow(rooms, flow, claim, original, done.body, abort=lambda: self._abort(flow))
        for note in done.notes:
            logger.debug("%s: %s", running.id, note)

    def _record(self, rooms: Rooms, flow: http.HTTPFlow, body: dict[str, Any]) -> None:
        """A call that is not ours, untouched."""
        turn = passive.turn_of(flow.request.path, body, ids.new("turn"), int(time.time()))
        running = rooms.store.open(turn)
        running.mark("matched")
        content = flow.request.get_content(strict=False) or b""
        self._follow(rooms, flow, Claim(running, ls_answer.expected(flow.request.path)), content, content)

    def _follow(
        self, rooms: Rooms, flow: http.HTTPFlow, claim: Claim, original: bytes, sent: bytes,
        *, abort: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        running = claim.running
        self.claims[flow] = claim
        flow.comment = running.id
        number = running.attempt_sent(_line(flow), abort)
        rooms.request_sinks.upstream_request(running.id, number, original, sent, dict(flow.request.headers))

    def _keep(self, flow: http.HTTPFlow, channel: CascadeChannel) -> None:
        """Somebody saves or shows this flow: it needs the body that has streamed by."""
        if self._kept():
            flow_bodies.fill(flow, channel)


def redirect(flow: http.HTTPFlow, base: str) -> None:
    """Send a call to the server at ``base`` instead of the host it names."""
    parts = urlsplit(base)
    flow.request.scheme = parts.scheme
    flow.request.host = parts.hostname or "localhost"
    flow.request.port = parts.port or (443 if parts.scheme == "https" else 80)
    flow.request.path = parts.path.rstrip("/") + flow.request.path


def _tapped(flow: http.HTTPFlow, response: http.Response, claim: Claim, number: int) -> tap.Tap:
    """The tap of an answer. A passive one keeps its bytes and its headers."""
    running, headers = claim.running, response.headers
    untouched = running.turn.surface == passive.SURFACE
    flow.metadata[flow_bodies.CALL] = number
    made = tap.Tap(
        running,
        number,
        encoding=headers.get("content-encoding", ""),
        content_type=headers.get("content-type", ""),
        passive=untouched,
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


def _line(flow: http.HTTPFlow) -> RequestLine:
    """How a call goes out. The version is the LS's own until Google has answered in another one."""
    return RequestLine(flow.request.method, flow.request.url, (flow.response or flow.request).http_version)


def _stopped(expected: ls_answer.Expected, text: str = ls_answer.FILLER) -> http.Response:
    """A local answer to the LS's call."""
    body = ls_answer.synthetic_stop(expected.model, text, envelope=expected.envelope, form=expected.form)
    return http.Response.make(200, body, {"content-type": expected.content_type})
