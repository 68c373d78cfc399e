"""``Replica``: a redacted copy of a turn that grows with it, and what its surface shows of it. Everything a trace
holds is taken from here, so that nothing has to be redacted twice and nothing can be forgotten. Knows no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel, ChannelWriter
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
    ServerTool,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault
from zerogravity.surfaces.base import Answer, Emitter, Surface
from zerogravity.wire import jsonio


class Replica:
    """``surface``: renders what the client saw; None for turns that were answered to nobody."""

    def __init__(self, channel: CascadeChannel, surface: Surface | None, secret: bytes) -> None:
        self._original = channel
        self._now = channel.marks["received"]
        self._surface = surface
        self._secret = secret
        self._writer = ChannelWriter(redacted_turn(channel.turn), lambda: self._now, max_bytes=1 << 62)
        self.channel = self._writer.channel
        self._emitter: Emitter | None = None

    def refresh(self) -> None:
        """Learn what is not in records: the phases, the cascade, late arrivals, where the attempts went."""
        known = self._original.snapshot()
        lines = {number: replace(line, url=redact.text(line.url)) for number, line in known.lines.items()}
        self._writer.adopt(replace(known, lines=lines))

    def add(self, record: Record) -> tuple[Record, list[bytes]]:
        """The redacted record, and the frames a streaming reader got for it."""
        self._now = record.t_ns
        if record.terminal is not None:
            self._writer.close(redacted_event(record.terminal))  # type: ignore[arg-type]
        else:
            events = tuple(map(redacted_event, record.events))
            self._writer.append(record.attempt_no, redact.json_bytes(record.data), events, record.span)
        return self.channel.records[-1], self._frames(self.channel.records[-1])

    def answer(self) -> Answer | None:
        """The whole answer, for a turn that was not streamed."""
        return self._surface.answer(self.channel, self._secret) if self._surface is not None else None

    def give_up_rendering(self) -> None:
        """Go on without frames."""
        self._surface = None

    def _frames(self, record: Record) -> list[bytes]:
        if self._surface is None or not self.channel.turn.stream:
            return []
        frames: list[bytes] = []
        if self._emitter is None:
            self._emitter = self._surface.emitter(self.channel, self._secret)
            frames += self._emitter.begin()
        return frames + self._emitter.feed(record)


def redacted_turn(turn: Turn) -> Turn:
    return replace(
        turn,
        model=redact.text(turn.model),
        target=replace(turn.target, name=redact.text(turn.target.name)),
        google_request=redact.json_value(turn.google_request),
        echo=redact.json_value(turn.echo),
        metadata=redact.json_value(turn.metadata),
        tool_names=_redacted_names(turn.tool_names),
        tool_kinds=_redacted_names(turn.tool_kinds),
        owner="",
        notes=tuple(map(redact.text, turn.notes)),
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
        case AttemptClosed(finish, message):
            return AttemptClosed(_redacted_text(finish), _redacted_text(message))
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


def joined(records: Iterable[Record]) -> list[Record] | None:
    """Records in which secrets spread over several deltas are masked, or None if there are none such."""
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
    """(kind, (record, event), text) of each delta. What stands between two of a kind does not part their text."""
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
        data = jsonio.dumps(_retold(jsonio.loads(data), changed))
    return replace(record, data=data, events=tuple(events))


def _retold(value: Any, changed: dict[str, list[str]]) -> Any:
    """The payload with the same texts changed, in order."""
    match value:
        case dict():
            return {
                key: changed[item].pop(0)
                if key == "text" and isinstance(item, str) and changed.get(item)
                else _retold(item, changed)
                for key, item in value.items()
            }
        case list():
            return [_retold(item, changed) for item in value]
        case _:
            return value
