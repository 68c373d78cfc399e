"""groundingMetadata → the blocks of a web search, and the citations of the text that it served.

Google says what it searched for and what it found only with the end of the answer, and never what stands on a page: a
citation's ``cited_text`` is the answer's own words that rest on the page. Facts: wire-anthropic 2.3.
"""

from __future__ import annotations

from itertools import pairwise

from zerogravity import ids
from zerogravity.surfaces.common.grounding import Citation, citations, queries
from zerogravity.surfaces.messages.usage import Json
from zerogravity.wire import jsonio, narrow

MAX_CITED = 150  # characters of ``cited_text``


def search_query(grounding: narrow.Json | None) -> str | None:
    """What was searched for; None if nothing was."""
    asked = queries(grounding)
    return "; ".join(asked) if asked or _results(grounding) else None


def search_blocks(turn_id: str, number: int, query: str, grounding: narrow.Json | None) -> list[Json]:
    """The answer's search ``number``, and its result. ``input`` is source text."""
    search_id = ids.derive("srvtoolu", turn_id, number)
    return [
        {
            "type": "server_tool_use", "id": search_id, "name": "web_search",
            "input": jsonio.text({"query": query}),
        },
        {"type": "web_search_tool_result", "tool_use_id": search_id, "content": _results(grounding)},
    ]  # fmt: skip


def text_block(text: str, grounding: narrow.Json | None = None) -> Json:
    """One block of text with all its citations; without ``citations`` if there are none."""
    return _block(text, text, citations(text, grounding))


def cut_text(text: str, grounding: narrow.Json | None) -> list[Json]:
    """The text in blocks that begin and end where what is cited does: each has the citations that cover it."""
    found = citations(text, grounding)
    places = sorted({0, len(text), *(each["start_index"] for each in found), *(each["end_index"] for each in found)})
    return [
        _block(text[start:end], text, [one for one in found if one["start_index"] <= start and end <= one["end_index"]])
        for start, end in pairwise(places)
    ]


def _block(shown: str, text: str, cited: list[Citation]) -> Json:
    block: Json = {"type": "text", "text": shown}
    return {**block, "citations": [_location(text, each) for each in cited]} if cited else block


def _location(text: str, citation: Citation) -> Json:
    return {
        "type": "web_search_result_location",
        "url": citation["url"],
        "title": citation["title"],
        "cited_text": text[citation["start_index"] : citation["end_index"]][:MAX_CITED],
        "encrypted_index": "",
    }


def _results(grounding: narrow.Json | None) -> list[Json]:
    found: list[Json] = []
    for chunk in narrow.objects((grounding or {}).get("groundingChunks")):
        if url := narrow.text(narrow.lookup(chunk, "web", "uri")):
            title = narrow.text(narrow.lookup(chunk, "web", "title")) or url
            found.append({
                "type": "web_search_result", "url": url, "title": title, "encrypted_content": "", "page_age": None,
            })  # fmt: skip
    return found
