"""Writes to a response store in the background: in order, retried until they succeed, and read from memory meanwhile.
A change that is tried again may find itself done already.

| the store                          | here                                                                     |
|------------------------------------|--------------------------------------------------------------------------|
| works                              | one write, or a few, after the other, off the event loop                 |
| is locked, full, read-only, broken | pending writes stay in memory and answer reads; the trouble is reported  |
| … until there are too many         | the oldest are lost: logged, and an error for whoever asks for them      |
| … until shutdown                   | a bounded wait, then the ids of the lost responses are logged            |

What is small is never lost for want of memory: deletions, and what a caller calls the small part of a change, such as
that a turn is over. It is written when the rest of its write has been given up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial, reduce
from itertools import islice
from typing import NamedTuple

from zerogravity import background
from zerogravity.errors import Fault, FaultError, Origin, internal
from zerogravity.store.base import Change, End, Entry, ResponseStore, Unreadable

logger = logging.getLogger("zerogravity.server")
PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)  # seconds between tries
ENTRY_BYTES = 1024  # of memory for a pending write, besides its data
LOST = 10_000  # ids remembered as lost
LINE = 100  # ids in a log line
Key = tuple[str, str]  # owner, id
Make = Callable[[], Awaitable[Entry]]
MakeChange = Callable[[], Awaitable[Change]]
Changes = tuple[Change, ...]
Outcome = Entry | Changes | None  # what is to be there instead, how it is to be changed, nothing


class _Write:
    """A pending write. ``make`` makes its outcome; None: it is a ``small`` one, which is never lost: the changes in
    ``rest``, or, without any, a deletion. ``rest``: what is left of it when it is lost.

    ``tried``: set when it is written, or when writing is known to fail now.
    """

    __slots__ = ("_lock", "_make", "_outcome", "replaces", "rest", "size", "small", "tried")

    def __init__(
        self,
        make: Callable[[], Awaitable[Outcome]] | None,
        size: int = 0,
        rest: Changes = (),
        *,
        replaces: bool = False,
    ) -> None:
        self.size = size + ENTRY_BYTES
        self.rest = rest
        self.small = make is None
        self.replaces = replaces
        self.tried = asyncio.Event()
        self._make = make
        self._lock = asyncio.Lock()
        self._outcome: Outcome = rest or None

    @property
    def removes(self) -> bool:
        return self.small and not self.rest

    async def made(self) -> Outcome:
        """Made once, on first use, so that the end of a turn does not wait for it."""
        async with self._lock:
            if self._make is not None:
                self._outcome, self._make = await self._make(), None
        return self._outcome

    async def then(self, make: Callable[[], Awaitable[Changes]]) -> Outcome:
        """This one's outcome, changed."""
        first, changes = await self.made(), await make()
        match first:
            case None:
                return None
            case Entry():
                return _changed(first, changes)
            case _:
                return (*first, *changes)


def _changed(entry: Entry, changes: Changes) -> Entry:
    return reduce(lambda made, change: change(made), changes, entry)


def _whole(changes: Changes) -> Entry | None:
    """What they make where nothing is there."""
    ended = next((change.entry for change in changes if isinstance(change, End)), None)
    return None if ended is None else _changed(ended, changes)


class _Loss(NamedTuple):
    """``whole``: there is nothing else of it."""

    why: str
    whole: bool


class PendingWrites:
    """In front of ``store``. ``report`` gets the reason when writing begins to fail, None when it works again.
    ``at_once``: how many writes are under way while all is well: more than one pays where each waits for a network.

    Reads raise FaultError: 503 ``response_not_stored`` for a lost response; what the store raises.
    """

    def __init__(
        self, store: ResponseStore, max_bytes: int, report: Callable[[str | None], None], at_once: int = 1
    ) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._report = report
        self._at_once = at_once
        self._waiting: OrderedDict[Key, _Write] = OrderedDict()
        self.bytes = 0
        self._lost: OrderedDict[Key, _Loss] = OrderedDict()
        self._lost_count = 0
        self._trouble: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._current = set[_Write]()
        self._makers = background.Tasks()
        self._closing = asyncio.Event()

    def put(self, owner: str, response_id: str, make: Make, size: int, rest: Change | None = None) -> None:
        """Store it as soon as possible, replacing what has that id. ``rest``: how what has that id is changed where
        this one is lost."""
        write = _Write(make, size, () if rest is None else (rest,), replaces=True)
        self._begin(write)
        self._lost.pop((owner, response_id), None)
        self._add((owner, response_id), write)
        self._trim()

    def change(
        self, owner: str, entry_id: str, small: Change | None = None, *, make: MakeChange | None = None, size: int = 0
    ) -> None:
        """Change what has that id as soon as possible, if it is there then: as ``make`` says, and by the ``small``
        part, which holds next to nothing and is never lost."""
        key, part = (owner, entry_id), () if small is None else (small,)
        older = self._waiting.get(key)
        if older is not None and older.removes:
            return
        rest = (*(older.rest if older else ()), *part)

        async def changes() -> Changes:
            return (*(() if make is None else (await make(),)), *part)

        if older is None:
            write = _Write(changes if make else None, size, rest)
        elif make is None and older.small:
            write = _Write(None, 0, rest)
        else:
            write = _Write(partial(older.then, changes), size + older.size, rest, replaces=older.replaces)
        self._begin(write)
        self._add(key, write)
        self._trim()

    async def change_at_once(self, owner: str, entry_id: str, change: Change) -> Entry | None:
        """The entry as it is changed in the store, so that other processes see it; where writing fails, as it would be.
        None: there is none. Raises what ``change`` raises."""
        await self.tried(owner, entry_id)
        if (owner, entry_id) not in self._waiting:
            try:
                return await self._store.change(entry_id, owner, change)
            except (FaultError, OSError) as error:
                if isinstance(error, FaultError) and error.fault.origin is Origin.CLIENT:  # the change's own
                    raise
        found = await self.get(entry_id, owner)
        return None if found is None else change(found)

    def _begin(self, write: _Write) -> None:
        """Make the entry soon, even while the store fails: its records may be evicted."""

        async def make() -> None:
            await asyncio.gather(write.made(), return_exceptions=True)  # the writer reports failures

        self._makers.spawn(make(), "stored response")

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def lost(self) -> int:
        """How many could not be written."""
        return self._lost_count

    async def tried(self, owner: str, response_id: str) -> None:
        """Wait until it is written, or until writing is known to fail now."""
        if self._trouble is None and (write := self._waiting.get((owner, response_id))) is not None:
            await write.tried.wait()

    async def get(self, response_id: str, owner: str) -> Entry | None:
        key = (owner, response_id)
        if (lost := self._lost.get(key)) is not None:
            if not lost.whole:  # what was there before still is: whoever knows what is missing may go on
                del self._lost[key]
            raise FaultError(_not_stored(response_id, lost.why))
        if (write := self._waiting.get(key)) is not None:
            return await self._read(key, write)
        return await self._store.get(response_id, owner)

    def is_lost(self, response_id: str, owner: str) -> bool:
        """Whether it, or the last change of it, has been given up."""
        return (owner, response_id) in self._lost

    async def delete(self, response_id: str, owner: str) -> bool:
        """False: there is no such response."""
        with suppress(Unreadable):  # it is there, which is enough
            if not self.is_lost(response_id, owner) and await self.get(response_id, owner) is None:
                return False
        self._lost.pop((owner, response_id), None)
        self._add((owner, response_id), _Write(None))
        await self.tried(owner, response_id)
        return True

    async def with_item(self, item_id: str, owner: str) -> Entry | None:
        """The newest response that has an item with that id."""
        mine = {key[1]: write for key, write in self._waiting.items() if key[0] == owner}
        for entry_id, write in reversed(mine.items()):
            found = await self._read((owner, entry_id), write)
            if found is not None and item_id in found.items:
                return found
        return await self._store.with_item(item_id, owner, hidden=mine)

    async def _read(self, key: Key, write: _Write) -> Entry | None:
        """What will be there when that is written."""
        match await write.made():
            case None:
                return None
            case Entry() as made:
                return made
            case changes:
                found = await self._store.get(key[1], key[0])
                return _whole(changes) if found is None else _changed(found, changes)

    async def close(self, seconds: float) -> None:
        """Write what can be written within that time, log what is lost, close the store."""
        self._closing.set()
        if (task := self._task) is not None:
            await asyncio.wait({task}, timeout=seconds)
            task.cancel()
            await asyncio.wait({task})
        await self._makers.end()
        left = [response_id for _, response_id in self._waiting]
        for begin in range(0, len(left), LINE):
            ids = ", ".join(left[begin : begin + LINE])
            logger.error("lost at shutdown, because writing failed (%s): %s", self._trouble or "too slow", ids)
        await self._store.close()

    # -- writing ---------------------------------------------------------------------------------------------

    def _add(self, key: Key, write: _Write) -> None:
        """A newer write replaces a pending one. Whoever waits for that one waits for this, whose turn comes after all
        that has been asked for before it."""
        if (older := self._waiting.pop(key, None)) is not None:
            self.bytes -= older.size
            if not older.tried.is_set():
                write.tried = older.tried
        self._waiting[key] = write
        self.bytes += write.size
        if self._task is None or self._task.done():  # tasks may run at once, as mitmproxy's do
            self._task = background.task(self._write_all(), "stored responses")

    def _remove(self, key: Key) -> None:
        write = self._waiting.pop(key)
        self.bytes -= write.size
        write.tried.set()

    def _trim(self) -> None:
        """The oldest are lost first, except those that are being written."""
        if self.bytes <= self._max_bytes:
            return
        for key, write in list(self._waiting.items()):
            if self.bytes <= self._max_bytes:
                return
            if write not in self._current and not write.small:
                self._lose(key, f"more than {self._max_bytes} bytes waited ({self._trouble or 'the disk is slow'})")

    async def _write_all(self) -> None:
        failed = 0
        try:
            while self._waiting:
                if await self._written_some():
                    failed = 0
                else:
                    self._trim()
                    await self._pause(PAUSES[min(failed, len(PAUSES) - 1)])
                    failed += 1
        finally:
            self._task = None

    async def _written_some(self) -> bool:
        """One try of those whose turn it is, conversations first: where it is read that a turn is over, its
        conversation is free. False: some have to be tried again."""
        some = list(islice(self._waiting.items(), 1 if self._trouble else self._at_once))
        for first in (True, False):
            these = [self._written(key, write) for key, write in some if key[1].startswith("conv_") is first]
            if not all(await asyncio.gather(*these)):
                return False
        return True

    async def _pause(self, seconds: float) -> None:
        if self._closing.is_set():
            await asyncio.sleep(PAUSES[0])
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _written(self, key: Key, write: _Write) -> bool:
        """One try. False: it has to be tried again."""
        self._current.add(write)
        (failure,) = await asyncio.gather(self._apply(key, write), return_exceptions=True)
        self._current.discard(write)
        newest = self._waiting.get(key) is write
        match failure:
            case None:
                if newest:
                    self._remove(key)
                self._works()
            case Unreadable():
                if newest:
                    self._lose(key, "it is damaged")
                self._works()  # the store has answered
            case FaultError() | OSError():
                self._failing(failure.fault.message if isinstance(failure, FaultError) else str(failure))
                return False
            case _:  # a bug: the next try would fail in the same way
                if newest:
                    self._lose(key, type(failure).__name__)
        return True

    async def _apply(self, key: Key, write: _Write) -> None:
        owner, entry_id = key
        match await write.made():
            case None:
                await self._store.delete(entry_id, owner)
            case Entry() as made:
                await self._store.put(made)
            case changes:
                await self._change(owner, entry_id, changes)

    async def _change(self, owner: str, entry_id: str, changes: Changes) -> None:
        whole = _whole(changes)
        try:
            found = await self._store.change(entry_id, owner, lambda entry: _changed(entry, changes))
        except Unreadable:
            if whole is None:
                raise
            await self._store.put(whole)
        else:
            if found is not None or whole is None or not await self._store.restore(whole):
                return
        self._lost.pop((owner, entry_id), None)
        logger.warning("%s was lost or damaged in the store, and is stored anew", entry_id)

    def _failing(self, why: str) -> None:
        if why != self._trouble:
            logger.warning("%s; %d responses are waiting in memory", why, len(self._waiting))
        self._trouble = why
        for write in self._waiting.values():
            write.tried.set()
        self._report_state()

    def _works(self) -> None:
        if self._trouble is not None:
            logger.info("stored responses: writing works again")
            self._trouble = None
            self._report_state()

    def _lose(self, key: Key, why: str) -> None:
        write = self._waiting[key]
        self._remove(key)
        if rest := () if write.small else write.rest:
            self._add(key, _Write(None, 0, rest))
        before = self._lost.get(key)
        self._lost[key] = _Loss(why, write.replaces or (before is not None and before.whole))
        self._lost_count += 1
        if len(self._lost) > LOST:
            self._lost.popitem(last=False)
        logger.error("%s could not be stored%s: %s", key[1], ", but for its state" if rest else "", why)
        self._report_state()

    def _report_state(self) -> None:
        """Losses stay reported when writing works again."""
        waiting = [f"{self._trouble}; {len(self._waiting)} are waiting in memory"] if self._trouble else []
        lost = [f"{self._lost_count} could not be stored and are lost; see the log"] if self._lost_count else []
        self._report("; ".join([*waiting, *lost]) or None)


def _not_stored(entry_id: str, why: str) -> Fault:
    text = f"Response with id '{entry_id}' could not be stored and is lost: {why}"
    if not entry_id.startswith("resp_"):
        text = f"What was written last to '{entry_id}' could not be stored and is lost: {why}"
    return internal(text, status=503, code="response_not_stored", retryable=False)
