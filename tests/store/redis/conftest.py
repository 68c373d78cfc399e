"""A connection to the Redis server of all tests, emptied."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.redis_server import RedisServer
from zerogravity.store.redis.connection import Connection


@pytest.fixture
async def connection(redis_server: RedisServer) -> AsyncIterator[Connection]:
    connection = Connection(redis_server.url)
    await connection.client.flushdb()
    yield connection
    await connection.close()
