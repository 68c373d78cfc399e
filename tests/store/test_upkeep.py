"""What the owner of a store does with all of it, from each kind of store to each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from tests.store.entries import some
from tests.store.test_contract import STORES
from zerogravity.store import upkeep
from zerogravity.store.base import Entry, ResponseStore, StoreLimits

CONVERSATION = Entry("me", "conv_1", 90.0, {"metadata": {}}, frozenset({"msg_7"}))
WHOLE = [
    some(1, created=70.0, frames=(b"one", b"two")),
    some(2, owner="you", created=80.0),
    some(3, abandoned=True),
    CONVERSATION,
]


@pytest.fixture
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """``await stores(kind)``"""
    async with AsyncExitStack() as stack:

        async def make(kind: str) -> ResponseStore:
            made = await STORES[kind](StoreLimits(20, now=lambda: 100.0), request.getfixturevalue)
            stack.push_async_callback(made.close)
            return made

        yield make


async def everything(store: ResponseStore) -> list[Entry]:
    return [each async for each in store.entries()]


@pytest.mark.parametrize(("old", "new"), [(old, new) for old in STORES for new in STORES if old != new])
async def test_a_copy_has_everything_as_old_as_it_is_and_can_be_made_again(stores: Any, old: str, new: str) -> None:
    source, target = await stores(old), await stores(new)
    for each in (*WHOLE, some(5, running=True)):
        await source.put(each)
    assert await upkeep.copy(source, target) == upkeep.Copied(copied=4, there=0, running=1)
    assert await everything(target) == WHOLE
    assert await target.with_item("msg_7", "me") == CONVERSATION
    assert await upkeep.copy(source, target) == upkeep.Copied(copied=0, there=4, running=1)
    newer, later = replace(CONVERSATION, created=95.0), some(5)
    await source.put(newer)
    await source.put(later)
    ahead = some(2, owner="you", created=85.0)
    await target.put(ahead)
    assert await upkeep.copy(source, target) == upkeep.Copied(copied=2, there=3, running=0)
    assert await everything(target) == [WHOLE[0], WHOLE[2], ahead, newer, later]


async def test_a_copy_that_was_interrupted_goes_on(stores: Any) -> None:
    source, target = await stores("memory"), await stores("sqlite")
    for each in WHOLE:
        await source.put(each)

    def stop(done: int, _: int | None) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await upkeep.copy(source, target, stop)
    assert await everything(target) == WHOLE[:2]
    assert await upkeep.copy(source, target) == upkeep.Copied(copied=2, there=2)
    assert await everything(target) == WHOLE


async def test_a_summary(stores: Any) -> None:
    store = await stores("memory")
    assert await upkeep.summary(store) == upkeep.Summary()
    for each in (*WHOLE, some(5, running=True)):
        await store.put(each)
    found = await upkeep.summary(store)
    assert found.responses == {"finished": 2, "running": 1, "abandoned": 1}
    assert (found.conversations, found.bytes, found.oldest) == (1, store.bytes, 70.0)


async def test_what_runs_is_not_purged(stores: Any) -> None:
    store = await stores("memory")
    running = some(5, created=60.0, running=True)
    for each in (*WHOLE, running):
        await store.put(each)
    told: list[int] = []
    assert await upkeep.purge(store, 90.0, lambda done, _: told.append(done)) == upkeep.Purged(2)
    assert told == [1, 2]
    assert await everything(store) == [WHOLE[2], CONVERSATION, running]
    assert await upkeep.purge(store) == upkeep.Purged(2)
    assert await everything(store) == [running]
