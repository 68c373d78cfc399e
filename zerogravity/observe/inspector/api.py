"""The inspector's read-only endpoints under ``/inspector``: turns, events, frames, bodies, live, the page.

They need a token of their own (a cookie that the printed link sets once) and have a strict policy. Everything shown has
gone through the redactor. Work that grows with a turn runs in a thread, so that looking never delays running streams.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import cast

import orjson
from aiohttp import web

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.observe import summary
from zerogravity.observe.history import History
from zerogravity.observe.inspector import page
from zerogravity.observe.inspector.assets import TYPES, names, read
from zerogravity.observe.inspector.following import Following
from zerogravity.observe.inspector.replicas import MAX_BYTES, Replicas
from zerogravity.observe.requests import Bodies
from zerogravity.observe.sessions import Sessions
from zerogravity.observe.source import TurnSource
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import lookup

BATCH = 10  # rows made in one go: each may take milliseconds, and captures run in the same loop
PAGE, MAX_PAGE = 200, 1000
TICK_S = 0.5
HEARTBEAT_S = 10.0  # between two messages when nothing changes
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

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadRequest(Exception):
    """A request that cannot be answered; ``text`` is the body of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Inspector:
    """``surfaces``: name → surface, to render again what clients saw; ``secret`` as the server's; ``history``: turns on
    disk, if they are recorded."""

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
        sessions: Sessions | None = None,
        history: History | None = None,
        view_bytes: int = MAX_BYTES,
    ) -> None:
        if not token:
            raise ValueError("the inspector needs a token")
        self._store = store
        self._token = token
        self._clock = clock
        self._surfaces = surfaces
        self._health = health
        self._sessions = sessions or Sessions()
        self._history = history
        self.replicas = Replicas(bodies, surfaces, secret, view_bytes, self._sessions)
        self._following = Following()
        self._answered = Answered(store, self._sessions)
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
            app.router.add_get(path, self._guarded(handler), allow_head=False)
        app.on_shutdown.append(self._stop)

    async def _stop(self, _: web.Application) -> None:
        self._stopping.set()
        self._following.close()
        self.replicas.close()

    # -- access ------------------------------------------------------------------------------------------

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            # Cookies ignore ports: two gateways on one machine must not overwrite each other's.
            cookie = f"zg_inspector_{request.url.port}"
            if self._is_token(request.query.get("token", "")):
                response = _to_page()
                response.set_cookie(cookie, self._token, httponly=True, samesite="Strict", path="/inspector")
                return response
            if not self._is_token(request.cookies.get(cookie, "")):
                return _plain(401, "Open the inspector with the link that zerogravity printed when it started.")
            try:
                return await handler(request)
            except BadRequest as refused:
                return _plain(refused.status, refused.text)

        return guarded

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "backslashreplace"), self._token.encode())

    # -- the page ----------------------------------------------------------------------------------------------

    async def _enter(self, _: web.Request) -> web.Response:
        return _to_page()

    async def _page(self, _: web.Request) -> web.Response:
        self.replicas.prepare()
        return _file("index.html")

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in names():
            raise BadRequest(404, "not found")
        return _file(name)

    # -- turns -------------------------------------------------------------------------------------------------

    async def _turns(self, _: web.Request) -> web.Response:
        answered = await self._answered.now()
        now = self._clock()
        turns: list[dict[str, object]] = []
        for channel in self._store:
            turns.append(self._row(channel, now, answered))
            if len(turns) % BATCH == 0:
                await asyncio.sleep(0)
        return _json({"turns": turns, "health": self._health()})

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """SSE: first all turns, then the changed ones, at most twice a second."""
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        sent: dict[str, tuple[int, str]] = {}
        health: Mapping[str, object] = {}
        quiet = HEARTBEAT_S
        first = True
        while not self._stopping.is_set():
            changed, gone = await self._changes(sent)
            if first or changed or gone or self._health() != health or quiet >= HEARTBEAT_S:
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

    async def _changes(self, sent: dict[str, tuple[int, str]]) -> tuple[list[dict[str, object]], list[str]]:
        """What differs from ``sent``, which is updated."""
        answered = await self._answered.now()
        now = self._clock()
        changed: list[dict[str, object]] = []
        present: set[str] = set()
        for channel in self._store:
            present.add(channel.id)
            if channel.id in sent and sent[channel.id][1] in summary.FINAL:
                continue  # it changes no more: most turns cost nothing
            mark = (channel.count, summary.activity(channel, now, answered, self._surfaces)[0])
            if sent.get(channel.id) != mark:
                sent[channel.id] = mark
                changed.append(self._row(channel, now, answered))
                if len(changed) % BATCH == 0:
                    await asyncio.sleep(0)
        gone = [turn_id for turn_id in sent if turn_id not in present]
        for turn_id in gone:
            del sent[turn_id]
        return changed, gone

    # -- one turn ----------------------------------------------------------------------------------------------

    async def _turn(self, request: web.Request) -> web.Response:
        channel = self._find(request)
        details = await self.replicas.look(channel, page.details)
        return _json({**self._row(channel, self._clock(), await self._answered.now()), **details})

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await self._following.stream(request, response, self._find(request))
        return response

    def _row(self, channel: CascadeChannel, now: int, answered: Collection[str]) -> dict[str, object]:
        return summary.row(channel, now, answered, self._surfaces, self._sessions.known(channel.id))

    def _shows(self, part: Callable[[TurnSource, int, int], Mapping[str, object]]) -> Handler:
        """An endpoint for ``part``: (source, from, limit) → JSON."""

        async def show(request: web.Request) -> web.Response:
            channel = self._find(request)
            start, limit = _page_of(request)
            return _json(await self.replicas.look(channel, lambda copy: part(copy, start, limit)))

        return show

    async def _record(self, request: web.Request) -> web.Response:
        seq = int(request.match_info["seq"])
        found = await self.replicas.look(self._find(request), lambda copy: page.event(copy, seq))
        if found is None:
            raise BadRequest(404, "no such event")
        return _json(found)

    def _find(self, request: web.Request) -> CascadeChannel:
        channel = self._store.get(request.match_info["id"])
        if channel is None:
            raise BadRequest(404, "no such turn in memory")
        return channel


class Answered:
    """The ids of all calls whose results are in a turn of the store, and of the turns that others go on from."""

    def __init__(self, store: MitmStore, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions
        self._by_turn: dict[str, frozenset[str]] = {}
        self._ids: Counter[str] = Counter()  # id → how many turns have its result

    async def now(self) -> Collection[str]:
        """Reads each turn once, in batches."""
        present = {channel.id: channel for channel in self._store}
        for turn_id in self._by_turn.keys() - present.keys():
            self._ids -= Counter(self._by_turn.pop(turn_id))
        for number, (turn_id, channel) in enumerate(present.items(), 1):
            if turn_id not in self._by_turn:
                found = self._by_turn[turn_id] = _results(channel.turn)
                self._ids.update(found)
                if number % BATCH == 0:
                    await asyncio.sleep(0)
            if self._by_turn[turn_id].isdisjoint(previous := {self._sessions.known(turn_id).previous} - {""}):
                self._by_turn[turn_id] |= previous
                self._ids.update(previous)
        return self._ids.keys()


def _results(turn: Turn) -> frozenset[str]:
    """The ids of calls whose results ``turn`` contains."""
    return frozenset(
        call_id
        for content in summary.contents(turn)
        for part in summary.parts(content)
        if isinstance(call_id := lookup(part, "functionResponse", "id"), str)
    )


# -- answers -----------------------------------------------------------------------------------------------------------


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value, default=_default), content_type="application/json", headers=HEADERS)


def _default(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, jsonio.Number):
        return orjson.Fragment(value.source)
    return dict(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else str(value)


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers=HEADERS)


def _to_page() -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": "/inspector/"})


def _file(name: str) -> web.Response:
    kind = TYPES[name[name.rindex(".") :]]
    return web.Response(body=read(name), headers={**HEADERS, "Content-Type": f"{kind}; charset=utf-8"})


def _page_of(request: web.Request) -> tuple[int, int]:
    from_end = request.query.get("from", "").startswith("-")
    start = _number(request, "from", 0, 10**9, sign="-" if from_end else "")
    return -start if from_end else start, _number(request, "limit", PAGE, MAX_PAGE)


def _number(request: web.Request, name: str, default: int, most: int, *, sign: str = "") -> int:
    text = request.query.get(name)
    if text is None:
        return default
    text = text.removeprefix(sign)
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= most):
        raise BadRequest(400, f"{name} must be a whole number up to {most}")
    return int(text)
