"""The way to Redis: its errors are ours, and no password is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.redis_server import RedisServer
from zerogravity.errors import FaultError
from zerogravity.store.redis.connection import Connection


async def test_a_server_that_is_away_is_a_503_that_says_when_to_ask_again(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    connection = Connection(server.url)
    for _ in range(2):
        with pytest.raises(FaultError) as caught, connection.guarded():
            await connection.client.ping()
        fault = caught.value.fault
        assert (fault.status, fault.code, fault.retry_after) == (503, "store_unavailable", 1)
        assert f"redis://127.0.0.1:{server.port}/0" in fault.message and "between" not in fault.message
    await connection.close()


async def test_it_works_again_when_the_server_is_back(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    connection = Connection(server.url)
    try:
        for _ in range(2):
            server.start()
            with connection.guarded():
                assert await connection.client.set("a", b"1")
            server.kill()
            with pytest.raises(FaultError), connection.guarded():
                await connection.client.get("a")
    finally:
        server.kill()
        await connection.close()
