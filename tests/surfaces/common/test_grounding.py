"""What was found and which of it a text cites: byte offsets → character indices, for any text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.surfaces.common.grounding import citations, queries, sources

CHUNKS = [{"web": {"uri": "https://a", "title": "A"}}, {"web": {"uri": "https://b"}}, {"retrievedContext": {}}]


def one(**segment: Any) -> dict[str, Any]:
    return {"groundingChunks": CHUNKS, "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}]}


def spans(text: str, grounding: dict[str, Any]) -> list[tuple[int, int]]:
    return [(found["start_index"], found["end_index"]) for found in citations(text, grounding)]


@pytest.mark.parametrize(
    ("text", "segment", "span"),
    [
        ("Hello world", {"endIndex": 5, "text": "Hello"}, (0, 5)),
        ("Hello world", {"startIndex": 6, "endIndex": 11, "text": "world"}, (6, 11)),
        ("é Hello", {"startIndex": 3, "endIndex": 8, "text": "Hello"}, (2, 7)),
        ("工具 is it", {"startIndex": 0, "endIndex": 6, "text": "工具"}, (0, 2)),
        ("😀 ok", {"startIndex": 5, "endIndex": 7, "text": "ok"}, (2, 4)),
        ("é Hello", {"startIndex": 3, "endIndex": 8}, (2, 7)),
        # the offsets are wrong or of another part: the text is looked up
        ("é Hello", {"startIndex": 2, "endIndex": 7, "text": "Hello"}, (2, 7)),
        ("one two", {"partIndex": 1, "startIndex": 0, "endIndex": 3, "text": "two"}, (4, 7)),
        ("Hello", {"startIndex": 3, "endIndex": 99, "text": "Hello"}, (0, 5)),
        ("Hello", {"text": "Hello"}, (0, 5)),
    ],
)
def test_spans(text: str, segment: dict[str, Any], span: tuple[int, int]) -> None:
    assert spans(text, one(**segment)) == [span]


@pytest.mark.parametrize(
    "segment",
    [
        {}, {"endIndex": 0}, {"startIndex": 3, "endIndex": 2}, {"endIndex": 99}, {"endIndex": 5, "text": "nowhere"},
        {"partIndex": 1, "endIndex": 3}, {"startIndex": "1", "endIndex": 3}, {"startIndex": -1, "endIndex": 3},
        {"startIndex": 6, "endIndex": 7},
    ],
)  # fmt: skip
def test_what_cannot_be_placed_is_dropped(segment: dict[str, Any]) -> None:
    assert spans("Hello é", one(**segment)) == []


def test_one_citation_per_support_and_chunk() -> None:
    support = {"segment": {"endIndex": 2, "text": "ab"}, "groundingChunkIndices": [1, 0, 2, 9, -1, "0"]}
    assert citations("ab", {"groundingChunks": CHUNKS, "groundingSupports": [support]}) == [
        {"url": "https://b", "title": "https://b", "start_index": 0, "end_index": 2},
        {"url": "https://a", "title": "A", "start_index": 0, "end_index": 2},
    ]


def test_an_offset_shifts_the_indices() -> None:
    (found,) = citations("ab", one(endIndex=2, text="ab"), 40)
    assert (found["start_index"], found["end_index"]) == (40, 42)


@pytest.mark.parametrize(
    "grounding",
    [None, {}, {"groundingChunks": 1, "groundingSupports": [1, {"segment": 1}, {}]}, {"webSearchQueries": 5}],
)  # fmt: skip
def test_other_shapes_give_nothing(grounding: Any) -> None:
    assert citations("x", grounding) == []
    assert queries(grounding) == []
    assert sources(grounding) == []


def test_queries_and_sources() -> None:
    assert queries({"webSearchQueries": ["a", 1, "b"]}) == ["a", "b"]
    assert sources({"groundingChunks": CHUNKS}) == ["https://a", "https://b"]


@given(st.text(min_size=1, max_size=30), st.data())
def test_any_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    text = text.encode("utf-8", "replace").decode()
    before, quoted = text[:start].encode(), text[start:end]
    segment = {"startIndex": len(before), "endIndex": len(before) + len(quoted.encode())}
    assert spans(text, one(**segment, text=quoted)) == [(start, end)]
    assert spans(text, one(**segment)) == [(start, end)]


@given(st.text(max_size=20), st.integers(-3, 90), st.integers(-3, 90), st.text(max_size=3) | st.none())
def test_spans_always_lie_inside_the_text(text: str, start: int, end: int, quoted: str | None) -> None:
    text = text.encode("utf-8", "replace").decode()
    segment = {"startIndex": start, "endIndex": end, **({} if quoted is None else {"text": quoted})}
    for first, last in spans(text, one(**segment)):
        assert 0 <= first < last <= len(text)
        assert quoted is None or text[first:last] == quoted
