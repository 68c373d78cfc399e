"""Traces → OpenTelemetry spans with GenAI names, as OTLP/JSON: one span per turn, a child per call to Google. Pure;
needs no OpenTelemetry package. Contents are off unless asked for (threat T10).

The names move between versions of the conventions: they are here, once, with the version they follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

from zerogravity import __version__
from zerogravity.core.events import AttemptClosed, AttemptOpened, Record, RequestLine
from zerogravity.core.fold import Call, Media, Message, Reasoning, TurnState
from zerogravity.observe.trace_reader import Trace
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio

SEMANTIC_CONVENTIONS = "1.41.0"
SCHEMA = f"https://opentelemetry.io/schemas/{SEMANTIC_CONVENTIONS}"
NAMES = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "request_model": "gen_ai.request.model",
    "response_model": "gen_ai.response.model",
    "stream": "gen_ai.request.stream",
    "response_id": "gen_ai.response.id",
    "finish": "gen_ai.response.finish_reasons",
    "conversation": "gen_ai.conversation.id",
    "first_chunk": "gen_ai.response.time_to_first_chunk",
    "input": "gen_ai.usage.input_tokens",
    "cached": "gen_ai.usage.cache_read.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "reasoning": "gen_ai.usage.reasoning.output_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
    "output_messages": "gen_ai.output.messages",
    "input_messages": "gen_ai.input.messages",
    "system": "gen_ai.system_instructions",
    "error": "error.type",
    "code": "zerogravity.termination",
    "surface": "zerogravity.surface",
    "call": "zerogravity.call",
    "status": "http.response.status_code",
}
LINE_NAMES = {
    "method": "http.request.method",
    "url": "url.full",
    "host": "server.address",
    "port": "server.port",
    "protocol": "network.protocol.version",
}
PROVIDER = "gcp.gemini"
OLDER = "POST streamGenerateContent"  # the name of a call of which a trace does not say how it went out
PORTS = {"https": 443, "http": 80}
CLIENT, SERVER, ERROR = 3, 2, 2  # span kinds and a status code of the protocol


def spans(traces: Iterable[Trace], surfaces: Surfaces, *, content: bool = False) -> dict[str, Any]:
    """An ExportTraceServiceRequest in its JSON form."""
    made = [span for trace in traces for span in (_turn(trace, surfaces, content=content), *_calls(trace))]
    scope = {"name": "zerogravity.trace", "version": __version__}
    resource = {"attributes": _attributes({"service.name": "zerogravity", "service.version": __version__})}
    return {
        "resourceSpans": [{
            "resource": resource, "schemaUrl": SCHEMA,
            "scopeSpans": [{"scope": scope, "schemaUrl": SCHEMA, "spans": made}],
        }]
    }  # fmt: skip


# -- what spans say; used for live spans as well -------------------------------------------------------------------

FINISH = {"ok": "stop", "tool": "tool_call", "length": "length", "filtered": "content_filter"}


def operation(surface: object, surfaces: Surfaces) -> str:
    """What a turn does, in the words of the conventions; a call of the language server's own is Google's."""
    known = surfaces.get(str(surface))
    return known.operation if known is not None else "generate_content"


def turn_attributes(
    does: str, info: Mapping[str, Any], generate: Mapping[str, Any], response_model: str | None
) -> dict[str, Any]:
    """A turn without its contents. ``info`` has members as ``turn.json`` has them."""
    usage: Mapping[str, Any] = info.get("usage") or {}
    config: Mapping[str, Any] = generate.get("generationConfig") or {}
    first = (info.get("latency_ms") or {}).get("first_byte")
    code = info.get("code")
    return _named({
        "operation": does,
        "provider": PROVIDER,
        "request_model": info.get("model"),
        "response_model": response_model or (info.get("target") or {}).get("name"),
        "stream": bool(info.get("stream")),
        "response_id": info.get("id"),
        "finish": [FINISH[code]] if code in FINISH else None,
        "conversation": info.get("cascade_id"),
        "first_chunk": first / 1000 if isinstance(first, int | float) else None,
        "input": usage.get("prompt"),
        "cached": usage.get("cached"),
        "output": (usage.get("candidates") or 0) + (usage.get("thoughts") or 0),
        "reasoning": usage.get("thoughts"),
        "temperature": config.get("temperature"),
        "top_p": config.get("topP"),
        "max_tokens": config.get("maxOutputTokens"),
        "code": code,
        "surface": info.get("surface"),
        "error": code if info.get("failure") else None,
    })  # fmt: skip


def content_attributes(generate: Mapping[str, Any], state: TurnState, code: str | None) -> dict[str, Any]:
    """The contents of a turn; only when asked for."""
    answer = {"role": "assistant", "parts": _output(state), "finish_reason": FINISH.get(code or "", "error")}
    asked = [
        {"role": "assistant" if content.get("role") == "model" else "user", "parts": _input(content)}
        for content in _objects(generate.get("contents"))
    ]
    system = generate.get("systemInstruction")
    told = _input(system) if isinstance(system, Mapping) else []
    return _named({
        "input_messages": jsonio.text(asked),
        "output_messages": jsonio.text([answer]),
        "system": jsonio.text(told) if told else None,
    })  # fmt: skip


def call_name(line: RequestLine | None) -> str:
    """A span's name: the method, and what was called, without names that are different each time."""
    return OLDER if line is None else f"{line.method} {urlsplit(line.url).path.rpartition('/')[2].rpartition(':')[2]}"


def call_attributes(records: Sequence[Record], call: int, line: RequestLine | None = None) -> dict[str, Any]:
    """One call to Google; ``records`` are those of this call."""
    opened = _first(records, AttemptOpened)
    closed = _first(records, AttemptClosed)
    return _named({
        "provider": PROVIDER,
        "response_model": opened.model if opened is not None else None,
        "finish": [closed.finish] if closed is not None and closed.finish else None,
        "status": opened.status if opened is not None else None,
        "call": call,
    }) | _line_attributes(line)  # fmt: skip


def _line_attributes(line: RequestLine | None) -> dict[str, Any]:
    if line is None:
        return {}
    parts = urlsplit(line.url)
    values = {
        "method": line.method,
        "url": line.url,
        "host": parts.hostname,
        "port": parts.port or PORTS.get(parts.scheme),
        "protocol": line.http_version.removeprefix("HTTP/").removesuffix(".0"),  # the conventions say 2
    }
    return {LINE_NAMES[name]: value for name, value in values.items() if value is not None}


def calls_of(records: Iterable[Record]) -> dict[int, list[Record]]:
    """The records of each call to Google."""
    calls: dict[int, list[Record]] = {}
    for record in records:
        if record.attempt_no >= 0:
            calls.setdefault(record.attempt_no, []).append(record)
    return dict(sorted(calls.items()))


def span_ids(turn_id: str, part: str) -> tuple[str, str]:
    """(trace id, span id). A turn's id is 128 random bits: its own trace id."""
    seed = turn_id.rpartition("_")[2]
    whole = seed if len(seed) == 32 else blake2b(seed.encode(), digest_size=16).hexdigest()
    return whole, blake2b(f"{seed} {part}".encode(), digest_size=8).hexdigest()


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    return {NAMES[name]: value for name, value in values.items() if value is not None}


def _input(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Google's parts in the form of the conventions; blobs by their type only."""
    made: list[dict[str, Any]] = []
    for part in _objects(content.get("parts")):
        match part:
            case {"text": str(text)}:
                made.append({"type": "reasoning" if part.get("thought") else "text", "content": text})
            case {"functionCall": {"name": str(name), **rest}}:
                arguments = rest.get("args") or {}
                made.append({"type": "tool_call", "id": rest.get("id"), "name": name, "arguments": arguments})
            case {"functionResponse": {"response": response, **rest}}:
                made.append({"type": "tool_call_response", "id": rest.get("id"), "response": response})
            case {"inlineData": {"mimeType": str(mime)}}:
                made.append({"type": "blob", "mime_type": mime})
            case _:
                made.append({"type": next(iter(part), "empty")})
    return made


def _output(state: TurnState) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for item in state.items:
        match item:
            case Reasoning():
                parts.append({"type": "reasoning", "content": item.text})
            case Message():
                parts.append({"type": "text", "content": item.text})
            case Call():
                parts.append({
                    "type": "tool_call", "id": item.call_id, "name": item.name, "arguments": _parsed(item.args_json),
                })  # fmt: skip
            case Media():
                parts.append({"type": "blob", "mime_type": item.mime})
    return parts


def _parsed(text: str) -> Any:
    try:
        return jsonio.loads(text.encode())
    except ValueError:
        return text


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in (value if isinstance(value, list | tuple) else ()) if isinstance(item, Mapping))


def _first[T](records: Iterable[Record], kind: type[T]) -> T | None:
    return next((event for record in records for event in record.events if isinstance(event, kind)), None)


# -- OTLP/JSON -----------------------------------------------------------------------------------------------------


def _turn(trace: Trace, surfaces: Surfaces, *, content: bool) -> dict[str, Any]:
    info = trace.info
    does = operation(info.get("surface"), surfaces)
    values = turn_attributes(does, info, trace.google_request, trace.state.model)
    if content:
        values |= content_attributes(trace.google_request, trace.state, info.get("code"))
    marks: Mapping[str, float] = info.get("marks_ms") or {}
    failure = info.get("failure")
    return {
        **_ids(trace, "turn"),
        "name": f"{does} {info.get('model', '')}".strip(),
        "kind": SERVER,
        **_times(trace, 0.0, marks.get("done", max([0.0, *marks.values()]))),
        "attributes": _attributes(values),
        "events": [
            {"timeUnixNano": _nano(trace, at), "name": phase, "attributes": []}
            for phase, at in sorted(marks.items(), key=lambda mark: mark[1])
        ],
        "status": {"code": ERROR, "message": failure.get("message", "")} if failure else {},
    }


def _calls(trace: Trace) -> list[dict[str, Any]]:
    lines = trace.lines()
    return [
        {
            **_ids(trace, f"call{call}"),
            "parentSpanId": _ids(trace, "turn")["spanId"],
            "name": call_name(lines.get(call)),
            "kind": CLIENT,
            **_times(trace, records[0].t_ns / 1e6, records[-1].t_ns / 1e6),
            "attributes": _attributes(values := call_attributes(records, call, lines.get(call))),
            "status": {"code": ERROR} if values.get(NAMES["status"], 0) >= 400 else {},
        }
        for call, records in calls_of(trace.records).items()
    ]


def _ids(trace: Trace, part: str) -> dict[str, str]:
    whole, span = span_ids(trace.id, part)
    return {"traceId": whole, "spanId": span}


def _times(trace: Trace, start_ms: float, end_ms: float) -> dict[str, str]:
    return {"startTimeUnixNano": _nano(trace, start_ms), "endTimeUnixNano": _nano(trace, max(start_ms, end_ms))}


def _nano(trace: Trace, ms: float) -> str:
    return str(int(trace.info.get("created") or 0) * 1_000_000_000 + round(ms * 1e6))


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
        case _:
            return {"stringValue": str(value)}
