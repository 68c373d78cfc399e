"""What a store of responses and conversations keeps, and what it can do: ``Entry`` and ``ResponseStore``.

A store knows keys and bytes; the surface knows what the JSON of an entry means.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from zerogravity.store.peers import Peers

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


Change = Callable[[Entry], Entry]
"""Pure: it may be called in another thread, and again. What it raises leaves everything as it is, and so does the entry
itself as the outcome."""


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
    ``store_unusable`` otherwise; a later try may succeed after both. ``tests/store/test_contract.py`` tests all of this
    for each implementation.
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

    async def with_item(self, item_id: str, owner: str, hidden: Collection[str] = ()) -> Entry | None:
        """The newest response that has that item, except the ``hidden`` ones."""
        ...

    async def delete(self, response_id: str, owner: str) -> None:
        """Remove it and its items."""
        ...

    def entries(self) -> AsyncIterator[Entry]:
        """All of every owner that are there at the beginning and not gone when it is their turn, the oldest first."""
        ...

    async def close(self) -> None:
        """Release everything; may be called twice."""
        ...
