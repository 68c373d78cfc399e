"""Entries in a real Redis, shared by several gateways. ``tests/store/test_contract.py`` has what every store does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.redis_server import RedisServer
from tests.store.entries import some
from tests.waiting import until_so
from zerogravity.errors import FaultError
from zerogravity.store.base import Change, Entry, StoreLimits
from zerogravity.store.joined import joined
from zerogravity.store.redis import entries, keys
from zerogravity.store.redis.connection import Connection
from zerogravity.store.redis.entries import RedisStore
from zerogravity.store.redis.leases import Leases

Opened = Callable[..., Any]


async def made(
    stack: AsyncExitStack, server: RedisServer, *, lease_s: float = 15, renew_s: float = 600, **limits: Any
) -> RedisStore:
    connection = Connection(server.url)
    given = StoreLimits(**{"count": 100, "now": lambda: 100.0, **limits})
    store = RedisStore(connection, given, Leases(connection, lease_s=lease_s, renew_s=renew_s))
    stack.push_async_callback(store.close)
    await store.open()
    return store


@pytest.fixture
async def opened(redis_server: RedisServer) -> AsyncIterator[Opened]:
    """``await opened(…)``: one more gateway's store on an empty database."""
    emptied = Connection(redis_server.url)
    await emptied.client.flushdb()
    await emptied.close()
    async with AsyncExitStack() as stack:
        yield lambda **options: made(stack, redis_server, **options)


def with_item(letter: str) -> Change:
    return lambda entry: replace(
        entry, data={**entry.data, "text": f"{entry.data['text']}{letter}"}, items=entry.items | {letter}
    )


async def everything(store: RedisStore) -> list[Entry]:
    return [each async for each in store.entries()]


async def test_what_one_gateway_stores_the_others_have(opened: Opened) -> None:
    here, there = await opened(), await opened()
    await here.put(some(1, frames=(b"one", b"two")))
    assert await there.get("resp_1", "me") == await there.with_item("msg_1", "me") == some(1, frames=(b"one", b"two"))
    await there.change("resp_1", "me", with_item("a"))
    found = await here.with_item("a", "me")
    assert found.id == "resp_1" and found.frames == (b"one", b"two")
    await there.delete("resp_1", "me")
    assert await here.get("resp_1", "me") is None
    assert await here.with_item("a", "me") is None


async def test_changes_by_several_gateways_at_once_lose_nothing(opened: Opened) -> None:
    stores = [await opened() for _ in range(3)]
    await stores[0].put(some(1))
    letters = "abcdefghijklmnopqr"
    await asyncio.gather(
        *(stores[at % 3].change("resp_1", "me", with_item(letter)) for at, letter in enumerate(letters))
    )
    found = await stores[1].get("resp_1", "me")
    assert sorted(found.data["text"]) == [*letters]
    assert found.items == {"msg_1", *letters}
    for letter in letters:
        assert (await stores[2].with_item(letter, "me")).id == "resp_1"
    await stores[1].put(some(2))
    assert stores[1].bytes == sum([len(b'{"number":1,"text":""}') + len(letters), len(b'{"number":2,"text":""}')])


async def test_several_gateways_keep_to_the_limits_together(opened: Opened) -> None:
    stores = [await opened(count=7) for _ in range(2)]
    await asyncio.gather(*(stores[number % 2].put(some(number)) for number in range(40)))
    await stores[0].put(some(40))
    left = await everything(stores[1])
    assert len(left) == 7 and left[-1] == some(40)
    assert await stores[0].connection.client.zcard(keys.ORDER) == 7


async def test_a_response_whose_gateway_has_died_is_abandoned_after_its_lease(opened: Opened) -> None:
    dying, other = await opened(lease_s=0.2), await opened()
    await other.put(some(2, running=True))
    await dying.put(some(1, running=True))
    await dying.change("resp_2", "me", with_item("a"))
    assert (await dying.get("resp_1", "me")).running

    async def is_abandoned() -> bool:
        return (await other.get("resp_1", "me")).abandoned

    await until_so(is_abandoned)
    found = await dying.get("resp_2", "me")
    assert found.running and not found.abandoned, "who changes it does not take it over"


async def test_a_silent_response_of_a_gateway_that_lives_goes_on_whatever_key_redis_loses(opened: Opened) -> None:
    living, other = await opened(renew_s=0.1), await opened()
    await living.put(some(1, running=True))
    await living.connection.client.delete(keys.run(living.leases.own))
    found = await other.get("resp_1", "me")
    assert found.running and not found.abandoned


async def test_a_gateway_that_stops_leaves_its_responses_abandoned_at_once(opened: Opened) -> None:
    stopping, other = await opened(), await opened()
    await stopping.put(some(1, running=True))
    assert (await other.get("resp_1", "me")).running
    await stopping.close()
    assert (await other.get("resp_1", "me")).abandoned


async def test_every_key_expires(opened: Opened) -> None:
    store = await opened(age_s=3600)
    await store.put(some(1, frames=(b"one",), running=True))
    await store.put(some(2, created=50.0, items=frozenset({"msg_1", "b"})))
    client = store.connection.client
    lives = {key.decode(): await client.pttl(key) / 1000 for key in await client.keys("*")}
    assert len(lives) == 9
    assert all(0 < seconds <= 3660 for seconds in lives.values()), lives
    assert lives[keys.entry("me", "resp_2")] <= 3610 < lives[keys.entry("me", "resp_1")]
    assert lives[keys.item("me", "msg_1")] > 3610, "it lasts as long as the newest that has it"


async def test_scripts_that_redis_has_lost_are_sent_again(opened: Opened) -> None:
    store = await opened()
    await store.put(some(1))
    await store.connection.client.script_flush()
    await store.put(some(1, size=3))
    await store.delete("resp_1", "me")
    assert store.bytes == 0


# -- frames --------------------------------------------------------------------------------------------------------

WHOLE = (b"one", b"", b"three", b"4")
STREAMS: dict[str, tuple[list[tuple[str, bytes]], list[tuple[bytes, bytes, bool]]]] = {
    # what its followers have been given already: what is there afterwards
    "nothing": ([], [(b"1-0", joined(WHOLE), True)]),
    "the beginning": (
        [("1-0", joined(WHOLE[:2])), ("3-0", joined(WHOLE[2:3]))],
        [(b"1-0", joined(WHOLE[:2]), False), (b"3-0", joined(WHOLE[2:3]), False), (b"4-0", joined(WHOLE[3:]), True)],
    ),
    "all but the end": ([("1-0", joined(WHOLE))], [(b"1-0", joined(WHOLE), False), (b"5-0", b"", True)]),
    "all": ([("1-0", joined(WHOLE)), ("5-0", b"end")], [(b"1-0", joined(WHOLE), False), (b"5-0", b"", True)]),
    "something else": ([("1-0", joined((b"else",)))], [(b"1-0", joined(WHOLE), True)]),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_who_follows_a_stream_reads_on_when_the_whole_is_stored(opened: Opened, name: str) -> None:
    store = await opened()
    stream, client = keys.frames("me", "resp_1"), store.connection.client
    await store.put(some(1, running=True))
    before, after = STREAMS[name]
    for number, batch in before:
        await client.xadd(stream, {"f": b"", "end": b"1"} if batch == b"end" else {"f": batch}, id=number)
    await store.put(some(1, running=True))  # a late write of the beginning
    assert await client.xlen(stream) == len(before)
    for _ in range(2):
        await store.put(some(1, frames=WHOLE))
        batches = await client.xrange(stream)
        assert [(number, batch[b"f"], b"end" in batch) for number, batch in batches] == after
    assert (await store.get("resp_1", "me")).frames == WHOLE
    await store.change("resp_1", "me", with_item("a"))
    assert (await store.get("resp_1", "me")).frames == WHOLE
    await store.put(some(1))
    assert (await store.get("resp_1", "me")).frames == ()
    assert not await client.exists(stream)


async def test_what_redis_has_lost_is_restored_and_what_is_there_or_deleted_is_not(opened: Opened) -> None:
    here, there = await opened(count=2), await opened(count=2)
    await here.put(some(1, running=True))
    ended = some(1, frames=WHOLE, size=3)
    assert not await here.restore(ended), "it is there"
    await here.connection.client.flushdb()
    assert await here.restore(ended)
    assert not await there.restore(some(1)), "it is there again"
    assert await there.get("resp_1", "me") == await there.with_item("msg_1", "me") == ended
    for number in (2, 3):
        await here.put(some(number))
    assert await here.get("resp_1", "me") is None
    assert await here.restore(ended), "nobody has deleted it: it made room"
    await there.delete("resp_1", "me")
    assert not await here.restore(ended)
    assert await here.get("resp_1", "me") is None
    assert 0 < await here.connection.client.pttl(keys.deleted("me", "resp_1")) <= entries.DELETED_MS
    assert not await here.restore(some(4, created=-1e9)), "it is too old"


# -- crashes and losses --------------------------------------------------------------------------------------------

PARTS = ("_write", "_add_items", "_add", "_remove", "_drop")


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("part", PARTS)
async def test_a_crash_between_the_parts_of_a_write_leaves_nothing_half_written(
    tmp_path: Path, part: str, done: bool
) -> None:
    server = RedisServer(tmp_path, durable=True)
    server.start()
    try:
        async with AsyncExitStack() as stack:
            store, other = await made(stack, server, count=2), await made(stack, server, count=2)
            for number in (1, 2):
                await store.put(some(number, frames=(b"old",)))
            whole = getattr(store, part)

            async def crash(*args: Any) -> Any:
                if done:
                    await whole(*args)
                server.kill()
                return await whole(*args)

            new = some(3, size=500, frames=(b"new", b"frames"))
            setattr(store, part, crash)
            with pytest.raises(FaultError) as caught:
                await store.put(new)
            assert caught.value.fault.code == "store_unavailable"
            server.start()
            for each in (some(1, frames=(b"old",)), some(2, frames=(b"old",)), new):
                for found in (await other.get(each.id, "me"), await other.with_item(*each.items, "me")):
                    assert found in (None, each)
            setattr(store, part, whole)
            await store.put(new)  # as pending writes do
            assert await everything(other) == [some(2, frames=(b"old",)), new]
            assert store.bytes == sum(len(joined(each.frames)) + len(raw) for each, raw in [
                (new, b'{"number":3,"text":""}' + b"x" * 500), (some(2, frames=(b"old",)), b'{"number":2,"text":""}'),
            ])  # fmt: skip
    finally:
        server.kill()


lost = st.lists(st.tuples(st.integers(0, 7), st.sets(st.integers(0, 60))), max_size=12)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=lost)
async def test_whatever_key_redis_evicts_what_is_read_is_right(redis_server: RedisServer, steps: Any) -> None:
    async with AsyncExitStack() as stack:
        store = await made(stack, redis_server, count=3)
        client = store.connection.client
        await client.flushdb()
        for number, evicted in steps:
            await store.put(some(number, items=frozenset({"same", f"msg_{number}"})))
            present = sorted(await client.keys("*"))
            for at in evicted:
                await client.delete(present[at % len(present)])
            for other in range(8):
                for found in (await store.get(f"resp_{other}", "me"), await store.with_item(f"msg_{other}", "me")):
                    assert found is None or (found.id, found.data["number"]) == (f"resp_{other}", other)
            await store.with_item("same", "me")
        await client.flushdb()
        for number in range(5):
            await store.put(some(number))
        assert await everything(store) == [some(number) for number in (2, 3, 4)]


async def test_a_redis_that_evicts_keys_for_want_of_memory_does_not_break_anything(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        async with AsyncExitStack() as stack:
            store = await made(stack, server, count=10_000)
            client = store.connection.client
            used = (await client.info("memory"))["used_memory"]
            await client.config_set("maxmemory", used + (1 << 20))
            await client.config_set("maxmemory-policy", "allkeys-random")
            for number in range(100):
                await store.put(some(number, size=40_000))
                assert await store.get(f"resp_{number}", "me") in (None, some(number, size=40_000))
            kept = await everything(store)
            assert 0 < len(kept) < 50
            assert (await client.info("stats"))["evicted_keys"] > 0
            await store.delete(kept[0].id, "me")
            assert await store.get(kept[0].id, "me") is None
    finally:
        server.kill()


async def test_a_redis_whose_memory_is_full_is_read_and_what_is_in_it_can_be_removed(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server:
        async with AsyncExitStack() as stack:
            here = await made(stack, server)
            for number in (1, 2):
                await here.put(some(number, frames=(b"one", b"two")))
            client: Any = here.connection.client
            await client.config_set("maxmemory", 1)
            with pytest.raises(FaultError, match="maxmemory"):
                await here.put(some(3))
            there, whole = await made(stack, server), some(1, frames=(b"one", b"two"))
            assert await here.get("resp_1", "me") == await there.with_item("msg_1", "me") == whole
            assert [entry.id for entry in await everything(here)] == ["resp_1", "resp_2"]
            await here.delete("resp_1", "me")
            assert await here.get("resp_1", "me") is None
            await client.config_set("maxmemory", 0)
            assert not await here.restore(some(1)), "it is not to come back"
            await here.put(some(3))
            assert here.bytes == len(b'{"number":2,"text":""}') * 2 + len(joined((b"one", b"two")))
