"""``TraceIndex``: what is in the trace folders, in one SQLite file (0600, WAL) that finds it again. Everything in it
comes from the folders and can be made again from them, so a file that is broken or foreign is set aside.

| table         | holds                                                                                               |
|---------------|-----------------------------------------------------------------------------------------------------|
| ``turns``     | a row per turn, in plain columns, for people too; ``row``: what the inspector shows of it, as JSON   |
| ``awaited``   | the calls of a turn that ended with some: our id and Google's                                       |
| ``results``   | the calls whose results a turn has brought                                                          |
| ``parts``     | what is new in a turn's texts: (turn, part, text); see ``observe.turn_texts``                       |
| ``parts_fts`` | FTS5 over ``parts.text`` by trigrams, so that ``LIKE '%any part of a word%'`` is fast                |

Trigrams find what grep finds, in every script; without positions (``detail=none``) they take half the space of a text.
A connection lives as long as one operation: several processes share the file, and none holds it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import NamedTuple

from zerogravity.observe.query import Query
from zerogravity.store import schema
from zerogravity.store.trace_conditions import holds, where
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import members

FILE, ASIDE = "index.sqlite", "index.sqlite.broken"
APPLICATION = 0x7A67_6978  # "zgix": no other program's file is taken for an index
BUSY_S = 5.0
SPARE = 256  # pages of 4 KiB that may be free
VALUES = 500  # of one statement
_BROKEN = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
COLUMNS = (
    "folder", "changed", "id", "started", "created", "client", "session", "previous", "branch", "run", "conversation",
    "surface", "model", "target", "code", "google", "failed", "prompt_tokens", "cached_tokens", "output_tokens",
    "thought_tokens", "price", "total_ms", "tools", "question", "note", "star", "row",
)  # fmt: skip
STEPS: schema.Steps = (
    (
        """CREATE TABLE turns (
            number INTEGER PRIMARY KEY,
            folder TEXT NOT NULL UNIQUE, -- below the folder of the traces
            changed INTEGER NOT NULL, -- the folder's time of change, in ns
            id TEXT NOT NULL,
            started TEXT NOT NULL, -- UTC, with milliseconds
            created REAL NOT NULL, -- the same, in seconds since 1970
            client TEXT NOT NULL, session TEXT NOT NULL, previous TEXT NOT NULL, branch TEXT NOT NULL,
            run TEXT NOT NULL, conversation TEXT NOT NULL, surface TEXT NOT NULL, model TEXT NOT NULL,
            target TEXT NOT NULL,
            code TEXT, -- how it ended; NULL: it has not
            google TEXT NOT NULL, -- what Google answered to a turn that it refused
            failed INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL, thought_tokens INTEGER NOT NULL,
            price REAL, -- US dollars; NULL: not known
            total_ms REAL NOT NULL,
            tools TEXT NOT NULL, -- names of the called ones, a JSON array
            question TEXT NOT NULL, note TEXT NOT NULL, star INTEGER NOT NULL, row TEXT NOT NULL
        )""",
        "CREATE INDEX turns_by_id ON turns (id)",
        "CREATE INDEX turns_by_time ON turns (created, folder)",
        "CREATE INDEX turns_by_session ON turns (session, created)",
        """CREATE TABLE parts (
            number INTEGER PRIMARY KEY, turn INTEGER NOT NULL REFERENCES turns, part TEXT NOT NULL, text TEXT NOT NULL
        )""",
        "CREATE INDEX parts_by_turn ON parts (turn)",
        """CREATE VIRTUAL TABLE parts_fts USING fts5 (
            text, content='parts', content_rowid='number', tokenize='trigram', detail=none
        )""",
        """CREATE TRIGGER parts_added AFTER INSERT ON parts BEGIN
            INSERT INTO parts_fts (rowid, text) VALUES (new.number, new.text);
        END""",
        """CREATE TRIGGER parts_removed AFTER DELETE ON parts BEGIN
            INSERT INTO parts_fts (parts_fts, rowid, text) VALUES ('delete', old.number, old.text);
        END""",
        f"PRAGMA application_id = {APPLICATION}",
    ),
    (
        "CREATE TABLE awaited (turn INTEGER NOT NULL REFERENCES turns, call TEXT NOT NULL, upstream TEXT NOT NULL)",
        "CREATE TABLE results (turn INTEGER NOT NULL REFERENCES turns, call TEXT NOT NULL)",
        "CREATE INDEX awaited_by_turn ON awaited (turn)",
        "CREATE INDEX results_by_turn ON results (turn)",
        "CREATE INDEX results_by_call ON results (call)",
        "CREATE INDEX turns_by_previous ON turns (previous)",
        "DELETE FROM parts",  # all is read again
        "DELETE FROM turns",
    ),
    (  # texts of the length at which they were cut until then are read again
        *(f"DELETE FROM {table} WHERE {name} IN (SELECT turn FROM parts WHERE length(text) = 1048576)"  # noqa: S608
          for table, name in (("awaited", "turn"), ("results", "turn"), ("turns", "number"))),
        "DELETE FROM parts WHERE turn NOT IN (SELECT number FROM turns)",
    ),
)  # fmt: skip
_PUT = f"INSERT INTO turns ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_PUT_INTO = {
    "parts": "INSERT INTO parts (turn, part, text) VALUES (?, ?, ?)",
    "awaited": "INSERT INTO awaited (turn, call, upstream) VALUES (?, ?, ?)",
    "results": "INSERT INTO results (turn, call) VALUES (?, ?)",
}
_KEY = "coalesce(nullif(session, ''), id)"  # a turn of no known session is one by itself


@dataclass(frozen=True, slots=True)
class Entry:
    """A turn as the index holds it. ``values``: of COLUMNS; ``parts``: name → text; ``awaited``: ids of its calls, ours
    and Google's; ``results``: ids of calls whose results it has brought."""

    values: Mapping[str, object]
    parts: Mapping[str, str]
    awaited: Sequence[tuple[str, str]] = ()
    results: Collection[str] = ()


class Found(NamedTuple):
    """``folder``: below the folder of the traces; ``row``: what the inspector shows."""

    folder: str
    row: dict[str, object]


class Part(NamedTuple):
    """A text of a turn."""

    turn: str
    folder: str
    part: str
    text: str


class Failures(NamedTuple):
    """Failed turns of a kind; ``newest``: the folder of one."""

    code: str
    google: str
    times: int
    newest: str


class TraceIndex:
    """``path`` None: in memory. Every method raises OSError when the file cannot be used, and may be called in any
    thread."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._memory: sqlite3.Connection | None = None

    # -- writing -------------------------------------------------------------------------------------------------

    def put(self, entries: Sequence[Entry]) -> None:
        """Add turns, each in place of what was known of its folder; all or none."""
        with self._opened() as database:
            database.execute("BEGIN IMMEDIATE")
            _remove(database, [entry.values["folder"] for entry in entries])
            for entry in entries:
                number = database.execute(_PUT, [entry.values[name] for name in COLUMNS]).lastrowid
                held = {
                    "parts": entry.parts.items(),
                    "awaited": entry.awaited,
                    "results": ((it,) for it in entry.results),
                }
                for table, rows in held.items():
                    database.executemany(_PUT_INTO[table], [(number, *row) for row in rows])

    def remove(self, folders: Collection[str]) -> None:
        """Forget the turns of these folders. The space is given back when much of it is free."""
        if not folders:
            return
        with self._opened() as database:
            database.execute("BEGIN IMMEDIATE")
            _remove(database, folders)
        with self._opened() as database:
            free, pages = (
                database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count")
            )
            if free > max(SPARE, pages // 3):
                database.execute("VACUUM")

    def clear(self) -> None:
        """Forget everything, and give the space back."""
        with self._opened() as database:
            database.execute("BEGIN IMMEDIATE")
            _remove(database, [folder for (folder,) in database.execute("SELECT folder FROM turns")])
        with self._opened() as database:
            database.execute("VACUUM")

    # -- reading -------------------------------------------------------------------------------------------------

    def known(self) -> dict[str, int]:
        """Folder → its time of change when it was indexed."""
        with self._opened() as database:
            return dict(database.execute("SELECT folder, changed FROM turns"))

    def is_empty(self) -> bool:
        """Also of a file that has just been made, in place of one that was broken or removed."""
        with self._opened() as database:
            return database.execute("SELECT 1 FROM turns").fetchone() is None

    def turns(self, query: Query, *, before: float | None = None, limit: int = -1) -> list[Found]:
        """The turns that ``query`` finds, newest first; ``before``: only earlier ones; ``limit`` -1: all."""
        wanted, values = where(query, before)
        sql = f"SELECT folder, row FROM turns WHERE {wanted} ORDER BY created DESC, folder DESC LIMIT ?"  # noqa: S608
        with self._opened() as database:
            return [Found(folder, _json(row)) for folder, row in database.execute(sql, (*values, limit))]

    def sessions(self, query: Query, *, before: float | None = None, limit: int = -1) -> list[list[dict[str, object]]]:
        """The rows of each session that has a turn which ``query`` finds; sessions newest first, their turns oldest
        first. ``before``: only those whose newest found turn began earlier."""
        wanted, values = where(query)
        sql = (
            f"SELECT {_KEY} AS key, max(created) AS newest FROM turns WHERE {wanted} GROUP BY key "  # noqa: S608
            "HAVING newest < ? ORDER BY newest DESC LIMIT ?"
        )
        rows = "SELECT row FROM turns WHERE session = ? OR (session = '' AND id = ?) ORDER BY created, folder"
        with self._opened() as database:
            keys = [key for key, _ in database.execute(sql, (*values, 9e18 if before is None else before, limit))]
            return [[_json(row) for (row,) in database.execute(rows, (key, key))] for key in keys]

    def parts(self, query: Query, literals: Collection[str] = ()) -> Generator[Part]:
        """The texts of the turns that ``query`` finds, newest turn first: those that hold all ``literals``, in any
        case. The file is held open until the last one has been taken."""
        wanted, values = where(query)
        held = [holds(literal) for literal in literals]
        sql = " AND ".join((f"({wanted})", *(condition for condition, _ in held)))
        with self._opened() as database:
            yield from map(Part._make, database.execute(
                "SELECT turns.id, turns.folder, parts.part, parts.text FROM turns "  # noqa: S608
                f"JOIN parts ON parts.turn = turns.number WHERE {sql} "
                "ORDER BY turns.created DESC, turns.folder DESC, parts.number",
                (*values, *(value for _, given in held for value in given)),
            ))  # fmt: skip

    def texts(self, folders: Iterable[str]) -> Generator[list[tuple[str, str]]]:
        """(part, text) of each of these turns. The file is held open until the last one has been taken."""
        sql = "SELECT part, text FROM parts WHERE turn = (SELECT number FROM turns WHERE folder = ?) ORDER BY number"
        with self._opened() as database:
            for folder in folders:
                yield database.execute(sql, (folder,)).fetchall()

    def without_results(self, turns: Iterable[str]) -> dict[str, bool]:
        """Those of these turns to whose calls some result has not come; whether another turn goes on from it."""
        found: dict[str, bool] = {}
        with self._opened() as database:
            for some in batched(turns, VALUES):
                found |= database.execute(
                    "SELECT id, EXISTS (SELECT 1 FROM turns AS later WHERE later.previous = turns.id) FROM turns "  # noqa: S608
                    f"WHERE id IN ({', '.join('?' * len(some))}) AND EXISTS (SELECT 1 FROM awaited "
                    "WHERE awaited.turn = turns.number AND NOT EXISTS (SELECT 1 FROM results "
                    "WHERE results.call IN (awaited.call, awaited.upstream)))",
                    some,
                )
        return {turn: bool(later) for turn, later in found.items()}

    def failures(self, query: Query) -> list[Failures]:
        """Failed turns, counted by code and Google's status, the most frequent kind first."""
        wanted, values = where(query)
        sql = (
            f"SELECT code, google, count(*) AS times, max(folder) FROM turns WHERE failed AND code <> '' AND {wanted} "  # noqa: S608
            "GROUP BY code, google ORDER BY times DESC, max(created) DESC"
        )
        with self._opened() as database:
            return [Failures._make(found) for found in database.execute(sql, values)]

    # -- the file ------------------------------------------------------------------------------------------------

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        """A connection for one operation, which is one transaction."""
        try:
            if self.path is None:
                with self._lock:
                    if self._memory is None:
                        self._memory = sqlite3.connect(":memory:", check_same_thread=False)
                        weakref.finalize(self, self._memory.close)
                        _schema(self._memory)
                    with self._memory:
                        yield self._memory
                return
            database = _connect(self.path)
            try:
                with database:
                    yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            if self.path is not None and _is_broken(error):
                set_aside(self.path)
            raise OSError(f"the index of the traces cannot be used: {error}") from error


def set_aside(path: Path) -> None:
    """Rename a file that is no index (any more), so that a new one can be made; the last one is kept."""
    with suppress(OSError):
        path.replace(path.with_name(ASIDE))
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    """Raises OSError and sqlite3.Error. A broken or foreign file is set aside."""
    try:
        return _connected(path)
    except sqlite3.Error as error:
        if not _is_broken(error):
            raise
    set_aside(path)
    return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    with suppress(PermissionError):  # another user's file is theirs to protect
        path.chmod(0o600)
    database = sqlite3.connect(path, timeout=BUSY_S)
    try:
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and database.execute("PRAGMA application_id").fetchone() != (APPLICATION,):
            foreign = sqlite3.DatabaseError("it is another program's")
            foreign.sqlite_errorcode = sqlite3.SQLITE_NOTADB
            raise foreign
        database.execute("PRAGMA journal_mode = WAL")
        return _schema(database)
    except sqlite3.Error:
        database.close()
        raise


def _schema(database: sqlite3.Connection) -> sqlite3.Connection:
    database.execute("PRAGMA secure_delete = ON")  # removed texts are overwritten
    database.execute("PRAGMA synchronous = NORMAL")
    schema.upgrade(database, STEPS)
    return database


def _is_broken(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN


def _remove(database: sqlite3.Connection, folders: Iterable[object]) -> None:
    for folder in folders:
        for (number,) in database.execute("SELECT number FROM turns WHERE folder = ?", (folder,)).fetchall():
            for table in _PUT_INTO:
                database.execute(f"DELETE FROM {table} WHERE turn = ?", (number,))  # noqa: S608
            database.execute("DELETE FROM turns WHERE number = ?", (number,))


def _json(row: str) -> dict[str, object]:
    return members(jsonio.loads(row.encode()))
