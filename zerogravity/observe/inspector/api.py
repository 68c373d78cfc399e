"""The inspector's read-only endpoints under ``/inspector``: turns, events, frames, bodies, live, the page.

Behind a token of its own (cookie, set once by the printed link) and a strict policy. Everything shown has gone through
the one redactor. Work that grows with a turn is done in a thread: looking must not hold up the streams that run.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.registry import MitmStore
from zerogravity.observe.inspector import conversation, rows
from zerogravity.observe.inspector.bodies import Bodies
from zerogravity.observe.inspector.view import BEFORE, MAX_BYTES, EmitterOf, View, Views
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio

PACE = 10  # rows made in one go: a few milliseconds each at first, and captures run in the same loop
STATIC = Path(__file__).parent / "static"
PAGE, MAX_PAGE = 200, 1000
WHOLE = 1 << 20  # what is shown of one event's or frame's bytes
ANSWER = 256 << 10  # what the four bodies show of Google's answer; all of it is in the events
TICK_S = 0.5
SAY_S = 10.0  # the health strip is told that often when nothing changes
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """A request that can not be answered, in words for who made it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Inspector:
    """``emitter`` renders a turn's stream again, or returns None for turns that are answered by nobody."""

    def __init__(
        self,
        store: MitmStore,
        bodies: Bodies,
        token: str,
        *,
        emitter: EmitterOf,
        surfaces: Surfaces,
        clock: Callable[[], int],
        health: Callable[[], Mapping[str, Any]],
        view_bytes: int = MAX_BYTES,
    ) -> None:
        if not token:
            raise ValueError("the inspector needs a token")
        self._store = store
        self._bodies = bodies
        self._token = token
        self._clock = clock
        self._surfaces = surfaces
        self._health = health
        self.views = Views(emitter, view_bytes)
        self._results: dict[str, frozenset[str]] = {}  # turn id → calls whose results it brought
        self._stopping = asyncio.Event()

    def mount(self, app: web.Application) -> None:
        """Add the routes; the page is at ``/inspector/``. Live streams end when the application shuts down."""
        turn = "/inspector/api/turns/{id}"
        routes: dict[str, Handler] = {
            "/inspector": self._enter,
            "/inspector/": self._page,
            "/inspector/api/live": self._live,
            "/inspector/api/turns": self._turns,
            turn: self._turn,
            turn + "/conversation": self._conversation,
            turn + "/tools": self._tools,
            turn + "/bodies": self._four_bodies,
            turn + "/records": self._records,
            turn + r"/records/{seq:-1|\d{1,9}}": self._record,
            turn + "/frames": self._frames,
            "/inspector/{name}": self._static,
        }
        for path, handler in routes.items():
            app.router.add_get(path, self._guarded(handler), allow_head=False)
        app.on_shutdown.append(self._stop)

    async def _stop(self, _: web.Application) -> None:
        self._stopping.set()

    # -- who may look ------------------------------------------------------------------------------------------

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            # Cookies know no ports: two gateways on one machine must not overwrite each other's.
            cookie = f"zg_inspector_{request.url.port}"
            if self._is_token(request.query.get("token", "")):
                response = _away()
                response.set_cookie(cookie, self._token, httponly=True, samesite="Strict", path="/inspector")
                return response
            if not self._is_token(request.cookies.get(cookie, "")):
                return _plain(401, "Open the inspector with the link that zerogravity printed when it started.")
            try:
                return await handler(request)
            except Refused as refused:
                return _plain(refused.status, refused.text)

        return guarded

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "backslashreplace"), self._token.encode())

    # -- the page ----------------------------------------------------------------------------------------------

    async def _enter(self, _: web.Request) -> web.Response:
        return _away()

    async def _page(self, _: web.Request) -> web.Response:
        return _file("index.html")

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in {path.name for path in STATIC.iterdir() if path.suffix in TYPES}:
            raise Refused(404, "not found")
        return _file(name)

    # -- turns -------------------------------------------------------------------------------------------------

    async def _turns(self, _: web.Request) -> web.Response:
        now, answered = self._clock(), self._answered()
        turns: list[dict[str, Any]] = []
        for channel in self._store:
            turns.append(rows.summary(channel, now, answered, self._surfaces))
            if len(turns) % PACE == 0:
                await asyncio.sleep(0)
        return _json({"turns": turns, "health": self._health()})

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """SSE: first all turns, then those that changed, twice a second at most and never per event."""
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        told: dict[str, tuple[int, str]] = {}
        health: Mapping[str, Any] = {}
        quiet = SAY_S
        first = True
        while not self._stopping.is_set():
            changed, gone = await self._changes(told)
            if first or changed or gone or self._health() != health or quiet >= SAY_S:
                health, quiet = self._health(), 0.0
                data = {"all": first, "turns": changed, "gone": gone, "health": health}
                try:
                    await response.write(b"data: " + orjson.dumps(data, default=_default) + b"\n\n")
                except ConnectionError:
                    break  # the page is closed
                first = False
            quiet += TICK_S
            try:
                await asyncio.wait_for(self._stopping.wait(), TICK_S)
            except TimeoutError:
                continue
        return response

    async def _changes(self, told: dict[str, tuple[int, str]]) -> tuple[list[dict[str, Any]], list[str]]:
        """What differs from ``told``, which is brought up to date."""
        now, answered = self._clock(), self._answered()
        changed: list[dict[str, Any]] = []
        present: set[str] = set()
        for channel in self._store:
            present.add(channel.id)
            if channel.id in told and told[channel.id][1] in rows.OVER:
                continue  # nothing will change there: most turns cost nothing
            mark = (channel.count, rows.activity(channel, now, answered, self._surfaces)[0])
            if told.get(channel.id) != mark:
                told[channel.id] = mark
                changed.append(rows.summary(channel, now, answered, self._surfaces))
                if len(changed) % PACE == 0:
                    await asyncio.sleep(0)
        gone = [turn_id for turn_id in told if turn_id not in present]
        for turn_id in gone:
            del told[turn_id]
        return changed, gone

    def _answered(self) -> set[str]:
        """Ids of all calls whose results have come back in a turn of the store."""
        known = self._results
        self._results = {
            channel.id: known[channel.id] if channel.id in known else rows.results(channel.turn)
            for channel in self._store
        }
        return set().union(*self._results.values())

    # -- one turn ----------------------------------------------------------------------------------------------

    async def _turn(self, request: web.Request) -> web.Response:
        channel = self._find(request)
        shown = await asyncio.to_thread(_redacted_details, rows.details(channel))
        return _json({**rows.summary(channel, self._clock(), self._answered(), self._surfaces), **shown})

    async def _conversation(self, request: web.Request) -> web.Response:
        channel = self._find(request)
        start, limit = _page_of(request)
        lines = await asyncio.to_thread(conversation.conversation, channel.turn)
        page = await asyncio.to_thread(redact.json_value, lines[start : start + limit])
        return _json({"total": len(lines), "from": start, "rows": page})

    async def _tools(self, request: web.Request) -> web.Response:
        channel = self._find(request)
        kept = self._bodies.get(channel.id)
        body = kept.client_request if kept else None
        return _json({"tools": await asyncio.to_thread(_redacted_tools, channel, body)})

    async def _four_bodies(self, request: web.Request) -> web.Response:
        """Client request, the LS's own requests, what was sent to Google instead, and Google's answer as it came."""
        channel = self._find(request)
        kept = self._bodies.get(channel.id)
        view = await self.views.of(channel)
        answer, size = bytearray(), 0
        for record in view.records:
            size += len(record.data)
            if len(answer) < ANSWER and record.data:
                answer += b"data: " + record.data + b"\n\n"
        upstream = list(kept.upstream) if kept else []
        client = await asyncio.to_thread(_shown, kept.client_request if kept else None)
        calls = await asyncio.to_thread(lambda: [[_shown(original), _shown(sent)] for original, sent in upstream])
        return _json({
            "client_request": client,
            "upstream": [{"original": original, "sent": sent} for original, sent in calls],
            "answer": bytes(answer[:ANSWER]).decode("utf-8", "replace"),
            "answer_size": size,
        })  # fmt: skip

    # -- events and frames -------------------------------------------------------------------------------------

    async def _records(self, request: web.Request) -> web.Response:
        """A page of upstream events."""
        channel, view, start, limit = await self._view(request)
        page = list(rows.record_rows(view.records, start, limit, channel.marks["received"]))
        return _json({"total": len(view.records), "from": start, "rows": page})

    async def _frames(self, request: web.Request) -> web.Response:
        """A page of emitted frames, each with the record that caused it; -1: it stood before the first one."""
        _, view, start, limit = await self._view(request)
        page = [
            {"n": start + n, "record": seq, "size": len(frame), "text": frame[: rows.ROW].decode("utf-8", "replace")}
            for n, (seq, frame) in enumerate(view.frames[start : start + limit])
        ]
        return _json({"total": len(view.frames), "from": start, "rows": page})

    async def _record(self, request: web.Request) -> web.Response:
        """One upstream event whole, and the frames it caused; -1: those that stood before the first event."""
        channel, view, *_ = await self._view(request)
        seq = int(request.match_info["seq"])
        if seq != BEFORE and seq >= len(view.records):
            raise Refused(404, "no such event")
        begin, end = view.frames_of(seq)
        frames = [{"n": n, "text": view.frames[n][1][:WHOLE].decode("utf-8", "replace")} for n in range(begin, end)]
        shown: dict[str, Any] = {"seq": seq, "data": "", "events": []}
        if seq != BEFORE:
            record = view.records[seq]
            shown = next(rows.record_rows(view.records, seq, 1, channel.marks["received"]))
            shown |= {"data": record.data[:WHOLE].decode("utf-8", "replace"), "events": rows.events_out(record)}
        return _json({"record": shown, "frames": frames, "first_frame": begin})

    async def _view(self, request: web.Request) -> tuple[CascadeChannel, View, int, int]:
        channel = self._find(request)
        start, limit = _page_of(request)
        return channel, await self.views.of(channel), start, limit

    def _find(self, request: web.Request) -> CascadeChannel:
        channel = self._store.get(request.match_info["id"])
        if channel is None:
            raise Refused(404, "no such turn in memory")
        return channel


# -- redacted ----------------------------------------------------------------------------------------------------------


def _redacted_details(details: dict[str, Any]) -> dict[str, Any]:
    for item in details["items"]:
        if item["kind"] == "call" and not item["cut"]:
            item["arguments"] = _shown(item["arguments"].encode("utf-8", "replace"))
    return redact.json_value(details)


def _redacted_tools(channel: CascadeChannel, body: bytes | None) -> Any:
    try:
        request = jsonio.loads(body) if body else None
    except ValueError:
        request = None
    found = redact.json_value(conversation.tools(channel.turn, request))
    return [{**row, "before": _indented(row["before"]), "after": _indented(row["after"])} for row in found]


def _shown(body: bytes | None) -> str | None:
    """A body for the eye: redacted, and indented if it is JSON."""
    if body is None:
        return None
    redacted = redact.json_bytes(body)
    try:
        return _indented(jsonio.loads(redacted))
    except (ValueError, RecursionError):
        return redacted.decode("utf-8", "replace")


def _indented(value: Any) -> str | None:
    if value is None:
        return None
    return jsonio.text(value, indent=True)


# -- answers -----------------------------------------------------------------------------------------------------------


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value, default=_default), content_type="application/json", headers=HEADERS)


def _default(value: object) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, jsonio.Number):
        return orjson.Fragment(value.source)
    return dict(value) if isinstance(value, Mapping) else str(value)


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers=HEADERS)


def _away() -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": "/inspector/"})


def _file(name: str) -> web.Response:
    path = STATIC / name
    return web.Response(
        body=path.read_bytes(), headers={**HEADERS, "Content-Type": f"{TYPES[path.suffix]}; charset=utf-8"}
    )


def _page_of(request: web.Request) -> tuple[int, int]:
    start = _number(request, "from", 0, 10**9)
    return start, _number(request, "limit", PAGE, MAX_PAGE)


def _number(request: web.Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= most):
        raise Refused(400, f"{name} must be a whole number up to {most}")
    return int(text)
