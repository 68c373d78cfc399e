"""``SqliteStore``: stored responses in a file (0600, WAL) that survives a restart and may have several users.

One thread does all the work, so the event loop never waits for a disk. An unfinished response is running as long as the
process that stored it lives, and abandoned after that. Facts: wire-openai 1, 2.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Concatenate

from zerogravity.errors import FaultError, internal
from zerogravity.store import schema
from zerogravity.store.base import NOBODY, Change, Entry, StoreLimits, Unreadable, found_or_damaged, read_entry, reading
from zerogravity.store.joined import joined
from zerogravity.store.process_runs import ProcessRuns
from zerogravity.wire import jsonio

logger = logging.getLogger("zerogravity.server")
CLOSE_S = 2.0  # wait for the disk at shutdown
OPEN_S, BUSY_MS = 5.0, 250  # wait for another process's lock: at the start, in each read or write
STEPS: schema.Steps = (
    (
        """CREATE TABLE IF NOT EXISTS responses (
            number INTEGER PRIMARY KEY, owner TEXT NOT NULL, id TEXT NOT NULL, created REAL NOT NULL,
            size INTEGER NOT NULL, data BLOB NOT NULL, frames BLOB NOT NULL, UNIQUE (owner, id)
        )""",
        "CREATE INDEX IF NOT EXISTS sizes ON responses (created, size)",
        """CREATE TABLE IF NOT EXISTS items (
            owner TEXT NOT NULL, id TEXT NOT NULL, response INTEGER NOT NULL REFERENCES responses ON DELETE CASCADE,
            PRIMARY KEY (owner, id, response)
        ) WITHOUT ROWID""",
        "CREATE INDEX IF NOT EXISTS by_response ON items (response)",
    ),
    (),  # the JSON names its process
    (),  # … and holds the messages of earlier responses
    (  # the process beside the JSON
        "ALTER TABLE responses ADD COLUMN run TEXT NOT NULL DEFAULT ''",
        """UPDATE responses SET run = coalesce(json_extract(CAST(data AS TEXT), '$.run'), '')
        WHERE json_valid(CAST(data AS TEXT))""",
    ),
)
_BY_ID = """
SELECT number, created, data, frames, run FROM responses WHERE created >= ? AND owner = ? AND id = ?
"""
_ITEMS = "SELECT id FROM items WHERE response = ?"
_WITH_ITEM = """
SELECT responses.id FROM responses JOIN items ON items.response = responses.number
WHERE created >= ? AND items.owner = ? AND items.id = ? ORDER BY number DESC
"""
_ALL = "SELECT owner, id FROM responses ORDER BY number"
_RUN = "SELECT run FROM responses WHERE owner = ? AND id = ?"
_PUT = "INSERT INTO responses (owner, id, created, size, data, frames, run) VALUES (?, ?, ?, ?, ?, ?, ?)"
_OLDEST = "DELETE FROM responses WHERE number = (SELECT min(number) FROM responses)"
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SqliteStore:
    """A ``ResponseStore``. Shutdown does not wait for a disk that does not answer."""

    peers = None

    def __init__(self, path: Path, limits: StoreLimits) -> None:
        self.bytes = 0
        self._path = path
        self._limits = limits
        self._runs = ProcessRuns(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="responses")  # begins with the first work
        self._database: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._closed = False
        self._abandoned = False  # close() has not waited any longer: what runs now releases the file

    async def open(self) -> None:
        """Call first. Raises FaultError when the file cannot be used."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        except (sqlite3.Error, OSError) as error:
            self._release_database()
            self._thread.shutdown(wait=False)
            text = f"the store '{self._path}' cannot be opened: {schema.why(error)}"
            raise FaultError(internal(text, code="store_unusable")) from error

    async def put(self, entry: Entry) -> None:
        await self._run(self._put, entry)

    async def get(self, response_id: str, owner: str) -> Entry | None:
        return await self._run(self._get, response_id, owner)

    async def change(self, entry_id: str, owner: str, change: Change) -> Entry | None:
        return await self._run(self._change, entry_id, owner, change)

    async def restore(self, entry: Entry) -> bool:
        return False  # nothing is lost here

    async def with_item(self, item_id: str, owner: str, hidden: Collection[str] = ()) -> Entry | None:
        return await self._run(self._with_item, item_id, owner, hidden)

    async def delete(self, response_id: str, owner: str) -> None:
        await self._run(self._delete, response_id, owner)

    async def entries(self) -> AsyncIterator[Entry | Unreadable]:
        for owner, entry_id in await self._run(lambda database: database.execute(_ALL).fetchall()):
            if (found := await found_or_damaged(self, entry_id, owner)) is not None:
                yield found

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            released = asyncio.get_running_loop().run_in_executor(self._thread, self._release)
            await asyncio.wait({released}, timeout=CLOSE_S)
            if released.done():
                released.result()
            else:
                self._abandoned = True
                logger.error("stored responses: the disk does not answer, so the file was not closed properly")
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run[**P, T](
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        def bound(database: sqlite3.Connection) -> T:
            return work(database, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, bound)

    # -- in the thread ---------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._connected()
        self._runs.open()

    def _connected(self) -> sqlite3.Connection:
        self._database, self._identity = _connect(self._path), _identity(self._path)
        return self._database

    def _guarded[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        """After an error other than a lock the file is reopened by the next call: it may have been repaired."""
        try:
            if self._database is not None and _identity(self._path) != self._identity:
                logger.warning("%s was removed or replaced; reopening it", self._path)
                self._release_database()
            return work(self._database or self._connected())
        except OSError as error:
            raise FaultError(internal(f"stored responses: {error}", code="store_unusable")) from error
        except sqlite3.Error as error:
            if _is_busy(error):
                fault = internal(f"stored responses: {error}", status=503, code="store_busy", retry_after=1)
                raise FaultError(fault) from error
            self._release_database()
            raise FaultError(internal(f"stored responses: {schema.why(error)}", code="store_unusable")) from error
        finally:
            if self._abandoned:
                self._release()

    def _release(self) -> None:
        self._release_database()
        self._runs.close()

    def _release_database(self) -> None:
        if self._database is not None:
            database, self._database = self._database, None
            with suppress(sqlite3.Error):
                database.close()

    def _put(self, database: sqlite3.Connection, entry: Entry) -> None:
        with database:
            self._write(database, entry)

    def _change(self, database: sqlite3.Connection, entry_id: str, owner: str, change: Change) -> Entry | None:
        with database:
            database.execute("BEGIN IMMEDIATE")  # nobody else writes between the reading and the writing
            entry = self._get(database, entry_id, owner)
            changed = None if entry is None else change(entry)
            if entry is not None and changed is not None and changed is not entry:
                (run,) = database.execute(_RUN, (owner, entry_id)).fetchone() if entry.running else (None,)
                self._write(database, changed, run)
            return changed

    def _write(self, database: sqlite3.Connection, entry: Entry, running_in: str | None = None) -> None:
        """Within a transaction of the caller's. ``running_in``: the process that works on it, by default this one."""
        data, frames = jsonio.dumps(entry.data), joined(entry.frames)
        size, run = len(data) + len(frames), NOBODY if entry.abandoned else ""
        if entry.running:
            run = running_in or self._runs.own
        database.execute("DELETE FROM responses WHERE owner = ? AND id = ?", (entry.owner, entry.id))
        number = database.execute(_PUT, (entry.owner, entry.id, entry.created, size, data, frames, run)).lastrowid
        database.executemany(
            "INSERT INTO items VALUES (?, ?, ?)", [(entry.owner, item_id, number) for item_id in entry.items]
        )
        self._sweep(database)

    def _sweep(self, database: sqlite3.Connection) -> None:
        limits = self._limits
        database.execute("DELETE FROM responses WHERE created < ?", (limits.since,))
        while True:
            count, size = database.execute("SELECT count(*), coalesce(sum(size), 0) FROM responses").fetchone()
            if count <= limits.count and size <= limits.bytes:
                self.bytes = size
                return
            database.execute(_OLDEST)

    def _get(self, database: sqlite3.Connection, response_id: str, owner: str) -> Entry | None:
        row = database.execute(_BY_ID, (self._limits.since, owner, response_id)).fetchone()
        if row is None:
            return None
        number, created, data, frames, run = row
        items = [item_id for (item_id,) in database.execute(_ITEMS, (number,))]
        with reading(owner, response_id):
            entry = read_entry(owner, response_id, created, data, items, frames)
            alive = bool(run) and self._runs.alive(run)
        return replace(entry, running=alive, abandoned=bool(run) and not alive)

    def _with_item(
        self, database: sqlite3.Connection, item_id: str, owner: str, hidden: Collection[str]
    ) -> Entry | None:
        rows = database.execute(_WITH_ITEM, (self._limits.since, owner, item_id)).fetchall()
        response_id = next((found for (found,) in rows if found not in hidden), None)
        return None if response_id is None else self._get(database, response_id, owner)

    def _delete(self, database: sqlite3.Connection, response_id: str, owner: str) -> None:
        with database:
            database.execute("DELETE FROM responses WHERE owner = ? AND id = ?", (owner, response_id))
            self._sweep(database)


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode; None: there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    with suppress(PermissionError):  # another user's file is theirs to protect
        path.chmod(0o600)
    database = sqlite3.connect(path, timeout=OPEN_S)
    try:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("PRAGMA secure_delete = ON")  # deleted data is overwritten
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        schema.upgrade(database, STEPS)
        database.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY
