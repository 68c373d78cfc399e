"""Two gateways on one server: what one shows the other sees, until it is over or the one has died."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.redis_server import RedisServer
from tests.waiting import until_so
from zerogravity.store.peers import Batch, Shown
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import Connection
from zerogravity.store.redis.leases import RENEW_S, Leases
from zerogravity.store.redis.peers import RedisPeers

OWNER, ID = "owner", "resp_1"


@asynccontextmanager
async def gateway(
    server: RedisServer, renew_s: float = RENEW_S
) -> AsyncIterator[tuple[Connection, Leases, RedisPeers]]:
    connection = Connection(server.url)
    leases = Leases(connection, renew_s=renew_s)
    await leases.open()
    peers = RedisPeers(connection, leases)
    try:
        yield connection, leases, peers
    finally:
        await peers.close()
        await leases.close()
        await connection.close()


@pytest.fixture
async def two(redis_server: RedisServer) -> AsyncIterator[tuple[Leases, RedisPeers, RedisPeers]]:
    """The first one's lease, and both; the first works on the response."""
    async with AsyncExitStack() as stack:
        connection, leases, first = await stack.enter_async_context(gateway(redis_server))
        _, _, second = await stack.enter_async_context(gateway(redis_server))
        await connection.client.hset(keys.entry(OWNER, ID), mapping={"run": leases.own})
        yield leases, first, second
        await connection.client.flushdb()


async def test_one_shows_and_the_other_sees_until_it_has_died(two: tuple[Leases, RedisPeers, RedisPeers]) -> None:
    leases, first, second = two
    assert await second.frames(OWNER, ID, 0) == Shown([], "later")
    assert await first.append([Batch(OWNER, ID, 0, [b"a", b"b"])]) == [True]
    assert await second.append([Batch(OWNER, ID, 2, [b"c"])]) == [False], "it is not the second one's"
    assert await second.frames(OWNER, ID, 1) == Shown([b"b"], "later")
    assert await second.frames("another", ID, 0) is None
    await leases.close()
    assert await second.frames(OWNER, ID, 1) == Shown([b"b"], "later"), "what is there is read first"
    assert await second.frames(OWNER, ID, 2) is None


async def test_one_is_asked_and_whoever_follows_is_woken(two: tuple[Leases, RedisPeers, RedisPeers]) -> None:
    _, first, second = two
    asked = asyncio.Queue[tuple[str, str, str]]()
    first.listen(lambda *command: asked.put_nowait(command))
    second.listen(lambda *_: None)
    async with asyncio.timeout(20), second.news(OWNER, ID) as news, first.news(OWNER, ID) as own_news:
        await asyncio.gather(news.wait(), own_news.wait())
        assert not await second.ask("cancel", "another", ID)
        assert await second.ask("delete", OWNER, ID)
        assert await asked.get() == ("delete", OWNER, ID)
        news.clear()
        await first.append([Batch(OWNER, ID, 0, [b"a"])])
        await news.wait()


async def test_all_seal_with_the_secret_of_the_first(two: tuple[Leases, RedisPeers, RedisPeers]) -> None:
    _, first, second = two
    assert await first.secret(b"a" * 32) == b"a" * 32
    assert await second.secret(b"b" * 32) == b"a" * 32
    assert await first.secret(b"c" * 32) == b"a" * 32


async def test_the_secret_outlives_a_redis_that_loses_it(redis_server: RedisServer) -> None:
    """As long as one of them lives: who comes later opens what they have sealed."""
    async with gateway(redis_server, renew_s=0.01) as (connection, _, first):
        await connection.client.flushdb()
        assert await first.secret(b"a" * 32) == b"a" * 32
        await connection.client.flushdb()

        async def is_back() -> bool:
            return bool(await connection.client.exists(keys.SECRET))

        await until_so(is_back)
        async with gateway(redis_server) as (_, _, second):
            assert await second.secret(b"b" * 32) == b"a" * 32
        await connection.client.flushdb()
