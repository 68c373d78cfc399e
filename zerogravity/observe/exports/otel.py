"""Traces → OpenTelemetry spans as OTLP/JSON. Pure; needs no OpenTelemetry package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from zerogravity import __version__
from zerogravity.observe import summary
from zerogravity.observe.prices import Price
from zerogravity.observe.source import TurnSource
from zerogravity.observe.spans import SCHEMA, Span, spans
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import items, text

TOLD = ("client", "session", "previous", "note", "star")  # for which the conventions have no name
CLIENT, SERVER, ERROR = 3, 2, 2  # span kinds and a status code of the protocol


def write(traces: Iterable[TurnSource], surfaces: Surfaces, *, content: bool = False) -> bytes:
    """An ExportTraceServiceRequest in its JSON form."""
    made = [span for trace in traces for span in _spans(trace, surfaces, content=content)]
    resource = {"attributes": _attributes({"service.name": "zerogravity", "service.version": __version__})}
    scope = {"name": "zerogravity.trace", "version": __version__}
    return jsonio.dumps({
        "resourceSpans": [{
            "resource": resource, "schemaUrl": SCHEMA,
            "scopeSpans": [{"scope": scope, "schemaUrl": SCHEMA, "spans": made}],
        }]
    })  # fmt: skip


def _spans(trace: TurnSource, surfaces: Surfaces, *, content: bool) -> list[dict[str, object]]:
    created = round(trace.channel.turn.created * 1000) * 1_000_000  # a double holds no ns of today
    session, price = text(trace.info.get("session")), Price.of_json(summary.stored_row(trace.info))
    turn, *calls = spans(trace.channel, trace.records, surfaces, content=content, session=session, price=price)
    no_attributes: list[object] = []
    events = [
        {"timeUnixNano": str(created + at), "name": phase, "attributes": no_attributes} for phase, at in turn.events
    ]
    told = {f"zerogravity.{name}": trace.info[name] for name in TOLD if trace.info.get(name)}
    return [
        {**_span(replace(turn, attributes={**turn.attributes, **told}), created, SERVER), "events": events},
        *({**_span(call, created, CLIENT), "parentSpanId": turn.span_id} for call in calls),
    ]


def _span(span: Span, created: int, kind: int) -> dict[str, object]:
    message = {"message": span.fault.message} if span.fault is not None else {}
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": str(created + span.start_ns),
        "endTimeUnixNano": str(created + max(span.start_ns, span.end_ns)),
        "attributes": _attributes(span.attributes),
        "status": {"code": ERROR, **message} if span.failed else {},
    }


def _attributes(values: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None]


def _value(value: object) -> dict[str, object]:
    values = items(value)
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": list(map(_value, values))}}
        case _:
            return {"stringValue": str(value)}
