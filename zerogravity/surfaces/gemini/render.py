"""Events → a GenerateContentResponse chunk, for turns that were not captured but polled: they have no chunks of
Google's. Arguments keep their source text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from zerogravity import ids
from zerogravity.core.events import (
    Event,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    ServerTool,
    Signature,
    Terminal,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.fold import Call, Media, Message, Reasoning, TurnState
from zerogravity.core.turn import Turn
from zerogravity.surfaces.gemini.json_edit import array, composed
from zerogravity.wire import jsonio

_FINISH = {"stop": "STOP", "stop_sequence": "STOP", "tool": "STOP", "length": "MAX_TOKENS", "filtered": "SAFETY"}
_COUNTS = (
    ("promptTokenCount", "prompt"), ("candidatesTokenCount", "candidates"), ("totalTokenCount", "total"),
    ("cachedContentTokenCount", "cached"), ("toolUsePromptTokenCount", "tool_use"), ("thoughtsTokenCount", "thoughts"),
)  # fmt: skip


def chunk(turn: Turn, events: Iterable[Event]) -> bytes | None:
    """One chunk that says all of ``events``, or None when they say nothing."""
    parts: list[bytes] = []
    candidate: dict[str, bytes] = {}
    members: dict[str, bytes] = {}
    for event in events:
        if (part := _part(event)) is not None:
            parts.append(part)
        elif isinstance(event, Grounding):
            candidate["groundingMetadata"] = jsonio.dumps(event.data)
        elif isinstance(event, Usage):
            members["usageMetadata"] = jsonio.dumps(usage_metadata(event))
    if parts:
        candidate = {"content": composed({"parts": array(parts), "role": b'"model"'}), **candidate}
    if candidate:
        members = {"candidates": array([composed({**candidate, "index": b"0"})]), **members}
    return composed({**members, **_origin(turn)}) if members else None


def last_chunk(turn: Turn, terminal: Terminal, finish: str | None, message: str | None) -> bytes:
    """The end of a turn that has not had its finishReason: Google's own word if it is known."""
    word = finish or (_FINISH[terminal.reason] if isinstance(terminal, Finished) else "OTHER")
    if word.startswith("BLOCKED:"):
        feedback = {"blockReason": word.removeprefix("BLOCKED:")}
        feedback = {**feedback, "blockReasonMessage": message} if message else feedback
        return composed({"promptFeedback": jsonio.dumps(feedback), **_origin(turn)})
    candidate: dict[str, Any] = {"finishReason": word, "index": 0}
    if message:
        candidate["finishMessage"] = message
    return composed({"candidates": jsonio.dumps([candidate]), **_origin(turn)})


def usage_metadata(usage: Usage) -> dict[str, int]:
    """Zeros are left out, as proto-JSON does."""
    return {name: value for name, field in _COUNTS if (value := getattr(usage, field))}


def events_of(state: TurnState) -> Iterator[Event]:
    """A finished state as events: what is left of a turn whose records have been evicted."""
    for item in state.items:
        match item:
            case Reasoning():
                yield ThinkingDelta(item.text)
                if item.signature is not None:
                    yield Signature(item.signature, "thought")
            case Message():
                yield TextDelta(item.text)
                if item.signature is not None:
                    yield Signature(item.signature, "text")
            case Call(server=""):
                yield from map(ServerTool, item.before)
                yield FunctionCall(item.call_id, item.name, item.args_json, item.signature, item.upstream_id)
                yield from map(ServerTool, item.after)
            case Media():
                yield InlineData(item.mime, item.data)
            case _:
                pass
    if state.grounding is not None:
        yield Grounding(state.grounding)
    if state.usage != Usage():
        yield state.usage


def _part(event: Event) -> bytes | None:
    match event:
        case TextDelta(text) if text:
            return jsonio.dumps({"text": text})
        case ThinkingDelta(text) if text:
            return jsonio.dumps({"text": text, "thought": True})
        case FunctionCall():
            return _call(event)
        case Signature(data, "thought"):
            return jsonio.dumps({"text": "", "thought": True, "thoughtSignature": data})
        case Signature(data):
            return jsonio.dumps({"text": "", "thoughtSignature": data})
        case InlineData(mime, data):
            return jsonio.dumps({"inlineData": {"mimeType": mime, "data": data}})
        case ServerTool(part):
            return part.encode("utf-8", "replace")
        case _:
            return None


def _call(event: FunctionCall) -> bytes:
    call: dict[str, bytes] = {"name": jsonio.dumps(event.name), "args": _arguments(event.args_json)}
    if event.upstream_id is not None:
        call["id"] = jsonio.dumps(event.upstream_id)
    part = {"functionCall": composed(call)}
    if event.signature is not None:
        part["thoughtSignature"] = jsonio.dumps(event.signature)
    return composed(part)


def _arguments(text: str) -> bytes:
    """The source text if it is an object, else the text in one."""
    raw = text.encode("utf-8", "replace")
    try:
        if isinstance(jsonio.loads(raw), dict):
            return raw
    except ValueError:
        pass
    return jsonio.dumps({"arguments": text})


def _origin(turn: Turn) -> dict[str, bytes]:
    return {
        "modelVersion": jsonio.dumps(turn.target.wire_model or turn.target.name),
        "responseId": jsonio.dumps(ids.derive("resp", turn.id)),
    }
