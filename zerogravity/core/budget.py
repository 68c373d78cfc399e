"""``Budget``: how much memory all that is kept may take (``limits.store_bytes``), who has how much of it, and who holds
how much. Each room evicts by itself, within its share; the shares together are never more than the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

TOTAL = 512 << 20
PARTS = 16  # of the whole; the shares are counted in them
SHARES: Mapping[str, int] = MappingProxyType({
    "turns": 3,        # turns, running ones too: their requests and event logs
    "traces": 4,       # what waits to be written into traces
    "responses": 3,    # stored responses, where no file has them
    "unwritten": 2,    # stored responses that wait for the file
    "connections": 1,  # responses that only a WebSocket connection knows
    "calls": 1,        # tool calls with their signatures
    "bodies": 1,       # request bodies for the inspector
    "views": 1,        # turns as the inspector shows them
})  # fmt: skip


@dataclass(slots=True)
class Ledger:
    """``bytes``: what all turns that share it hold of memory; kept as it changes, since nobody can add them up at each
    turn."""

    bytes: int = 0


class Budget:
    """``absent``: who keeps nothing here, and whose share the turns have therefore."""

    def __init__(self, total: int = TOTAL, absent: Collection[str] = ()) -> None:
        self.total = total
        self._shares = {name: total * part // PARTS for name, part in SHARES.items()}
        for name in absent:
            self._shares["turns"] += self._shares[name]
            self._shares[name] = 0
        self._held: dict[str, Callable[[], int]] = {}

    def share(self, name: str) -> int:
        """Bytes that it may hold."""
        return self._shares[name]

    def watch(self, name: str, held: Callable[[], int]) -> None:
        """``held`` tells how much of its share it holds now."""
        assert name in self._shares
        self._held[name] = held

    def held(self) -> dict[str, float]:
        """Share → bytes held now, of all that are watched."""
        return {name: float(held()) for name, held in self._held.items()}
