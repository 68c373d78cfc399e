"""Disks that do not take what is written: a store in memory that fails as told, a file that somebody else holds."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zerogravity.errors import FaultError, internal
from zerogravity.store.base import Change, Entry
from zerogravity.store.peers import Peers

PATH = "/v1/responses"
HELLO: dict[str, Any] = {"model": "gemini-3-flash", "input": "hi"}
BEHIND = {**HELLO, "background": True}


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another one holds the file."""
    other = sqlite3.connect(file, timeout=20, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("COMMIT")
    finally:
        other.close()


def rows(file: Path) -> int:
    database = sqlite3.connect(file)
    try:
        return database.execute("SELECT count(*) FROM responses").fetchone()[0]
    finally:
        database.close()


class Disk:
    """A store in memory whose disk fails as it is told to. ``log``: what has been written, in order. ``tries``: how
    often that was tried."""

    peers: Peers | None = None

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.begun = asyncio.Event()
        self.tries = 0
        self.log: list[str] = []
        self.kept: dict[tuple[str, str], Entry] = {}

    async def put(self, entry: Entry) -> None:
        await self._try()
        self.log.append(f"put {entry.id}")
        self.kept[entry.owner, entry.id] = entry

    async def change(self, identity: str, owner: str, change: Change) -> Entry | None:
        await self._try()
        found = self.kept.get((owner, identity))
        if found is None:
            return None
        self.log.append(f"change {identity}")
        self.kept[owner, identity] = changed = change(found)
        return changed

    async def restore(self, entry: Entry) -> bool:
        await self._try()
        if (key := (entry.owner, entry.id)) in self.kept:
            return False
        self.log.append(f"restore {entry.id}")
        self.kept[key] = entry
        return True

    async def delete(self, identity: str, owner: str) -> None:
        await self._try()
        self.log.append(f"delete {identity}")
        self.kept.pop((owner, identity), None)

    async def _try(self) -> None:
        self.begun.set()
        self.tries += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure

    async def get(self, identity: str, owner: str) -> Entry | None:
        return self.kept.get((owner, identity))

    async def with_item(self, item_id: str, owner: str, hidden: Any = ()) -> Any:
        return next((each for each in self.kept.values() if item_id in each.items and each.id not in hidden), None)

    async def entries(self) -> AsyncIterator[Entry]:
        for entry in [*self.kept.values()]:
            yield entry

    async def close(self) -> None:
        self.log.append("close")


def unusable(why: str) -> FaultError:
    return FaultError(internal(f"stored responses: {why}", code="store_unusable"))


TROUBLES = {
    "full": unusable("database or disk is full"),
    "read-only": unusable("attempt to write a readonly database"),
    "broken": unusable("database disk image is malformed"),
    "system": OSError("no such device"),
}
