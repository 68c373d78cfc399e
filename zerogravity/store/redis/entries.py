"""``RedisStore``: stored responses in Redis, for several gateways. An unfinished response is running as long as the
gateway that stored it renews its lease, and abandoned after that.

An entry is written in one step, its items and its place in the index after it. Where that is cut off in between,
nothing wrong is read: every look-up asks the entry itself, which expires in any case. What has to make room is removed
first and then forgotten by the index, so the next write takes up what a crash has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from redis.exceptions import ResponseError

from zerogravity.store.base import NOBODY, Change, Entry, StoreLimits, Unreadable, found_or_damaged, read_entry, reading
from zerogravity.store.joined import joined
from zerogravity.store.redis import keys, scripts
from zerogravity.store.redis.connection import Connection, fields_of, is_of_another_kind
from zerogravity.store.redis.leases import Leases
from zerogravity.store.redis.peers import RedisPeers
from zerogravity.wire import jsonio, narrow

INDEX = (keys.ORDER, keys.CREATED, keys.SIZES)
PAGE = 100  # names asked about at once
GRACE_S = 60.0  # from the end of an age until its keys expire: clocks differ
DELETED_MS = 86400 * 1000  # longer than a turn takes: whoever runs it does not bring back what has been deleted
LOST = "lost"  # in place of the version that is expected


@dataclass(frozen=True, slots=True)
class _Raw:
    """An entry as Redis has it."""

    version: str
    run: str
    created: float
    data: bytes
    items: bytes
    frames: bytes


class RedisStore:
    """A ``ResponseStore``. ``connection`` and ``leases`` are closed with it."""

    def __init__(self, connection: Connection, limits: StoreLimits, leases: Leases | None = None) -> None:
        self.bytes = 0
        self.connection = connection
        self.leases = leases or Leases(connection)
        self.peers = RedisPeers(connection, self.leases)
        self._client = connection.client
        self._limits = limits
        register = cast("Callable[[str], Callable[..., Any]]", self._client.register_script)
        self._fetch, self._write, self._remove = map(register, (scripts.READ, scripts.WRITE, scripts.REMOVE))
        self._add_items, self._add, self._drop = (
            register(script) for script in (scripts.ADD_ITEMS, scripts.ADD, scripts.DROP)
        )

    async def open(self) -> None:
        """Call first. Raises FaultError when Redis cannot be used."""
        await self.leases.open()

    async def put(self, entry: Entry) -> None:
        with self.connection.guarded():
            await self._set(entry, await asyncio.to_thread(_encoded, entry))

    async def get(self, response_id: str, owner: str) -> Entry | None:
        with self.connection.guarded():
            raw = await self._read(response_id, owner)
            return None if raw is None else await self._entry(response_id, owner, raw)

    async def change(self, entry_id: str, owner: str, change: Change) -> Entry | None:
        with self.connection.guarded():
            while (raw := await self._read(entry_id, owner)) is not None:
                entry = await self._entry(entry_id, owner, raw)
                changed, encoded = await asyncio.to_thread(_changed, entry, change)
                if encoded is None or await self._set(changed, encoded, before=(entry, raw)):
                    return changed
            return None

    async def restore(self, entry: Entry) -> bool:
        with self.connection.guarded():
            return await self._set(entry, await asyncio.to_thread(_encoded, entry), LOST)

    async def with_item(self, item_id: str, owner: str, hidden: Collection[str] = ()) -> Entry | None:
        with self.connection.guarded():
            ids = await self._holders(owner, item_id)
            for entry_id in await self._newest_first(owner, ids.difference(hidden)):
                found = await self.get(entry_id, owner)
                if found is not None and item_id in found.items:  # it may have been replaced
                    return found
            return None

    async def delete(self, response_id: str, owner: str) -> None:
        with self.connection.guarded():
            await self._unlink(owner, response_id, keep_away=DELETED_MS)
            await self._sweep(await self._forget([(owner, response_id, "inf")]))

    async def entries(self) -> AsyncIterator[Entry | Unreadable]:
        with self.connection.guarded():
            names: set[tuple[str, str]] = set()
            found_keys = cast("Any", self._client).scan_iter(match=keys.ENTRIES, count=1000)
            async for key in cast("AsyncIterator[bytes]", found_keys):
                names.add(keys.named(keys.member_of(key.decode(errors="surrogateescape"))))
            ordered = await self._ordered([*names])
        for owner, entry_id in ordered:
            if (found := await found_or_damaged(self, entry_id, owner)) is not None:
                yield found

    async def close(self) -> None:
        await self.peers.close()
        await self.leases.close()
        await self.connection.close()

    # -- reading ---------------------------------------------------------------------------------------------

    async def _read(self, entry_id: str, owner: str) -> _Raw | None:
        try:
            fields, stream = await self._fetch([keys.entry(owner, entry_id), keys.frames(owner, entry_id)])
        except ResponseError as error:
            if is_of_another_kind(error):
                raise Unreadable(owner, entry_id) from None
            raise
        if not fields:
            return None
        with reading(owner, entry_id):
            raw = _raw(fields_of(fields), [fields_of(batch).get(b"f", b"") for _, batch in stream])
        return None if raw.created < self._limits.since else raw

    async def _entry(self, entry_id: str, owner: str, raw: _Raw) -> Entry:
        run = raw.run
        alive = bool(run) and await self.leases.alive(run)
        with reading(owner, entry_id):
            entry = await asyncio.to_thread(_decoded, entry_id, owner, raw)
        return replace(entry, running=alive, abandoned=bool(run) and not alive)

    async def _holders(self, owner: str, item_id: str) -> set[str]:
        """Ids of entries that have, or had, that item."""
        try:
            found = await cast("Any", self._client.smembers(keys.item(owner, item_id)))
        except ResponseError as error:
            if is_of_another_kind(error):
                return set()
            raise
        return {entry_id.decode(errors="surrogateescape") for entry_id in found}

    async def _newest_first(self, owner: str, ids: Collection[str]) -> list[str]:
        return [entry_id for _, entry_id in reversed(await self._ordered([(owner, entry_id) for entry_id in ids]))]

    async def _ordered(self, names: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """As they have been written; what is damaged, or not there, comes first."""
        versions: list[object] = []
        for start in range(0, len(names), PAGE):
            async with self._client.pipeline(transaction=False) as at_once:
                for owner, entry_id in names[start : start + PAGE]:
                    at_once.hget(keys.entry(owner, entry_id), "version")
                versions += await at_once.execute(raise_on_error=False)
        return [name for _, name in sorted(zip(map(_number, versions), names, strict=True))]

    # -- writing ---------------------------------------------------------------------------------------------

    async def _set(
        self, entry: Entry, encoded: _Encoded, expected: str = "", before: tuple[Entry, _Raw] | None = None
    ) -> bool:
        """False: it is not as ``expected``, or no longer as it was ``before``."""
        old, raw = before or (None, None)
        run = NOBODY if entry.abandoned else ""
        if entry.running:  # where it was running already, there
            run = raw.run if old is not None and raw is not None and old.running else self.leases.own
        owner, ms = entry.owner, self._ms_to_live(entry)
        version = await self._write(
            self._keys(owner, entry.id),
            [
                raw.version if raw is not None else expected, ms, encoded.frames, int(not entry.running),
                "data", encoded.data, "created", repr(entry.created), "items", encoded.items, "run", run,
                "size", encoded.size,
            ],
        )  # fmt: skip
        if version is None:
            return False
        new = entry.items if old is None else entry.items - old.items
        if ms > 0 and new:
            await self._add_items([keys.item(owner, item_id) for item_id in new], [entry.id, ms])
        place = keys.member(owner, entry.id), version, repr(entry.created), encoded.size, ms
        await self._sweep(await self._index(self._add, *place))
        return True

    def _ms_to_live(self, entry: Entry) -> int:
        left = entry.created - self._limits.since
        return 0 if left < 0 else int((left + GRACE_S) * 1000)

    async def _sweep(self, victims: list[tuple[str, str, str]]) -> None:
        """Remove what has to make room, until nothing has to."""
        while victims:
            for owner, entry_id, version in victims:
                await self._unlink(owner, entry_id, version)
            victims = await self._forget(victims)

    async def _unlink(self, owner: str, entry_id: str, version: str = "", keep_away: int | str = "") -> None:
        if (items := await self._remove(self._keys(owner, entry_id), [version, keep_away])) is not None:
            async with self._client.pipeline(transaction=False) as at_once:
                for item_id in _items_in(items):
                    at_once.srem(keys.item(owner, item_id), entry_id)
                await at_once.execute(raise_on_error=False)  # an item's key may be damaged, too

    def _keys(self, owner: str, entry_id: str) -> list[str]:
        return [keys.entry(owner, entry_id), keys.frames(owner, entry_id), keys.deleted(owner, entry_id)]

    async def _forget(self, gone: Collection[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        names = [part for owner, entry_id, version in gone for part in (keys.member(owner, entry_id), version)]
        return await self._index(self._drop, *names)

    async def _index(self, script: Callable[..., Any], *more: object) -> list[tuple[str, str, str]]:
        """Owner, id and version of what has to make room."""
        limits = self._limits
        self.bytes, *named = await script(INDEX, [repr(limits.since), limits.count, limits.bytes, *more])
        pairs = zip(named[::2], named[1::2], strict=True)
        return [(*keys.named(member.decode()), version.decode()) for member, version in pairs]


# -- in a thread ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Encoded:
    data: bytes
    items: bytes
    frames: bytes

    @property
    def size(self) -> int:
        return len(self.data) + len(self.frames)


def _encoded(entry: Entry) -> _Encoded:
    return _Encoded(jsonio.dumps(entry.data), jsonio.dumps(sorted(entry.items)), joined(entry.frames))


def _changed(entry: Entry, change: Change) -> tuple[Entry, _Encoded | None]:
    """None: nothing is to be written."""
    changed = change(entry)
    return changed, None if changed is entry else _encoded(changed)


def _decoded(entry_id: str, owner: str, raw: _Raw) -> Entry:
    items = narrow.texts(jsonio.loads(raw.items))
    return read_entry(owner, entry_id, raw.created, raw.data, items, raw.frames)


# -- what Redis answers ----------------------------------------------------------------------------------------------


def _raw(fields: Mapping[bytes, bytes], batches: Sequence[bytes]) -> _Raw:
    """Raises LookupError or ValueError for what no store has written."""
    return _Raw(
        fields[b"version"].decode(), fields[b"run"].decode(), float(fields[b"created"]), fields[b"data"],
        fields[b"items"], b"".join(batches),
    )  # fmt: skip


def _items_in(encoded: bytes) -> list[str]:
    """Nothing where they are damaged."""
    with suppress(ValueError):
        return narrow.texts(jsonio.loads(encoded))
    return []


def _number(version: object) -> int:
    """0: there is none."""
    return int(version) if isinstance(version, bytes) and version.isdigit() else 0
