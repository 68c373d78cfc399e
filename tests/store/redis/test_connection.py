"""The way to Redis: its errors are ours, and no password is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.redis_server import RedisServer
from zerogravity.errors import FaultError
from zerogravity.store.redis.connection import Connection, is_redis, shown

ADDRESSES = [
    ("redis://:secret@host:6379/0", "redis://host:6379/0"),
    ("rediss://user:secret@host/2?ssl_ca_certs=/a", "rediss://host/2"),
    ("unix://:secret@/run/redis.sock?db=1", "unix:///run/redis.sock"),
]


@pytest.mark.parametrize(("url", "name"), ADDRESSES)
def test_an_address_is_shown_without_its_credentials(url: str, name: str) -> None:
    assert is_redis(url)
    assert shown(url) == name


@pytest.mark.parametrize("path", ["responses.db", "/var/lib/responses.db", "memory"])
def test_a_path_is_no_server(path: str) -> None:
    assert not is_redis(path)


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
