"""groundingMetadata → citations with character indices, and the search queries.

Google counts UTF-8 bytes inside part ``partIndex`` and leaves ``startIndex`` out when it is 0; OpenAI counts characters
(code points) of the text. Where the text at the converted place differs from ``segment.text`` it is looked up; what
is not found is dropped. Facts: wire-gemini-and-mapping 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Citation:
    """``start``/``end``: character indices into the text, end exclusive."""

    url: str
    title: str
    start: int
    end: int


def citations(text: str, grounding: Json | None) -> list[Citation]:
    """One citation per (support, chunk), in the order of the supports."""
    if not grounding:
        return []
    chunks = list(_objects(grounding.get("groundingChunks")))
    raw = text.encode()
    found: list[Citation] = []
    for support in _objects(grounding.get("groundingSupports")):
        span = _span(text, raw, support.get("segment"))
        indices = support.get("groundingChunkIndices")
        if span is None or not isinstance(indices, list):
            continue
        for index in cast("list[Any]", indices):
            if isinstance(index, int) and 0 <= index < len(chunks):
                web = chunks[index].get("web")
                uri = cast("Json", web).get("uri") if isinstance(web, dict) else None
                if isinstance(uri, str):
                    title = cast("Json", web).get("title")
                    found.append(Citation(uri, title if isinstance(title, str) else uri, *span))
    return found


def queries(grounding: Json | None) -> list[str]:
    """What was searched for."""
    asked = (grounding or {}).get("webSearchQueries")
    return [query for query in cast("list[Any]", asked) if isinstance(query, str)] if isinstance(asked, list) else []


def sources(grounding: Json | None) -> list[tuple[str, str]]:
    """(url, title) of every web chunk."""
    found: list[tuple[str, str]] = []
    for chunk in _objects((grounding or {}).get("groundingChunks")):
        web = chunk.get("web")
        if isinstance(web, dict) and isinstance(uri := cast("Json", web).get("uri"), str):
            found.append((uri, str(cast("Json", web).get("title", uri))))
    return found


def _span(text: str, raw: bytes, segment: object) -> tuple[int, int] | None:
    if not isinstance(segment, dict):
        return None
    values = cast("Json", segment)
    start, end, quoted = values.get("startIndex", 0), values.get("endIndex"), values.get("text")
    if isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(raw):
        first, last = _characters(raw, start), _characters(raw, end)
        # Offsets into a later part are no offsets into the whole text; only the quoted text tells where that is.
        if first < last and (text[first:last] == quoted if isinstance(quoted, str) else not values.get("partIndex")):
            return first, last
    if isinstance(quoted, str) and quoted and (place := text.find(quoted)) >= 0:
        return place, place + len(quoted)
    return None


def _characters(raw: bytes, offset: int) -> int:
    return len(raw[:offset].decode("utf-8", "ignore"))


def _objects(value: object) -> Iterator[Json]:
    if isinstance(value, list):
        for item in cast("list[object]", value):
            if isinstance(item, dict):
                yield cast("Json", item)
