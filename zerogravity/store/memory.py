"""``MemoryStore``: stored responses that live as long as the process, kept as bytes, so that their size is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace

from zerogravity.store.base import Change, Entry, StoreLimits
from zerogravity.wire import jsonio, narrow

Key = tuple[str, str]  # owner, id


@dataclass(frozen=True, slots=True)
class _Row:
    entry: Entry  # without its data
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data) + sum(map(len, self.entry.frames))


class MemoryStore:
    """A ``ResponseStore``. JSON is encoded and decoded in a thread: it may be large."""

    peers = None

    def __init__(self, limits: StoreLimits) -> None:
        self.bytes = 0
        self._limits = limits
        self._rows: dict[Key, _Row] = {}  # oldest first
        self._by_item: dict[Key, dict[str, None]] = {}  # owner, item id → ids of responses, oldest first

    async def put(self, entry: Entry) -> None:
        self._set(await asyncio.to_thread(_row_of, entry))

    async def get(self, response_id: str, owner: str) -> Entry | None:
        row = self._row((owner, response_id))
        return None if row is None else await asyncio.to_thread(_entry_of, row)

    async def change(self, entry_id: str, owner: str, change: Change) -> Entry | None:
        key = owner, entry_id
        while (row := self._row(key)) is not None:
            changed, new = await asyncio.to_thread(_changed, row, change)
            if self._rows.get(key) is row:  # else another one was quicker
                if new is not row:
                    self._set(new)
                return changed
        return None

    async def restore(self, entry: Entry) -> bool:
        return False  # nothing is lost here

    async def with_item(self, item_id: str, owner: str, hidden: Collection[str] = ()) -> Entry | None:
        for response_id in reversed(self._by_item.get((owner, item_id), {})):
            if response_id not in hidden and (found := await self.get(response_id, owner)) is not None:
                return found
        return None

    async def delete(self, response_id: str, owner: str) -> None:
        self._remove((owner, response_id))
        self._sweep()

    async def entries(self) -> AsyncIterator[Entry]:
        for owner, entry_id in list(self._rows):
            if (found := await self.get(entry_id, owner)) is not None:
                yield found

    async def close(self) -> None:
        self._rows.clear()
        self._by_item.clear()
        self.bytes = 0

    def _row(self, key: Key) -> _Row | None:
        row = self._rows.get(key)
        return None if row is None or row.entry.created < self._limits.since else row

    def _set(self, row: _Row) -> None:
        entry = row.entry
        self._remove((entry.owner, entry.id))
        self._rows[entry.owner, entry.id] = row
        self.bytes += row.size
        for item_id in entry.items:
            self._by_item.setdefault((entry.owner, item_id), {})[entry.id] = None
        self._sweep()

    def _remove(self, key: Key) -> None:
        if (row := self._rows.pop(key, None)) is None:
            return
        self.bytes -= row.size
        for item_id in row.entry.items:
            holders = self._by_item[key[0], item_id]
            del holders[key[1]]
            if not holders:
                del self._by_item[key[0], item_id]

    def _sweep(self) -> None:
        since = self._limits.since
        for key in [key for key, row in self._rows.items() if row.entry.created < since]:
            self._remove(key)
        while len(self._rows) > self._limits.count or self.bytes > self._limits.bytes:
            self._remove(next(iter(self._rows)))


def _row_of(entry: Entry) -> _Row:
    return _Row(replace(entry, data={}), jsonio.dumps(entry.data))


def _entry_of(row: _Row) -> Entry:
    return replace(row.entry, data=narrow.members(jsonio.loads(row.data)))


def _changed(row: _Row, change: Change) -> tuple[Entry, _Row]:
    entry = _entry_of(row)
    changed = change(entry)
    return changed, row if changed is entry else _row_of(changed)
