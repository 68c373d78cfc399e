"""The commands ``store …``, on files and on a real Redis."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.redis_server import PASSWORD, RedisServer
from tests.store.entries import some
from zerogravity.cli.main import main
from zerogravity.store.base import Entry
from zerogravity.store.responses import open_store

Run = Callable[..., Result]
DAY = 86400
NOW = time.time()
THREE = [
    some(1, created=NOW - 9 * DAY, frames=(b"one",)),
    some(2, created=NOW - 2 * DAY, abandoned=True),
    Entry("me", "conv_1", NOW - DAY, {"metadata": {}}),
]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run(…)`` → the result; settings come from the environment alone."""
    monkeypatch.setenv("ZEROGRAVITY_CONFIG", "/dev/null")
    return lambda *arguments, **more: CliRunner().invoke(main, ["store", *map(str, arguments)], **more)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as made:
        yield made


def put(store: str, *entries: Entry) -> None:
    async def work() -> None:
        opened = await open_store(store, limit=10)
        for each in entries:
            await opened.put(each)
        await opened.close()

    asyncio.run(work())


def everything(store: str) -> list[Entry]:
    async def work() -> list[Entry]:
        opened = await open_store(store, limit=10)
        found = [each async for each in opened.entries()]
        await opened.close()
        return found

    return asyncio.run(work())


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with three entries, which the settings name."""
    made = str(tmp_path / "responses.db")
    put(made, *THREE)
    monkeypatch.setenv("ZEROGRAVITY_STORE", made)
    return made


def test_info(run: Run, file: str) -> None:
    lines = [line.split(None, 1) for line in run("info").stdout.splitlines()]
    assert lines[:3] == [["store", file], ["responses", "2 (1 finished, 1 abandoned)"], ["conversations", "1"]]
    assert [name for name, _ in lines[3:]] == ["bytes", "oldest"]
    told = json.loads(run("info", "--json").stdout)
    assert told["responses"] == {"finished": 1, "running": 0, "abandoned": 1}
    assert (told["store"], told["conversations"]) == (file, 1)
    assert told["oldest"].startswith(time.strftime("%Y-%m-%dT%H:", time.gmtime(NOW - 9 * DAY)))


def test_info_of_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_STORE", str(tmp_path / "new.db"))
    put(str(tmp_path / "new.db"))
    assert [line.split(None, 1)[1] for line in run("info").stdout.splitlines()[1:]] == ["0", "0", "0", "-"]


def test_purge_asks_and_removes_by_age(run: Run, file: str) -> None:
    refused = run("purge", "--older-than", "3d", input="n\n")
    assert refused.exit_code == 1 and f"Remove what is older than that from {file}?" in refused.stderr
    assert everything(file) == THREE
    done = run("purge", "--older-than", "3d", "--yes")
    assert (done.exit_code, done.stderr) == (0, "1 entry removed\n")
    assert everything(file) == THREE[1:]
    assert "Remove everything from" in (done := run("purge", input="y\n")).stderr
    assert done.exit_code == 0 and everything(file) == []


def test_copy_to_redis_and_back(
    run: Run, file: str, server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROGRAVITY_STORE", server.url)
    done = run("copy", "--from", file)
    assert (done.exit_code, done.stderr) == (0, "3 copied; 0 were there already\n")
    assert json.loads(run("copy", "--from", file, "--json").stdout) == {
        "copied": 0, "there": 3, "running": 0, "damaged": [],
    }  # fmt: skip
    assert everything(server.url) == THREE
    told = run("info")
    assert f"redis://127.0.0.1:{server.port}/0" in told.stdout and PASSWORD not in told.output
    other = str(tmp_path / "other.db")
    assert run("copy", "--to", other).exit_code == 0
    assert everything(other) == THREE
    monkeypatch.setenv("ZEROGRAVITY_LIMITS_RESPONSES", "2")
    assert "the oldest made room: a store keeps 2 (limits.responses)" in run("copy", "--from", other).stderr


DAMAGED = "1 damaged, and left out: resp_2; a purge of everything removes them\n"


def test_what_is_damaged_is_left_out_and_told(run: Run, file: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE responses SET data = '{' WHERE id = 'resp_2'")
        database.commit()
    looked = run("info")
    assert (looked.exit_code, looked.stderr) == (1, DAMAGED)
    assert "1 (1 finished)" in looked.stdout
    assert json.loads(run("info", "--json").stdout)["damaged"] == ["resp_2"]
    copied = run("copy", "--to", tmp_path / "other.db")
    assert (copied.exit_code, copied.stderr) == (1, f"2 copied; 0 were there already\n{DAMAGED}")
    assert json.loads(run("copy", "--to", tmp_path / "other.db", "--json").stdout)["damaged"] == ["resp_2"]
    purged = run("purge", "--older-than", "0s", "--yes")
    assert (purged.exit_code, purged.stderr) == (1, f"2 entries removed\n{DAMAGED}")
    purged = run("purge", "--yes")
    assert (purged.exit_code, purged.stderr) == (0, "1 entry removed\n")
    assert run("info").exit_code == 0


@pytest.mark.parametrize(
    ("store", "words", "told"),
    [
        ("memory", ["info"], "the store is memory, which only its gateway knows"),
        ("memory", ["copy", "--to", "a.db"], "the store is memory"),
        ("a.db", ["info"], "there is no file a.db"),
        ("a.db", ["purge", "--yes"], "there is no file a.db"),
        ("a.db", ["copy"], "say with --from or --to which the other store is"),
        ("a.db", ["copy", "--from", "b.db"], "there is no file b.db"),
        ("a.db", ["copy", "--from", "http://:secret@host"], "a store must be memory, a file, or look like redis://"),
        ("a.db", ["purge", "--older-than", "x"], "'x' is no age"),
    ],
)
def test_mistakes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, words: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEROGRAVITY_STORE", store)
    done = run(*words)
    assert done.exit_code == 2 and told in done.stderr
    assert "secret" not in done.output
    assert [*tmp_path.iterdir()] == []


def test_a_redis_that_is_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_STORE", "redis://:between@127.0.0.1:1/0")
    done = run("info")
    assert done.exit_code == 1
    assert done.stderr.startswith("zerogravity: stored responses: Redis at redis://127.0.0.1:1/0 cannot be used")
    assert "between" not in done.output
