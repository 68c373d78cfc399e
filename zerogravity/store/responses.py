"""``StoredResponse`` ↔ SQLite: in memory by default, else a file (0600, WAL) that survives a restart.

One thread does all the work, so the event loop never waits for a disk. Bounded by number, bytes and age; the oldest go
first. Every look-up is by owner: what belongs to somebody else is as unknown as what never was. A response that another
process has begun is running as long as that process lives, then it is cut off. Facts: wire-openai 1, 2.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Concatenate

from zerogravity.errors import FaultError, internal
from zerogravity.store.process_runs import ProcessRuns
from zerogravity.surfaces.responses.stored import StoredResponse, cut_off
from zerogravity.wire import jsonio

Json = Mapping[str, Any]
logger = logging.getLogger("zerogravity.server")
MAX_AGE_S = 30 * 86400
MAX_BYTES = 512 << 20
VERSION = 3
READABLE = (0, 1, 2, VERSION)  # 0: new; 1: without runs; 2: without the messages of earlier responses
CLOSE_S = 2.0  # how long the disk is waited for at the end
OPEN_S, BUSY_MS = 5.0, 250  # how long somebody else's lock is waited for: at the start, and by each read or write
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
SELECT responses.id FROM responses JOIN items ON items.response = responses.number
WHERE created >= ? AND items.owner = ? AND items.id = ? ORDER BY number DESC
"""
_OLDEST = "DELETE FROM responses WHERE number = (SELECT min(number) FROM responses)"
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NOT_MEMBERS = ("frames", "running", "cut_off")  # of the JSON object that a response is stored as
MEMBERS = tuple(field.name for field in fields(StoredResponse) if field.name not in _NOT_MEMBERS)


class ResponseStore:
    """Made by ``open_store``. Raises FaultError when the file can not be read or written: 503 ``store_busy`` while
    somebody else holds it, 500 ``store_unusable`` for all other reasons; a later try may do better with both."""

    def __init__(self, thread: ThreadPoolExecutor, path: Path | None, opened: _Opened, limits: _Limits) -> None:
        self._thread = thread
        self._path = path
        self._database: sqlite3.Connection | None = opened.database
        self._identity = _identity(path)
        self._runs = opened.runs
        self._limits = limits
        self._closed = False
        self.bytes = 0  # of all that is stored, as of the last change

    async def put(self, stored: StoredResponse) -> None:
        """Keep it, in the place of an older one with its id; the oldest ones make room."""
        await self._run(self._put, stored)

    async def get(self, response_id: str, owner: str) -> StoredResponse | None:
        """That response, or None: unknown, deleted, expired, or somebody else's."""
        return await self._run(self._get, response_id, owner)

    async def delete(self, response_id: str, owner: str) -> None:
        """Forget it and its items."""
        await self._run(self._delete, response_id, owner)

    async def item(self, item_id: str, owner: str, hidden: Collection[str] = ()) -> Json | None:
        """The newest input or output item with that id, but of no ``hidden`` response."""
        return await self._run(self._item, item_id, owner, hidden)

    async def close(self) -> None:
        """Release the file and the thread; may be called twice. A disk that does not answer is not waited for."""
        if not self._closed:
            self._closed = True
            released = asyncio.get_running_loop().run_in_executor(self._thread, self._release)
            await asyncio.wait({released}, timeout=CLOSE_S)
            if released.done():
                released.result()
            else:
                logger.error("stored responses: the disk does not answer, and the file is left as it is")
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run[**P, T](
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        def bound(database: sqlite3.Connection) -> T:
            return work(database, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, bound)

    # -- in the thread ---------------------------------------------------------------------------------------

    def _guarded[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        """After a failure that no waiting heals the file is opened anew: it may have been put right meanwhile."""
        try:
            if self._database is not None and _identity(self._path) != self._identity:
                logger.warning("%s has been removed or replaced: it is opened anew", self._path)
                self._release_database()
            if self._database is None:
                self._database = _connect(self._path)
                self._identity = _identity(self._path)
            return work(self._database)
        except OSError as error:
            raise FaultError(internal(f"stored responses: {error}", code="store_unusable")) from error
        except sqlite3.Error as error:
            if _is_busy(error):
                told = internal(f"stored responses: {error}", status=503, code="store_busy", retry_after=1)
                raise FaultError(told) from error
            if self._path is not None:
                self._release_database()
            raise FaultError(internal(f"stored responses: {error}", code="store_unusable")) from error

    def _release(self) -> None:
        self._release_database()
        self._runs.close()

    def _release_database(self) -> None:
        if self._database is not None:
            database, self._database = self._database, None
            with suppress(sqlite3.Error):
                database.close()

    def _put(self, database: sqlite3.Connection, stored: StoredResponse) -> None:
        data, frames = jsonio.dumps(self._members(stored)), _joined(stored.frames)
        size = len(data) + len(frames)
        with database:
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
                self.bytes = size
                return
            database.execute(_OLDEST)

    def _get(self, database: sqlite3.Connection, response_id: str, owner: str) -> StoredResponse | None:
        row = database.execute(_BY_ID, (self._since(), owner, response_id)).fetchone()
        return None if row is None else self._stored(*row)

    def _item(self, database: sqlite3.Connection, item_id: str, owner: str, hidden: Collection[str]) -> Json | None:
        rows = database.execute(_BY_ITEM, (self._since(), owner, item_id)).fetchall()
        response_id = next((found for (found,) in rows if found not in hidden), None)
        found = None if response_id is None else self._get(database, response_id, owner)
        return None if found is None else found.items.get(item_id)

    def _since(self) -> float:
        return self._limits.now() - self._limits.age

    def _delete(self, database: sqlite3.Connection, response_id: str, owner: str) -> None:
        with database:
            database.execute("DELETE FROM responses WHERE owner = ? AND id = ?", (owner, response_id))
            self._sweep(database)

    def _members(self, stored: StoredResponse) -> dict[str, Any]:
        return {name: getattr(stored, name) for name in MEMBERS} | {"run": self._runs.own if stored.running else ""}

    def _stored(self, data: bytes, frames: bytes) -> StoredResponse:
        members = jsonio.loads(data)
        run = members.pop("run", "")
        for name in ("input_items", "contents", "earlier", "system", "tools"):
            members[name] = tuple(members.get(name, ()))
        stored = StoredResponse(**members, frames=_split(frames), running=bool(run))
        return stored if not run or self._runs.alive(run) else cut_off(stored)


@dataclass(frozen=True, slots=True)
class _Limits:
    count: int
    bytes: int
    age: float
    now: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Opened:
    database: sqlite3.Connection
    runs: ProcessRuns


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
    file = None if path is None else Path(path)
    try:
        opened = await asyncio.get_running_loop().run_in_executor(thread, _open, file)
    except (sqlite3.Error, OSError) as error:
        thread.shutdown(wait=False)
        raise FaultError(internal(f"the store '{path}' can not be opened: {error}", code="store_unusable")) from error
    return ResponseStore(thread, file, opened, _Limits(limit, max_bytes, max_age_s, now))


def _open(path: Path | None) -> _Opened:
    database = _connect(path)
    try:
        return _Opened(database, ProcessRuns(path))
    except OSError:
        database.close()
        raise


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Which file that is, whatever its name; None: there is none."""
    try:
        found = None if path is None else path.stat()
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with suppress(PermissionError):  # somebody else's file: theirs to protect
            path.chmod(0o600)
    database = sqlite3.connect(":memory:" if path is None else path, timeout=OPEN_S)
    try:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("PRAGMA secure_delete = ON")  # what is deleted is gone from the file, too
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in READABLE:
            raise sqlite3.DatabaseError(f"it was written by another version ({version})")
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


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
