"""The requests of a turn, the client's and the language server's → what keeps them: the recorder on disk, the inspector
in memory (``Bodies``: of the newest turns, bounded by count and bytes).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from zerogravity import redact
from zerogravity.core.turn import Turn
from zerogravity.wire.inflate import zstd

CLIENT, ORIGINAL, SENT = BODIES = ("client_request", "upstream_request.original", "upstream_request")
MAX_TURNS = 1000
MAX_BYTES = 64 << 20
PACKED = range(512, 64 << 10)  # sizes of bodies that are compressed: to a quarter in 10 us; larger ones take too long


@dataclass(frozen=True, slots=True)
class Request:
    """``name``: one of BODIES. ``about``: further members of its JSON."""

    name: str
    attempt_no: int
    about: Mapping[str, object]
    headers: Mapping[str, str]
    body: bytes

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers.items())

    def redacted(self) -> dict[str, object]:
        """Without secrets: ``about``, the headers, and the body as JSON, or as text where it is not JSON."""
        return {**self.about, "headers": redact.headers(self.headers), "body": redact.body(self.body)}


class RequestSink:
    """Takes the requests of turns. No method waits, none raises."""

    def client_request(self, turn: Turn, body: bytes, headers: Mapping[str, str]) -> None:
        """What the client sent; may come before the turn is opened."""
        self.take(turn.id, (Request(CLIENT, 0, {"surface": turn.surface}, dict(headers), body),))

    def upstream_request(
        self, turn_id: str, attempt_no: int, original: bytes, rewritten: bytes, headers: Mapping[str, str]
    ) -> None:
        """What the language server wanted to send, and what was sent instead."""
        about, shown = {"call": attempt_no}, dict(headers)
        self.take(turn_id, (
            Request(ORIGINAL, attempt_no, about, shown, original), Request(SENT, attempt_no, about, shown, rewritten),
        ))  # fmt: skip

    def take(self, turn_id: str, requests: Sequence[Request]) -> None:
        raise NotImplementedError


class RequestSinks(RequestSink):
    """Several as one."""

    def __init__(self, *sinks: RequestSink) -> None:
        self._sinks = sinks

    def take(self, turn_id: str, requests: Sequence[Request]) -> None:
        for sink in self._sinks:
            sink.take(turn_id, requests)


class Packed(bytes):
    """A compressed body."""

    __slots__ = ()


class Bodies(RequestSink):
    """Turn id → its requests: no credential in the headers, the bodies as they came, in memory compressed. The oldest
    turns are dropped first."""

    def __init__(self, *, max_turns: int = MAX_TURNS, max_bytes: int = MAX_BYTES) -> None:
        self._kept: OrderedDict[str, dict[tuple[str, int], Request]] = OrderedDict()
        self._max_turns, self._max_bytes = max_turns, max_bytes
        self._compressor = zstd.ZstdCompressor(level=1)  # a new one costs as much as what it does
        self.bytes = 0

    def take(self, turn_id: str, requests: Sequence[Request]) -> None:
        kept = self._kept.setdefault(turn_id, {})
        shared = {id(request.headers): redact.headers(request.headers) for request in requests}
        for request in requests:
            about, headers = request.about, shared[id(request.headers)]
            shown = Request(request.name, request.attempt_no, about, headers, self._packed(request.body))
            before = kept.get((request.name, request.attempt_no))
            self.bytes += shown.size - (before.size if before is not None else 0)
            kept[request.name, request.attempt_no] = shown
        while len(self._kept) > 1 and (len(self._kept) > self._max_turns or self.bytes > self._max_bytes):
            _, old = self._kept.popitem(last=False)
            self.bytes -= sum(request.size for request in old.values())

    def get(self, turn_id: str, name: str, attempt_no: int = 0) -> Request | None:
        found = self._kept.get(turn_id, {}).get((name, attempt_no))
        if found is None or not isinstance(found.body, Packed):
            return found
        return replace(found, body=zstd.decompress(found.body))

    def _packed(self, body: bytes) -> bytes:
        if len(body) not in PACKED:
            return body
        return Packed(self._compressor.compress(body, zstd.ZstdCompressor.FLUSH_FRAME))
