"""A turn and its records → the same without secrets, for traces and the inspector.

Nearly every record is a piece of text in a frame that is like the one before. So records go many at once: frames that
are known to hold no secret are looked up, and the texts of all are searched in one go. Only where something is found,
or a record is of another kind, is it taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, groupby

from zerogravity import redact
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    Record,
    RequestLine,
    RoundOpened,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    ToolsListed,
    Usage,
)
from zerogravity.core.turn import RecordedDetails, Turn
from zerogravity.errors import Fault
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import an_array, an_object

_TEXTS = (TextDelta, ThinkingDelta)
_PLAIN = frozenset({*_TEXTS, Usage, Signature})  # what can hold a secret in its text only
_TEXT = re.compile(rb'"text":\s*"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_TEXT_NAMED, _TEXT_BEGINS = b'"text"', b'"text": "'  # as Google writes it
_NO_TEXT = b'"text":"x"'
_BETWEEN_FRAMES = b"\x1e"  # which no JSON has in it, as RFC 7464 parts texts
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_DIGITS_COUNT = (b"\\u", b"ya00.", b"0//0")  # where it matters which digits they are: escapes, beginnings of tokens
_BETWEEN = "\0"  # no secret goes across it, and each text begins and ends at an edge
_FRAME, _FRAMES = 1024, 2048  # bytes of a frame that is remembered, and how many are
_Delta = tuple[type[Event], tuple[int, int], str]  # kind, (record, event), text
_known_frames: set[bytes] = set()  # without their texts, digits as 0


class RecordRedactor:
    """The records of one turn, as they come → the same without secrets. It remembers what their texts have of all that
    secrets need: nearly always that shows that the whole has none, without searching it once more. It may be fed the
    same ones again."""

    def __init__(self) -> None:
        self._hints = 0
        self._seams: dict[type[Event], str] = dict.fromkeys(_TEXTS, "")

    def feed(self, records: Sequence[Record]) -> Sequence[Record]:
        """See ``redacted_records``."""
        hints = self._of_texts(records)
        self._hints |= hints
        return redacted_records(records, clear=not redact.may_hold(hints))

    def masked(self, records: Sequence[Record]) -> list[Record] | None:
        """See ``spread_secrets_masked``. ``records``: all that have come."""
        return spread_secrets_masked(records) if redact.may_hold(self._hints) else None

    def _of_texts(self, records: Sequence[Record]) -> int:
        """What their texts have of it, each kind's read in one go, with the end of those before."""
        events, hints = _events(records), 0
        for kind in _TEXTS:
            if texts := [event.text for event in events if type(event) is kind]:
                whole = "".join((self._seams[kind], *texts))
                self._seams[kind] = whole[-redact.SEAM :]
                hints |= redact.hints(whole)
        return hints


def redacted_records(records: Sequence[Record], *, clear: bool = False) -> Sequence[Record]:
    """The same records, those with secrets changed. A secret that is spread over several is not found here. ``clear``:
    there is none in the texts of events."""
    if not records or _are_clean(records, clear=clear):
        return records
    if len(records) > 1:  # halved, until those are found that it is about
        half = len(records) // 2
        return [*redacted_records(records[:half], clear=clear), *redacted_records(records[half:], clear=clear)]
    record = records[0]
    return [replace(record, data=redact.json_bytes(record.data), events=tuple(map(redacted_event, record.events)))]


def _events(records: Sequence[Record]) -> list[Event]:
    return list(chain.from_iterable([record.events for record in records]))


def _are_clean(records: Sequence[Record], *, clear: bool) -> bool:
    """Whether nothing in them looks like a secret; not where that takes a closer look."""
    if not _PLAIN.issuperset(map(type, events := _events(records))):
        return False
    payloads = [record.data for record in records]
    if (parted := _alike(payloads) or _parted(payloads)) is None:
        return False
    frames, sources = parted
    if not all(map(_is_known, frames)):
        return False
    try:
        decoded = narrow.texts(narrow.items(jsonio.glance(b'["' + b'","'.join(sources) + b'"]'))) if sources else []
    except ValueError:
        return False
    if len(decoded) != len(sources):  # one has no end
        return False
    texts = [event.text for event in events if isinstance(event, _TEXTS)]
    unsearched = ([] if clear else texts) + ([] if decoded == texts else decoded)
    return redact.is_clean(_BETWEEN.join(unsearched))


def _alike(payloads: Sequence[bytes]) -> tuple[set[bytes], list[bytes]] | None:
    """The frames without their texts, and the texts as JSON has them: a third of the cost of searching them all. None
    where there is not one text in each, what stands before and behind it is not as long, or it has a quote in it."""
    first = payloads[0]
    begin = first.find(_TEXT_BEGINS) + len(_TEXT_BEGINS)
    behind = len(first) - first.find(b'"', begin)
    if begin < len(_TEXT_BEGINS) or first.find(_TEXT_NAMED, begin) >= 0:
        return None
    head, tail = first[:begin], first[-behind:]
    sources = [payload[begin:-behind] for payload in payloads]
    if min(map(len, payloads)) < begin + behind or b"".join(sources).find(b'"') >= 0:
        return None
    if not all([payload.startswith(head) for payload in payloads]):  # noqa: C419 - twice as fast
        return None
    others = [payload[-behind:] for payload in payloads if not payload.endswith(tail)]
    if not all(other.startswith(b'"') for other in others):  # a payload that is cut off
        return None
    before = head.removesuffix(_TEXT_BEGINS) + _NO_TEXT
    return {before + after[1:] for after in (tail, *others)}, sources


def _parted(payloads: Sequence[bytes]) -> tuple[set[bytes], list[bytes]] | None:
    """The same of any; None where one of them is no JSON."""
    pieces = _TEXT.split(_BETWEEN_FRAMES.join(payloads))
    frames = _NO_TEXT.join(pieces[::2]).split(_BETWEEN_FRAMES)
    return (set(frames), pieces[1::2]) if len(frames) == len(payloads) else None


def _is_known(frame: bytes) -> bool:
    """Whether a frame is known to have no secret; it is remembered then."""
    key = frame.translate(_DIGITS)
    if key in _known_frames or not key:
        return True
    if len(key) > _FRAME or any(mark in key for mark in _DIGITS_COUNT):
        return False
    try:
        value = jsonio.loads(frame)
    except (ValueError, RecursionError):
        return False
    if redact.json_value(value) != value:
        return False
    if len(_known_frames) >= _FRAMES:
        _known_frames.clear()
    _known_frames.add(key)
    return True


def redacted_turn(turn: Turn) -> Turn:
    return replace(
        turn,
        model=redact.text(turn.model),
        models=tuple(map(redact.text, turn.models)),
        served_by=redact.text(turn.served_by),
        fallbacks=(),
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
        case InlineData(mime=mime):
            return replace(event, mime=redact.text(mime))
        case ServerTool(part):
            return ServerTool(_redacted_json(part))
        case ToolsListed(tools=tools, error=error):
            return replace(event, tools=tuple(map(redact.json_value, tools)), error=redact.text(error))
        case CallReturned(output=output, error=error):
            return replace(event, output=_redacted_json(output), error=redact.json_value(error))
        case RoundOpened(why=why):
            return replace(event, why=redact.text(why))
        case Grounding(data):
            return Grounding(redact.json_value(data))
        case Notice(code, text):
            return Notice(code, redact.text(text))
        case AttemptClosed(finish, message, broken):
            return AttemptClosed(redacted_text(finish), redacted_text(message), redacted_text(broken))
        case Finished(reason, str() as detail):
            return Finished(reason, redact.text(detail))
        case Failed(fault):
            return Failed(redacted_fault(fault))
        case _:
            return event


def _redacted_json(text: str) -> str:
    return redact.json_bytes(text.encode("utf-8", "replace")).decode()


def redacted_text(text: str | None) -> str | None:
    return None if text is None else redact.text(text)


def redacted_line(line: RequestLine) -> RequestLine:
    return replace(line, url=redact.text(line.url))


def redacted_fault(fault: Fault) -> Fault:
    return replace(
        fault,
        code=redact.text(fault.code),
        message=redact.text(fault.message),
        param=redacted_text(fault.param),
        rpc_status=redacted_text(fault.rpc_status),
        remedy=redact.text(fault.remedy),
        details=tuple(redact.json_value(item) for item in fault.details),
    )


def spread_secrets_masked(records: Iterable[Record]) -> list[Record] | None:
    """The records with secrets masked that are spread over several deltas; None if there are none."""
    given = list(records)
    if _are_clean_together(given):
        return None
    deltas = list(_deltas(given))
    known = {place: text for _, place, text in deltas}
    masked: dict[tuple[int, int], str] = {}
    for places in _told_together(deltas):
        texts = [masked.get(place, known[place]) for place in places]
        if not redact.is_clean("".join(texts)) and (new := redact.pieces(texts)) != list(map(redact.text, texts)):
            masked |= dict(zip(places, new, strict=True))
    if not masked:
        return None
    return [_with_texts(record, masked) for record in given]


def _told_together(deltas: Sequence[_Delta]) -> Iterator[list[tuple[int, int]]]:
    """The places of deltas that are read as one text: of each run, as the client got it, and then of each kind, as an
    answer is shown."""
    for _, run in groupby(deltas, key=lambda delta: delta[0]):
        yield [place for _, place, _ in run]
    for kind in _TEXTS:
        yield [place for one, place, _ in deltas if one is kind]


def _are_clean_together(records: Sequence[Record]) -> bool:
    """Whether there is no secret in what the deltas say, run by run, and kind by kind: in one go, since nearly always
    there is none."""
    texts: list[str] = []
    run: type[Event] | None = None
    runs = 0
    for record in records:
        for event in record.events:
            if isinstance(event, _TEXTS):
                if run is not (run := type(event)):
                    texts.append(_BETWEEN)
                    runs += 1
                texts.append(event.text)
    if runs > len(_TEXTS):
        for kind in _TEXTS:
            texts.append(_BETWEEN)
            texts += (event.text for record in records for event in record.events if isinstance(event, kind))
    return redact.is_clean("".join(texts))


def _deltas(records: Iterable[Record]) -> Iterator[_Delta]:
    """Other events between two deltas of a kind do not part their text."""
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
