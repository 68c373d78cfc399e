"""Versions of a SQLite file: each step once and in order, all or nothing; a newer file is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from zerogravity.store import schema

STEPS = (("CREATE TABLE a (x)", "INSERT INTO a VALUES (1)"), (), ("ALTER TABLE a ADD COLUMN y DEFAULT 7",))


@pytest.fixture
def database(tmp_path) -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(tmp_path / "any.db")
    yield opened
    opened.close()


def version(database: sqlite3.Connection) -> int:
    return database.execute("PRAGMA user_version").fetchone()[0]


@pytest.mark.parametrize("begun", range(4))
def test_only_the_steps_that_are_missing_are_taken(database, begun) -> None:
    schema.upgrade(database, STEPS[:begun])
    schema.upgrade(database, STEPS)
    schema.upgrade(database, STEPS)
    assert version(database) == 3
    assert database.execute("SELECT * FROM a").fetchall() == [(1, 7)]


def test_a_step_that_fails_takes_all_back(database) -> None:
    schema.upgrade(database, STEPS[:1])
    with pytest.raises(sqlite3.OperationalError):
        schema.upgrade(database, (*STEPS, ("CREATE TABLE b (x)", "INSERT INTO nowhere VALUES (1)")))
    assert version(database) == 1
    assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]
    assert database.execute("SELECT * FROM a").fetchall() == [(1,)]


def test_a_newer_file_is_refused_and_left_as_it_is(database) -> None:
    schema.upgrade(database, STEPS)
    with pytest.raises(sqlite3.DatabaseError, match=r"file version 3, this one supports up to 2\): update zero"):
        schema.upgrade(database, STEPS[:2])
    assert version(database) == 3


def test_a_file_without_tables_is_new_whatever_it_says(database) -> None:
    database.execute("PRAGMA user_version = 2")
    schema.upgrade(database, STEPS)
    assert database.execute("SELECT * FROM a").fetchall() == [(1, 7)]


def test_two_processes_take_each_step_once(database, tmp_path) -> None:
    """Both find an old file; the second waits for the first, then looks again."""
    other = sqlite3.connect(tmp_path / "any.db")
    looked: list[int] = []

    def quicker(statement: str) -> None:
        if statement.startswith("BEGIN IMMEDIATE") and not looked:
            looked.append(1)
            schema.upgrade(other, STEPS)

    database.set_trace_callback(quicker)
    schema.upgrade(database, STEPS)
    other.close()
    assert looked
    assert database.execute("SELECT * FROM a").fetchall() == [(1, 7)]


@pytest.mark.parametrize(
    ("error", "expected"),
    [(sqlite3.SQLITE_NOTADB, "x; move the file away, and a new one will be made"),
     (sqlite3.SQLITE_CORRUPT | 1 << 8, "x; move"), (sqlite3.SQLITE_FULL, "x"), (None, "x")],
)  # fmt: skip
def test_what_to_do_is_said(error, expected) -> None:
    made = OSError("x") if error is None else sqlite3.DatabaseError("x")
    if error is not None:
        made.sqlite_errorcode = error
    assert schema.why(made).startswith(expected)
