"""The commands ``store …``, on files and on a real Redis."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from tests.redis_server import PASSWORD, RedisServer
from tests.store.entries import some
from zerogravity.cli.main import main
from zerogravity.store.base import Entry
from zerogravity.store.redis import keys
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
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as made:
        yield made


@pytest.fixture
def server(started: RedisServer) -> RedisServer:
    """An empty one."""
    with closing(Redis.from_url(started.url)) as client:
        client.flushall()
    return started


def put(store: str, *entries: Entry, limit: int = 10) -> None:
    async def work() -> None:
        opened = await open_store(store, limit=limit)
        for each in entries:
            await opened.put(each)
        await opened.close()

    asyncio.run(work())


def everything(store: str, limit: int = 10) -> list[Entry]:
    async def work() -> list[Entry]:
        opened = await open_store(store, limit=limit)
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


MANY = [some(number, created=NOW - 900 + number, size=9000, frames=(b"one", b"two" * 1000)) for number in range(800)]


@pytest.mark.parametrize("to", ["redis", "a file"])
def test_a_copy_that_was_killed_half_way_is_whole_when_it_is_made_again(
    run: Run, server: RedisServer, tmp_path: Path, to: str
) -> None:
    """Nothing is there twice, and nothing half."""
    source, target = str(tmp_path / "source.db"), server.url if to == "redis" else str(tmp_path / "target.db")
    put(source, *MANY, limit=1000)
    words = [sys.executable, "-m", "zerogravity", "store", "copy", "--from", source, "--to", target]
    with counted(target) as count, subprocess.Popen(words, stderr=subprocess.DEVNULL) as copying:
        until = time.monotonic() + 60
        while count() < 20:
            assert copying.poll() is None and time.monotonic() < until
        copying.kill()
    if to == "redis":
        alone(target)
    left = everything(target, limit=1000)
    assert 20 <= len(left) < len(MANY), "it was half way"
    assert left == MANY[: len(left)]
    done = run("copy", "--from", source, "--to", target)
    assert (done.exit_code, done.stderr) == (0, f"{800 - len(left)} copied; {len(left)} were there already\n")
    assert everything(target, limit=1000) == MANY
    with counted(target) as count:
        # Redis takes an entry, and then counts it: the one at which the copy was killed may not be counted
        assert len(MANY) - (to == "redis") <= count() <= len(MANY)


def alone(url: str) -> None:
    """Until Redis has done, and closed, what others have sent it."""
    with closing(Redis.from_url(url)) as client:
        until = time.monotonic() + 20
        while len(client.client_list()) > 1:
            assert time.monotonic() < until


@contextmanager
def counted(store: str) -> Generator[Callable[[], int]]:
    """How many entries are in it, as seen from outside."""
    if store.startswith("redis:"):
        with closing(Redis.from_url(store)) as client:
            yield lambda: client.zcard(keys.ORDER)
        return

    with closing(sqlite3.connect(store)) as database:

        def count() -> int:
            with suppress(sqlite3.OperationalError):  # there is no table yet
                return database.execute("SELECT count(*) FROM responses").fetchone()[0]
            return 0

        yield count


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


def test_a_damaged_id_does_nothing_to_a_terminal(run: Run, file: str) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE responses SET data = '{', id = 'resp_' || char(27) || '[2J' WHERE id = 'resp_2'")
        database.commit()
    assert run("info").stderr == DAMAGED.replace("resp_2", r"resp_\x1b[2J")


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
