"""The request bodies of the newest turns, for the inspector: bounded by count and bytes, in memory only."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

MAX_TURNS = 1000
MAX_BYTES = 64 << 20


@dataclass(slots=True)
class Kept:
    """``upstream``: (what the LS wanted to send, what was sent instead) of each call."""

    client_request: bytes | None = None
    upstream: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])

    @property
    def size(self) -> int:
        return len(self.client_request or b"") + sum(len(a) + len(b) for a, b in self.upstream)


class Bodies:
    """Turn id → its bodies. The oldest are forgotten first."""

    def __init__(self, *, max_turns: int = MAX_TURNS, max_bytes: int = MAX_BYTES) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0
        self._max_turns, self._max_bytes = max_turns, max_bytes

    @property
    def bytes(self) -> int:
        """How much is kept."""
        return self._bytes

    def client_request(self, turn_id: str, body: bytes) -> None:
        kept = self._entry(turn_id)
        before = kept.size
        kept.client_request = body
        self._trim(kept.size - before)

    def upstream_request(self, turn_id: str, original: bytes, sent: bytes) -> None:
        self._entry(turn_id).upstream.append((original, sent))
        self._trim(len(original) + len(sent))

    def get(self, turn_id: str) -> Kept | None:
        return self._kept.get(turn_id)

    def _entry(self, turn_id: str) -> Kept:
        return self._kept.setdefault(turn_id, Kept())

    def _trim(self, added: int) -> None:
        self._bytes += added
        while len(self._kept) > 1 and (len(self._kept) > self._max_turns or self._bytes > self._max_bytes):
            _, old = self._kept.popitem(last=False)
            self._bytes -= old.size
