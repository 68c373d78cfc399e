"""What turns used, kept across restarts: closed turns → sums of tokens and prices per day, model, agent, session and
gateway, in a small SQLite file (0600), written by a thread of its own. Independent of traces; holds numbers and names
only.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from zerogravity import redact
from zerogravity.core import billing
from zerogravity.core.billing import Billed
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed
from zerogravity.core.registry import MitmStore
from zerogravity.store import schema
from zerogravity.worker import PATIENCE_S, BackgroundWorker

FILE = "usage.sqlite"  # in the data folder
BUSY_S = 5.0
PAUSE_S = 1.0  # what turns end in it is one write: that costs as much as the rest of a small turn's bookkeeping
QUEUED = 10_000
MAX_NAME = 100  # the model of a passive call is anything
SESSION_DAYS = 90  # for so long sessions are told apart; what is older is summed without them

STEPS: schema.Steps = (
    (
        """create table if not exists usage (
          day text not null, model text not null, turns integer not null, failed integer not null,
          prompt integer not null, cached integer not null, candidates integer not null, thoughts integer not null,
          tool_use integer not null, primary key (day, model)
        ) without rowid""",
    ),
    (
        "alter table usage rename to usage_1",
        """create table usage (
          day text not null, model text not null, agent text not null, session text not null, -- empty: not known
          turns integer not null, failed integer not null,
          prompt integer not null, cached integer not null, candidates integer not null, thoughts integer not null,
          tool_use integer not null,
          from_ls integer not null, estimated integer not null, -- tokens whose figures are not Google's own
          usd real, -- of what has a price; null: nothing has
          unpriced integer not null, -- answers of which something has none
          primary key (day, model, agent, session)
        ) without rowid""",
        """insert into usage select day, model, '', '', turns, failed, prompt, cached, candidates, thoughts, tool_use,
          0, 0, null, turns from usage_1""",
        "drop table usage_1",
    ),
    (
        "alter table usage rename to usage_2",
        """create table usage (
          day text not null, model text not null, agent text not null, session text not null, instance text not null,
          turns integer not null, failed integer not null,
          prompt integer not null, cached integer not null, candidates integer not null, thoughts integer not null,
          tool_use integer not null, from_ls integer not null, estimated integer not null, usd real,
          unpriced integer not null, primary key (day, model, agent, session, instance)
        ) without rowid""",
        """insert into usage select day, model, agent, session, '', turns, failed, prompt, cached, candidates, thoughts,
          tool_use, from_ls, estimated, usd, unpriced from usage_2""",
        "drop table usage_2",
        "create table about (id text not null)",  # whose sums these are, wherever the file is moved to
        "insert into about values (lower(hex(randomblob(8))))",
    ),
)
_BEFORE = {  # what former versions have of these columns
    1: "day, model, '', '', '', turns, failed, prompt, cached, candidates, thoughts, tool_use, 0, 0, null, turns",
    2: "day, model, agent, session, '', turns, failed, prompt, cached, candidates, thoughts, tool_use, from_ls,"
    " estimated, usd, unpriced",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One model's day (UTC), of one agent and session where those are known, at one gateway. ``prompt`` includes
    ``cached``; ``candidates`` excludes ``thoughts``. ``from_ls``, ``estimated``: the tokens of all these whose figures
    are the language server's, or nobody's. ``usd``: US dollars of what has a price, None: nothing has; ``unpriced``:
    how many answers it does not, or not wholly, include."""

    day: str
    model: str
    agent: str = ""
    session: str = ""
    instance: str = ""
    turns: int = 0
    failed: int = 0
    prompt: int = 0
    cached: int = 0
    candidates: int = 0
    thoughts: int = 0
    tool_use: int = 0
    from_ls: int = 0
    estimated: int = 0
    usd: float | None = None
    unpriced: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.candidates + self.thoughts + self.tool_use

    def __add__(self, other: Row) -> Row:
        counts = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        known = [usd for usd in (self.usd, other.usd) if usd is not None]
        return replace(self, **counts, usd=sum(known) if known else None)


KEYS = ("day", "model", "agent", "session", "instance")
_ALL = tuple(field.name for field in fields(Row))
COUNTS = tuple(name for name in _ALL if name not in (*KEYS, "usd"))
_COLUMNS = ", ".join(_ALL)
_SUMS = ", ".join(f"sum({name})" for name in _ALL[len(KEYS) :])
_ON_CONFLICT = (  # the names above only
    f"on conflict ({', '.join(KEYS)}) do update set "
    f"{', '.join(f'{name} = {name} + excluded.{name}' for name in COUNTS)}, "
    "usd = coalesce(usd + excluded.usd, usd, excluded.usd)"
)
_ADD = f"insert into usage ({_COLUMNS}) values ({', '.join('?' for _ in _ALL)}) {_ON_CONFLICT}"  # noqa: S608
_FORGET = (  # the sessions of former days
    f"insert into usage ({_COLUMNS}) select day, model, agent, '', instance, {_SUMS} from usage "  # noqa: S608
    f"where session != '' and day < ? group by day, model, agent, instance {_ON_CONFLICT}",
    "delete from usage where session != '' and day < ?",
)


class Priced(Protocol):
    """``usd``: US dollars, None: not known; ``partial``: something is not in it."""

    @property
    def usd(self) -> float | None: ...
    @property
    def partial(self) -> bool: ...


class _Unknown(NamedTuple):
    usd: float | None = None
    partial: bool = True


def day_of(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).date().isoformat()


def rows_of(
    channel: CascadeChannel,
    wall_s: float,
    session: str = "",
    price: Callable[[Billed], Priced] = lambda _: _Unknown(),
    instance: str = "",
) -> list[Row]:
    """The rows of a closed turn: one for each model that Google was asked for. The turn counts as that of the last."""
    turn, made = channel.turn, channel.state
    day, agent = day_of(wall_s), _name(turn.client)

    def row(model: str, **figures: float | None) -> Row:
        return replace(Row(day, _name(model) or "unknown", agent, session, instance), **figures)

    rows = [row(made.served_by or turn.target.name, turns=1, failed=int(isinstance(channel.terminal, Failed)))]
    for attempt in billing.attempts(channel):
        usage, found = attempt.usage, price(attempt)
        counts = {name: max(0, getattr(usage, name)) for name in _OF_USAGE}
        total = sum(counts[name] for name in _OF_USAGE if name != "cached")
        rows.append(row(
            attempt.model, **counts, usd=found.usd, unpriced=int(found.partial),
            from_ls=total if usage.source == "ls" else 0, estimated=total if usage.source == "estimate" else 0,
        ))  # fmt: skip
    return summed(rows)


_OF_USAGE = ("prompt", "cached", "candidates", "thoughts", "tool_use")


def _name(name: str) -> str:
    return redact.text(name)[:MAX_NAME]


def summed(rows: Iterable[Row], by: Collection[str] = KEYS) -> list[Row]:
    """One row for each combination of what it goes ``by``, newest day first; the other names of a row are empty."""
    blank = {name: "" for name in KEYS if name not in by}
    sums: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = tuple(getattr(row, name) for name in KEYS if name in by)
        sums[key] = sums[key] + row if key in sums else replace(row, **blank)
    found = sorted(sums.values(), key=lambda row: (row.model, row.agent, row.session, row.instance))
    return sorted(found, key=lambda row: row.day, reverse=True)


def read(
    file: Path, *, since: str = "", model: str = "", agent: str = "", session: str = "", by: Collection[str] = KEYS
) -> list[Row]:
    """The sums since day ``since`` of models and agents whose names contain these texts, of sessions that begin so;
    none without a file.

    Raises OSError when the file cannot be read.
    """
    return chosen(read_all(file, since=since)[1], since=since, model=model, agent=agent, session=session, by=by)


def chosen(
    rows: Iterable[Row], *, since: str = "", model: str = "", agent: str = "", session: str = "",
    by: Collection[str] = KEYS,
) -> list[Row]:  # fmt: skip
    """Of these rows, the sums that are asked for; see ``read``."""
    return summed(
        (
            row for row in rows
            if model in row.model and agent in row.agent and row.session.startswith(session) and row.day >= since
        ),
        by,
    )  # fmt: skip


def read_all(file: Path, *, since: str = "") -> tuple[str, list[Row]]:
    """The id of a file, which it keeps wherever it is moved to, and its rows since that day; empty without a file.

    Raises OSError when the file cannot be read.
    """
    if not file.exists():
        return "", []
    try:
        with _opened(file, write=False) as connection:
            version = schema.check(connection, STEPS)
            columns = _BEFORE.get(max(version, 1), _COLUMNS)
            found = connection.execute(f"select {columns} from usage where day >= ?", (since,))  # noqa: S608
            rows = [Row(*values) for values in found]
            (own,) = connection.execute("select id from about").fetchone() if version > 2 else ("",)
            return own, rows
    except sqlite3.Error as error:
        raise OSError(f"{file} cannot be read: {schema.why(error)}") from error


def first_day(wall_s: float, days: int) -> str:
    """The first of the last ``days`` days."""
    return day_of((datetime.fromtimestamp(wall_s, UTC) - timedelta(days=days - 1)).timestamp())


class _Ended(NamedTuple):
    channel: CascadeChannel
    wall_s: float


class UsageLog:
    """Adds every turn of a store to ``file``. What cannot be written is tried again with the next turn. ``session``:
    which one a turn belongs to, ``price``: of one answer; both are asked in the thread. ``instance``: this gateway's
    name. ``written``: is told, in the thread, which days have been written."""

    def __init__(
        self,
        file: Path,
        *,
        session: Callable[[CascadeChannel], str] = lambda _: "",
        price: Callable[[Billed], Priced] = lambda _: _Unknown(),
        wall: Callable[[], float] = time.time,
        report: Callable[[str | None], None] = lambda _: None,
        instance: str = "",
        written: Callable[[Collection[str]], object] = lambda _: None,
    ) -> None:
        self.file = file
        self._instance = instance
        self._written = written
        self._session = session
        self._price = price
        self._wall = wall
        self._pending: list[Row] = []  # the thread's own; few rows, since they are summed
        self._forgotten = ""  # since which day sessions are told apart
        self.worker: BackgroundWorker[_Ended] = BackgroundWorker(
            "usage", self._write, limit=QUEUED, pause=PAUSE_S, patience=PATIENCE_S, report=report
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
        self.worker.put(_Ended(channel, self._wall()))

    def _write(self, batch: list[_Ended]) -> None:
        made = (rows_of(*ended, self._session(ended.channel), self._price, self._instance) for ended in batch)
        self._pending = summed([*self._pending, *(row for rows in made for row in rows)])
        begins = first_day(self._wall(), SESSION_DAYS)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _opened(self.file, write=True) as connection:
                schema.upgrade(connection, STEPS)
                connection.executemany(_ADD, [astuple(row) for row in self._pending])
                for statement in _FORGET if begins != self._forgotten else ():
                    connection.execute(statement, (begins,))
        except sqlite3.Error as error:
            raise OSError(f"{self.file} cannot be written: {schema.why(error)}") from error
        days = {row.day for row in self._pending}
        self._pending, self._forgotten = [], begins
        self._written(days)


@contextmanager
def _opened(file: Path, *, write: bool) -> Generator[sqlite3.Connection]:
    """A connection for one block, which is one transaction. A new file gets 0600 before anything is in it."""
    if write:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        file.chmod(0o600)
    uri = f"{file.absolute().as_uri()}?mode={'rw' if write else 'ro'}"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as connection, connection:
        yield connection
