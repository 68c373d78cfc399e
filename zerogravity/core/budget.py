"""``Budget``: how much memory all that is kept may take (``limits.store_bytes``), who has how much of it, and who holds
how much. Each room evicts by itself, within its share; the shares together are never more than the whole.

| share       | what                                                   | sixteenths              |
|-------------|--------------------------------------------------------|-------------------------|
| turns       | turns, running ones too: their requests and event logs | 3, and the absent ones' |
| traces      | what waits to be written into traces                   | 4                       |
| responses   | stored responses, where no file has them               | 3                       |
| unwritten   | stored responses that wait for the file                | 2                       |
| connections | responses that only a WebSocket connection knows       | 1                       |
| calls       | tool calls with their signatures                       | 1                       |
| bodies      | request bodies for the inspector                       | 1                       |
| views       | turns as the inspector shows them                      | 1                       |
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

TOTAL = 512 << 20
PARTS = 16
SHARES: Mapping[str, int] = MappingProxyType({
    "turns": 3, "traces": 4, "responses": 3, "unwritten": 2, "connections": 1, "calls": 1, "bodies": 1, "views": 1,
})  # fmt: skip


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
