"""``described``: what a Redis server says of itself, for ``doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from zerogravity.store.redis.connection import Connection


@dataclass(frozen=True, slots=True)
class Described:
    """``version``: such as ``7.0.15``. ``evicts``: it removes keys of ours when its memory is full."""

    version: str
    evicts: bool


async def described(url: str) -> Described:
    """Raises FaultError when it cannot be used, TypeError or ValueError for a parameter that no client knows."""
    connection = Connection(url)
    try:
        with connection.guarded():
            found = cast("dict[str, Any]", await cast("Any", connection.client).info())
        policy = str(found.get("maxmemory_policy", ""))
        return Described(str(found["redis_version"]), bool(found.get("maxmemory")) and policy != "noeviction")
    finally:
        await connection.close()
