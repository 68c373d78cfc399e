"""What only the store in memory does: it keeps bytes, counts all of them, and nothing is left of what is gone."""

from __future__ import annotations

from zerogravity.store.base import Entry, StoreLimits
from zerogravity.store.memory import MemoryStore
from zerogravity.wire import jsonio

DATA = {"text": "x" * 100}
JSON = len(jsonio.dumps(DATA))


def entry(number: int, **more: object) -> Entry:
    return Entry("me", f"resp_{number}", 100.0, DATA, frozenset({f"msg_{number}"}), **more)  # type: ignore[arg-type]


async def test_json_and_frames_are_counted() -> None:
    store = MemoryStore(StoreLimits(2, now=lambda: 100.0))
    steps = [
        (store.put(entry(1)), JSON),
        (store.put(entry(2, frames=(b"12345", b"678"))), 2 * JSON + 8),
        (store.put(entry(2)), 2 * JSON),  # in its place
        (store.put(entry(3)), 2 * JSON),  # the oldest makes room
        (store.delete("resp_2", "me"), JSON),
        (store.delete("resp_2", "me"), JSON),
        (store.close(), 0),
    ]
    for step, size in steps:
        await step
        assert store.bytes == size
    assert await store.get("resp_3", "me") is None
    assert await store.with_item("msg_3", "me") is None


async def test_what_is_too_old_is_gone_and_leaves_with_the_next_change() -> None:
    now = 100.0
    store = MemoryStore(StoreLimits(9, age_s=10, now=lambda: now))
    await store.put(entry(1))
    now = 111.0
    assert await store.get("resp_1", "me") is None
    assert store.bytes == JSON
    await store.delete("resp_9", "me")
    assert store.bytes == 0
