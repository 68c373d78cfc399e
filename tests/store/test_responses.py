"""Which store a setting names, and that it has the limits it was given."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.redis_server import PASSWORD, RedisServer
from zerogravity.errors import FaultError
from zerogravity.store.base import Entry
from zerogravity.store.memory import MemoryStore
from zerogravity.store.redis.entries import RedisStore
from zerogravity.store.responses import open_store
from zerogravity.store.sqlite import SqliteStore

FIRST = Entry("me", "resp_1", 100.0, {"text": "x" * 100})


@pytest.mark.parametrize(("name", "kind"), [("memory", MemoryStore), ("responses.db", SqliteStore)])
@pytest.mark.parametrize(
    ("limits", "kept"),
    [({"limit": 2}, True), ({"limit": 1}, False), ({"limit": 2, "max_bytes": 150}, False),
     ({"limit": 2, "max_age_s": 5}, False)],
)  # fmt: skip
async def test_a_store_of_that_kind_with_these_limits(
    tmp_path: Path, name: str, kind: type, limits: dict[str, int], kept: bool
) -> None:
    now = 100.0
    store = await open_store(name if name == "memory" else str(tmp_path / name), now=lambda: now, **limits)
    try:
        assert type(store) is kind
        await store.put(FIRST)
        now = 110.0
        await store.put(replace(FIRST, id="resp_2", created=now))
        assert (await store.get("resp_1", "me") is not None) is kept
        assert await store.get("resp_2", "me") is not None
    finally:
        await store.close()


async def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(FaultError) as raised:
        await open_store(str(tmp_path), limit=1)
    assert raised.value.fault.code == "store_unusable"


async def test_a_redis_server(redis_server: RedisServer) -> None:
    store = await open_store(redis_server.url, limit=1)
    assert type(store) is RedisStore
    await store.close()


AWAY = [
    ("redis://:between@127.0.0.1:1/0", "store_unavailable", "Redis at redis://127.0.0.1:1/0 cannot be used: "),
    ("unix://:between@/nowhere/redis.sock", "store_unavailable", "Redis at unix:///nowhere/redis.sock cannot be used"),
    ("redis://:between@127.0.0.1:1/0?nonsense=between", "invalid_config", "a parameter that Redis clients do not know"),
    ("redis://:between@127.0.0.1:1/0?socket_timeout=x", "invalid_config", "a parameter that Redis clients do not know"),
]


@pytest.mark.parametrize(("store", "code", "message"), AWAY)
async def test_a_redis_server_that_cannot_be_used(store: str, code: str, message: str) -> None:
    with pytest.raises(FaultError, match=message) as raised:
        await open_store(store, limit=1)
    fault = raised.value.fault
    assert fault.code == code and "between" not in fault.full_message
    assert ("store_required = false" in fault.remedy) is (code == "store_unavailable")


async def test_a_redis_server_with_another_password(redis_server: RedisServer) -> None:
    store = redis_server.url.replace(PASSWORD, "wrong-one")
    with pytest.raises(FaultError, match=r"cannot be used: .*password") as raised:
        await open_store(store, limit=1)
    assert "wrong-one" not in raised.value.fault.full_message


async def test_without_the_package_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("zerogravity.store.redis.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(FaultError, match=re.escape("Run: pip install 'zerogravity[redis]'")) as raised:
        await open_store("redis://:between@host", limit=1)
    assert raised.value.fault.code == "invalid_config" and "between" not in raised.value.fault.full_message
