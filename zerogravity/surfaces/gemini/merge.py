"""A turn's chunks → the one GenerateContentResponse of ``generateContent``: parts in order, citations of all chunks,
and of every other member the last one.

Facts: wire-gemini-and-mapping 4, 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Record
from zerogravity.surfaces.base import Answer
from zerogravity.surfaces.gemini import render
from zerogravity.surfaces.gemini.call_assembly import parts_of
from zerogravity.surfaces.gemini.chunks import Chunks
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.surfaces.gemini.errors import google_error
from zerogravity.surfaces.gemini.field_mask import masked
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json


def answer(channel: CascadeChannel) -> Answer:
    """The whole answer of a closed channel, or the fault's error unless Google itself ended it so."""
    terminal = channel.terminal
    assert terminal is not None, "the turn is not over"
    if isinstance(terminal, Failed) and not terminal.fault.finish:
        return google_error(terminal.fault)
    records: Iterable[Record] = channel.records
    if channel.expired:
        records = [Record(0, 0, 0, b"", (*render.events_of(channel.state), terminal))]
    chunks = Chunks(channel.turn)
    whole = merged(narrow.members(jsonio.loads(text)) for record in records for text in chunks.feed(record))
    return Answer(200, masked(whole, channel.turn.details_as(GeminiDetails).fields))


def merged(chunks: Iterable[Json]) -> dict[str, Any]:
    """All chunks as one."""
    made: dict[str, Any] = {}
    candidates: dict[object, dict[str, Any]] = {}
    for chunk in chunks:
        for candidate in narrow.objects(chunk.get("candidates")):
            _add(candidates.setdefault(candidate.get("index", 0), {}), candidate)
        made.update({name: value for name, value in chunk.items() if name != "candidates"})
    for candidate in candidates.values():
        if "content" in candidate and not candidate["content"]["parts"]:
            del candidate["content"]["parts"]  # proto-JSON leaves empty lists out
    return {"candidates": list(candidates.values()), **made} if candidates else made


def _add(whole: dict[str, Any], candidate: Json) -> None:
    for name, value in candidate.items():
        match name:
            case "content":
                content = whole.setdefault("content", {"parts": [], "role": "model"})
                content.update({key: item for key, item in narrow.members(value).items() if key != "parts"})
                for part in parts_of(candidate):
                    _append(content["parts"], part)
            case "citationMetadata" if isinstance(value, dict) and isinstance(whole.get(name), dict):
                whole[name] = _joined(whole[name], narrow.members(candidate[name]))
            case _:
                whole[name] = value


def _append(parts: list[dict[str, Any]], part: Json) -> None:
    """Neighbouring texts of one kind become one, unless they are signed. An empty text with a signature gives it to the
    text before it, or to the first of the calls before it, if that has none."""
    last: dict[str, Any] = parts[-1] if parts else {}
    signature = part.get("thoughtSignature")
    kind = part.get("thought")
    if part.get("text") == "" and part.keys() <= {"text", "thought", "thoughtSignature"}:
        if signature is None:
            return
        holder = last if _is_text(last) and last.get("thought") == kind else _first_call(parts)
        if holder is not None and "thoughtSignature" not in holder:
            holder["thoughtSignature"] = signature
        elif _has_call(parts):
            parts.append({"thoughtSignature": signature})  # an empty text must not stand next to a call
        else:
            parts.append(dict(part))
    elif (
        _is_text(part)
        and _is_text(last)
        and last.get("thought") == kind
        and signature is None is last.get("thoughtSignature")
    ):
        last["text"] += part["text"]
    else:
        parts.append(dict(part))


def _is_text(part: Json) -> bool:
    return isinstance(part.get("text"), str) and part.keys() <= {"text", "thought", "thoughtSignature"}


def _first_call(parts: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The first call of the run of calls at the end."""
    first: dict[str, Any] | None = None
    for part in reversed(parts):
        if "functionCall" not in part:
            break
        first = part
    return first


def _has_call(parts: Iterable[Json]) -> bool:
    return any("functionCall" in part for part in parts)


def _joined(first: Json, second: Json) -> dict[str, Any]:
    made = {**first, **second}
    for name in first.keys() & second.keys():
        if isinstance(first[name], list) and isinstance(second[name], list):
            made[name] = [*first[name], *second[name]]
    return made
