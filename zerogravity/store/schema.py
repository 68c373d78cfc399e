"""A SQLite file of any version → one of this version. A version is the number of steps taken.

To change a schema, add a step; never change one that has been released.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

Steps = Sequence[Sequence[str]]  # step n: the statements that make version n of version n - 1
_BROKEN = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def check(database: sqlite3.Connection, steps: Steps) -> int:
    """The version of a file; 0 without tables, whatever it claims. Raises sqlite3.DatabaseError for a newer one."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > len(steps):
        raise sqlite3.DatabaseError(
            f"it was written by a newer zerogravity (file version {version}, this one supports up to {len(steps)}):"
            " update zerogravity, or use another file"
        )
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return version if tables else 0


def upgrade(database: sqlite3.Connection, steps: Steps) -> None:
    """All or nothing, and once, however many processes open it. Raises sqlite3.Error, also for a newer file."""
    if check(database, steps) == len(steps):
        return
    with database:
        database.execute("BEGIN IMMEDIATE")
        for step in steps[check(database, steps) :]:  # another process may have been quicker
            for statement in step:
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {len(steps)}")


def why(error: Exception) -> str:
    """What is wrong with a file, and what its user can do."""
    broken = isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN
    return f"{error}; move the file away, and a new one will be made" if broken else str(error)
