"""Events, faults, records and turns ↔ plain JSON values, as trace files hold them. Knows no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
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
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a record: {error}") from None


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
