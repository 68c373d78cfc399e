"""Sums of several gateways: what each has in its file can be read together, and nothing counts twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.redis_server import RedisServer
from zerogravity.core.events import Finished, Usage
from zerogravity.core.registry import MitmStore
from zerogravity.store.redis import keys
from zerogravity.store.redis import usage as shared
from zerogravity.store.redis.usage import SharedUsage
from zerogravity.store.usage import Row, UsageLog, read_all

WALL = 1_770_000_000.0  # 2026-02-02 02:40:00 UTC


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), durable=True) as made:
        yield made


@pytest.fixture
def gateway(server: RedisServer, clock: Any, make_turn: Any) -> Iterator[Callable[..., Any]]:
    """``gateway(file, name)`` → (play, close): ``play(tokens)`` is one turn at it."""
    started: list[Callable[[], None]] = []
    reports: list[str | None] = []

    def start(file: Path, name: str, days: float = 0) -> Any:
        copies = SharedUsage(server.url, file, wall=lambda: WALL, report=reports.append)
        log = UsageLog(file, wall=lambda: WALL + days * 86400, instance=name, written=copies.written)
        store = MitmStore(clock)
        log.attach(store)
        copies.start()

        def play(tokens: int) -> None:
            running = store.open(make_turn())
            running.append(0, b"", (Usage(prompt=tokens),))
            running.close(Finished("stop"))
            assert log.worker.flush() and copies.worker.flush()

        def close() -> None:
            log.close()
            copies.close()

        started.append(close)
        return play, close, reports

    yield start
    for close in started:
        close()


def sums(server: RedisServer, since: str = "") -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    rows, odd = shared.read(server.url, since=since)
    assert odd == 0
    for row in rows:
        key = row.day, row.instance
        assert key not in found, "nothing is there twice"
        found[key] = row.prompt
    return found


@pytest.fixture(autouse=True)
def empty(server: RedisServer) -> Iterator[None]:
    yield
    client = shared._client(server.url)  # pyright: ignore[reportPrivateUsage]
    client.flushdb()
    client.close()


def test_two_machines_are_summed_and_each_is_told_apart(server: RedisServer, gateway: Any, tmp_path: Path) -> None:
    left, *_ = gateway(tmp_path / "left.sqlite", "left")
    right, *_ = gateway(tmp_path / "right.sqlite", "right", days=1)
    left(5)
    right(6)
    left(7)
    assert sums(server) == {("2026-02-02", "left"): 12, ("2026-02-03", "right"): 6}
    assert sums(server, since="2026-02-03") == {("2026-02-03", "right"): 6}


def test_gateways_on_one_file_count_once(server: RedisServer, gateway: Any, tmp_path: Path) -> None:
    left, close, _ = gateway(tmp_path / "usage.sqlite", "left")
    right, *_ = gateway(tmp_path / "usage.sqlite", "right")
    left(5)
    right(6)
    assert sums(server) == {("2026-02-02", "left"): 5, ("2026-02-02", "right"): 6}
    close()
    again, *_ = gateway(tmp_path / "usage.sqlite", "left")
    again(1)
    assert sums(server) == {("2026-02-02", "left"): 6, ("2026-02-02", "right"): 6}


def test_what_was_there_before_is_copied_at_the_start(server: RedisServer, gateway: Any, tmp_path: Path) -> None:
    left, close, _ = gateway(tmp_path / "usage.sqlite", "left")
    left(5)
    close()
    client = shared._client(server.url)  # pyright: ignore[reportPrivateUsage]
    client.flushdb()
    client.close()
    assert sums(server) == {}
    later, *_ = gateway(tmp_path / "usage.sqlite", "left", days=1)
    later(1)
    assert sums(server) == {("2026-02-02", "left"): 5, ("2026-02-03", "left"): 1}


def test_what_redis_loses_is_copied_again(server: RedisServer, gateway: Any, tmp_path: Path) -> None:
    left, close, _ = gateway(tmp_path / "usage.sqlite", "left")
    left(5)
    close()
    later, *_ = gateway(tmp_path / "usage.sqlite", "left", days=1)
    later(1)
    with closing(shared._client(server.url)) as client:  # pyright: ignore[reportPrivateUsage]
        client.flushdb()
    later(2)
    assert sums(server) == {("2026-02-02", "left"): 5, ("2026-02-03", "left"): 3}


def test_redis_may_be_away_for_a_while(server: RedisServer, gateway: Any, tmp_path: Path) -> None:
    left, _, reports = gateway(tmp_path / "usage.sqlite", "left")
    left(5)
    server.kill()
    try:
        left(6)
        left(7)
        assert len(reports) == 1 and reports[0] is not None
        assert f"127.0.0.1:{server.port}" in reports[0] and "between" not in reports[0]
        with pytest.raises(OSError, match=r"cannot be used"):
            shared.read(server.url)
    finally:
        server.start()
    assert sums(server) == {("2026-02-02", "left"): 5}
    left(8)
    assert reports[1:] == [None]
    assert sums(server) == {("2026-02-02", "left"): 26}


@pytest.mark.parametrize("parameter", ["nonsense=between", "socket_timeout=between"])
def test_a_parameter_that_redis_clients_do_not_know_is_an_error_at_once(tmp_path: Path, parameter: str) -> None:
    url = f"redis://:between@127.0.0.1:1/0?{parameter}"
    with pytest.raises(ValueError, match="a parameter that Redis clients do not know") as raised:
        SharedUsage(url, tmp_path / "usage.sqlite")
    with pytest.raises(OSError, match="a parameter that Redis clients do not know") as said:
        shared.read(url)
    assert "between" not in f"{raised.value} {said.value}"


def test_nothing_is_kept_for_ever(server: RedisServer, gateway: Any, tmp_path: Path) -> None:
    left, *_ = gateway(tmp_path / "usage.sqlite", "left")
    left(5)
    client = shared._client(server.url)  # pyright: ignore[reportPrivateUsage]
    own, _ = read_all(tmp_path / "usage.sqlite")
    for key in (keys.USAGE, keys.usage(own)):
        assert 0 < client.ttl(key) <= shared.KEPT_DAYS * 86400
    client.close()


def test_old_days_go_and_all_members_of_a_row_come_back(server: RedisServer, gateway: Any, tmp_path: Path) -> None:
    file = tmp_path / "usage.sqlite"
    old, close, _ = gateway(file, "left", days=-398)
    old(5)
    close()
    own, rows = read_all(file)
    assert shared.read(server.url)[0] == rows == [
        Row("2024-12-31", rows[0].model, "", "", "left", turns=1, prompt=5, unpriced=1)
    ]  # fmt: skip
    late = SharedUsage(server.url, file, wall=lambda: WALL + 30 * 86400)
    whole = replace(rows[0], day="2026-02-20", cached=1, candidates=2, usd=0.25)
    late._write(own, {whole.day: [whole]}, "2025-01-01")  # pyright: ignore[reportPrivateUsage]
    assert shared.read(server.url) == ([whole], 0)
    late._client.close()  # pyright: ignore[reportPrivateUsage]


ODD: list[str | bytes] = [
    "{", b"\xff", "{}", "5", "[1]", "[{}]", '[{"day":"2026-02-02"}]', '[{"day":1,"model":"m"}]',
    '[{"day":"soon","model":"m"}]', '[{"day":"2026-02-02","model":"m","turns":"x"}]',
    '[{"day":"2026-02-02","model":"m","prompt":1.5}]', '[{"day":"2026-02-02","model":"m","usd":"1"}]',
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_row_is_left_out_and_counted(
    server: RedisServer, gateway: Any, tmp_path: Path, odd: str | bytes
) -> None:
    left, *_ = gateway(tmp_path / "left.sqlite", "left")
    left(5)
    with closing(shared._client(server.url)) as client:  # pyright: ignore[reportPrivateUsage]
        client.sadd(keys.USAGE, "other")
        client.hset(keys.usage("other"), "2026-02-02", odd)
    rows, count = shared.read(server.url, since="2026-02-01")
    assert ([row.prompt for row in rows], count) == ([5], 1)


def test_a_key_of_another_kind_is_counted_and_mended_at_the_next_start(
    server: RedisServer, gateway: Any, tmp_path: Path
) -> None:
    file = tmp_path / "left.sqlite"
    left, close, _ = gateway(file, "left")
    left(5)
    close()
    own, _ = read_all(file)
    with closing(shared._client(server.url)) as client:  # pyright: ignore[reportPrivateUsage]
        client.set(keys.usage(own), "x")
        assert shared.read(server.url) == ([], 1)
        again, close, _ = gateway(file, "left")
        again(6)
        close()
        assert sums(server) == {("2026-02-02", "left"): 11}
        client.set(keys.USAGE, "x")
        with pytest.raises(OSError, match="cannot be used: WRONGTYPE") as caught:
            shared.read(server.url)
        assert "zerogravity:" not in str(caught.value)
        again, *_, reports = gateway(file, "left")
        again(7)
        assert sums(server) == {("2026-02-02", "left"): 18} and reports == []


def test_files_whose_sums_have_expired_are_forgotten(server: RedisServer, gateway: Any, tmp_path: Path) -> None:
    left, *_ = gateway(tmp_path / "left.sqlite", "left")
    left(5)
    with closing(shared._client(server.url)) as client:  # pyright: ignore[reportPrivateUsage]
        client.sadd(keys.USAGE, "expired", b"\xff")
        right, *_ = gateway(tmp_path / "right.sqlite", "right")
        right(6)
        files = {own.decode() for own in client.smembers(keys.USAGE)}
    assert files == {read_all(tmp_path / f"{name}.sqlite")[0] for name in ("left", "right")}
