"""An entry that no store has written, in each kind of database: it is told, keeps nothing else from being read, can be
deleted and replaced; and so on every route and by every command that comes across it."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.redis_server import RedisServer
from tests.server.support import Serve, Served
from tests.store.disks import HELLO, PATH
from tests.store.entries import some
from tests.waiting import until
from zerogravity.store import upkeep
from zerogravity.store.base import ResponseStore, Unreadable
from zerogravity.store.redis import keys
from zerogravity.store.responses import open_store

Damage = Callable[[Any, str, str], object]  # of the database, owner, id


def field(name: str, value: str | bytes) -> Damage:
    return lambda client, owner, identity: client.hset(keys.entry(owner, identity), name, value)


def without(name: str) -> Damage:
    return lambda client, owner, identity: client.hdel(keys.entry(owner, identity), name)


def instead(place: Callable[[str, str], str], kind: str = "set") -> Damage:
    """A key of another kind."""

    def damage(client: Any, owner: str, identity: str) -> None:
        key = place(owner, identity)
        client.delete(key)
        client.set(key, "x") if kind == "set" else client.rpush(key, "x")

    return damage


def column(name: str, value: object) -> Damage:
    def damage(database: sqlite3.Connection, owner: str, identity: str) -> None:
        done = database.execute(f"UPDATE responses SET {name} = ? WHERE owner = ? AND id = ?", (value, owner, identity))
        assert done.rowcount == 1
        database.commit()

    return damage


REDIS: dict[str, Damage] = {
    "no JSON": field("data", b"{"), "no object": field("data", "[]"), "no UTF-8": field("data", b"\xff"),
    "no data": without("data"), "no run": without("run"), "no version": without("version"),
    "no created": without("created"), "no items": without("items"), "odd created": field("created", "soon"),
    "infinite": field("created", "inf"), "odd items": field("items", b"\xff["), "odd run": field("run", b"\xff"),
    "a string": instead(keys.entry), "a list": instead(keys.entry, "list"), "odd frames": instead(keys.frames),
    "cut frames": lambda client, owner, identity: client.xadd(keys.frames(owner, identity), {"f": b"\0\0\1\1x"}),
}  # fmt: skip
SQLITE: dict[str, Damage] = {
    "no JSON": column("data", b"{"), "no object": column("data", b"[]"), "no UTF-8": column("data", b"\xff"),
    "text": column("data", "{}"), "a number": column("data", 5), "odd created": column("created", "soon"),
    "odd frames": column("frames", "x"), "many frames": column("frames", 1 << 50),
    "cut frames": column("frames", b"\1"), "odd run": column("run", b"\xff"),
}  # fmt: skip
CASES = [*(("redis", name) for name in REDIS), *(("sqlite", name) for name in SQLITE)]
cases = pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind}: {name}" for kind, name in CASES])


class Place:
    """A store's address, and how what is in it is damaged."""

    def __init__(self, kind: str, redis_server: RedisServer, folder: Path) -> None:
        self.kind = kind
        self.address = redis_server.url if kind == "redis" else str(folder / "responses.db")
        if kind == "redis":
            with closing(Redis.from_url(self.address)) as client:
                client.flushdb()

    def damage(self, name: str, owner: str, identity: str) -> None:
        if self.kind == "redis":
            with closing(Redis.from_url(self.address)) as client:
                REDIS[name](client, owner, identity)
        else:
            with closing(sqlite3.connect(self.address)) as database:
                SQLITE[name](database, owner, identity)


@pytest.fixture
def place(kind: str, redis_server: RedisServer, tmp_path: Path) -> Place:
    return Place(kind, redis_server, tmp_path)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[ResponseStore]:
    """With three entries."""
    made = await open_store(place.address, limit=10, now=lambda: 100.0)
    for number in (1, 2, 3):
        await made.put(some(number))
    yield made
    await made.close()


async def everything(store: ResponseStore) -> list[str]:
    return [f"damaged {each.id}" if isinstance(each, Unreadable) else each.id async for each in store.entries()]


@cases
async def test_what_is_damaged_is_told_and_can_be_replaced_and_deleted(
    place: Place, store: ResponseStore, name: str
) -> None:
    for remedy in ("put", "delete"):
        place.damage(name, "me", "resp_2")
        for looked in (store.get("resp_2", "me"), store.change("resp_2", "me", lambda entry: entry)):
            with pytest.raises(Unreadable) as caught:
                await looked
            assert (caught.value.id, caught.value.owner) == ("resp_2", "me")
            assert "zerogravity:" not in caught.value.fault.full_message
        assert sorted(await everything(store)) == ["damaged resp_2", "resp_1", "resp_3"]
        assert await store.with_item("msg_3", "me") == some(3)
        if remedy == "put":
            await store.put(some(2))
            assert await store.get("resp_2", "me") == some(2)
            assert await store.with_item("msg_2", "me") == some(2)
    await store.delete("resp_2", "me")
    assert await store.get("resp_2", "me") is None
    assert await everything(store) == ["resp_1", "resp_3"]
    await store.put(some(4))
    assert await everything(store) == ["resp_1", "resp_3", "resp_4"]


@cases
async def test_what_the_owner_does_with_all_of_it_leaves_out_what_is_damaged(
    place: Place, store: ResponseStore, name: str, tmp_path: Path
) -> None:
    place.damage(name, "me", "resp_2")
    found = await upkeep.summary(store)
    assert (sum(found.responses.values()), found.damaged) == (2, ["resp_2"])
    async with AsyncExitStack() as stack:
        other = await open_store(str(tmp_path / "other.db"), limit=10, now=lambda: 100.0)
        stack.push_async_callback(other.close)
        assert await upkeep.copy(store, other) == upkeep.Copied(copied=2, damaged=["resp_2"])
        await other.put(some(2))
        assert await upkeep.copy(other, store) == upkeep.Copied(copied=1, there=2)
    place.damage(name, "me", "resp_2")
    assert await upkeep.purge(store, 50.0) == upkeep.Purged(0, ["resp_2"])
    assert await upkeep.purge(store) == upkeep.Purged(3)
    assert await everything(store) == []


@pytest.mark.parametrize("kind", ["redis"])
async def test_a_name_that_is_no_text_is_told_and_goes_with_everything(place: Place, store: ResponseStore) -> None:
    key = b"zerogravity:1:{me/\xff}:entry"
    with closing(Redis.from_url(place.address)) as client:
        client.set(key, "x")
        assert (await upkeep.summary(store)).damaged == ["\udcff"]
        told = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "zerogravity", "store", "info", "--json", stdout=PIPE, stderr=PIPE,
            env={**os.environ, "ZEROGRAVITY_STORE": place.address, "ZEROGRAVITY_CONFIG": "/dev/null"},
        )  # fmt: skip
        out, said = await told.communicate()
        assert (told.returncode, json.loads(out)["damaged"]) == (1, ["\ufffd"])
        assert said.startswith(b"1 damaged, and left out: ")
        assert await upkeep.purge(store) == upkeep.Purged(4)
        assert not client.exists(key)


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_so_does_one_in_a_file(place: Place, store: ResponseStore) -> None:
    with closing(sqlite3.connect(place.address)) as database:
        database.execute("UPDATE responses SET id = x'ff' WHERE id = 'resp_2'")
        database.commit()
    assert len((await upkeep.summary(store)).damaged) == 1
    assert await upkeep.purge(store) == upkeep.Purged(3)


REDIS_INDEX = {
    "order": keys.ORDER, "created": keys.CREATED, "sizes": keys.SIZES, "item": keys.item("me", "msg_1"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["redis"])
@pytest.mark.parametrize("name", [*REDIS_INDEX, "total", "a size"])
async def test_a_damaged_index_of_redis_mends_with_the_next_write(
    place: Place, store: ResponseStore, name: str
) -> None:
    with closing(Redis.from_url(place.address)) as client:
        match name:
            case "total":
                client.hset(keys.SIZES, "", "much")
            case "a size":
                client.hset(keys.SIZES, keys.member("me", "resp_1"), "much")
            case _:
                client.delete(REDIS_INDEX[name])
                client.set(REDIS_INDEX[name], "x")
    assert await store.with_item("msg_1", "me") in (None, some(1))
    for number in (1, 2, 3):
        await store.put(some(number))
        assert await store.with_item(f"msg_{number}", "me") == some(number)
    for number in range(4, 24):
        await store.put(some(number))
    assert (await everything(store))[-10:] == [f"resp_{number}" for number in range(14, 24)]
    await store.delete("resp_20", "me")
    assert await store.get("resp_20", "me") is None


# -- on the routes -------------------------------------------------------------------------------------------------

CONVERSATIONS = "/v1/conversations"
SHAPES = {"no members": b"{}", "other members": b'{"id":5,"response":[],"items":[1],"metadata":{},"created":1}'}


def spoil(place: Place, identity: str, name: str) -> None:
    """By one of the table above, or as an object that is no response and no conversation."""
    if name not in SHAPES:
        place.damage(name, "", identity)
    elif place.kind == "redis":
        with closing(Redis.from_url(place.address)) as client:
            field("data", SHAPES[name])(client, "", identity)
    else:
        with closing(sqlite3.connect(place.address)) as database:
            column("data", SHAPES[name])(database, "", identity)


def is_told(status: int, body: Any) -> None:
    assert (status, body["error"]["code"]) == (500, "store_damaged"), body
    assert "damaged" in body["error"]["message"] and "zerogravity:" not in json.dumps(body)


async def served(serve: Serve, place: Place) -> Served:
    return await serve(store=place.address, services={"responses": await open_store(place.address, limit=100)})


ROUTE_CASES = [*CASES, *((kind, name) for kind in ("redis", "sqlite") for name in SHAPES)]
route_cases = pytest.mark.parametrize(("kind", "name"), ROUTE_CASES, ids=[f"{k}: {n}" for k, n in ROUTE_CASES])


@route_cases
async def test_every_route_tells_that_a_response_is_damaged_and_it_can_be_deleted(
    serve: Serve, place: Place, name: str
) -> None:
    gateway = await served(serve, place)
    _, _, made = await gateway.post(PATH, HELLO)
    _, _, sound = await gateway.post(PATH, HELLO)
    await until(lambda: gateway.writer.waiting == 0)
    path = f"{PATH}/{made['id']}"
    spoil(place, made["id"], name)
    for target in (path, f"{path}?stream=true", f"{path}/input_items"):
        status, headers, body = await gateway.get(target)
        is_told(status, body)
        assert headers["x-should-retry"] == "false"
    for target, more in ((f"{path}/cancel", {}), (PATH, {**HELLO, "previous_response_id": made["id"]})):
        status, _, body = await gateway.post(target, more)
        is_told(status, body)
    assert (await gateway.get(f"{PATH}/{sound['id']}"))[2] == sound
    status, _, body = await gateway.ask("DELETE", path)
    assert (status, json.loads(body)["deleted"]) == (200, True)
    for method, target in (("GET", path), ("DELETE", path)):
        assert (await gateway.ask(method, target))[0] == 404
    assert gateway.services.health.degraded == {}


@route_cases
async def test_every_route_tells_that_a_conversation_is_damaged_and_it_can_be_deleted(
    serve: Serve, place: Place, name: str
) -> None:
    gateway = await served(serve, place)
    item = {"role": "user", "content": "hi"}
    _, _, made = await gateway.post(CONVERSATIONS, {"items": [item]})
    await until(lambda: gateway.writer.waiting == 0)
    path = f"{CONVERSATIONS}/{made['id']}"
    spoil(place, made["id"], name)
    for target in (path, f"{path}/items", f"{path}/items/msg_1"):
        status, _, body = await gateway.get(target)
        is_told(status, body)
    for target, more in (
        (path, {"metadata": {}}), (f"{path}/items", {"items": [item]}), (PATH, {**HELLO, "conversation": made["id"]}),
    ):  # fmt: skip
        status, _, body = await gateway.post(target, more)
        is_told(status, body)
    assert (await gateway.ask("DELETE", path))[0] == 200
    assert (await gateway.get(path))[0] == 404
