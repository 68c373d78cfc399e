"""``CascadeChannel``: the append-only log of one turn, closed once, read by any number of cursors at any speed.

A writer never waits for a reader. asyncio is used for one thing: waking readers that have read everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from zerogravity.core.callbacks import Callbacks
from zerogravity.core.events import (
    AttemptOpened,
    Event,
    Failed,
    Finished,
    InlineData,
    Record,
    ServerTool,
    Terminal,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.events import FunctionCall as FunctionCallEvent
from zerogravity.core.fold import Assembler, TurnState
from zerogravity.core.policy import Await
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, FaultError, Origin, Termination, internal

Phase = Literal[
    "received", "queued", "admitted", "told", "matched", "first_byte",
    "first_thinking", "first_text", "first_call", "done",
]  # fmt: skip

# what a record costs beside its data, and a turn beside its records and its request: bytes, measured, for the budgets
RECORD_OVERHEAD, TURN_OVERHEAD = 450, 6 << 10
MAX_BYTES = 64 << 20
MAX_READERS = 16

Clock = Callable[[], int]


class CursorExpired(Exception):
    """The channel's records have been evicted; what is left of them can not be read any more."""


@dataclass(frozen=True, slots=True)
class RequestLine:
    """An upstream call as it went out: ``http_version`` as in ``HTTP/2.0``, the one that Google answered in."""

    method: str
    url: str
    http_version: str


@dataclass(frozen=True, slots=True)
class Statistics:
    records: int
    bytes: int
    readers: int
    late: int
    marks: Mapping[str, int]


class CascadeChannel:
    """One turn's events.

    ``id``     the turn's id; every id and number a reader sees is derived from it.
    ``marks``  phase → monotonic ns of its first time; the phases before the first byte are set by the engine.
    ``state``  the live fold of everything appended.
    ``on_close``  called once with the channel when the terminal record has been appended; at once if there is one.
    ``on_abandoned``  called when the last counted reader leaves before the terminal record.
    """

    def __init__(self, turn: Turn, clock: Clock, *, max_bytes: int = MAX_BYTES, max_readers: int = MAX_READERS) -> None:
        self.turn = turn
        self.cascade_id: str | None = None  # set by MitmStore.bind
        self.records: list[Record] = []
        self.count = 0  # of records ever appended: stays when they are evicted
        self.size = 0
        self.late = 0
        self.readers = 0
        self.expired = False
        self.marks: dict[str, int] = {"received": clock()}
        self.on_close = Callbacks[CascadeChannel]()
        self.on_abandoned: Callable[[CascadeChannel], None] | None = None
        self._awaiting: Await | None = None
        self.lines: dict[int, RequestLine] = {}  # of each upstream call, by its number
        self.upstream_abort: list[Callable[[], None]] = []  # how to cut the upstream calls that are still running
        self._clock = clock
        self._assembler = Assembler()
        self._waiters: list[asyncio.Future[None]] = []
        self._supervisors: list[asyncio.Future[None]] = []
        self._max_bytes = max_bytes
        self._max_readers = max_readers

    # -- writing ---------------------------------------------------------------------------------------------

    def append(
        self, attempt_no: int, data: bytes, events: tuple[Event, ...], span: tuple[int, int] = (0, 0)
    ) -> Record | None:
        """Add one record. After the end, or beyond the byte limit, nothing is added and None is returned."""
        if self.closed:
            self.late += 1
            return None
        if self.size + (len(data) or _weight(events)) > self._max_bytes:
            full = "the turn's event log is full (limits.turn_bytes)"
            self.close(Failed(internal(full, Termination.LIMIT_BYTES, status=502)))
            return None
        return self._append(attempt_no, data, events, span)

    def close(self, terminal: Terminal) -> bool:
        """End the turn. The first call wins; later ones change nothing and return False."""
        if self.closed:
            return False
        self._append(-1, b"", (terminal,), (0, 0))
        self.mark("done")
        self.on_close.over(self)
        return True

    def mark(self, phase: Phase) -> None:
        """Remember when ``phase`` began, the first time it is told."""
        if phase not in self.marks:
            self.marks[phase] = self._clock()
            _wake(self._supervisors)

    @property
    def awaiting(self) -> Await | None:
        """Policy: the turn goes on in the LS's next call, which must come in time. None: nothing is awaited."""
        return self._awaiting

    @awaiting.setter
    def awaiting(self, decision: Await | None) -> None:
        if decision is not self._awaiting:
            self._awaiting = decision
            _wake(self._supervisors)

    def _append(self, attempt_no: int, data: bytes, events: tuple[Event, ...], span: tuple[int, int]) -> Record:
        record = Record(self.count, self._clock(), attempt_no, data, events, span)
        self.records.append(record)
        self.count += 1
        self.size += RECORD_OVERHEAD + (len(data) or _weight(events))
        for _ in self._assembler.feed(record):
            pass
        self._mark_events(record)
        _wake(self._waiters)
        return record

    def _mark_events(self, record: Record) -> None:
        for event in record.events:
            match event:
                case AttemptOpened():
                    self.marks.setdefault("first_byte", record.t_ns)
                case ThinkingDelta():
                    self.marks.setdefault("first_thinking", record.t_ns)
                case TextDelta(text) if text:
                    self.marks.setdefault("first_text", record.t_ns)
                case FunctionCallEvent():
                    self.marks.setdefault("first_call", record.t_ns)
                case _:
                    pass

    # -- reading ---------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self.turn.id

    @property
    def state(self) -> TurnState:
        return self._assembler.state

    @property
    def terminal(self) -> Terminal | None:
        return self._assembler.state.terminal

    @property
    def closed(self) -> bool:
        return self._assembler.state.terminal is not None

    @property
    def held(self) -> int:
        """Bytes of memory, about: ``size`` counts the event log alone."""
        return TURN_OVERHEAD + self.turn.size + self.size

    @property
    def phase(self) -> str:
        """The newest phase reached; ``failed`` instead of ``done`` for a failed turn."""
        if self.closed:
            return "failed" if isinstance(self.terminal, Failed) else "done"
        return next(reversed(self.marks))

    @property
    def termination(self) -> Termination | None:
        """The turn's termination code, once it is over."""
        match self.terminal:
            case None:
                return None
            case Failed(fault):
                return fault.termination
            case Finished(reason):
                return {
                    "stop": Termination.OK, "tool": Termination.TOOL,
                    "length": Termination.LENGTH, "filtered": Termination.FILTERED,
                }[reason]  # fmt: skip

    def statistics(self) -> Statistics:
        return Statistics(self.count, self.size, self.readers, self.late, dict(self.marks))

    def cursor(self, start: int = 0, *, observer: bool = False) -> Cursor:
        """A reader from record ``start`` (not below 0). Observers (recorder, inspector) do not keep a turn alive.

        Raises FaultError (429) when the channel has its maximum of counted readers.
        """
        if not observer and self.readers >= self._max_readers:
            raise FaultError(
                Fault(Origin.CLIENT, 429, "too_many_readers", "this response has too many readers",
                      termination=Termination.REJECTED)
            )  # fmt: skip
        return Cursor(self, max(start, 0), observer=observer)

    async def wait_closed(self) -> Terminal:
        """The terminal event, as soon as there is one."""
        while self.terminal is None:
            await self.changed()
        return self.terminal

    async def changed(self) -> None:
        """Return at the next append."""
        await _wait_in(self._waiters)

    async def phase_changed(self) -> None:
        """Return at the next phase, policy decision or end: what a supervisor waits for, without waking per event."""
        await _wait_in(self._supervisors)

    def release(self) -> None:
        """Free the records of a finished turn (eviction). Cursors that still want some raise CursorExpired."""
        assert self.closed
        self.expired = True
        self.records = []
        self.size = 0
        _wake(self._waiters)


def _weight(events: tuple[Event, ...]) -> int:
    """What a record without bytes of its own holds (polled steps): its texts."""
    size = 0
    for event in events:
        match event:
            case TextDelta(text) | ThinkingDelta(text):
                size += len(text)
            case FunctionCallEvent(args_json=args):
                size += len(args)
            case InlineData(data=data):
                size += len(data)
            case ServerTool(part):
                size += len(part)
            case _:
                pass
    return size


def _wake(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()


async def _wait_in(waiters: list[asyncio.Future[None]]) -> None:
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiters.append(waiter)
    try:
        await waiter
    finally:
        if waiter in waiters:
            waiters.remove(waiter)


class Cursor:
    """Reads a channel in batches: whatever has arrived since the last time. Use as a context manager.

    ``async for batch in cursor`` ends after the terminal record and raises CursorExpired if records it wants are gone.
    """

    __slots__ = ("_left", "_observer", "channel", "next_seq")

    def __init__(self, channel: CascadeChannel, start: int, *, observer: bool) -> None:
        self.channel = channel
        self.next_seq = start
        self._observer = observer
        self._left = False
        if not observer:
            channel.readers += 1

    def take_nowait(self) -> list[Record]:
        """All records that are there and not yet read; may be empty."""
        if self.channel.expired and self.next_seq < self.channel.count:
            raise CursorExpired(self.channel.turn.id)
        batch = self.channel.records[self.next_seq :]
        self.next_seq += len(batch)
        return batch

    @property
    def at_end(self) -> bool:
        """Whether the terminal record has been read."""
        return self.channel.closed and self.next_seq >= self.channel.count

    async def ready(self, timeout: float | None = None) -> bool:
        """Wait for something to read, or for the end. False: ``timeout`` seconds passed without either."""
        try:
            async with asyncio.timeout(timeout):
                while self.next_seq >= self.channel.count and not self.channel.closed:
                    await self.channel.changed()
        except TimeoutError:
            return False
        return True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Record]:
        while not (batch := self.take_nowait()):
            if self.at_end:
                raise StopAsyncIteration
            await self.channel.changed()
        return batch

    def close(self) -> None:
        """Leave. The last counted reader of an unfinished turn lets the engine know."""
        if self._left:
            return
        self._left = True
        if self._observer:
            return
        channel = self.channel
        channel.readers -= 1
        if channel.readers == 0 and not channel.closed and channel.on_abandoned is not None:
            channel.on_abandoned(channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
