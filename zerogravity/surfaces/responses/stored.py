"""Stored responses: what GET, ``input_items``, ``previous_response_id`` and ``item_reference`` need, in SQLite.

In memory by default, else a file (0600, WAL) that survives a restart. One thread does all the work, so the event loop
never waits for a disk. Bounded by number, bytes and age; the oldest go first. Every look-up is by owner: what belongs
to somebody else is as unknown as what never was. Facts: wire-openai 1, 2.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Finished
from zerogravity.core.fold import Call, Media, Message, Reasoning, TurnState
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError, internal
from zerogravity.surfaces.common.carrier import Carried, of_call, seal
from zerogravity.surfaces.common.history import STAND_IN, arguments, parsed
from zerogravity.surfaces.common.models import rules
from zerogravity.surfaces.responses import response
from zerogravity.surfaces.surface import StoredTurn
from zerogravity.wire import jsonio

Json = Mapping[str, Any]
MAX_AGE_S = 30 * 86400
MAX_BYTES = 512 << 20
VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    number INTEGER PRIMARY KEY, owner TEXT NOT NULL, id TEXT NOT NULL, created REAL NOT NULL, size INTEGER NOT NULL,
    data BLOB NOT NULL, frames BLOB NOT NULL, UNIQUE (owner, id)
);
CREATE INDEX IF NOT EXISTS sizes ON responses (created, size);
CREATE TABLE IF NOT EXISTS items (
    owner TEXT NOT NULL, id TEXT NOT NULL, response INTEGER NOT NULL REFERENCES responses ON DELETE CASCADE,
    PRIMARY KEY (owner, id, response)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_response ON items (response);
"""
_BY_ID = "SELECT data, frames FROM responses WHERE created >= ? AND owner = ? AND id = ?"
_BY_ITEM = """
SELECT data, frames FROM responses JOIN items ON items.response = responses.number
WHERE created >= ? AND items.owner = ? AND items.id = ? ORDER BY number DESC LIMIT 1
"""
_OLDEST = "DELETE FROM responses WHERE number = (SELECT min(number) FROM responses)"


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """One finished response.

    ``response``     the Response object. ``input_items``: the request's own items with ids, oldest first.
    ``contents``     Google-shaped history up to and including its answer, signatures in place.
    ``sealed``       item id → ``encrypted_content`` that a reference to the item brings back, shown or not.
    ``family, system, tools``  see ``StoredTurn``.
    ``frames``       the SSE frames of a background stream, for byte-for-byte replay.
    """

    id: str
    owner: str
    created: float
    response: Json
    input_items: tuple[Json, ...] = ()
    contents: tuple[Json, ...] = ()
    sealed: Mapping[str, str] = field(default_factory=dict[str, str])
    family: str = ""
    system: tuple[str, ...] = ()
    tools: tuple[Json, ...] = ()
    frames: tuple[bytes, ...] = ()

    @property
    def items(self) -> dict[str, Json]:
        """Every item by id, input and output, as ``item_reference`` finds it."""
        every = [*self.input_items, *cast("list[Json]", self.response.get("output") or [])]
        return {
            item["id"]: {**item, "encrypted_content": self.sealed[item["id"]]} if item["id"] in self.sealed else item
            for item in every
        }

    @property
    def turn(self) -> StoredTurn:
        """What a turn that continues it takes over."""
        return StoredTurn(self.contents, self.items, self.family, self.system, self.tools)


# -- a channel that is over → what is stored -----------------------------------------------------------------


def of_turn(channel: CascadeChannel, secret: bytes, frames: Sequence[bytes] = ()) -> StoredResponse:
    """Everything that is kept of a turn. The channel must be closed."""
    turn, state = channel.turn, channel.state
    made = response.render(turn, state, secret)
    contents = list(cast("list[Json]", turn.generate["contents"]))
    if isinstance(state.terminal, Finished) and (parts := answer_parts(turn, state)):
        contents.append({"role": "model", "parts": parts})
    metadata = turn.metadata
    return StoredResponse(
        id=made["id"],
        owner=turn.owner,
        created=turn.created,
        response=made,
        input_items=tuple(metadata.get("input", ())),
        contents=tuple(contents),
        sealed=_sealed(turn, state, made["output"], secret),
        family=turn.target.family,
        system=tuple(metadata.get("system", ())),
        tools=tuple(metadata.get("tools", ())),
        frames=tuple(frames),
    )


def answer_parts(turn: Turn, state: TurnState) -> list[dict[str, Any]]:
    """The answer as Google made it: thoughts only if signed, calls as the client saw them, with what Google's own tools
    did around them.

    ``zgCallId`` is the client's id of a call; ``History.extend`` takes it out again.
    """
    family = rules(turn.target.family)
    one_call = turn.echo.get("parallel_tool_calls") is False
    parts: list[dict[str, Any]] = []
    called = False
    for item in state.items:
        part: dict[str, Any]
        signature = item.signature
        match item:
            case Reasoning():
                if not signature:
                    continue
                part = {"text": item.text, "thought": True}
            case Message():
                part = {"text": item.text}
            case Media():
                part = {"inlineData": {"mimeType": item.mime, "data": item.data}}
            case Call():
                if called and one_call:
                    continue
                call: dict[str, Any] = {"name": item.name, "args": arguments(item.args_json)}
                if family.ids_on_calls:
                    call["id"] = item.upstream_id or item.call_id
                part = {"functionCall": call, "zgCallId": item.call_id}
                if not called and family.needs_signature:
                    signature = signature or STAND_IN
                called = True
                parts += parsed(item.before)
        parts.append({**part, "thoughtSignature": signature} if signature else part)
        if isinstance(item, Call):
            parts += parsed(item.after)
    return parts


def _sealed(turn: Turn, state: TurnState, output: Sequence[Json], secret: bytes) -> dict[str, str]:
    """Signatures of thoughts and calls by the item that shows them."""
    thoughts = [item for item in state.items if isinstance(item, Reasoning)]
    shown = [item for item in output if item["type"] == "reasoning" and item["summary"]]
    found: dict[str, list[Carried]] = {}
    for thought, item in zip(thoughts, shown, strict=False):
        if thought.signature:
            found[item["id"]] = [Carried(thought.signature, turn.target.family)]
    signed = {call.call_id: call for call in state.function_calls if call.signature}
    for item in output:
        if (call := signed.get(item.get("call_id", ""))) is not None:
            found[item["id"]] = of_call(call, turn.target.family)
    return {item_id: seal(secret, carried) for item_id, carried in found.items()}


# -- the store -----------------------------------------------------------------------------------------------


class ResponseStore:
    """Made by ``open_store``. Raises FaultError 500 when the file can not be read or written."""

    def __init__(self, thread: ThreadPoolExecutor, database: sqlite3.Connection, limits: _Limits) -> None:
        self._thread = thread
        self._database = database
        self._limits = limits
        self._closed = False

    async def put(self, stored: StoredResponse) -> None:
        """Keep it, in the place of an older one with its id; the oldest ones make room."""
        await self._run(self._put, stored)

    async def get(self, response_id: str, owner: str) -> StoredResponse | None:
        """That response, or None: unknown, deleted, expired, or somebody else's."""
        return await self._run(self._get, response_id, owner)

    async def delete(self, response_id: str, owner: str) -> bool:
        """Forget it and its items. False when there is no such response."""
        return await self._run(self._delete, response_id, owner)

    async def item(self, item_id: str, owner: str) -> Json | None:
        """The newest input or output item with that id."""
        return await self._run(self._item, item_id, owner)

    async def close(self) -> None:
        """Release the file and the thread; may be called twice."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
            self._thread.shutdown(wait=False)

    async def _run[**P, T](self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))
        except sqlite3.Error as error:
            raise FaultError(internal(f"stored responses: {error}", code="store_unusable")) from error

    # -- in the thread ---------------------------------------------------------------------------------------

    def _put(self, stored: StoredResponse) -> None:
        data, frames = jsonio.dumps(_members(stored)), _joined(stored.frames)
        size = len(data) + len(frames)
        with self._database as database:
            database.execute("DELETE FROM responses WHERE owner = ? AND id = ?", (stored.owner, stored.id))
            number = database.execute(
                "INSERT INTO responses (owner, id, created, size, data, frames) VALUES (?, ?, ?, ?, ?, ?)",
                (stored.owner, stored.id, stored.created, size, data, frames),
            ).lastrowid
            database.executemany(
                "INSERT INTO items VALUES (?, ?, ?)", [(stored.owner, item_id, number) for item_id in stored.items]
            )
            self._sweep(database)

    def _sweep(self, database: sqlite3.Connection) -> None:
        limits = self._limits
        database.execute("DELETE FROM responses WHERE created < ?", (limits.now() - limits.age,))
        while True:
            count, size = database.execute("SELECT count(*), coalesce(sum(size), 0) FROM responses").fetchone()
            if count <= limits.count and size <= limits.bytes:
                return
            database.execute(_OLDEST)

    def _get(self, response_id: str, owner: str) -> StoredResponse | None:
        return self._load(_BY_ID, owner, response_id)

    def _item(self, item_id: str, owner: str) -> Json | None:
        found = self._load(_BY_ITEM, owner, item_id)
        return None if found is None else found.items.get(item_id)

    def _load(self, statement: str, owner: str, wanted: str) -> StoredResponse | None:
        row = self._database.execute(statement, (self._limits.now() - self._limits.age, owner, wanted)).fetchone()
        return None if row is None else _stored(*row)

    def _delete(self, response_id: str, owner: str) -> bool:
        known = self._get(response_id, owner) is not None
        with self._database as database:
            database.execute("DELETE FROM responses WHERE owner = ? AND id = ?", (owner, response_id))
        return known


@dataclass(frozen=True, slots=True)
class _Limits:
    count: int
    bytes: int
    age: float
    now: Callable[[], float]


async def open_store(
    path: str | None,
    *,
    limit: int,
    max_age_s: float = MAX_AGE_S,
    now: Callable[[], float] = time.time,
    max_bytes: int = MAX_BYTES,
) -> ResponseStore:
    """``path`` None: in memory. Raises FaultError when the file can not be used."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="responses")
    try:
        database = await asyncio.get_running_loop().run_in_executor(thread, _connect, path)
    except (sqlite3.Error, OSError) as error:
        thread.shutdown(wait=False)
        raise FaultError(internal(f"the store '{path}' can not be opened: {error}", code="store_unusable")) from error
    return ResponseStore(thread, database, _Limits(limit, max_bytes, max_age_s, now))


def _connect(path: str | None) -> sqlite3.Connection:
    if path is not None:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with suppress(PermissionError):  # somebody else's file: theirs to protect
            Path(path).chmod(0o600)
    database = sqlite3.connect(":memory:" if path is None else path)
    try:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("PRAGMA secure_delete = ON")  # what is deleted is gone from the file, too
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"it was written by another version ({version})")
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA user_version = {VERSION}")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _members(stored: StoredResponse) -> dict[str, Any]:
    names = ("id", "owner", "created", "response", "input_items", "contents", "sealed", "family", "system", "tools")
    return {name: getattr(stored, name) for name in names}


def _stored(data: bytes, frames: bytes) -> StoredResponse:
    members = jsonio.loads(data)
    for name in ("input_items", "contents", "system", "tools"):
        members[name] = tuple(members[name])
    return StoredResponse(**members, frames=_split(frames))


def _joined(frames: Sequence[bytes]) -> bytes:
    """Each frame behind its length."""
    return b"".join(len(frame).to_bytes(4) + frame for frame in frames)


def _split(joined: bytes) -> tuple[bytes, ...]:
    frames: list[bytes] = []
    position = 0
    while position < len(joined):
        start = position + 4
        position = start + int.from_bytes(joined[position:start])
        frames.append(joined[start:position])
    return tuple(frames)
