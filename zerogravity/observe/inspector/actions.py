"""What the inspector can do with a turn: cancel it, note something about it, give it away as a file.

Only the page itself may ask for a change: with its cookie, in JSON (which no form can send), and from no other origin,
not even one that may call the API (threats T1, T2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from aiohttp import web

from zerogravity import ids
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import PASSIVE
from zerogravity.errors import FaultError
from zerogravity.observe import client_curl, notes, trace_folders
from zerogravity.observe.history import History
from zerogravity.observe.inspector.access import Handler
from zerogravity.observe.inspector.answers import HEADERS, BadRequest, as_json
from zerogravity.observe.inspector.live import LiveTurns
from zerogravity.observe.inspector.replicas import Replicas
from zerogravity.observe.notes import Note
from zerogravity.observe.source import TurnSource
from zerogravity.observe.trace_reader import Trace
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import an_object

if TYPE_CHECKING:
    from zerogravity.observe.exports import Export

MAX_BODY = 64 << 10  # bytes: a note of 4,000 characters, each as two escapes
BODY_S = 10.0
OWN_SITES = ("none", "same-origin")
NOT_RECORDED = "this turn is not on disk (tracing is off, or it was removed), so it has no folder to bundle"
IN_MEMORY = "kept in memory only, as long as the turn is: it is not recorded"


class Found(NamedTuple):
    """Where a turn is: in memory, on disk, or both."""

    channel: CascadeChannel | None
    trace: Trace | None


class Actions:
    """``cancel``: ends a running turn; False when it is over. ``history``: the turns on disk, if they are recorded."""

    def __init__(
        self,
        turns: LiveTurns,
        replicas: Replicas,
        surfaces: Surfaces,
        history: History | None,
        cancel: Callable[[str], bool],
    ) -> None:
        self._turns = turns
        self._replicas = replicas
        self._surfaces = surfaces
        self._history = history
        self._cancel_turn = cancel
        self._writing = asyncio.Lock()  # a note is read, changed and written

    def routes(self) -> list[tuple[str, str, Handler]]:
        """(method, path below a turn's own, handler)."""
        return [
            ("POST", "/cancel", self._cancel),
            ("GET", "/note", self._note),
            ("POST", "/note", self._set_note),
            ("GET", "/curl", self._curl),
            ("GET", "/export/{format}", self._export),
        ]

    # -- changing ----------------------------------------------------------------------------------------------

    async def _cancel(self, request: web.Request) -> web.Response:
        """End a running turn, as a client's own cancelling would."""
        if unknown := next(iter(await _given(request)), None):
            raise BadRequest(400, f"to cancel takes no {unknown[:40]!r}")
        channel, _ = await self._find(request)
        if channel is not None and channel.turn.surface == PASSIVE and not channel.closed:
            raise BadRequest(409, "this turn is only watched: another program makes it, and only that can cancel it")
        if channel is None or not self._cancel_turn(channel.id):
            raise BadRequest(409, "this turn is over already")
        return as_json({"id": channel.id, "cancelled": True})

    async def _note(self, request: web.Request) -> web.Response:
        found = await self._find(request)
        return _noted(found, await _read(found))

    async def _set_note(self, request: web.Request) -> web.Response:
        """``{"note": str, "star": bool}``: what is not given stays."""
        given = await _given(request)
        if not given:
            raise BadRequest(400, "give note (a text) or star (true or false)")
        async with self._writing:
            found = await self._find(request)
            try:
                noted = (await _read(found)).changed(given)
            except FaultError as error:
                raise BadRequest(400, error.fault.message) from None
            if found.trace is not None:
                await self._write(found.trace, noted)
            if found.channel is not None:
                notes.keep(found.channel, noted)
                self._turns.changed(found.channel)
        return _noted(found, noted)

    async def _write(self, trace: Trace, noted: Note) -> None:
        def write() -> None:
            notes.write(trace.folder, noted)
            if self._history is not None:
                self._history.changed(trace.folder)

        try:
            await asyncio.to_thread(write)
        except OSError as error:
            raise BadRequest(500, f"the note cannot be written: {error.strerror or error}") from None

    # -- giving away -------------------------------------------------------------------------------------------

    async def _curl(self, request: web.Request) -> web.Response:
        found = await self._find(request)
        return as_json({"curl": await self._look(found, lambda turn: client_curl.head(turn, self._surfaces))})

    async def _export(self, request: web.Request) -> web.Response:
        from zerogravity.observe.exports import EXPORTS

        export = EXPORTS.get(request.match_info["format"])
        if export is None:
            raise BadRequest(404, f"there is no such format; there are {', '.join(EXPORTS)}")
        found = await self._find(request)
        if export.of_folders:
            if found.trace is None:
                raise BadRequest(409, NOT_RECORDED)
            found = Found(None, found.trace)
        data = await self._look(found, partial(_exported, export, self._surfaces))
        name = f"zerogravity-{trace_folders.short(request.match_info['id'])}{export.ending}"
        headers = {
            **HEADERS, "Content-Type": "application/octet-stream",
            "Content-Disposition": f'attachment; filename="{name}"',
        }  # fmt: skip
        return web.Response(body=data, headers=headers)

    async def _look[T](self, found: Found, read: Callable[[TurnSource], T]) -> T:
        """``read`` of the turn, in a thread."""
        if found.channel is not None:
            return await self._replicas.look(found.channel, read)
        assert found.trace is not None
        return await asyncio.to_thread(read, cast("TurnSource", found.trace))  # its properties are cached ones

    # -- finding -----------------------------------------------------------------------------------------------

    async def _find(self, request: web.Request) -> Found:
        """Raises BadRequest 404."""
        turn_id = request.match_info["id"]
        if not ids.valid(turn_id, "turn"):
            raise BadRequest(404, "no such turn")
        channel = self._turns.get(turn_id)
        trace = None if self._history is None else await asyncio.to_thread(self._history.trace, turn_id)
        if channel is None and trace is None:
            raise BadRequest(404, "no such turn")
        return Found(channel, trace)


async def _read(found: Found) -> Note:
    """The disk knows best: a note may have been written there by a command."""
    if found.trace is None:
        assert found.channel is not None
        return notes.of(found.channel)
    noted = await asyncio.to_thread(notes.read, found.trace.folder)
    if found.channel is not None:
        notes.keep(found.channel, noted)
    return noted


def _noted(found: Found, noted: Note) -> web.Response:
    stored = found.trace is not None
    return as_json({**noted.as_json(), "stored": stored, "remark": "" if stored else IN_MEMORY})


def _exported(export: Export, surfaces: Surfaces, turn: TurnSource) -> bytes:
    return export.write([turn], surfaces)


# -- what is asked -------------------------------------------------------------------------------------------------


async def _given(request: web.Request) -> dict[str, object]:
    """The members of a change that the page asks for; an empty body has none. Raises BadRequest 400, 403, 408, 413 or
    415."""
    own = f"{request.scheme}://{request.host}"
    if request.headers.get("Origin", own) != own or request.headers.get("Sec-Fetch-Site", "none") not in OWN_SITES:
        raise BadRequest(403, "only the inspector's own page may change something here")
    if request.content_type != "application/json" or request.headers.get("Content-Encoding"):
        raise BadRequest(415, "the request needs Content-Type: application/json, and no Content-Encoding")
    data = await _body(request)
    try:
        found = an_object(jsonio.strict(data or b"{}"))
    except ValueError:
        raise BadRequest(400, "the request body is not valid JSON") from None
    if found is None:
        raise BadRequest(400, "the request body must be a JSON object")
    return found


async def _body(request: web.Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while piece := await request.content.readany():
                body += piece
                if len(body) > MAX_BODY:
                    raise BadRequest(413, f"the request body is larger than {MAX_BODY} bytes")
    except TimeoutError:
        raise BadRequest(408, "the request body did not arrive in time") from None
    except web.RequestPayloadError:
        raise BadRequest(400, "the request body could not be read") from None
    return bytes(body)
