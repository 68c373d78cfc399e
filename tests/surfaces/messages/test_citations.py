"""Blocks of a search, and texts with their citations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.strategies import groundings, texts
from zerogravity.surfaces.messages.citations import MAX_CITED, cut_text, search_blocks, search_query, text_block
from zerogravity.wire import jsonio

CHUNKS = [
    {"web": {"uri": "https://a.test/", "title": "A"}},
    {"web": {"uri": "https://b.test/"}},
    {"web": {"title": "no address"}},
    {"retrievedContext": {"uri": "gs://x"}},
]


def grounded(*spans: tuple[int, int, list[int]]) -> dict[str, Any]:
    supports = [
        {"segment": {"startIndex": start, "endIndex": end}, "groundingChunkIndices": chunks}
        for start, end, chunks in spans
    ]
    return {"groundingChunks": CHUNKS, "groundingSupports": supports}


def urls(block: dict[str, Any]) -> list[str]:
    return [each["url"] for each in block.get("citations", ())]


@pytest.mark.parametrize(
    ("spans", "blocks"),
    [
        ([], [("one two three", [])]),
        ([(4, 7, [0])], [("one ", []), ("two", ["https://a.test/"]), (" three", [])]),
        ([(0, 13, [0, 1])], [("one two three", ["https://a.test/", "https://b.test/"])]),
        ([(0, 7, [0]), (4, 13, [1])],
         [("one ", ["https://a.test/"]), ("two", ["https://a.test/", "https://b.test/"]), (" three", ["https://b.test/"])]),
        ([(0, 3, [2]), (4, 7, [9])], [("one two three", [])]),
    ],
)  # fmt: skip
def test_texts_are_cut_where_citations_begin_and_end(
    spans: list[tuple[int, int, list[int]]], blocks: list[tuple[str, list[str]]]
) -> None:
    assert [(block["text"], urls(block)) for block in cut_text("one two three", grounded(*spans))] == blocks


def test_a_block_without_citations_has_no_such_member() -> None:
    assert text_block("a") == {"type": "text", "text": "a"}
    assert cut_text("", None) == []


def test_google_counts_bytes_and_the_quotation_is_short() -> None:
    text = "\U0001f600" + "x" * 300
    block = text_block(text, grounded((4, 304, [0])))
    assert block["citations"][0]["cited_text"] == "x" * MAX_CITED
    assert [each["text"] for each in cut_text(text, grounded((4, 304, [0])))] == ["\U0001f600", "x" * 300]


@given(texts(), groundings())
def test_nothing_is_lost_by_cutting(text: str, grounding: dict[str, Any]) -> None:
    blocks = cut_text(text, grounding)
    assert "".join(block["text"] for block in blocks) == text
    assert all(block["text"] for block in blocks)
    whole = {jsonio.dumps(each) for each in text_block(text, grounding).get("citations", ())}
    assert {jsonio.dumps(each) for block in blocks for each in block.get("citations", ())} == whole


@pytest.mark.parametrize(
    ("grounding", "query"),
    [
        (None, None),
        ({}, None),
        ({"webSearchQueries": []}, None),
        ({"webSearchQueries": ["a", "b"]}, "a; b"),
        ({"groundingChunks": CHUNKS}, ""),
        ({"groundingChunks": CHUNKS[2:]}, None),
    ],
)
def test_what_was_searched_for(grounding: dict[str, Any] | None, query: str | None) -> None:
    assert search_query(grounding) == query


def test_a_search_and_its_result() -> None:
    use, result = search_blocks("turn_1", 0, 'a "quoted" word', {"groundingChunks": CHUNKS})
    assert use["id"].startswith("srvtoolu_")
    assert use == {"type": "server_tool_use", "id": use["id"], "name": "web_search",
                   "input": '{"query":"a \\"quoted\\" word"}'}  # fmt: skip
    assert result["tool_use_id"] == use["id"]
    assert [(one["url"], one["title"]) for one in result["content"]] == [
        ("https://a.test/", "A"), ("https://b.test/", "https://b.test/"),
    ]  # fmt: skip
    assert search_blocks("turn_1", 1, "b", None)[0]["id"] != use["id"]
