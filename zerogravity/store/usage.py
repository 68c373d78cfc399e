"""Tokens per day and model, kept across restarts: closed turns → sums in a small SQLite file (0600), written by a
thread of its own. Independent of traces; holds numbers and model names only.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed
from zerogravity.core.registry import MitmStore
from zerogravity.store import schema
from zerogravity.worker import BackgroundWorker

FILE = "usage.sqlite"  # in the data folder
BUSY_S = 5.0
PAUSE_S = 1.0  # what turns end in it is one write: that costs as much as the rest of a small turn's bookkeeping
QUEUED = 10_000
MAX_NAME = 100  # the model of a passive call is anything

STEPS: schema.Steps = (
    (
        """create table if not exists usage (
          day text not null, model text not null, turns integer not null, failed integer not null,
          prompt integer not null, cached integer not null, candidates integer not null, thoughts integer not null,
          tool_use integer not null, primary key (day, model)
        ) without rowid""",
    ),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One model's day (UTC). ``prompt`` includes ``cached``; ``candidates`` excludes ``thoughts``."""

    day: str
    model: str
    turns: int = 0
    failed: int = 0
    prompt: int = 0
    cached: int = 0
    candidates: int = 0
    thoughts: int = 0
    tool_use: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.candidates + self.thoughts + self.tool_use

    def __add__(self, other: Row) -> Row:
        counts = (getattr(self, name) + getattr(other, name) for name in COUNTS)
        return Row(self.day, self.model, *counts)


COUNTS = tuple(field.name for field in fields(Row))[2:]
_COLUMNS = ", ".join(("day", "model", *COUNTS))
_ADD = (  # the names above only
    f"insert into usage ({_COLUMNS}) values ({', '.join('?' for _ in fields(Row))}) on conflict (day, model) "  # noqa: S608
    f"do update set {', '.join(f'{name} = {name} + excluded.{name}' for name in COUNTS)}"
)


def day_of(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d")


def row_of(channel: CascadeChannel, wall_s: float) -> Row:
    """The row of a closed turn."""
    usage = channel.state.usage
    model = redact.text(channel.turn.target.name)[:MAX_NAME]
    return Row(
        day_of(wall_s), model or "unknown", 1, isinstance(channel.terminal, Failed),
        *(max(0, count) for count in (usage.prompt, usage.cached, usage.candidates, usage.thoughts, usage.tool_use)),
    )  # fmt: skip


def summed(rows: Iterable[Row]) -> list[Row]:
    """One row per day and model, newest day first."""
    sums: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = row.day, row.model
        sums[key] = sums[key] + row if key in sums else row
    return sorted(sums.values(), key=lambda row: (-int(row.day.replace("-", "")), row.model))


def read(file: Path, *, since: str = "", model: str = "") -> list[Row]:
    """The sums since day ``since`` of models whose name contains ``model``; none without a file.

    Raises OSError when the file cannot be read.
    """
    if not file.exists():
        return []
    try:
        with _opened(file, write=False) as connection:
            schema.check(connection, STEPS)
            found = connection.execute(
                f"select {_COLUMNS} from usage where day >= ? and instr(model, ?)",  # noqa: S608
                (since, model),
            )
            return summed(Row(*values) for values in found)
    except sqlite3.Error as error:
        raise OSError(f"{file} cannot be read: {schema.why(error)}") from error


def first_day(wall_s: float, days: int) -> str:
    """The first of the last ``days`` days."""
    return day_of((datetime.fromtimestamp(wall_s, UTC) - timedelta(days=days - 1)).timestamp())


class UsageLog:
    """Adds every turn of a store to ``file``. What cannot be written is tried again with the next turn."""

    def __init__(
        self,
        file: Path,
        *,
        wall: Callable[[], float] = time.time,
        report: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self.file = file
        self._wall = wall
        self._pending: list[Row] = []  # the thread's own; one per day and model, so it stays small
        self.worker: BackgroundWorker[Row] = BackgroundWorker(
            "usage", self._write, limit=QUEUED, pause=PAUSE_S, report=report
        )

    def attach(self, store: MitmStore) -> None:
        """Count the turns of ``store`` from now on."""
        self.worker.start()
        store.on_closed.append(self._closed)

    def close(self) -> None:
        """Write what is left."""
        self.worker.close()
        if self._pending:
            with suppress(OSError):
                self._write([])

    def _closed(self, channel: CascadeChannel) -> None:
        self.worker.put(row_of(channel, self._wall()))

    def _write(self, rows: list[Row]) -> None:
        self._pending = summed([*self._pending, *rows])
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _opened(self.file, write=True) as connection:
                schema.upgrade(connection, STEPS)
                connection.executemany(_ADD, [astuple(row) for row in self._pending])
        except sqlite3.Error as error:
            raise OSError(f"{self.file} cannot be written: {schema.why(error)}") from error
        self._pending = []


@contextmanager
def _opened(file: Path, *, write: bool) -> Generator[sqlite3.Connection]:
    """A connection for one block, which is one transaction. A new file gets 0600 before anything is in it."""
    if write:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        file.chmod(0o600)
    uri = f"{file.absolute().as_uri()}?mode={'rw' if write else 'ro'}"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as connection, connection:
        yield connection
