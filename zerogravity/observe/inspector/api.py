"""The inspector's endpoints under ``/inspector``: turns, sessions, events, frames, bodies, live, the page.

They need a token of their own (``access``) and have a strict policy. Everything shown has gone through the redactor. A
turn is looked up in memory, then on disk. Work that grows with a turn runs in a thread, so that looking never delays
running streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import itemgetter
from typing import Any

from aiohttp import web

from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.observe import session_summary
from zerogravity.observe.history import History
from zerogravity.observe.inspector import answers, page
from zerogravity.observe.inspector.access import Access, Handler
from zerogravity.observe.inspector.actions import Actions
from zerogravity.observe.inspector.answers import HEADERS, BadRequest, as_json, moment, whole_number
from zerogravity.observe.inspector.assets import names
from zerogravity.observe.inspector.following import Following
from zerogravity.observe.inspector.live import LiveTurns, Row
from zerogravity.observe.inspector.older import Older
from zerogravity.observe.inspector.replicas import MAX_BYTES, Replicas
from zerogravity.observe.requests import Bodies
from zerogravity.observe.sessions import Sessions
from zerogravity.observe.source import TurnSource
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire.narrow import text

PAGE, MAX_PAGE = 200, 1000
SESSIONS, TURNS_OF_A_SESSION = 50, 2000
TICK_S = 0.5
HEARTBEAT_S = 10.0  # between two messages when nothing changes


class Inspector:
    """``surfaces``: name → surface, to render again what clients saw; ``secret`` as the server's; ``history``: turns on
    disk, if they are recorded; ``cancel``: ends a running turn, False when it is over; ``abandoned``: as LiveTurns has
    it."""

    def __init__(
        self,
        store: MitmStore,
        bodies: Bodies,
        token: str,
        *,
        surfaces: Surfaces,
        secret: bytes,
        clock: Callable[[], int],
        health: Callable[[], Mapping[str, object]],
        sessions: Sessions,
        history: History | None = None,
        cancel: Callable[[str], bool] = lambda turn_id: False,
        abandoned: Callable[[Turn], bool] = lambda turn: False,
        view_bytes: int = MAX_BYTES,
    ) -> None:
        self.access = Access(token)
        self._surfaces = surfaces
        self._health = health
        self._turns = LiveTurns(store, surfaces, sessions, clock, abandoned)
        self._older = Older(history)
        self.replicas = Replicas(bodies, surfaces, secret, view_bytes, sessions)
        self._actions = Actions(self._turns, self.replicas, surfaces, history, cancel)
        self._following = Following()
        self._stopping = asyncio.Event()

    def mount(self, app: web.Application) -> None:
        """Add the routes; the page is at ``/inspector/``. Live streams end when the application shuts down."""
        turn = "/inspector/api/turns/{id}"
        routes: dict[str, Handler] = {
            "/inspector": self._enter,
            "/inspector/": self._page,
            "/inspector/api/live": self._live,
            "/inspector/api/turns": self._list,
            "/inspector/api/sessions": self._sessions,
            turn: self._turn,
            turn + "/live": self._follow,
            turn + "/conversation": self._shows(page.messages),
            turn + "/tools": self._shows(lambda source, start, limit: page.declared_tools(source, self._surfaces)),
            turn + "/bodies": self._shows(lambda source, start, limit: page.bodies(source)),
            turn + "/records": self._shows(page.events),
            turn + r"/records/{seq:-1|\d{1,9}}": self._record,
            turn + "/frames": self._shows(page.frames),
            "/inspector/{name}": self._static,
        }
        for path, handler in routes.items():
            app.router.add_get(path, self.access.guarded(handler), allow_head=False)
        for method, path, handler in self._actions.routes():
            app.router.add_route(method, turn + path, self.access.guarded(handler))
        app.on_shutdown.append(self._stop)

    async def _stop(self, _: web.Application) -> None:
        self._stopping.set()
        self._following.close()
        self.replicas.close()
        self._older.close()

    # -- the page ----------------------------------------------------------------------------------------------

    async def _enter(self, _: web.Request) -> web.Response:
        return answers.to_page()

    async def _page(self, _: web.Request) -> web.Response:
        self.replicas.prepare()
        return answers.file("index.html")

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in names():
            raise BadRequest(404, "not found")
        return answers.file(name)

    # -- turns and sessions ------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        """Those in memory; with ``q`` or ``before`` those on disk."""
        before, limit = moment(request, "before"), whole_number(request, "limit", PAGE, MAX_PAGE, 1)
        if before is None and "q" not in request.query:
            rows, more = await self._turns.rows(), self._older.recorded
        else:
            rows, more = await self._older.search(request.query.get("q", ""), before, limit)
        return as_json({"turns": rows, "more": more, "recorded": self._older.recorded, "health": self._health()})

    async def _sessions(self, request: web.Request) -> web.Response:
        """Sessions on disk and, unless ``q`` or ``before`` asks for older ones, in memory; the newest first."""
        query, before = request.query.get("q", ""), moment(request, "before")
        limit = whole_number(request, "limit", SESSIONS, SESSIONS, 1)
        found = {
            text(each.get("session")): each
            for each in await self._older.ask(
                lambda history: history.sessions(query, before=before, limit=limit + 1), list[Row]()
            )
        }
        more = len(found) > limit
        live = self._turns.by_session()
        wanted = live.keys() & found.keys() if query or before is not None else list(live)[:limit]
        for session in wanted:
            if session not in found or self._turns.is_moving(live[session]):  # else what is on disk is all
                found[session] = session_summary.of(await self._rows_of(session))
        shown = sorted(found.values(), key=lambda each: _ended(each), reverse=True)
        return as_json({"sessions": shown[:limit], "more": more or len(shown) > limit})

    async def _rows_of(self, session: str) -> list[Row]:
        """All rows of a session, from disk and memory, the oldest first."""
        stored = await self._older.search(f"session:{session}", None, TURNS_OF_A_SESSION)
        rows = {text(row.get("id")): row for row in stored.rows}
        rows |= {text(row.get("id")): row for row in await self._turns.rows(self._turns.by_session().get(session, ()))}
        return sorted(rows.values(), key=itemgetter("created", "received_ms"))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """SSE: first all turns, the newest first and in several messages, the last of them ``complete``; then the
        changed ones, at most twice a second."""
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        about: dict[str, object] = {"all": True, "recorded": self._older.recorded}
        health: Mapping[str, object] = {}
        quiet, complete = HEARTBEAT_S, False
        with self._turns.follow() as feed:
            while not self._stopping.is_set():
                changed, gone, all_told = await feed.news()
                now = self._health()
                if changed or gone or not complete or now != health or quiet >= HEARTBEAT_S:
                    health, quiet, complete = now, 0.0, all_told
                    told = {**about, "turns": changed, "gone": gone, "complete": complete, "health": health}
                    try:
                        await response.write(b"data: " + answers.json_bytes(told) + b"\n\n")
                    except ConnectionError:
                        break  # the page is closed
                    about = {"all": False}
                if complete:
                    await self._pause(TICK_S)
                    quiet += TICK_S
        return response

    async def _pause(self, seconds: float) -> None:
        """Shorter when the application shuts down."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    # -- one turn ----------------------------------------------------------------------------------------------

    async def look[T](self, turn_id: str, read: Callable[[TurnSource], T]) -> T:
        """``read``, in a thread, of the turn in memory or on disk. Raises BadRequest where there is none."""
        channel = self._turns.get(turn_id)
        return await (self._older.look(turn_id, read) if channel is None else self.replicas.look(channel, read))

    async def _turn(self, request: web.Request) -> web.Response:
        turn_id = request.match_info["id"]
        channel = self._turns.get(turn_id)
        row = await (self._older.row(turn_id) if channel is None else self._turns.row(channel))
        return as_json({**row, **await self.look(turn_id, page.details)})

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        channel = self._turns.get(request.match_info["id"])
        if channel is None:
            raise BadRequest(404, "no such turn in memory")
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await self._following.stream(request, response, channel)
        return response

    def _shows(self, part: Callable[[TurnSource, int, int], Mapping[str, object]]) -> Handler:
        """An endpoint for ``part``: (source, from, limit) → JSON."""

        async def show(request: web.Request) -> web.Response:
            start = whole_number(request, "from", 0, 10**9, -(10**9))
            limit = whole_number(request, "limit", PAGE, MAX_PAGE)
            return as_json(await self.look(request.match_info["id"], lambda source: part(source, start, limit)))

        return show

    async def _record(self, request: web.Request) -> web.Response:
        seq = int(request.match_info["seq"])
        found = await self.look(request.match_info["id"], lambda source: (page.event(source, seq),))
        if found[0] is None:
            raise BadRequest(404, "no such event")
        return as_json(found[0])


def _ended(session: Mapping[str, Any]) -> float:
    return session.get("ended") or session.get("started") or 0
