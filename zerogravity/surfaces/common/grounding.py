"""groundingMetadata: what was searched for, what was found, and which of it a text cites.

Facts: wire-gemini-and-mapping 5.
"""

from __future__ import annotations

from typing import TypedDict

from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json


class Citation(TypedDict):
    """What one stretch of a text rests on. Indices count characters (code points) of the text; the end is exclusive."""

    url: str
    title: str
    start_index: int
    end_index: int


def citations(text: str, grounding: Json | None, offset: int = 0) -> list[Citation]:
    """One citation for each chunk of each support, in Google's order. ``offset`` is added to the indices.

    Google counts UTF-8 bytes within the part ``partIndex`` and leaves out a ``startIndex`` of 0. If the text there is
    not ``segment.text``, that text is searched for; a citation whose place is not found is dropped.
    """
    chunks = narrow.objects((grounding or {}).get("groundingChunks"))
    raw = text.encode()
    found: list[Citation] = []
    for support in narrow.objects((grounding or {}).get("groundingSupports")):
        span = _span(text, raw, narrow.members(support.get("segment")))
        for index in narrow.items(support.get("groundingChunkIndices")) if span else ():
            if not isinstance(index, int) or not 0 <= index < len(chunks):
                continue
            uri, title = (narrow.lookup(chunks[index], "web", name) for name in ("uri", "title"))
            if isinstance(uri, str) and span:
                start, end = span[0] + offset, span[1] + offset
                title = title if isinstance(title, str) else uri
                found.append({"url": uri, "title": title, "start_index": start, "end_index": end})
    return found


def queries(grounding: Json | None) -> list[str]:
    """What was searched for."""
    return narrow.texts((grounding or {}).get("webSearchQueries"))


def sources(grounding: Json | None) -> list[str]:
    """The URL of every web chunk."""
    chunks = narrow.objects((grounding or {}).get("groundingChunks"))
    return [uri for chunk in chunks if isinstance(uri := narrow.lookup(chunk, "web", "uri"), str)]


def _span(text: str, raw: bytes, segment: Json) -> tuple[int, int] | None:
    """The segment's place in ``text``, in characters."""
    start, end, quoted = segment.get("startIndex", 0), segment.get("endIndex"), segment.get("text")
    if isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(raw):
        first, last = _characters(raw, start), _characters(raw, end)
        # Offsets into a later part are not offsets into the whole text: only the quoted text says where that is.
        if first < last and (text[first:last] == quoted if isinstance(quoted, str) else not segment.get("partIndex")):
            return first, last
    if isinstance(quoted, str) and quoted and (place := text.find(quoted)) >= 0:
        return place, place + len(quoted)
    return None


def _characters(raw: bytes, offset: int) -> int:
    return len(raw[:offset].decode("utf-8", "ignore"))
