"""``Replica``: a redacted copy of a turn that grows with it, and the frames that its surface renders. The inspector
takes everything from here, and so does who reads a trace. Knows no files.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Record, RequestLine
from zerogravity.core.fold import TurnState
from zerogravity.core.turn import Turn
from zerogravity.observe import notes
from zerogravity.observe.redaction import RecordRedactor, redacted_line, redacted_turn
from zerogravity.observe.requests import Request
from zerogravity.observe.sessions import NOWHERE, Placement
from zerogravity.observe.source import BEFORE, ChannelCopy, Emitted
from zerogravity.observe.summary import summary
from zerogravity.surfaces.base import Emitter, Surface

# About how long a running stream waits for this thread, instead of the interpreter's 5 ms (sys.getswitchinterval).
STRETCH_S = 0.001  # a pause costs 20 to 60 us of CPU: a few percent of it
PAUSE_S = 0.0001
AT_ONCE = 100  # records between two looks at the clock
GRACE_NS = 3_000_000_000  # as long as the headers of a stream wait for its content (limits.grace_seconds)
FRAME_OVERHEAD = 200  # bytes of a frame in memory, without its text
UNRENDERABLE = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class Replica:
    """``channel``: the copy. ``grow`` runs in a thread, since it takes time.

    ``records``   the turn's own list of records: eviction gives the channel a new one.
    ``surface``   renders what the client saw; None for passive turns.
    ``request``   (name, attempt number) → a request of the turn, where requests are kept.
    ``placed``    where the turn stands among the others, as far as is known.
    """

    def __init__(
        self,
        original: CascadeChannel,
        records: Sequence[Record],
        surface: Surface | None,
        secret: bytes,
        request: Callable[[str, int], Request | None] = lambda name, attempt_no: None,
        placed: Callable[[], Placement] = lambda: NOWHERE,
    ) -> None:
        self.trouble: str | None = None
        self._original = original
        self._given = records
        self._origin = original.marks["received"]
        self._surface = surface
        self._secret = secret
        self._request = request
        self._placed = placed
        self._masked = False
        self._redactor = RecordRedactor()
        self._target = original.turn.target
        self._begin(redacted_turn(original.turn))

    def _begin(self, turn: Turn) -> None:
        self._copy = ChannelCopy(turn)
        self._emitter: Emitter | None = None
        self._renders = self._surface is not None
        self._rendered = 0  # records whose frames have been made
        self._frames: list[Emitted] = []
        self._frame_bytes = 0

    # -- growing -----------------------------------------------------------------------------------------------

    def grow(self) -> Iterator[Record]:
        """Catch up with the turn, record by record."""
        if (turn := self._original.turn).target is not self._target:  # another model is asked
            self._target, known = turn.target, self.channel.count
            self._begin(redacted_turn(turn))
            deque(self._add(self._given[:known]), 0)
        yield from self._add(self._given[self.channel.count :])
        self.refresh()

    def mask_spread_secrets(self) -> bool:
        """Mask secrets that are spread over several deltas, which only the whole shows. True: the copy was remade."""
        if self._masked:
            return False
        self._masked = self.channel.closed
        whole = self._redactor.masked(self._given[: self.channel.count])
        if whole is None:
            return False
        self._begin(self.channel.turn)
        deque(self._add(whole), 0)
        self.refresh()
        return True

    def refresh(self) -> None:
        """Take over what records do not hold: phases, cascade, late arrivals, request lines."""
        known = self._original.snapshot()
        marks = {phase: at - self._origin for phase, at in known.marks.items()}
        lines = {number: redacted_line(line) for number, line in known.lines.items()}
        self._copy.adopt(replace(known, marks=marks, lines=lines))

    def _add(self, raw: Sequence[Record]) -> Iterator[Record]:
        for some in paced(raw):
            for one in self._redactor.feed(some):
                yield self._copy.add(
                    Record(one.seq, one.t_ns - self._origin, one.attempt_no, one.data, one.events, one.span)
                )

    # -- frames ------------------------------------------------------------------------------------------------

    @property
    def frames(self) -> Sequence[Emitted]:
        """The stream as it went out, or as it would have. Frames are not stored: emitters are deterministic, so they
        are rendered here, once, when they are first read."""
        for some in paced(self.channel.records[self._rendered :]):
            for record in some:
                self._rendered += 1
                for cause, frame in self._render(record):
                    self._frames.append(Emitted(cause, record.t_ns / 1e6, frame.decode("utf-8", "replace")))
                    self._frame_bytes += len(frame) + FRAME_OVERHEAD
        return self._frames

    @property
    def emitted(self) -> Sequence[Emitted]:
        """What the client got."""
        if self.channel.turn.stream and not self._refused:
            return [replace(frame, seq=max(0, frame.seq)) for frame in self.frames]
        if self._surface is None or not self.channel.closed:
            return []
        try:
            answer = self._surface.answer(self.channel, self._secret)
        except UNRENDERABLE as error:
            self._failed("answer", error)
            return []
        last = self.channel.records[-1]
        return [Emitted(last.seq, last.t_ns / 1e6, None, answer.status, answer.headers, answer.body)]

    @property
    def _refused(self) -> bool:
        """Whether a stream failed before it began: then its client got a plain status."""
        channel = self.channel
        if self._surface is None or not isinstance(channel.terminal, Failed) or self._surface.has_output(channel):
            return False
        return channel.marks["done"] - channel.marks["received"] < GRACE_NS

    def _render(self, record: Record) -> list[tuple[int, bytes]]:
        """(the record that caused it, frame). If a surface cannot render, frames are missing, and records are not."""
        if self._surface is None or not self._renders:
            return []
        try:
            frames: list[tuple[int, bytes]] = []
            if self._emitter is None:
                self._emitter = self._surface.emitter(self.channel, self._secret)
                frames += ((BEFORE, frame) for frame in self._emitter.begin())
            return [*frames, *((record.seq, frame) for frame in self._emitter.feed(record))]
        except UNRENDERABLE as error:
            self._renders = False
            self._failed("stream", error)
            return []

    def _failed(self, what: str, error: Exception) -> None:
        self.trouble = redact.text(f"the {what} could not be rendered: {type(error).__name__}: {error}")

    # -- reading -----------------------------------------------------------------------------------------------

    @property
    def channel(self) -> CascadeChannel:
        return self._copy.channel

    @property
    def id(self) -> str:
        return self._original.id

    @property
    def turn_json(self) -> dict[str, object]:
        """The contents of ``turn.json``."""
        self.refresh()
        info = summary(self._original, self.placed, self.channel.turn)
        return info if self.trouble is None else {**info, "trouble": self.trouble}

    @property
    def info(self) -> Mapping[str, object]:
        """The same with what was noted of the turn since."""
        return notes.joined(self.turn_json, notes.of(self._original))

    @property
    def placed(self) -> Placement:
        return self._placed()

    @property
    def google_request(self) -> Mapping[str, object]:
        return self.channel.turn.google_request

    @property
    def records(self) -> Sequence[Record]:
        return self.channel.records

    @property
    def state(self) -> TurnState:
        return self.channel.state

    @property
    def size(self) -> int:
        """Approximate bytes of memory."""
        return self.channel.held + self._frame_bytes

    def lines(self) -> Mapping[int, RequestLine]:
        return self.channel.lines

    def body(self, name: str, attempt_no: int = 0) -> dict[str, object] | None:
        """One of BODIES, where requests are kept."""
        found = self._request(name, attempt_no)
        return None if found is None else found.redacted()


def paced(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """A few at a time, with short sleeps: this thread shares the interpreter with running streams."""
    rested = time.monotonic()
    for start in range(0, len(records), AT_ONCE):
        if time.monotonic() - rested >= STRETCH_S:
            time.sleep(PAUSE_S)
            rested = time.monotonic()
        yield records[start : start + AT_ONCE]
