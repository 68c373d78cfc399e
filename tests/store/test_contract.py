"""What every ``ResponseStore`` promises. A new implementation is one more line in ``STORES``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.entries import some
from zerogravity.errors import FaultError, bad_request
from zerogravity.store.base import Change, Entry, ResponseStore, StoreLimits
from zerogravity.store.memory import MemoryStore
from zerogravity.store.redis.connection import Connection
from zerogravity.store.redis.entries import RedisStore
from zerogravity.store.sqlite import SqliteStore

Fixture = Callable[[str], Any]  # its value, by its name


async def memory(limits: StoreLimits, _: Fixture) -> ResponseStore:
    return MemoryStore(limits)


async def sqlite(limits: StoreLimits, fixture: Fixture) -> ResponseStore:
    store = SqliteStore(fixture("tmp_path_factory").mktemp("store") / "responses.db", limits)
    await store.open()
    return store


async def redis(limits: StoreLimits, fixture: Fixture) -> ResponseStore:
    store = RedisStore(Connection(fixture("redis_server").url), limits)
    await store.connection.client.flushdb()
    await store.open()
    return store


STORES: dict[str, Callable[[StoreLimits, Fixture], Awaitable[ResponseStore]]] = {
    "memory": memory,
    "sqlite": sqlite,
    "redis": redis,
}


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """``async with opened(count=…) as store``."""

    @asynccontextmanager
    async def use(**options: Any) -> AsyncIterator[ResponseStore]:
        limits = StoreLimits(**{"count": 10, "now": lambda: 100.0, **options})
        store = await STORES[request.param](limits, request.getfixturevalue)
        try:
            yield store
        finally:
            await store.close()
            await store.close()

    return use


async def there(store: ResponseStore, *numbers: int) -> list[bool]:
    return [await store.get(f"resp_{number}", "me") is not None for number in numbers]


async def test_everything_comes_back_as_it_was(opened: Callable[..., Any]) -> None:
    data = {"id": "resp_1", "output": [{"id": "fc_1", "big": 2**70, "text": "\u2028\x85é"}], "none": None}
    whole = Entry("me", "resp_1", 100.5, data, frozenset({"msg_1", "fc_1"}), (b"data: {}\n\n", b"", b"\x00\xff" * 300))
    async with opened() as store:
        await store.put(whole)
        assert await store.get("resp_1", "me") == whole
        assert await store.with_item("msg_1", "me") == whole
        assert await store.with_item("fc_1", "me") == whole


async def test_what_has_only_begun_is_running_as_long_as_its_process(opened: Callable[..., Any]) -> None:
    async with opened() as store:
        await store.put(some(1, running=True, frames=(b"one",)))
        assert await store.get("resp_1", "me") == some(1, running=True, frames=(b"one",))
        await store.put(some(1))
        assert await store.get("resp_1", "me") == some(1)


async def test_what_is_changed_afterwards_changes_nothing(opened: Callable[..., Any]) -> None:
    data = {"output": ["first"]}
    async with opened() as store:
        await store.put(some(1, data=data))
        data["output"].append("later")
        found = await store.get("resp_1", "me")
        assert found.data == {"output": ["first"]}
        found.data["output"].append("later")
        assert (await store.get("resp_1", "me")).data == {"output": ["first"]}


async def test_what_belongs_to_others_is_unknown(opened: Callable[..., Any]) -> None:
    async with opened() as store:
        await store.put(some(1))
        await store.put(some(1, owner="you", size=5))
        assert await store.get("resp_1", "them") is None
        assert await store.with_item("msg_1", "them") is None
        await store.delete("resp_1", "them")
        assert (await store.get("resp_1", "me")).owner == "me"
        assert (await store.with_item("msg_1", "you")).data["text"] == "xxxxx"
        await store.delete("resp_1", "you")
        assert await store.get("resp_1", "me") is not None


async def test_deleted_means_gone_with_its_items(opened: Callable[..., Any]) -> None:
    async with opened() as store:
        await store.put(some(1))
        await store.delete("resp_1", "me")
        await store.delete("resp_1", "me")
        assert await store.get("resp_1", "me") is None
        assert await store.with_item("msg_1", "me") is None
        assert store.bytes == 0


async def test_what_is_there_or_deleted_was_not_lost(opened: Callable[..., Any]) -> None:
    async with opened() as store:
        await store.put(some(1))
        assert not await store.restore(some(1, size=5))
        assert await store.get("resp_1", "me") == some(1)
        await store.delete("resp_1", "me")
        assert not await store.restore(some(1))
        assert await store.get("resp_1", "me") is None
        await store.put(some(1))
        assert await store.get("resp_1", "me") == some(1), "who says so himself may"


async def test_unknown_ids(opened: Callable[..., Any]) -> None:
    async with opened() as store:
        for strange in ("resp_9", "", "../../etc/passwd", "' OR 1=1 --", "\x00", "x" * 300):
            assert await store.get(strange, "me") is None
            assert await store.with_item(strange, "me") is None


async def test_put_again_replaces(opened: Callable[..., Any]) -> None:
    async with opened(count=1) as store:
        await store.put(some(1))
        changed = some(1, data={"status": "completed"}, items=frozenset({"msg_new"}))
        await store.put(changed)
        assert await store.get("resp_1", "me") == changed
        assert await store.with_item("msg_1", "me") is None
        assert await store.with_item("msg_new", "me") == changed


async def test_the_newest_response_of_an_item_is_found(opened: Callable[..., Any]) -> None:
    """Clients that send their whole history again repeat item ids."""
    same = [replace(some(number), items=frozenset({"msg_same"})) for number in range(3)]
    async with opened() as store:
        for each in (*same, same[0]):
            await store.put(each)
        assert await store.with_item("msg_same", "me") == same[0], "as put again"
        assert await store.with_item("msg_same", "me", hidden=["resp_0"]) == same[2]
        await store.delete("resp_0", "me")
        await store.delete("resp_2", "me")
        assert await store.with_item("msg_same", "me") == same[1]
        assert await store.with_item("msg_same", "me", hidden=["resp_1"]) is None


def grown(by: str, **more: Any) -> Change:
    """One more item."""

    def change(entry: Entry) -> Entry:
        text = f"{entry.data['text']}{by}"
        return replace(entry, data={**entry.data, "text": text}, items=entry.items | {f"item_{by}"}, **more)

    return change


async def test_a_change_is_of_what_is_there(opened: Callable[..., Any]) -> None:
    async with opened(count=2) as store:
        for number in range(2):
            await store.put(some(number, frames=(b"frame",)))
        changed = await store.change("resp_0", "me", grown("a", created=101.0))
        assert changed == await store.get("resp_0", "me") == await store.with_item("item_a", "me")
        assert (changed.created, changed.data["text"], changed.frames) == (101.0, "a", (b"frame",))
        assert (await store.with_item("msg_0", "me")).id == "resp_0"
        await store.put(some(2))
        assert await there(store, 0, 1, 2) == [True, False, True], "what has changed is the newest"


async def test_there_is_no_change_of_what_is_not_there(opened: Callable[..., Any]) -> None:
    now = [100.0]
    async with opened(age_s=60, now=lambda: now[0]) as store:
        await store.put(some(1))
        assert await store.change("resp_2", "me", grown("a")) is None
        assert await store.change("resp_1", "you", grown("a")) is None
        now[0] = 161.0
        assert await store.change("resp_1", "me", grown("a", created=161.0)) is None, "it has expired"
        assert await store.get("resp_1", "me") is None


async def test_what_a_change_raises_leaves_everything_as_it_is(opened: Callable[..., Any]) -> None:
    def refuse(entry: Entry) -> Entry:
        raise bad_request("no")

    async with opened() as store:
        await store.put(some(1))
        with pytest.raises(FaultError, match="no"):
            await store.change("resp_1", "me", refuse)
        assert await store.get("resp_1", "me") == some(1)
        assert await store.change("resp_1", "me", lambda entry: entry) == some(1)
        await store.put(some(2))
        assert await store.get("resp_2", "me") == some(2)


async def test_changes_at_once_lose_nothing(opened: Callable[..., Any]) -> None:
    async with opened() as store:
        await store.put(some(1))
        await asyncio.gather(*(store.change("resp_1", "me", grown(letter)) for letter in "abcdefgh"))
        found = await store.get("resp_1", "me")
        assert sorted(found.data["text"]) == [*"abcdefgh"]
        assert found.items == {"msg_1", *(f"item_{letter}" for letter in "abcdefgh")}


async def test_the_oldest_make_room(opened: Callable[..., Any]) -> None:
    async with opened(count=2) as store:
        for number in range(4):
            await store.put(some(number))
        assert await there(store, 0, 1, 2, 3) == [False, False, True, True]
        assert await store.with_item("msg_0", "me") is None


async def test_the_bytes_are_bounded(opened: Callable[..., Any]) -> None:
    async with opened(bytes=2800) as store:
        await store.put(some(0, size=1000))
        await store.put(some(1, frames=(b"x" * 1000,)))
        assert 2000 < store.bytes <= 2800
        await store.put(some(2, size=1500))
        assert await there(store, 0, 1, 2) == [False, True, True]
        await store.put(some(3, size=4000))  # larger than the whole budget
        assert await there(store, 1, 2, 3) == [False, False, False]
        assert store.bytes == 0


async def test_age(opened: Callable[..., Any]) -> None:
    now = [100.0]
    async with opened(age_s=60, now=lambda: now[0]) as store:
        await store.put(some(1))
        now[0] = 160.0
        assert await store.get("resp_1", "me") is not None
        now[0] = 160.5
        assert await store.get("resp_1", "me") is None
        assert await store.with_item("msg_1", "me") is None
        await store.put(some(2, created=160.5))
        now[0] = 100.0
        assert await there(store, 1, 2) == [False, True], "gone with the next write"


async def test_everything_is_gone_through_the_oldest_first(opened: Callable[..., Any]) -> None:
    now = [100.0]
    async with opened(count=500, age_s=60, now=lambda: now[0]) as store:
        assert [each async for each in store.entries()] == []
        there = [some(number, owner="you" if number % 2 else "me", frames=(b"one", b"two")) for number in range(230)]
        for each in there:
            await store.put(each)
        await store.put(there[7])
        del there[11]
        await store.delete("resp_11", "you")
        assert [each async for each in store.entries()] == [*there[:7], *there[8:], there[7]]
        seen = list[str]()
        async for each in store.entries():
            seen.append(each.id)
            await store.delete("resp_2", "me")
        assert "resp_1" in seen and "resp_2" not in seen, "it has gone meanwhile"
        now[0] = 161.0
        assert [each async for each in store.entries()] == []


async def test_what_was_abandoned_in_another_store_is_abandoned(opened: Callable[..., Any]) -> None:
    async with opened() as store:
        await store.put(some(1, abandoned=True))
        assert await store.get("resp_1", "me") == some(1, abandoned=True)


async def test_many_at_once(opened: Callable[..., Any]) -> None:
    async with opened(count=50) as store:
        await asyncio.gather(*(store.put(some(number)) for number in range(40)))
        found = await asyncio.gather(*(store.get(f"resp_{number}", "me") for number in range(40)))
        assert [each.id for each in found] == [f"resp_{number}" for number in range(40)]


# -- any order of things -------------------------------------------------------------------------------------------

numbers, owners = st.integers(0, 4), st.sampled_from(["me", "you"])
items = st.frozensets(st.sampled_from(["a", "b", "c"]))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), numbers, owners, st.integers(60, 140), items, st.integers(0, 300)),
        st.tuples(st.just("delete"), numbers, owners),
        st.tuples(st.just("change"), numbers, owners, st.integers(60, 140), st.sampled_from("abc")),
        st.tuples(st.just("later"), st.integers(0, 40)),
    ),
    max_size=25,
)


async def seen(store: ResponseStore) -> list[Any]:
    """All that can be asked."""
    asked = [(number, owner) for number in range(5) for owner in ("me", "you")]
    kept = [await store.get(f"resp_{number}", owner) for number, owner in asked]
    return kept + [
        await store.with_item(item, owner, hidden=hidden)
        for item in "abc"
        for owner in ("me", "you")
        for hidden in ((), ("resp_1", "resp_2"))
    ]


@pytest.mark.parametrize("name", [name for name in STORES if name != "memory"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=steps)
async def test_every_store_gives_the_same_answers(request: pytest.FixtureRequest, name: str, done: list[Any]) -> None:
    now = [100.0]
    limits = StoreLimits(4, 100_000, 30, lambda: now[0])
    stores = [await STORES[each](limits, request.getfixturevalue) for each in ("memory", name)]
    try:
        for verb, *arguments in done:
            for store in stores:
                match verb, arguments:
                    case "put", [number, owner, created, ids, size]:
                        await store.put(some(number, owner, created, size, items=ids))
                    case "delete", [number, owner]:
                        await store.delete(f"resp_{number}", owner)
                    case "change", [number, owner, created, letter]:
                        await store.change(f"resp_{number}", owner, grown(letter, created=created))
            now[0] += arguments[0] if verb == "later" else 0
            first, *others = [await seen(store) for store in stores]
            assert all(each == first for each in others)
    finally:
        for store in stores:
            await store.close()
