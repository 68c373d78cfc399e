"""``Replica``: a redacted copy of a turn that grows with it, and the frames that its surface renders. Traces and the
inspector take everything from here, so that each thing is redacted, and once. Knows no files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    Record,
    RequestLine,
    ServerTool,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.fold import TurnState
from zerogravity.core.turn import RecordedDetails, Turn
from zerogravity.errors import Fault
from zerogravity.observe import notes
from zerogravity.observe.requests import Request
from zerogravity.observe.sessions import NOWHERE, Placement
from zerogravity.observe.source import BEFORE, ChannelCopy, Emitted
from zerogravity.observe.summary import summary
from zerogravity.surfaces.base import Emitter, Surface
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import an_array, an_object

PAUSE_EVERY = 10  # records between two short sleeps
PAUSE_S = 0.0001
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
        for raw in _paced(self._given[self.channel.count :]):
            yield self._add(raw)
        self.refresh()

    def mask_spread_secrets(self) -> bool:
        """Mask secrets that are spread over several deltas, which only the whole shows. True: the copy was remade."""
        if self._masked:
            return False
        self._masked = self.channel.closed
        whole = spread_secrets_masked(self._given[: self.channel.count])
        if whole is None:
            return False
        self._begin(self.channel.turn)
        for raw in _paced(whole):
            self._add(raw)
        self.refresh()
        return True

    def refresh(self) -> None:
        """Take over what records do not hold: phases, cascade, late arrivals, request lines."""
        known = self._original.snapshot()
        marks = {phase: at - self._origin for phase, at in known.marks.items()}
        lines = {number: replace(line, url=redact.text(line.url)) for number, line in known.lines.items()}
        self._copy.adopt(replace(known, marks=marks, lines=lines))

    def _add(self, raw: Record) -> Record:
        events = tuple(map(redacted_event, raw.events))
        data = redact.json_bytes(raw.data)
        return self._copy.add(replace(raw, t_ns=raw.t_ns - self._origin, data=data, events=events))

    # -- frames ------------------------------------------------------------------------------------------------

    @property
    def frames(self) -> Sequence[Emitted]:
        """The stream as it went out, or as it would have. Frames are not stored: emitters are deterministic, so they
        are rendered here, once, when they are first read."""
        for record in _paced(self.channel.records[self._rendered :]):
            self._rendered += 1
            for cause, frame in self._render(record):
                self._frames.append(Emitted(cause, record.t_ns / 1e6, frame.decode("utf-8", "replace")))
                self._frame_bytes += len(frame) + FRAME_OVERHEAD
        return self._frames

    def take_frames(self) -> Sequence[Emitted]:
        """The frames since the last call; the replica does not keep them."""
        taken = self.frames
        self._frames, self._frame_bytes = [], 0
        return taken

    @property
    def emitted(self) -> Sequence[Emitted]:
        """What the client got."""
        if self.channel.turn.stream:
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
        info = summary(self.channel, self.placed)
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


def _paced(records: Iterable[Record]) -> Iterator[Record]:
    """With short sleeps: this thread shares the interpreter with running streams."""
    for number, record in enumerate(records):
        if number % PAUSE_EVERY == PAUSE_EVERY - 1:
            time.sleep(PAUSE_S)
        yield record


def redacted_turn(turn: Turn) -> Turn:
    return replace(
        turn,
        model=redact.text(turn.model),
        target=replace(turn.target, name=redact.text(turn.target.name)),
        google_request=redact.json_value(turn.google_request),
        details=RecordedDetails(redact.json_value(turn.details.as_json())),
        tool_names=_redacted_names(turn.tool_names),
        tool_kinds=_redacted_names(turn.tool_kinds),
        client=redact.text(turn.client),
        conversation=redact.text(turn.conversation),
        agent=redact.text(turn.agent),
        owner="",
        notes=tuple(map(redact.text, turn.notes)),
        stops=tuple(map(redact.text, turn.stops)),
    )


def _redacted_names(names: Mapping[str, str]) -> dict[str, str]:
    return {redact.text(name): redact.text(other) for name, other in names.items()}


def redacted_event(event: Event) -> Event:
    match event:
        case AttemptOpened(str() as model):
            return replace(event, model=redact.text(model))
        case TextDelta(text):
            return TextDelta(redact.text(text))
        case ThinkingDelta(text):
            return ThinkingDelta(redact.text(text))
        case FunctionCall(name=name, args_json=args):
            return replace(event, name=redact.text(name), args_json=_redacted_json(args))
        case InlineData(mime, data):
            return InlineData(redact.text(mime), data)
        case ServerTool(part):
            return ServerTool(_redacted_json(part))
        case Grounding(data):
            return Grounding(redact.json_value(data))
        case Notice(code, text):
            return Notice(code, redact.text(text))
        case AttemptClosed(finish, message, broken):
            return AttemptClosed(_redacted_text(finish), _redacted_text(message), _redacted_text(broken))
        case Finished(reason, str() as detail):
            return Finished(reason, redact.text(detail))
        case Failed(fault):
            return Failed(_redacted_fault(fault))
        case _:
            return event


def _redacted_json(text: str) -> str:
    return redact.json_bytes(text.encode("utf-8", "replace")).decode()


def _redacted_text(text: str | None) -> str | None:
    return None if text is None else redact.text(text)


def _redacted_fault(fault: Fault) -> Fault:
    return replace(
        fault,
        code=redact.text(fault.code),
        message=redact.text(fault.message),
        param=_redacted_text(fault.param),
        rpc_status=_redacted_text(fault.rpc_status),
        remedy=redact.text(fault.remedy),
        details=tuple(redact.json_value(item) for item in fault.details),
    )


def spread_secrets_masked(records: Iterable[Record]) -> list[Record] | None:
    """The records with secrets masked that are spread over several deltas; None if there are none."""
    given = list(records)
    masked: dict[tuple[int, int], str] = {}
    for _, run in groupby(_deltas(given), key=lambda delta: delta[0]):
        places = list(run)
        texts = [text for _, _, text in places]
        whole = redact.pieces(texts)
        if whole != [redact.text(text) for text in texts]:
            masked |= {place: new for (_, place, _), new in zip(places, whole, strict=True)}
    if not masked:
        return None
    return [_with_texts(record, masked) for record in given]


def _deltas(records: Iterable[Record]) -> Iterator[tuple[type[Event], tuple[int, int], str]]:
    """(kind, (record, event), text) of each delta. Other events between two deltas of a kind do not part their text."""
    for record in records:
        for number, event in enumerate(record.events):
            if isinstance(event, TextDelta | ThinkingDelta):
                yield type(event), (record.seq, number), event.text


def _with_texts(record: Record, masked: Mapping[tuple[int, int], str]) -> Record:
    events: list[Event] = []
    changed: dict[str, list[str]] = {}
    for number, event in enumerate(record.events):
        text = masked.get((record.seq, number))
        if text is not None and isinstance(event, TextDelta | ThinkingDelta):
            changed.setdefault(event.text, []).append(text)
            event = type(event)(text)
        events.append(event)
    if not changed:
        return record
    data = record.data
    if data:
        data = jsonio.dumps(_with_changed_texts(jsonio.loads(data), changed))
    return replace(record, data=data, events=tuple(events))


def _with_changed_texts(value: object, changed: dict[str, list[str]]) -> object:
    """The payload with the same texts changed, in order."""
    if (found := an_object(value)) is not None:
        return {
            key: changed[item].pop(0)
            if key == "text" and isinstance(item, str) and changed.get(item)
            else _with_changed_texts(item, changed)
            for key, item in found.items()
        }
    array = an_array(value)
    return value if array is None else [_with_changed_texts(item, changed) for item in array]
