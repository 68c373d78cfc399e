"""Which gateways live, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.redis_server import RedisServer
from tests.waiting import until, until_so
from zerogravity.errors import FaultError
from zerogravity.server.elsewhere import WAIT_S
from zerogravity.store.base import NOBODY
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import ANSWER_S, Connection
from zerogravity.store.redis.leases import LEASE_S, RENEW_S, Leases


@pytest.fixture
async def connection(redis_server: RedisServer) -> AsyncIterator[Connection]:
    made = Connection(redis_server.url)
    await made.client.flushdb()
    yield made
    await made.close()


async def test_a_gateway_lives_from_open_to_close(connection: Connection) -> None:
    mine, other = Leases(connection), Leases(connection)
    await mine.open()
    assert await mine.alive(mine.own) and await other.alive(mine.own)
    assert 0 < await connection.client.pttl(keys.run(mine.own)) <= 15_000
    await mine.close()
    await mine.close()
    async with asyncio.timeout(LEASE_S / 4):  # it has said so: nobody waits for it
        assert not await other.alive(mine.own)


async def test_nobody_is_not_waited_for(connection: Connection) -> None:
    """Entries that were abandoned in another store are nobody's here."""
    async with asyncio.timeout(LEASE_S / 4):
        assert not await Leases(connection).alive(NOBODY)


async def test_the_lease_of_a_gateway_that_has_died_runs_out(connection: Connection) -> None:
    dead, other = Leases(connection, lease_s=0.05, renew_s=600), Leases(connection)
    await dead.open()

    async def is_over() -> bool:
        return not await other.alive(dead.own)

    await until_so(is_over)
    await dead.close()


@pytest.mark.parametrize("loss", ["flushed", "evicted"])
async def test_a_gateway_whose_lease_redis_has_lost_is_not_dead(connection: Connection, loss: str) -> None:
    """However little it writes: it makes its lease anew."""
    mine, other = Leases(connection, renew_s=0.3), Leases(connection)
    await mine.open()
    for _ in range(3):
        await (connection.client.flushdb() if loss == "flushed" else connection.client.delete(keys.run(mine.own)))
        assert await other.alive(mine.own)
    await mine.close()


async def test_the_dead_are_waited_for_once_and_who_comes_back_lives(connection: Connection) -> None:
    other = Leases(connection, lease_s=3)
    assert not any(await asyncio.gather(*(other.alive("frozen") for _ in range(3))))
    async with asyncio.timeout(2.5):
        assert not await other.alive("frozen")
    await connection.client.set(keys.run("frozen"), b"")
    assert await other.alive("frozen")
    await connection.client.delete(keys.run("frozen"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await other.alive("frozen")


def test_how_soon_the_dead_are_found_is_what_the_readme_says() -> None:
    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text()
    assert "When its gateway dies it\nis `failed` there within 25 s" in readme
    assert LEASE_S * 1.5 + ANSWER_S < 25 < WAIT_S
    assert RENEW_S + ANSWER_S < LEASE_S / 2, "whoever lives renews his lease meanwhile"


async def test_while_redis_is_away_it_is_reported_and_nothing_ends(tmp_path: Path) -> None:
    server, reports = RedisServer(tmp_path), list[str | None]()
    connection = Connection(server.url)
    mine = Leases(connection, renew_s=0.01, report=reports.append)
    with pytest.raises(FaultError, match="cannot be used"):
        await mine.open()
    try:
        server.start()
        await mine.open()
        await until(lambda: reports and reports[-1] is None)
        server.kill()
        await until(lambda: reports[-1] is not None)
        server.start()
        await until(lambda: reports[-1] is None)
        assert await Leases(connection).alive(mine.own)
        server.kill()
    finally:
        await mine.close()
        await connection.close()
        server.kill()


async def test_after_a_time_without_redis_nobody_is_taken_for_dead_at_once(tmp_path: Path) -> None:
    server, reports = RedisServer(tmp_path), list[str | None]()
    server.start()
    connection = Connection(server.url)
    mine = Leases(connection, lease_s=0.3, renew_s=0.01, report=reports.append)
    try:
        await mine.open()
        assert not await mine.alive("dead")
        server.kill()
        await until(lambda: reports and reports[-1] is not None)
        server.start()  # without the other's lease
        assert await mine.alive("other")
        await until(lambda: reports[-1] is None)
        assert await mine.alive("other")

        async def is_over() -> bool:
            return not await mine.alive("dead")

        await until_so(is_over)
    finally:
        server.kill()
        await mine.close()
        await connection.close()
