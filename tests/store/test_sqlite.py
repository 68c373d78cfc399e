"""A file of stored responses: what outlives a restart, who may read it, what is told when it cannot be used."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

from tests.store.entries import some
from zerogravity.errors import FaultError
from zerogravity.server.response_writer import stored_of
from zerogravity.store.base import StoreLimits
from zerogravity.store.sqlite import STEPS, SqliteStore

FILES = Path(__file__).parent / "files"


async def open_file(path: Path, **options: Any) -> SqliteStore:
    store = SqliteStore(path, StoreLimits(**{"count": 10, "now": lambda: 100.0, **options}))
    await store.open()
    return store


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[SqliteStore]:
    store = await open_file(path, **options)
    try:
        yield store
    finally:
        await store.close()


async def test_a_file_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "new" / "responses.db"
    store = await open_file(path)
    await store.put(some(1))
    await store.put(some(2))
    await store.close()
    await store.close()
    store = await open_file(path)
    try:
        assert await store.get("resp_1", "me") == some(1)
        assert await store.with_item("msg_2", "me") is not None
        await store.delete("resp_1", "me")
    finally:
        await store.close()
    store = await open_file(path, count=1)
    try:
        assert await store.get("resp_1", "me") is None
        await store.put(some(3))
        assert await store.get("resp_2", "me") is None
    finally:
        await store.close()


async def test_only_the_user_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "responses.db"
    store = await open_file(path)
    try:
        await store.put(some(1))
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        await store.close()


async def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    path.touch(0o644)
    path.chmod(0o644)
    store = await open_file(path)
    await store.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_what_is_deleted_is_not_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    store = await open_file(path)
    await store.put(some(1, data={"text": "plutonium" * 50}))
    await store.delete("resp_1", "me")
    await store.close()
    database = sqlite3.connect(path)
    assert database.execute("SELECT (SELECT count(*) FROM responses), (SELECT count(*) FROM items)").fetchone() == (
        0,
        0,
    )
    database.close()
    assert all(b"plutonium" not in file.read_bytes() for file in tmp_path.iterdir())


async def test_what_is_too_old_leaves_the_file_with_the_next_write(tmp_path: Path) -> None:
    now = [100.0]
    store = await open_file(tmp_path / "responses.db", age_s=60, now=lambda: now[0])
    await store.put(some(1, data={"secret": "plutonium" * 50}))
    now[0] = 200.0
    await store.put(some(2, created=200.0))
    await store.close()
    assert all(b"plutonium" not in file.read_bytes() for file in tmp_path.iterdir())


def newer(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda path: path.write_bytes(b"no database" * 100),
            "file is not a database; move the file away",
        ),
        (Path.mkdir, "Is a directory"),
        (
            newer,
            r"by a newer zerogravity \(file version 99, .* up to 4\): update zerogravity, or use another",
        ),
    ],
)
async def test_a_file_that_cannot_be_used(tmp_path: Path, spoil: Callable[[Path], Any], expected: str) -> None:
    path = tmp_path / "responses.db"
    spoil(path)
    with pytest.raises(FaultError, match=expected) as caught:
        await open_file(path)
    assert caught.value.fault.code == "store_unusable"
    assert "responses.db" in caught.value.fault.message


async def test_a_store_that_fails_says_so(tmp_path: Path) -> None:
    store = await open_file(tmp_path / "responses.db")
    await store.put(some(1))
    other = sqlite3.connect(tmp_path / "responses.db")
    other.execute("DROP TABLE items")
    other.execute("DROP TABLE responses")
    other.close()
    with pytest.raises(FaultError) as caught:
        await store.get("resp_1", "me")
    assert (caught.value.fault.status, caught.value.fault.code) == (500, "store_unusable")
    await store.close()


async def test_a_file_that_was_put_right_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    store = await open_file(path)
    try:
        other = sqlite3.connect(path)
        other.execute("DROP TABLE items")
        other.execute("DROP TABLE responses")
        other.close()
        with pytest.raises(FaultError):
            await store.put(some(1))
        await store.put(some(1))
        assert await store.get("resp_1", "me") == some(1)
    finally:
        await store.close()


@pytest.mark.parametrize("other", ["reads and writes", "writes"])
async def test_a_file_that_somebody_holds(tmp_path: Path, other: str) -> None:
    path = tmp_path / "responses.db"
    store = await open_file(path)
    await store.put(some(1))
    holder = sqlite3.connect(path, isolation_level=None)
    try:
        if other == "reads and writes":
            await store._run(lambda database: database.execute("PRAGMA journal_mode = DELETE").fetchone())
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(FaultError) as caught:
            await store.put(some(2))
        assert (caught.value.fault.status, caught.value.fault.code) == (503, "store_busy")
        assert caught.value.fault.retry_after == 1
        if other == "writes":
            assert await store.get("resp_1", "me") == some(1)
        else:
            with pytest.raises(FaultError):
                await store.get("resp_1", "me")
        holder.execute("COMMIT")
        await store.put(some(2))
        assert await store.get("resp_1", "me") == some(1)
    finally:
        holder.close()
        await store.close()


# -- who is at it ------------------------------------------------------------------------------------------------


async def test_what_runs_is_seen_by_others_until_its_process_ends(tmp_path: Path) -> None:
    path, begun = tmp_path / "responses.db", some(1, frames=(b"one", b"two"), running=True)
    async with opened(path) as other:
        async with opened(path) as mine:
            await mine.put(begun)
            assert await mine.get("resp_1", "me") == begun
            assert await other.get("resp_1", "me") == begun
        left = some(1, frames=(b"one", b"two"), abandoned=True)
        assert await other.get("resp_1", "me") == left
        assert await other.with_item("msg_1", "me") == left


async def test_who_has_ended_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    store = await open_file(path)
    (tmp_path / "responses.db-run-0123456789abcdef").touch()  # of one that was killed
    second = await open_file(path)
    runs = sorted(file.name for file in tmp_path.glob("*-run-*"))
    assert len(runs) == 2
    assert "responses.db-run-0123456789abcdef" not in runs
    await store.close()
    await second.close()
    assert list(tmp_path.glob("*-run-*")) == []
    assert list(tmp_path.glob(".*")) == []


# -- files of other versions -------------------------------------------------------------------------------------

DAY = {"now": lambda: 1_790_000_100.0}
FIRST, STREAMED, BEGUN = (f"resp_{number:032x}" for number in (1, 2, 3))


def schema_of(path: Path) -> tuple[int, dict[str, Any]]:
    database = sqlite3.connect(path)
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    indexes = database.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'").fetchall()
    columns = {name: database.execute(f"PRAGMA table_info({name})").fetchall() for name in tables}
    (version,) = database.execute("PRAGMA user_version").fetchone()
    database.close()
    return version, {**columns, "indexes": sorted(indexes)}


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_an_older_file_is_migrated_and_nothing_is_lost(tmp_path: Path, version: int) -> None:
    """The file was made by version 3; the versions before differ in the JSON only: without a run, without messages."""
    path = tmp_path / "responses.db"
    copy(FILES / "responses-3.sqlite", path)
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {version}")
    for member in ("$.run", "$.earlier")[version - 1 :] if version < 3 else ():
        database.execute("UPDATE responses SET data = CAST(json_remove(CAST(data AS TEXT), ?) AS BLOB)", (member,))
    database.commit()
    database.close()
    async with opened(path, **DAY) as store:
        first, streamed = await store.get(FIRST, "me"), await store.get(STREAMED, "me")
        assert stored_of(first).response["output"][0]["content"][0]["text"] == "Paris"
        assert stored_of(first).contents[-1]["parts"][-1]["functionCall"]["name"] == "get_weather"
        assert (await store.with_item("msg_98e3806afa1d3042c6119306", "me")) == first
        assert b"response.completed" in stored_of(streamed).frames[-1]
        begun = await store.get(BEGUN, "me")
        assert begun.abandoned is (version > 1)
        assert stored_of(begun).response["status"] == ("failed" if version > 1 else "queued")
        await store.put(some(9, created=1_790_000_000))
    async with opened(path, **DAY) as store:
        assert await store.get(FIRST, "me") == first
        assert await store.get("resp_9", "me") is not None
    async with opened(tmp_path / "new.db"):
        pass
    assert schema_of(path) == schema_of(tmp_path / "new.db")
    assert schema_of(path)[0] == len(STEPS) == 4


async def test_a_row_that_is_no_json_keeps_no_file_from_being_migrated(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    copy(FILES / "responses-3.sqlite", path)
    database = sqlite3.connect(path)
    database.execute("UPDATE responses SET data = x'00ff' WHERE number = 2")
    database.commit()
    database.close()
    async with opened(path, **DAY) as store:
        assert await store.get(FIRST, "me") is not None
