"""The front server over real sockets, which is what waits for a store; and a Redis server for all tests of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis_server import RedisServer
from tests.server.conftest import no_leaks, serve

__all__ = ["no_leaks", "redis_server", "serve"]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Never killed or paused. What others have left in it is still there: ``flush`` it."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server
