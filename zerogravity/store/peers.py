"""``Peers``: what a gateway shows the others that share its store, sees of them, and asks of them. A store in one
process's memory, or on one machine's disk, has none.
"""

from __future__ import annotations

from asyncio import Event
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

Command = Literal["cancel", "delete"]
More = Literal["now", "later", "end"]
Obey = Callable[[Command, str, str], object]
"""What is asked of this gateway: the command, owner and id of a response. Quick, and never raises."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that have come of a response; ``number``: of the first."""

    owner: str
    response_id: str
    number: int
    frames: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Shown:
    """Frames that others see of a response. ``more``: whether the next ones can be read at once or may come later, or
    the last of all is among these."""

    frames: Sequence[bytes]
    more: More


class Peers(Protocol):
    """Responses are meant that some gateway is still working on. Raises FaultError 503 ``store_unavailable``."""

    async def secret(self, own: bytes) -> bytes:
        """What all of them seal with: ``own``, unless there is one already."""
        ...

    async def append(self, batches: Sequence[Batch]) -> Sequence[bool]:
        """Show the others these; once more changes nothing. False for one: there is no such response of this gateway's
        (yet, or any more)."""
        ...

    async def frames(self, owner: str, response_id: str, number: int) -> Shown | None:
        """The frames from that number on, as far as they have come and none is missing; a long row of them in pieces.
        None: there are none, and nobody works on it any more: its entry says how it has ended."""
        ...

    async def is_deleted(self, owner: str, response_id: str) -> bool:
        """Whether it is gone because somebody wanted that; else the store has lost it."""
        ...

    def news(self, owner: str, response_id: str) -> AbstractAsyncContextManager[Event]:
        """Set when there may be more of it to see, and perhaps without a reason; whoever waits clears it."""
        ...

    async def ask(self, command: Command, owner: str, response_id: str) -> bool:
        """Ask whoever works on it. Whether that is heard is only to be seen by what happens. False: nobody does."""
        ...

    def listen(self, obey: Obey) -> None:
        """From now on ``obey`` gets what the others ask."""
        ...
