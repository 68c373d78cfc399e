"""A turn → OpenTelemetry spans with GenAI names: one for the turn, one per call to Google, one per tool that the
gateway has run. ``otel`` sends them, ``exports.otel`` prints them. Pure; needs no OpenTelemetry package. Contents are
off by default (threat T10), and everything goes through the redactor.

The names change between versions of the conventions: they are here, once, with the version they follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import urlsplit

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Failed,
    FunctionCall,
    Record,
    RequestLine,
)
from zerogravity.core.fold import Call, Media, Message, Reasoning, TurnState
from zerogravity.errors import Fault
from zerogravity.observe.prices import FREE, Price
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import members, objects

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
    "usage_source": "zerogravity.usage.source",
    "price": "zerogravity.price.usd",
    "price_partial": "zerogravity.price.partial",
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
    "tool": "gen_ai.tool.name",
    "tool_call": "gen_ai.tool.call.id",
    "tool_server": "zerogravity.tool.server",
    "status": "http.response.status_code",
    "method": "http.request.method",
    "url": "url.full",
    "host": "server.address",
    "port": "server.port",
    "protocol": "network.protocol.version",
}
PROVIDER = "gcp.gemini"
UNKNOWN_CALL = "POST streamGenerateContent"  # the name of a call of which a trace does not say how it went out
PORTS = {"https": 443, "http": 80}
FINISH = {"ok": "stop", "tool": "tool_call", "length": "length", "filtered": "content_filter"}


@dataclass(frozen=True, slots=True)
class Span:
    """``trace_id``, ``span_id``: hexadecimal. Times are ns since the turn's arrival. ``fault``: how the turn failed;
    ``failed``: so did a call, though it may have none."""

    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, object]
    events: Sequence[tuple[str, int]] = ()
    failed: bool = False
    fault: Fault | None = None


def spans(
    channel: CascadeChannel,
    records: Sequence[Record],
    surfaces: Surfaces,
    *,
    content: bool = False,
    session: str = "",
    price: Price = FREE,
) -> list[Span]:
    """The turn's own, then a child per call to Google, and per tool that was run here. ``records``: an evicted channel
    has none of its own any more.
    ``session``: stands for the conversation of a turn that names none."""
    turn = _turn(channel, surfaces, session, price, content=content)
    return [turn, *_calls(channel, records), *_tools(channel, records)]


def _turn(channel: CascadeChannel, surfaces: Surfaces, session: str, price: Price, *, content: bool) -> Span:
    turn, origin = channel.turn, channel.marks["received"]
    operation = _operation(turn.surface, surfaces)
    attributes: dict[str, object] = redact.json_value(_turn_attributes(channel, operation, session, price))
    if content:
        found = content_attributes(turn.google_request, channel.state, channel.termination)
        attributes |= {name: redact.json_bytes(value.encode()).decode() for name, value in found.items()}
    events = sorted(((phase, at - origin) for phase, at in channel.marks.items()), key=lambda event: event[1])
    fault = channel.terminal.fault if isinstance(channel.terminal, Failed) else None
    name = redact.text(f"{operation} {turn.model}".strip())
    end = channel.marks.get("done", origin + events[-1][1]) - origin
    return Span(*_ids(channel.id, "turn"), name, 0, end, attributes, events, fault is not None, fault)


def _calls(channel: CascadeChannel, records: Iterable[Record]) -> Iterator[Span]:
    by_call: dict[int, list[Record]] = {}
    for record in records:
        if record.attempt_no >= 0:
            by_call.setdefault(record.attempt_no, []).append(record)
    origin = channel.marks["received"]
    for call, own in sorted(by_call.items()):
        line = channel.lines.get(call)
        attributes: dict[str, object] = redact.json_value(_call_attributes(own, call, line))
        opened = _first(own, AttemptOpened)
        yield Span(
            *_ids(channel.id, f"call{call}"), _call_name(line), own[0].t_ns - origin, own[-1].t_ns - origin,
            attributes, failed=opened is not None and opened.status >= 400,
        )  # fmt: skip


def _tools(channel: CascadeChannel, records: Iterable[Record]) -> Iterator[Span]:
    """Calls of MCP servers' tools: from the model's words to the result."""
    origin, began = channel.marks["received"], dict[str, int]()
    for record in records:
        for event in record.events:
            if isinstance(event, FunctionCall):
                began[event.call_id] = record.t_ns - origin
            elif isinstance(event, CallReturned) and (call := channel.state.call(event.call_id)) is not None:
                error = None if event.error is None else event.error.get("type")
                attributes: dict[str, object] = redact.json_value(_named({
                    "operation": "execute_tool", "tool": call.tool, "tool_call": call.call_id,
                    "tool_server": call.server, "error": error,
                }))  # fmt: skip
                end = record.t_ns - origin
                yield Span(
                    *_ids(channel.id, f"tool {call.call_id}"), redact.text(f"execute_tool {call.tool}"),
                    began.get(call.call_id, end), end, attributes, failed=error is not None,
                )  # fmt: skip


def _operation(surface: str, surfaces: Surfaces) -> str:
    """The conventions' name for what a turn does. A passive turn is Google's own operation."""
    known = surfaces.get(surface)
    return known.operation if known is not None else "generate_content"


def _turn_attributes(channel: CascadeChannel, operation: str, session: str, price: Price) -> dict[str, object]:
    turn, marks, usage = channel.turn, channel.marks, channel.state.usage
    config = members(turn.google_request.get("generationConfig"))
    code = channel.termination.value if channel.termination is not None else None
    return _named({
        "operation": operation,
        "provider": PROVIDER,
        "request_model": turn.model,
        "response_model": channel.state.model or turn.target.name,
        "stream": turn.stream,
        "response_id": channel.id,
        "finish": [FINISH[code]] if code in FINISH else None,
        "conversation": turn.conversation or session or channel.cascade_id,
        "first_chunk": (marks["first_byte"] - marks["received"]) / 1e9 if "first_byte" in marks else None,
        "input": usage.sent,
        "cached": usage.cached,
        "output": usage.made,
        "reasoning": usage.thoughts,
        "usage_source": usage.source if usage.told else None,
        "price": price.usd,
        "price_partial": price.partial or None,
        "temperature": config.get("temperature"),
        "top_p": config.get("topP"),
        "max_tokens": config.get("maxOutputTokens"),
        "code": code,
        "surface": turn.surface,
        "error": code if isinstance(channel.terminal, Failed) else None,
    })  # fmt: skip


def content_attributes(generate: Mapping[str, object], state: TurnState, code: str | None) -> dict[str, str]:
    """The contents of a turn."""
    answer = {"role": "assistant", "parts": _output(state), "finish_reason": FINISH.get(code or "", "error")}
    messages = [
        {"role": "assistant" if content.get("role") == "model" else "user", "parts": _input(content)}
        for content in objects(generate.get("contents"))
    ]
    system = _input(members(generate.get("systemInstruction")))
    return _named({
        "input_messages": jsonio.text(messages),
        "output_messages": jsonio.text([answer]),
        "system": jsonio.text(system) if system else None,
    })  # fmt: skip


def _call_name(line: RequestLine | None) -> str:
    """A span's name, of few different values: the method and what was called."""
    if line is None:
        return UNKNOWN_CALL
    return f"{line.method} {urlsplit(line.url).path.rpartition('/')[2].rpartition(':')[2]}"


def _call_attributes(records: Sequence[Record], call: int, line: RequestLine | None = None) -> dict[str, object]:
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


def _line_attributes(line: RequestLine | None) -> dict[str, object]:
    if line is None:
        return {}
    parts = urlsplit(line.url)
    return _named({
        "method": line.method,
        "url": line.url,
        "host": parts.hostname,
        "port": parts.port or PORTS.get(parts.scheme),
        "protocol": line.http_version.removeprefix("HTTP/").removesuffix(".0"),  # the conventions say 2
    })  # fmt: skip


def _ids(turn_id: str, part: str) -> tuple[str, str]:
    """(trace id, span id). A turn's id is 128 random bits: its own trace id."""
    seed = turn_id.rpartition("_")[2]
    whole = seed if len(seed) == 32 else blake2b(seed.encode(), digest_size=16).hexdigest()
    return whole, blake2b(f"{seed} {part}".encode(), digest_size=8).hexdigest()


def _named[T](values: Mapping[str, T | None]) -> dict[str, T]:
    return {NAMES[name]: value for name, value in values.items() if value is not None}


def _input(content: Mapping[str, object]) -> list[dict[str, object]]:
    """Google's parts in the form of the conventions; blobs by their type only."""
    made: list[dict[str, object]] = []
    for part in objects(content.get("parts")):
        match part:
            case {"text": str(text)}:
                made.append({"type": "reasoning" if part.get("thought") else "text", "content": text})
            case {"functionCall": {"name": str(name)}}:
                call = members(part.get("functionCall"))
                arguments = members(call.get("args"))
                made.append({"type": "tool_call", "id": call.get("id"), "name": name, "arguments": arguments})
            case {"functionResponse": dict()} if "response" in (result := members(part["functionResponse"])):
                made.append({"type": "tool_call_response", "id": result.get("id"), "response": result["response"]})
            case {"inlineData": {"mimeType": str(mime)}}:
                made.append({"type": "blob", "mime_type": mime})
            case _:
                made.append({"type": next(iter(part), "empty")})
    return made


def _output(state: TurnState) -> list[dict[str, object]]:
    parts: list[dict[str, object]] = []
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


def _parsed(text: str) -> object:
    try:
        return jsonio.loads(text.encode())
    except ValueError:
        return text


def _first[T](records: Iterable[Record], kind: type[T]) -> T | None:
    return next((event for record in records for event in record.events if isinstance(event, kind)), None)
