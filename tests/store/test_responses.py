"""Which store a setting names, and that it has the limits it was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from zerogravity.errors import FaultError
from zerogravity.store.base import Entry
from zerogravity.store.memory import MemoryStore
from zerogravity.store.responses import open_store
from zerogravity.store.sqlite import SqliteStore

FIRST = Entry("me", "resp_1", 100.0, {"text": "x" * 100})


@pytest.mark.parametrize(("name", "kind"), [(None, MemoryStore), ("responses.db", SqliteStore)])
@pytest.mark.parametrize(
    ("limits", "kept"),
    [({"limit": 2}, True), ({"limit": 1}, False), ({"limit": 2, "max_bytes": 150}, False),
     ({"limit": 2, "max_age_s": 5}, False)],
)  # fmt: skip
async def test_a_store_of_that_kind_with_these_limits(
    tmp_path: Path, name: str | None, kind: type, limits: dict[str, int], kept: bool
) -> None:
    now = 100.0
    store = await open_store(str(tmp_path / name) if name else None, now=lambda: now, **limits)
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
