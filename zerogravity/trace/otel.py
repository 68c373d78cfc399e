"""Traces → OpenTelemetry spans with GenAI names, as OTLP/JSON: one span per turn, a child per call to Google. Pure;
needs no OpenTelemetry package. Contents are off unless asked for (threat T10).

The names move between versions of the conventions: they are here, once, with the version they follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from zerogravity import __version__
from zerogravity.core.events import CallClosed, CallOpened, Record
from zerogravity.trace.read import Trace
from zerogravity.wire import jsonio

SEMANTIC_CONVENTIONS = "1.41.0"
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
    "error": "error.type",
    "code": "zerogravity.termination",
    "surface": "zerogravity.surface",
    "call": "zerogravity.call",
    "status": "http.response.status_code",
}
PROVIDER = "gcp.gemini"
CLIENT, SERVER, ERROR = 3, 2, 2  # span kinds and a status code of the protocol


def spans(traces: Iterable[Trace], *, content: bool = False) -> dict[str, Any]:
    """An ExportTraceServiceRequest in its JSON form."""
    made = [span for trace in traces for span in (_turn(trace, content=content), *_calls(trace))]
    scope = {"name": "zerogravity.trace", "version": __version__}
    schema = f"https://opentelemetry.io/schemas/{SEMANTIC_CONVENTIONS}"
    resource = {"attributes": _attributes({"service.name": "zerogravity", "service.version": __version__})}
    return {
        "resourceSpans": [{
            "resource": resource, "schemaUrl": schema,
            "scopeSpans": [{"scope": scope, "schemaUrl": schema, "spans": made}],
        }]
    }  # fmt: skip


def _turn(trace: Trace, *, content: bool) -> dict[str, Any]:
    info = trace.info
    usage: Mapping[str, Any] = info.get("usage") or {}
    config: Mapping[str, Any] = trace.generate.get("generationConfig") or {}
    operation = "generate_content" if info.get("surface") in ("gemini", "passive") else "chat"
    latency: Mapping[str, Any] = info.get("latency_ms") or {}
    first = latency.get("first_byte")
    target = info.get("target") or {}
    values: dict[str, Any] = {
        "operation": operation,
        "provider": PROVIDER,
        "request_model": info.get("model"),
        "response_model": trace.state.model or target.get("name"),
        "stream": bool(info.get("stream")),
        "response_id": trace.id,
        "finish": [info["code"]] if info.get("code") else None,
        "conversation": info.get("cascade_id"),
        "first_chunk": first / 1000 if isinstance(first, int | float) else None,
        "input": usage.get("prompt"),
        "cached": usage.get("cached"),
        "output": (usage.get("candidates") or 0) + (usage.get("thoughts") or 0),
        "reasoning": usage.get("thoughts"),
        "temperature": config.get("temperature"),
        "top_p": config.get("topP"),
        "max_tokens": config.get("maxOutputTokens"),
        "code": info.get("code"),
        "surface": info.get("surface"),
        "error": info.get("code") if info.get("failure") else None,
    }
    if content:
        values["input_messages"] = jsonio.dumps(trace.generate.get("contents") or []).decode()
        values["output_messages"] = jsonio.dumps([{"role": "assistant", "parts": _output(trace)}]).decode()
    marks: Mapping[str, float] = info.get("marks_ms") or {}
    failure = info.get("failure")
    return {
        **_ids(trace, "turn"),
        "name": f"{operation} {info.get('model', '')}".strip(),
        "kind": SERVER,
        **_times(trace, 0.0, marks.get("done", max([0.0, *marks.values()]))),
        "attributes": _attributes({NAMES[name]: value for name, value in values.items()}),
        "events": [
            {"timeUnixNano": _nano(trace, at), "name": phase, "attributes": []}
            for phase, at in sorted(marks.items(), key=lambda mark: mark[1])
        ],
        "status": {"code": ERROR, "message": failure.get("message", "")} if failure else {},
    }


def _calls(trace: Trace) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for call in sorted({record.call_no for record in trace.records if record.call_no >= 0}):
        records = [record for record in trace.records if record.call_no == call]
        opened = _first(records, CallOpened)
        closed = _first(records, CallClosed)
        values = {
            "provider": PROVIDER,
            "response_model": opened.model if opened is not None else None,
            "finish": [closed.finish] if closed is not None and closed.finish else None,
            "status": opened.status if opened is not None else None,
            "call": call,
        }
        made.append({
            **_ids(trace, f"call{call}"),
            "parentSpanId": _ids(trace, "turn")["spanId"],
            "name": "POST streamGenerateContent",
            "kind": CLIENT,
            **_times(trace, records[0].t_ns / 1e6, records[-1].t_ns / 1e6),
            "attributes": _attributes({NAMES[name]: value for name, value in values.items()}),
            "status": {"code": ERROR} if opened is not None and opened.status >= 400 else {},
        })  # fmt: skip
    return made


def _first[T](records: Iterable[Record], kind: type[T]) -> T | None:
    return next((event for record in records for event in record.events if isinstance(event, kind)), None)


def _output(trace: Trace) -> list[dict[str, Any]]:
    state = trace.state
    parts: list[dict[str, Any]] = [{"type": "reasoning", "content": state.thinking}] if state.thinking else []
    if state.text:
        parts.append({"type": "text", "content": state.text})
    parts += [
        {"type": "tool_call", "id": call.call_id, "name": call.name, "arguments": call.args_json}
        for call in state.function_calls
    ]
    return parts


def _ids(trace: Trace, part: str) -> dict[str, str]:
    """A turn's id is 128 random bits: its own trace id."""
    seed = trace.id.rpartition("_")[2]
    whole = seed if len(seed) == 32 else blake2b(seed.encode(), digest_size=16).hexdigest()
    return {"traceId": whole, "spanId": blake2b(f"{seed} {part}".encode(), digest_size=8).hexdigest()}


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
