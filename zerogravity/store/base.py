"""What a store of responses keeps, and what it can do: ``Entry`` and ``ResponseStore``.

A store knows keys and bytes. What the JSON in an entry says is the surface's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

MAX_AGE_S = 30 * 86400
MAX_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One response.

    ``data``       a JSON object. ``frames``: the frames of a stream, for byte-for-byte replay.
    ``items``      the ids under which items of it are looked up.
    ``running``    it has only begun: the process that stored it is still at it.
    ``abandoned``  it has only begun, and that process has ended. Told by the store.
    """

    owner: str
    id: str
    created: float
    data: Mapping[str, Any]
    items: frozenset[str] = frozenset()
    frames: tuple[bytes, ...] = ()
    running: bool = False
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How many responses, bytes and seconds are kept; ``now``: wall-clock seconds, as ``Entry.created``."""

    count: int
    bytes: int = MAX_BYTES
    age_s: float = MAX_AGE_S
    now: Callable[[], float] = time.time

    @property
    def since(self) -> float:
        """What is older is gone."""
        return self.now() - self.age_s


class ResponseStore(Protocol):
    """Bounded by number, bytes and age: the oldest go first. Every look-up is by owner: what belongs to somebody else
    is as unknown as what never was. What is changed after ``put`` changes nothing here.

    Raises FaultError when it cannot be read or written: 503 ``store_busy`` while somebody else holds it, 500
    ``store_unusable`` for all other reasons; a later try may do better with both. ``tests/store/test_contract.py``
    says all of this in code, for each implementation.
    """

    @property
    def bytes(self) -> int:
        """Of all that is stored, as of the last change."""
        ...

    async def put(self, entry: Entry) -> None:
        """Keep it, in the place of an older one with its id; the oldest ones make room."""
        ...

    async def get(self, response_id: str, owner: str) -> Entry | None:
        """That response, or None: unknown, deleted, expired, or somebody else's."""
        ...

    async def with_item(self, item_id: str, owner: str, hidden: Collection[str] = ()) -> Entry | None:
        """The newest response that has an item with that id; none of the ``hidden`` ones."""
        ...

    async def delete(self, response_id: str, owner: str) -> None:
        """Forget it and its items."""
        ...

    async def close(self) -> None:
        """Let go of everything; may be called twice."""
        ...
