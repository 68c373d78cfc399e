"""``TurnSource``: one turn without secrets, which grows in memory (``replica``) or lies on disk (``trace_reader``): all
that exports, the inspector's page and the terminal read. Times count from the request's arrival.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from zerogravity.core.channel import CascadeChannel, ChannelWriter, Snapshot
from zerogravity.core.events import Record, RequestLine
from zerogravity.core.fold import TurnState
from zerogravity.core.turn import Turn
from zerogravity.wire import jsonio

BEFORE = -1  # the "record" that causes the frames which stand before the first one


@dataclass(frozen=True, slots=True)
class Emitted:
    """A frame, or the whole answer of a turn that was not streamed; caused by record ``seq``."""

    seq: int
    t_ms: float
    frame: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Any = None

    @property
    def text(self) -> str:
        return self.frame if self.frame is not None else jsonio.text(self.body)

    def as_json(self) -> dict[str, Any]:
        """A line of ``emitted.jsonl``."""
        told: dict[str, Any] = {"seq": max(0, self.seq), "t_ms": self.t_ms}
        if self.frame is not None:
            return {**told, "frame": self.frame}
        return {**told, "status": self.status, "headers": dict(self.headers), "body": self.body}


class TurnSource(Protocol):
    """``info``     what ``turn.json`` holds.
    ``emitted``  what the client got.  ``frames``  the stream: as it went out, or as it would have.
    ``trouble``  why there are no frames, or not all.
    """

    @property
    def id(self) -> str: ...
    @property
    def info(self) -> Mapping[str, Any]: ...
    @property
    def channel(self) -> CascadeChannel: ...
    @property
    def google_request(self) -> Mapping[str, Any]: ...
    @property
    def records(self) -> Sequence[Record]: ...
    @property
    def state(self) -> TurnState: ...
    @property
    def emitted(self) -> Sequence[Emitted]: ...
    @property
    def frames(self) -> Sequence[Emitted]: ...
    @property
    def trouble(self) -> str | None: ...
    def lines(self) -> Mapping[int, RequestLine]:
        """Where each call to Google went, and how."""
        ...

    def body(self, name: str, attempt_no: int = 0) -> Mapping[str, Any] | None:
        """One of ``witnesses.BODIES``: ``{"headers": …, "body": …}``."""
        ...


class Copied:
    """A channel that is filled with records as they are, in their own time."""

    def __init__(self, turn: Turn) -> None:
        self._now = 0
        self._writer = ChannelWriter(turn, lambda: self._now, max_bytes=1 << 62)
        self.channel = self._writer.channel

    def add(self, record: Record) -> Record:
        self._now = record.t_ns
        if record.terminal is not None:
            self._writer.close(record.terminal)
        else:
            self._writer.append(record.attempt_no, record.data, record.events, record.span)
        return self.channel.records[-1]

    def adopt(self, snapshot: Snapshot) -> None:
        """Know of the turn what ``snapshot`` does: what is not in records."""
        self._writer.adopt(snapshot)
