"""What an answer's output is made of in both APIs: how the turn ended, token counts, citations, searches, refusals.

Facts: wire-gemini-and-mapping 5.
"""

from __future__ import annotations

from typing import TypedDict

from zerogravity.core.events import Failed, Finished, Terminal, Usage
from zerogravity.core.fold import Media
from zerogravity.errors import Termination
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

FINISH_REASONS = {"stop": "stop", "tool": "tool_calls", "length": "length", "filtered": "content_filter"}  # of Chat
INCOMPLETE_REASONS = {"length": "max_output_tokens", "filtered": "content_filter"}  # of Responses; others completed


def responses_status(terminal: Terminal) -> tuple[str, str | None]:
    """``status`` and ``incomplete_details.reason`` of a Response."""
    match terminal:
        case Failed(fault):
            return ("cancelled" if fault.termination is Termination.CANCELLED else "failed"), None
        case Finished(reason):
            incomplete = INCOMPLETE_REASONS.get(reason)
            return ("completed" if incomplete is None else "incomplete"), incomplete


def refusal(terminal: Terminal, *, shown: bool) -> str | None:
    """The text that stands in for an answer of which the provider's filter left nothing. ``shown``: something of the
    answer has been shown."""
    if shown or not isinstance(terminal, Finished) or terminal.reason != "filtered":
        return None
    return f"The answer was withheld by the provider's filter ({terminal.detail or 'unspecified'})."


# -- media -------------------------------------------------------------------------------------------------------


def is_picture(media: Media) -> bool:
    return media.mime.startswith("image/")


def data_uri(media: Media) -> str:
    return f"data:{media.mime};base64,{media.data}"


# -- token counts ------------------------------------------------------------------------------------------------
# OpenAI's input includes cached tokens and its output includes reasoning; the total is their sum.


def responses_usage(usage: Usage) -> dict[str, object]:
    """The ``usage`` object of the Responses API."""
    sent, received = usage.prompt + usage.tool_use, usage.candidates + usage.thoughts
    return {
        "input_tokens": sent,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": received,
        "output_tokens_details": {"reasoning_tokens": usage.thoughts},
        "total_tokens": sent + received,
    }


def chat_usage(usage: Usage) -> dict[str, object]:
    """The ``usage`` object of Chat Completions."""
    sent, received = usage.prompt + usage.tool_use, usage.candidates + usage.thoughts
    return {
        "prompt_tokens": sent,
        "completion_tokens": received,
        "total_tokens": sent + received,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.thoughts,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


# -- groundingMetadata -------------------------------------------------------------------------------------------


class Citation(TypedDict):
    """A url_citation without its type. Indices count characters (code points) of the text; the end is exclusive."""

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
