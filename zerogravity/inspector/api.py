"""The inspector's read-only endpoints under ``/inspector``: turns, records, bodies, live changes, and the page itself.

Behind a token of its own (cookie, set once by the printed link), strict CSP. What was emitted is not stored: emitters
are deterministic, so frames are rendered again from the records, which also tells which bytes caused which frame.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Record
from zerogravity.core.fold import Call, Media, Message, Reasoning
from zerogravity.core.store import MitmStore
from zerogravity.inspector.bodies import Bodies
from zerogravity.surfaces.surface import Emitter
from zerogravity.trace import redact

STATIC = Path(__file__).parent / "static"
COOKIE = "zg_inspector"
PAGE = 200
TICK_S = 0.5
STALL_NS = 10_000_000_000
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Inspector:
    """``emitter`` renders a turn's stream again, or returns None for turns that are answered by nobody."""

    def __init__(
        self,
        store: MitmStore,
        bodies: Bodies,
        token: str,
        *,
        emitter: Callable[[CascadeChannel], Emitter | None],
        clock: Callable[[], int],
        health: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._store = store
        self._bodies = bodies
        self._token = token
        self._emitter = emitter
        self._clock = clock
        self._health = health

    def mount(self, app: web.Application) -> None:
        """Add the routes; the page is at ``/inspector/``."""
        routes: Sequence[tuple[str, Callable[[web.Request], Any]]] = (
            ("/inspector", self._enter),
            ("/inspector/", self._page),
            ("/inspector/api/turns", self._turns),
            ("/inspector/api/live", self._live),
            ("/inspector/api/turns/{id}", self._turn),
            ("/inspector/api/turns/{id}/records", self._records),
            ("/inspector/api/turns/{id}/frames", self._frames),
            ("/inspector/api/turns/{id}/bodies", self._four_bodies),
            ("/inspector/{name}", self._static),
        )
        for path, handler in routes:
            app.router.add_get(path, self._guarded(handler), allow_head=False)

    # -- who may look ----------------------------------------------------------------------------------------

    def _guarded(self, handler: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            given = request.query.get("token")
            if given is not None and hmac.compare_digest(given.encode(), self._token.encode()):
                response = web.Response(status=303, headers={**HEADERS, "Location": "/inspector/"})
                response.set_cookie(COOKIE, self._token, httponly=True, samesite="Strict", path="/inspector")
                return response
            cookie = request.cookies.get(COOKIE, "")
            if not hmac.compare_digest(cookie.encode(), self._token.encode()):
                text = "Open the inspector with the link that zerogravity printed when it started.\n"
                return web.Response(status=401, text=text, headers=HEADERS)
            return await handler(request)

        return guarded

    # -- the page --------------------------------------------------------------------------------------------

    async def _enter(self, _: web.Request) -> web.Response:
        return web.Response(status=303, headers={**HEADERS, "Location": "/inspector/"})

    async def _page(self, _: web.Request) -> web.Response:
        return _file("index.html")

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in {path.name for path in STATIC.iterdir()}:
            return web.Response(status=404, text="not found\n", headers=HEADERS)
        return _file(name)

    # -- data ------------------------------------------------------------------------------------------------

    async def _turns(self, _: web.Request) -> web.Response:
        return _json({"turns": [summary(c, self._clock()) for c in self._store], "health": self._health()})

    async def _turn(self, request: web.Request) -> web.Response:
        channel = self._find(request)
        return _json({**summary(channel, self._clock()), **details(channel)})

    async def _records(self, request: web.Request) -> web.Response:
        channel = self._find(request)
        start = _number(request, "from")
        page = channel.records[start : start + min(_number(request, "limit", PAGE), 2000)]
        origin = channel.marks["received"]
        return _json({"total": len(channel.records), "records": [record_row(record, origin) for record in page]})

    async def _frames(self, request: web.Request) -> web.Response:
        """Emitted frames with the record that caused each; -1: before the first record."""
        channel = self._find(request)
        emitter = self._emitter(channel)
        if emitter is None:
            return _json({"total": 0, "frames": []})
        start, limit = _number(request, "from"), min(_number(request, "limit", PAGE), 2000)
        frames: list[tuple[int, bytes]] = [(-1, frame) for frame in emitter.begin()]
        for record in channel.records:
            frames += [(record.seq, frame) for frame in emitter.feed(record)]
            if len(frames) >= start + limit + 1000:
                break
            if record.seq % 500 == 499:
                await asyncio.sleep(0)  # a long turn must not hold up the streams that run
        rows = [{"n": start + n, "record": seq, "text": frame.decode("utf-8", "replace")}
                for n, (seq, frame) in enumerate(frames[start : start + limit])]  # fmt: skip
        return _json({"total": len(frames), "frames": rows})

    async def _four_bodies(self, request: web.Request) -> web.Response:
        """Client request, the LS's own request, what was sent to Google instead, and Google's answer as it came."""
        channel = self._find(request)
        kept = self._bodies.get(channel.id)
        answer = b"\n\n".join(record.data for record in channel.records if record.data)[: 4 << 20]
        return _json({
            "client_request": _shown(kept.client_request if kept else None),
            "upstream_original": [_shown(body) for body, _ in kept.upstream] if kept else [],
            "upstream_request": [_shown(body) for _, body in kept.upstream] if kept else [],
            "upstream_answer": redact.text(answer.decode("utf-8", "replace")),
            "notes": list(channel.turn.notes),
        })  # fmt: skip

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """SSE: the summaries of all turns that have changed, twice a second at most, never per event."""
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        told: dict[str, tuple[int, str]] = {}
        quiet = 0
        while True:
            changed: list[dict[str, Any]] = []
            now = self._clock()
            present: set[str] = set()
            for channel in self._store:
                present.add(channel.id)
                mark = (len(channel.records), channel.phase)
                if told.get(channel.id) != mark or (not channel.closed and _stalled(channel, now)):
                    told[channel.id] = mark
                    changed.append(summary(channel, now))
            gone = [turn_id for turn_id in told if turn_id not in present]
            for turn_id in gone:
                del told[turn_id]
            quiet = 0 if changed or gone else quiet + 1
            if changed or gone or quiet % 20 == 0:
                data = orjson.dumps({"turns": changed, "gone": gone, "health": self._health()})
                await response.write(b"data: " + data + b"\n\n")
            await asyncio.sleep(TICK_S)

    def _find(self, request: web.Request) -> CascadeChannel:
        channel = self._store.get(request.match_info["id"])
        if channel is None:
            raise web.HTTPNotFound(text="no such turn in memory\n")
        return channel


def summary(channel: CascadeChannel, now: int) -> dict[str, Any]:
    """One row of the list of turns."""
    usage = channel.state.usage
    marks, origin = channel.marks, channel.marks["received"]
    label, since = activity(channel)
    first = marks.get("first_text", marks.get("first_call"))
    return {
        "id": channel.id,
        "created": channel.turn.created,
        "surface": channel.turn.surface,
        "model": channel.turn.model,
        "target": channel.turn.target.name,
        "state": "stalled" if not channel.closed and _stalled(channel, now) else label,
        "state_ms": (now - since) / 1e6,
        "closed": channel.closed,
        "code": channel.termination,
        "records": len(channel.records),
        "bytes": channel.size,
        "first_ms": None if first is None else (first - origin) / 1e6,
        "total_ms": (marks.get("done", now) - origin) / 1e6,
        "marks": {name: (at - origin) / 1e6 for name, at in marks.items()},
        "usage": {"prompt": usage.prompt, "cached": usage.cached, "answer": usage.candidates,
                  "thinking": usage.thoughts, "total": usage.total, "source": usage.source},
        "tools": [call.name for call in channel.state.function_calls],
        "calls": channel.state.calls_opened,
    }  # fmt: skip


def activity(channel: CascadeChannel) -> tuple[str, int]:
    """What a turn is doing now, in words, and since when (ns)."""
    marks = channel.marks
    if channel.closed:
        return ("failed" if isinstance(channel.terminal, Failed) else "done"), marks["done"]
    if channel.awaiting is not None:
        return "waiting for the LS's next call", channel.records[-1].t_ns
    for phase, words in (
        ("first_call", "tool call"), ("first_text", "text"), ("first_thinking", "thinking"),
        ("first_byte", "first byte"), ("matched", "matched"), ("told", "waiting for LS"),
        ("admitted", "starting cascade"), ("queued", "queued"),
    ):  # fmt: skip
        if phase in marks:
            return words, marks[phase]
    return "received", marks["received"]


def details(channel: CascadeChannel) -> dict[str, Any]:
    """The finished objects, as folded from the records."""
    items: list[dict[str, Any]] = []
    for item in channel.state.items:
        match item:
            case Reasoning():
                items.append({"kind": "thinking", "text": item.text, "signed": item.signature is not None})
            case Message():
                items.append({"kind": "text", "text": item.text, "signed": item.signature is not None})
            case Call():
                items.append({"kind": "call", "name": channel.turn.client_name(item.name), "call_id": item.call_id,
                              "arguments": item.args_json, "signed": item.signature is not None})  # fmt: skip
            case Media():
                items.append({"kind": "media", "mime": item.mime, "size": len(item.data) * 3 // 4})
    terminal = channel.terminal
    failure = terminal.fault if isinstance(terminal, Failed) else None
    return {
        "items": items,
        "notices": [f"{notice.code}: {notice.text}" for notice in channel.state.notices],
        "notes": list(channel.turn.notes),
        "grounding": channel.state.grounding,
        "finish": channel.state.finish,
        "failure": None if failure is None else {"code": failure.code, "message": failure.message,
                                                 "status": failure.status},
        "cascade": channel.cascade_id,
    }  # fmt: skip


def record_row(record: Record, origin: int) -> dict[str, Any]:
    """One upstream event for the list of events."""
    return {
        "seq": record.seq,
        "ms": (record.t_ns - origin) / 1e6,
        "call": record.call_no,
        "kinds": [type(event).__name__ for event in record.events],
        "size": len(record.data),
        "span": record.span,
        "data": redact.text(record.data[: 64 << 10].decode("utf-8", "replace")),
    }


def _stalled(channel: CascadeChannel, now: int) -> bool:
    if channel.closed or "matched" not in channel.marks:
        return False
    newest = channel.records[-1].t_ns if channel.records else channel.marks["matched"]
    return now - newest > STALL_NS


def _shown(body: bytes | None) -> str | None:
    """A body for the eye: indented and redacted."""
    if body is None:
        return None
    try:
        return orjson.dumps(redact.json_value(orjson.loads(body)), option=orjson.OPT_INDENT_2).decode()
    except (orjson.JSONDecodeError, TypeError):
        return redact.text(body.decode("utf-8", "replace"))


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value, default=_default), content_type="application/json", headers=HEADERS)


def _default(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _file(name: str) -> web.Response:
    path = STATIC / name
    return web.Response(
        body=path.read_bytes(), headers={**HEADERS, "Content-Type": TYPES[path.suffix] + "; charset=utf-8"}
    )


def _number(request: web.Request, name: str, default: int = 0) -> int:
    text = request.query.get(name, str(default))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default
