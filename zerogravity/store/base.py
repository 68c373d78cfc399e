"""What a store of responses and conversations keeps, and what it can do: ``Entry`` and ``ResponseStore``.

A store knows keys and bytes; the surface knows what the JSON of an entry means.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from zerogravity.errors import FaultError, internal
from zerogravity.store.joined import split
from zerogravity.store.peers import Peers
from zerogravity.wire import jsonio, narrow

MAX_AGE_S = 30 * 86400
MAX_BYTES = 512 << 20
NOBODY = "-"  # stands for the process of an abandoned entry that comes from another store


@dataclass(frozen=True, slots=True)
class Entry:
    """One response, or one conversation.

    ``created``    wall-clock seconds, from which its age counts: of a conversation, when it was last changed.
    ``data``       a JSON object. ``frames``: the frames of its stream, for byte-for-byte replay.
    ``items``      ids of its items, by which it can be found.
    ``running``    not finished; the process that stored it is working on it. Of a conversation: a turn of it is.
    ``abandoned``  not finished, and that process has ended. Found by the store; stays so where it is stored again.
    """

    owner: str
    id: str
    created: float
    data: Mapping[str, object]
    items: frozenset[str] = frozenset()
    frames: tuple[bytes, ...] = ()
    running: bool = False
    abandoned: bool = False

    @property
    def is_conversation(self) -> bool:
        return self.id.startswith("conv_")


class Unreadable(FaultError):
    """What is stored under that id is no entry: damaged, or put there by something else. It can be deleted or replaced,
    and nothing else. Without a word of what is there."""

    def __init__(self, owner: str, entry_id: str) -> None:
        shown = str(entry_id)  # a database may have anything
        kind = "Conversation" if shown.startswith("conv_") else "Response"
        text = f"{kind} with id '{shown[:80]}' is stored, but cannot be read: it is damaged"
        super().__init__(internal(text, code="store_damaged", retryable=False, remedy="Delete it."))
        self.owner = owner
        self.id = entry_id


@contextmanager
def reading(owner: str, entry_id: str) -> Generator[None]:
    """Raises Unreadable where what is read of that entry has not the form that it was written in."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unreadable(owner, entry_id) from error


def read_entry(
    owner: object, entry_id: object, created: object, data: object, items: Iterable[str], frames: object
) -> Entry:
    """From what a database has. Raises ValueError for what no store has given it."""
    match owner, entry_id, created, data, frames:
        case str(), str(), int() | float(), bytes(), bytes() if math.isfinite(created):
            if (members := narrow.an_object(jsonio.loads(data))) is not None:
                return Entry(owner, entry_id, created, members, frozenset(items), split(frames))
        case _:
            pass
    raise ValueError("not as a store writes it")


Change = Callable[[Entry], Entry]
"""Pure: it may be called in another thread, and again. What it raises leaves everything as it is, and so does the entry
itself as the outcome."""


@dataclass(frozen=True, slots=True)
class End:
    """A ``Change``: how what is running has ended. It is all of it, so what the store has lost of it meanwhile is there
    again; but not what somebody has deleted, or ended before."""

    entry: Entry

    def __call__(self, entry: Entry) -> Entry:
        return self.entry if entry.running else entry


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """How many responses, bytes and seconds are kept; ``now``: wall-clock seconds, as ``Entry.created``."""

    count: int
    bytes: int = MAX_BYTES
    age_s: float = MAX_AGE_S
    now: Callable[[], float] = time.time

    @property
    def since(self) -> float:
        """Older responses have expired."""
        return self.now() - self.age_s


class ResponseStore(Protocol):
    """Bounded by number, bytes and age: the oldest go first. Every look-up is by owner: what belongs to somebody else
    does not exist. ``put`` copies: changing an entry afterwards changes nothing here.

    Raises FaultError when it cannot be read or written: 503 ``store_busy`` while another process holds it, 500
    ``store_unusable`` otherwise; a later try may succeed after both; ``Unreadable`` for an entry that is damaged.
    ``tests/store/test_contract.py`` tests all of this for each implementation.
    """

    @property
    def peers(self) -> Peers | None:
        """The other gateways on it, where it can tell of them."""
        ...

    @property
    def bytes(self) -> int:
        """Size of all that is stored, as of the last change."""
        ...

    async def put(self, entry: Entry) -> None:
        """Store it, replacing one with the same id; the oldest ones make room."""
        ...

    async def get(self, response_id: str, owner: str) -> Entry | None:
        """That response, or None: unknown, deleted, expired, or somebody else's."""
        ...

    async def change(self, entry_id: str, owner: str, change: Change) -> Entry | None:
        """The entry as ``change`` has made it of the one there is, which it replaces in one step: nothing that another
        process writes is lost, and nothing is half done. None: there is none, as for ``get``."""
        ...

    async def restore(self, entry: Entry) -> bool:
        """Store what the store has lost by itself. False: it is there, or it has been deleted or is too old."""
        ...

    async def with_item(self, item_id: str, owner: str, hidden: Collection[str] = ()) -> Entry | None:
        """The newest response that has that item, except the ``hidden`` ones."""
        ...

    async def delete(self, response_id: str, owner: str) -> None:
        """Remove it and its items, whatever is there."""
        ...

    def entries(self) -> AsyncIterator[Entry | Unreadable]:
        """All of every owner that are there at the beginning and not gone when it is their turn, the oldest first; what
        is damaged as the error that ``get`` raises."""
        ...

    async def close(self) -> None:
        """Release everything; may be called twice."""
        ...


async def found_or_damaged(store: ResponseStore, entry_id: str, owner: str) -> Entry | Unreadable | None:
    """What ``get`` returns, or the Unreadable that it raises."""
    try:
        return await store.get(entry_id, owner)
    except Unreadable as damaged:
        return damaged
