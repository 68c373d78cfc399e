"""Events, faults, records and turns ↔ plain JSON values, as trace files hold them. Knows no files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from itertools import groupby
from operator import attrgetter
from typing import Any, get_args

from zerogravity.core import events
from zerogravity.core.events import Event, Failed, Record, RequestLine
from zerogravity.core.google import as_request
from zerogravity.core.turn import RecordedDetails, Target, Turn, plain
from zerogravity.errors import Fault, Origin, Termination
from zerogravity.wire import narrow

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}
_MEMBERS = {kind: [(field.name, field.default) for field in fields(kind)] for kind in _KINDS.values()}
_TEXTS = (events.TextDelta, events.ThinkingDelta)
_OF_GROUPS = frozenset({*_TEXTS, events.Usage, events.Signature})  # what nearly all records hold
# older files: the name of an event, or a member, → its name now
_LEGACY_EVENTS = {"CallOpened": "AttemptOpened", "CallClosed": "AttemptClosed"}
_LEGACY_FAULT = {"guilt": "origin", "heals": "retryable"}
_TURN_FIELDS = (
    "id", "surface", "model", "stream", "store", "background", "previous_id", "tool_names", "tool_kinds", "created",
    "notes", "client", "conversation", "agent", "run", "stops", "at_once", "served_by",
    "models",
)  # fmt: skip


def event_out(event: Event) -> dict[str, Any]:
    """``{"type": "TextDelta", "text": …}``; members that are at their default are left out."""
    kind = type(event)
    if isinstance(event, _TEXTS):  # as nearly each one is
        return {"type": kind.__name__, "text": event.text}
    made: dict[str, Any] = {"type": kind.__name__}
    for name, default in _MEMBERS[kind]:
        value = getattr(event, name)
        if value != default:
            made[name] = fault_out(value) if kind is Failed else value
    return made


def event_in(value: Mapping[str, Any]) -> Event:
    """Raises ValueError when it is no event this version knows."""
    given: dict[str, Any] = {
        name: tuple(member) if narrow.is_a(member, narrow.ARRAY) else member for name, member in value.items()
    }
    name = str(given.pop("type", ""))
    kind = _KINDS.get(_LEGACY_EVENTS.get(name, name))
    if kind is None:
        raise ValueError(f"unknown kind of event: {value.get('type')!r}")
    if kind is Failed:
        given["fault"] = fault_in(given.get("fault") or {})
    try:
        return kind(**given)
    except TypeError as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from None


def fault_out(fault: Fault) -> dict[str, Any]:
    return {**asdict(fault), "origin": fault.origin.value, "termination": fault.termination.value,
            "details": list(fault.details)}  # fmt: skip


def fault_members(value: Mapping[str, Any]) -> dict[str, Any]:
    """A fault's members, by their names of today."""
    return {_LEGACY_FAULT.get(name, name): member for name, member in value.items()}


def fault_in(value: Mapping[str, Any]) -> Fault:
    given = fault_members(value)
    try:
        given["origin"], given["termination"] = Origin(given["origin"]), Termination(given["termination"])
        given["details"] = tuple(given.get("details", ()))
        return Fault(**given)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a fault: {error}") from None


def record_out(record: Record, origin_ns: int, place: tuple[int, int]) -> dict[str, Any]:
    """One line of ``records.jsonl``. ``t_ms`` counts from the request's arrival; ``span`` are offsets in Google's
    body, ``file`` those in ``upstream.sse``."""
    return {
        "seq": record.seq,
        "t_ms": (record.t_ns - origin_ns) / 1e6,
        "call": record.attempt_no,
        "span": record.span,
        "file": place,
        "events": [event_out(event) for event in record.events],
    }


def record_in(value: Mapping[str, Any], data: bytes) -> Record:
    """The record, with its time in ns since the request's arrival."""
    try:
        start, end = value["span"]
        return Record(
            int(value["seq"]),
            round(value["t_ms"] * 1e6),
            int(value["call"]),
            data,
            tuple(event_in(event) for event in value["events"]),
            (int(start), int(end)),
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise ValueError(f"not a record: {error}") from None


def groups(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """The records, parted: those in a row that are alike, as texts are, together, each other one alone."""
    if len(records) > 1 and _are_alike(records):  # as nearly always: half the price of looking at each
        yield records
    else:
        yield from (list(group) for _, group in groupby(records, _likeness))


def _are_alike(records: Sequence[Record]) -> bool:
    first, each = records[0], [record.events for record in records]
    kinds = [type(event) for event in first.events]
    return (
        bool(kinds)
        and _OF_GROUPS.issuperset(kinds)
        and {len(kinds)} == set(map(len, each))
        and all({kind} == set(map(type, column)) for kind, column in zip(kinds, zip(*each, strict=True), strict=True))
        and {first.attempt_no} == set(map(attrgetter("attempt_no"), records))
        and all(map(attrgetter("data"), records))
    )


def _likeness(record: Record) -> object:
    kinds = tuple(map(type, record.events))
    return (record.attempt_no, kinds) if record.data and kinds and _OF_GROUPS.issuperset(kinds) else record.seq


def group_out(group: Sequence[Record], origin_ns: int, places: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Records that are alike as one line, about a third of their bytes: a list of what each has under the names that a
    record's line has. ``seq`` is the first one's; members of events are missing that are at their default in all."""
    first = group[0]
    columns = zip(*[record.events for record in group], strict=True)
    return {
        "seq": first.seq,
        "t_ms": [(record.t_ns - origin_ns) / 1e6 for record in group],
        "call": first.attempt_no,
        "span": [record.span for record in group],
        "file": places,
        "events": [_column_out(type(event), column) for event, column in zip(first.events, columns, strict=True)],
    }


def _column_out(kind: type[Event], column: Sequence[Event]) -> dict[str, Any]:
    made: dict[str, Any] = {"type": kind.__name__}
    for name, default in _MEMBERS[kind]:
        values = list(map(attrgetter(name), column))
        if values.count(default) < len(values):
            made[name] = values
    return made


def records_in(value: Mapping[str, Any], data: Callable[[int, int], bytes]) -> list[Record]:
    """The records of a line of either kind. ``data``: offsets in ``upstream.sse`` → the payload there. Raises
    ValueError when it is no such line."""
    try:
        lines = [value] if narrow.an_array(value["t_ms"]) is None else _apart(value)
        return [record_in(line, data(*line["file"])) for line in lines]
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"not a record: {error}") from None


def _apart(group: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The line that each record of a group would have."""
    columns = [_column_in(column, len(group["t_ms"])) for column in group["events"]]
    rows = zip(group["t_ms"], group["span"], group["file"], zip(*columns, strict=True), strict=True)
    for seq, (t_ms, span, place, each) in enumerate(rows, group["seq"]):
        yield {"seq": seq, "t_ms": t_ms, "call": group["call"], "span": span, "file": place, "events": each}


def _column_in(column: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The event that each record has of it."""
    made: list[dict[str, Any]] = [{"type": column["type"]} for _ in range(count)]
    for name in column.keys() - {"type"}:
        if narrow.an_array(values := column[name]) is None:
            raise ValueError(f"{name} is no list")
        for event, value in zip(made, values, strict=True):
            event[name] = value
    return made


def turn_out(turn: Turn) -> dict[str, Any]:
    """Everything but ``generate`` (a file of its own) and the owner."""
    made = {name: plain(getattr(turn, name)) for name in _TURN_FIELDS}
    return {**made, "details": turn.details.as_json(), "target": asdict(turn.target)}


def turn_in(value: Mapping[str, Any], generate: Mapping[str, Any]) -> Turn:
    """Raises ValueError when this version cannot read it."""
    details = value["details"] if "details" in value else _details_before(value)
    try:
        given = {name: value[name] for name in _TURN_FIELDS if name in value}
        given |= {name: tuple(given.get(name, ())) for name in ("notes", "stops", "models")}
        return Turn(
            target=Target(**value["target"]), google_request=as_request(generate),
            details=RecordedDetails(narrow.members(details)), **given,
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a turn: {error}") from None


def _details_before(value: Mapping[str, Any]) -> dict[str, object]:
    """Older files hold ``echo`` and ``metadata`` instead: the members of details lay in both."""
    echo, metadata = narrow.members(value.get("echo")), narrow.members(value.get("metadata"))
    return {**echo, **metadata, "echo": echo, "metadata": metadata}


def usage_out(usage: events.Usage) -> dict[str, Any]:
    return asdict(usage)


def line_out(line: RequestLine) -> dict[str, str]:
    return asdict(line)


def line_in(value: Mapping[str, Any]) -> RequestLine:
    """A member that is missing is empty."""
    return RequestLine(*(str(value.get(name, "")) for name in ("method", "url", "http_version")))
