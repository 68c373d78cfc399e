"""One turn's event log, append-only and closed once, as two ends: a ``ChannelWriter``, and a ``CascadeChannel`` which
any number of readers follow at any speed. Neither has a public attribute that can be set; what they share is theirs.

A writer never waits for a reader.
"""

# long: one log, and its two ends
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, Self

from zerogravity.core.budget import Ledger
from zerogravity.core.events import (
    AttemptOpened,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Record,
    RequestLine,
    Terminal,
    TextDelta,
    ThinkingDelta,
    texts_size,
)
from zerogravity.core.fold import Assembler, TurnState
from zerogravity.core.stops import StopWatcher
from zerogravity.core.turn import Turn
from zerogravity.core.waiters import Waiters
from zerogravity.errors import FaultError, Termination, internal, too_many_readers

Phase = Literal[
    "received", "queued", "admitted", "told", "matched", "first_byte",
    "first_thinking", "first_text", "first_call", "done",
]  # fmt: skip

# overhead of a record besides its data, of a turn besides its records and request: bytes, measured, for the budgets
RECORD_OVERHEAD, TURN_OVERHEAD = 450, 6 << 10
MAX_BYTES = 64 << 20
MAX_READERS = 16
FULL = Failed(internal("the turn's event log is full (limits.turn_bytes)", Termination.LIMIT_BYTES, status=502))

Clock = Callable[[], int]

_MARKED_BY: dict[type[Event], Phase] = {
    AttemptOpened: "first_byte", ThinkingDelta: "first_thinking", TextDelta: "first_text", FunctionCall: "first_call",
}  # fmt: skip
_CODES: Mapping[str, Termination] = {
    "stop": Termination.OK, "stop_sequence": Termination.OK, "tool": Termination.TOOL,
    "length": Termination.LENGTH, "filtered": Termination.FILTERED,
}  # fmt: skip


class CursorExpired(Exception):
    """The channel's records have been evicted; what is left of them cannot be read any more."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known of a turn at one moment besides its records; a copy, so another thread may take it.

    ``late``: records that came after the end. ``lines``: how each attempt went out, by its number.
    """

    cascade_id: str | None
    late: int
    marks: Mapping[str, int]
    lines: Mapping[int, RequestLine]


@dataclass(slots=True, eq=False)
class _Log:
    """What the two ends share. ``count``: records ever appended; it stays when they are evicted. ``held``: more is
    about to come at this moment, of which readers are told together; ``news``: some has. ``unmarked``: the events that
    have begun no phase yet."""

    turn: Turn
    marks: dict[str, int]
    max_readers: int
    abandoned: Callable[[CascadeChannel], object] | None
    ledger: Ledger
    cascade_id: str | None = None
    records: list[Record] = field(default_factory=list[Record])
    count: int = 0
    size: int = 0
    late: int = 0
    readers: int = 0
    expired: bool = False
    held: bool = False
    news: bool = False
    lines: dict[int, RequestLine] = field(default_factory=dict[int, RequestLine])
    unmarked: dict[type[Event], Phase] = field(default_factory=_MARKED_BY.copy)
    assembler: Assembler = field(default_factory=Assembler)
    waiters: Waiters = field(default_factory=Waiters)


class CascadeChannel:
    """The reading end: one turn's events, and what they amount to so far.

    ``id``     the turn's id; every id and number a reader sees is derived from it.
    ``turn``   as it is for the model that answers; before anybody has seen an answer, that may become another one.
    ``state``  the live fold of everything appended.
    ``marks``  phase → monotonic ns of its first time.
    ``lines``  number of an attempt → how it went out.
    """

    __slots__ = ("__weakref__", "_log", "id", "lines", "marks", "state")

    def __init__(self, log: _Log) -> None:
        self._log = log
        self.id: Final = log.turn.id
        self.state: Final[TurnState] = log.assembler.state
        self.marks: Final[Mapping[str, int]] = MappingProxyType(log.marks)
        self.lines: Final[Mapping[int, RequestLine]] = MappingProxyType(log.lines)

    @property
    def turn(self) -> Turn:
        return self._log.turn

    # -- what has come -----------------------------------------------------------------------------------------

    @property
    def records(self) -> Sequence[Record]:
        """The list as it grows. Whoever holds it keeps it: eviction gives the channel an empty one."""
        return self._log.records

    @property
    def count(self) -> int:
        """Records ever appended, evicted ones too."""
        return self._log.count

    @property
    def size(self) -> int:
        """Bytes of the event log, also after its eviction."""
        return self._log.size

    @property
    def held(self) -> int:
        """Bytes of memory, about, the request included."""
        return TURN_OVERHEAD + self.turn.size + (0 if self._log.expired else self._log.size)

    @property
    def expired(self) -> bool:
        """Whether the records have been evicted."""
        return self._log.expired

    @property
    def late(self) -> int:
        """Records that came after the end, and were not kept."""
        return self._log.late

    @property
    def cascade_id(self) -> str | None:
        """The language server's name of the turn, once it has one."""
        return self._log.cascade_id

    def snapshot(self) -> Snapshot:
        log = self._log
        return Snapshot(log.cascade_id, log.late, log.marks.copy(), log.lines.copy())

    # -- how far it is -----------------------------------------------------------------------------------------

    @property
    def terminal(self) -> Terminal | None:
        return self.state.terminal

    @property
    def closed(self) -> bool:
        return self.state.terminal is not None

    @property
    def phase(self) -> str:
        """The newest phase reached; ``failed`` instead of ``done`` for a failed turn."""
        if self.closed:
            return "failed" if isinstance(self.terminal, Failed) else "done"
        return next(reversed(self._log.marks))

    @property
    def termination(self) -> Termination | None:
        """The turn's termination code, once it is over."""
        match self.terminal:
            case None:
                return None
            case Failed(fault):
                return fault.termination
            case Finished(reason):
                return _CODES[reason]

    # -- following ---------------------------------------------------------------------------------------------

    @property
    def readers(self) -> int:
        """Counted readers that follow it now."""
        return self._log.readers

    def cursor(self, start: int = 0, *, observer: bool = False) -> Cursor:
        """A reader from record ``start`` (not below 0). Observers (recorder, inspector) do not keep a turn alive.

        Raises FaultError (429) when the channel has its maximum of counted readers.
        """
        if not observer and self._log.readers >= self._log.max_readers:
            raise FaultError(too_many_readers())
        return Cursor(self, self._log, max(start, 0), observer=observer)

    async def wait_closed(self) -> Terminal:
        """The terminal event, as soon as there is one."""
        while self.terminal is None:
            await self.changed()
        return self.terminal

    async def changed(self) -> None:
        """Return at the next append."""
        await self._log.waiters.wait()


class Cursor:
    """Reads a channel in batches: whatever has arrived since the last time. Use as a context manager.

    ``async for batch in cursor`` ends after the terminal record and raises CursorExpired if records it wants are gone.
    """

    __slots__ = ("_left", "_log", "_next", "_observer", "channel")

    def __init__(self, channel: CascadeChannel, log: _Log, start: int, *, observer: bool) -> None:
        self.channel: Final = channel
        self._log = log
        self._next = start
        self._observer = observer
        self._left = False
        if not observer:
            log.readers += 1

    def take_nowait(self) -> list[Record]:
        """All records that are there and not yet read; may be empty."""
        log = self._log
        if log.expired and self._next < log.count:
            raise CursorExpired(log.turn.id)
        batch = log.records[self._next :]
        self._next += len(batch)
        return batch

    @property
    def at_end(self) -> bool:
        """Whether the terminal record has been read."""
        return self.channel.closed and self._next >= self._log.count

    @property
    def waiting(self) -> int:
        """How many records are there and not yet read."""
        return self._log.count - self._next

    def call(self, news: Callable[[bool], object]) -> None:
        """``news`` is called once: at the next record, at the end, or when nudged; and told whether no more records are
        about to come at this moment. It must be quick and never raise."""
        self._log.waiters.call(self, news)

    def nudge(self) -> None:
        """Call it now, if it is not called yet."""
        self._log.waiters.nudge(self)

    def forget(self) -> None:
        """Do not call it any more."""
        self._log.waiters.forget(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Record]:
        while not (batch := self.take_nowait()):
            if self.at_end:
                raise StopAsyncIteration
            await self.channel.changed()
        return batch

    def close(self) -> None:
        """Leave. The last counted reader to leave an unfinished turn abandons it."""
        if self._left:
            return
        self._left = True
        if self._observer:
            return
        log = self._log
        log.readers -= 1
        if log.readers == 0 and not self.channel.closed and log.abandoned is not None:
            log.abandoned(self.channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ChannelWriter:
    """The writing end; it makes the ``channel`` that it writes into.

    ``abandoned``: called when the last counted reader leaves before the end. ``ledger``: counts what it holds.
    ``watcher``: what is written goes through it, and the turn ends at what it finds.
    """

    __slots__ = ("_clock", "_log", "_max_bytes", "_over", "_watcher", "channel")

    def __init__(
        self,
        turn: Turn,
        clock: Clock,
        *,
        max_bytes: int = MAX_BYTES,
        max_readers: int = MAX_READERS,
        abandoned: Callable[[CascadeChannel], object] | None = None,
        ledger: Ledger | None = None,
        watcher: StopWatcher | None = None,
    ) -> None:
        self._clock = clock
        self._watcher = watcher
        self._log = _Log(turn, {"received": clock()}, max_readers, abandoned, ledger or Ledger())
        self._max_bytes = max_bytes
        self._over = False  # nothing more is written by this one, though the turn may go on
        self.channel: Final = CascadeChannel(self._log)
        self._log.ledger.bytes += self.channel.held

    @property
    def id(self) -> str:
        return self._log.turn.id

    @property
    def closed(self) -> bool:
        return self._over or self.channel.state.terminal is not None

    def append(
        self, attempt_no: int, data: bytes, events: tuple[Event, ...], span: tuple[int, int] = (0, 0)
    ) -> Record | None:
        """Add one record. After the end, or beyond the byte limit, nothing is added and None is returned."""
        log = self._log
        if self._over or self.channel.state.terminal is not None:
            log.late += 1
            return None
        weight = len(data) or texts_size(events)
        if log.size + weight > self._max_bytes:
            self.close(FULL)
            return None
        record = Record(log.count, self._clock(), attempt_no, data, events, span)
        return self._add(record, weight) if self._watcher is None else self._add_watched(record, weight, self._watcher)

    def close(self, terminal: Terminal) -> bool:
        """End the turn. The first call wins; later ones change nothing and return False."""
        if self.channel.state.terminal is not None:
            return False
        self._release()
        self._add(Record(self._log.count, self._clock(), -1, b"", (terminal,)), 0)
        self.mark("done")
        return True

    def hold(self) -> None:
        """Several records may come now: readers are told of them at ``settle``, once."""
        self._log.held = True

    def settle(self) -> None:
        """That was all."""
        log = self._log
        log.held = False
        if log.news:
            log.news = False
            log.waiters.wake(whole=True)

    def mark(self, phase: Phase) -> bool:
        """Remember when ``phase`` began. Only the first time counts; later ones return False."""
        if phase in self._log.marks:
            return False
        self._log.marks[phase] = self._clock()
        return True

    def adopt(self, snapshot: Snapshot) -> None:
        """Know of the turn what ``snapshot`` does: this is a copy of it."""
        log = self._log
        log.cascade_id, log.late = snapshot.cascade_id, snapshot.late
        log.marks.clear()
        log.marks.update(snapshot.marks)
        log.unmarked = {kind: phase for kind, phase in _MARKED_BY.items() if phase not in log.marks}
        log.lines.update(snapshot.lines)

    def release(self) -> None:
        """Free the records of a finished turn (eviction). Cursors that still want some raise CursorExpired."""
        assert self.closed
        log = self._log
        log.ledger.bytes -= self.channel.held
        log.expired, log.records = True, []
        log.waiters.wake()

    def _release(self) -> None:
        """The watcher holds nothing any more."""
        if self._watcher is not None and (held := self._watcher.release()):
            self._add(Record(self._log.count, self._clock(), self._log.records[-1].attempt_no, b"", held), 0)

    def _add_watched(self, record: Record, weight: int, watcher: StopWatcher) -> Record:
        shown = watcher.feed(record.events)
        record = self._add(Record(record.seq, record.t_ns, record.attempt_no, record.data, shown, record.span), weight)
        if watcher.found is not None:
            self.close(Finished("stop_sequence", watcher.found))
        return record

    def _add(self, record: Record, weight: int) -> Record:
        log = self._log
        log.records.append(record)
        log.count += 1
        log.size += RECORD_OVERHEAD + weight
        log.ledger.bytes += RECORD_OVERHEAD + weight
        log.assembler.feed(record)
        for event in record.events:
            if type(event) in log.unmarked and event != _NO_TEXT:
                log.marks.setdefault(log.unmarked.pop(type(event)), record.t_ns)
        if log.held:
            log.news = True
        else:
            log.waiters.wake()
        return record


_NO_TEXT = TextDelta("")
