"""What a Redis server says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.redis_server import RedisServer
from zerogravity.errors import FaultError
from zerogravity.store.redis.connection import Connection
from zerogravity.store.redis.server import described


async def test_its_version_and_whether_it_removes_our_keys(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    connection = Connection(server.url)
    try:
        found = await described(server.url)
        assert found.version[0].isdigit() and not found.evicts
        await connection.client.config_set("maxmemory", "100mb")
        assert not (await described(server.url)).evicts
        await connection.client.config_set("maxmemory-policy", "allkeys-lru")
        assert (await described(server.url)).evicts
    finally:
        await connection.close()
        server.kill()
    with pytest.raises(FaultError):
        await described(server.url)
