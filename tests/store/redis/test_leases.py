"""Which gateways live, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.redis_server import RedisServer
from tests.waiting import until, until_so
from zerogravity.errors import FaultError
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import Connection
from zerogravity.store.redis.leases import Leases


@pytest.fixture
async def connection(redis_server: RedisServer) -> AsyncIterator[Connection]:
    made = Connection(redis_server.url)
    await made.client.flushdb()
    yield made
    await made.close()


async def test_a_gateway_lives_from_open_to_close(connection: Connection) -> None:
    mine, other = Leases(connection), Leases(connection)
    assert not await other.alive(mine.own)
    await mine.open()
    assert await mine.alive(mine.own) and await other.alive(mine.own)
    assert 0 < await connection.client.pttl(keys.run(mine.own)) <= 15_000
    await mine.close()
    await mine.close()
    assert not await other.alive(mine.own)


async def test_the_lease_of_a_gateway_that_has_died_runs_out(connection: Connection) -> None:
    dead, other = Leases(connection, lease_s=0.05, renew_s=600), Leases(connection)
    await dead.open()

    async def is_over() -> bool:
        return not await other.alive(dead.own)

    await until_so(is_over)
    await dead.close()


async def test_a_lease_is_renewed_and_made_anew_where_it_is_gone(connection: Connection) -> None:
    mine, other = Leases(connection, renew_s=0.01), Leases(connection)
    await mine.open()
    await connection.client.flushdb()
    await until_so(lambda: other.alive(mine.own))
    await mine.close()


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
