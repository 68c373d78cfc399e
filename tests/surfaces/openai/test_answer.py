"""What both APIs make of an answer's end, its token counts and its grounding (byte offsets → character indices)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.core.events import Failed, Finished, Terminal, Usage
from zerogravity.errors import Termination, internal, upstream
from zerogravity.surfaces.common.grounding import citations, queries, sources
from zerogravity.surfaces.openai.answer import (
    FINISH_REASONS,
    chat_usage,
    refusal,
    responses_status,
    responses_usage,
)

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


SOME = Usage(prompt=100, cached=60, candidates=20, thoughts=30, tool_use=5, total=155)


def test_usage_of_responses() -> None:
    assert responses_usage(SOME) == {
        "input_tokens": 105, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 0},
        "output_tokens": 50, "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 155,
    }  # fmt: skip


def test_usage_of_chat() -> None:
    assert chat_usage(SOME) == {
        "prompt_tokens": 105, "completion_tokens": 50, "total_tokens": 155,
        "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                      "rejected_prediction_tokens": 0},
    }  # fmt: skip


counts = st.integers(0, 10**9)


@given(st.builds(Usage, counts, counts, counts, counts, counts, counts))
def test_totals_add_up_and_nothing_is_null(usage: Usage) -> None:
    one, other = responses_usage(usage), chat_usage(usage)
    assert one["input_tokens"] + one["output_tokens"] == one["total_tokens"] == other["total_tokens"]
    assert other["prompt_tokens"] + other["completion_tokens"] == other["total_tokens"]
    assert one["output_tokens_details"]["reasoning_tokens"] <= one["output_tokens"]
    for made in (one, other):
        for value in made.values():
            numbers = value.values() if isinstance(value, dict) else (value,)
            assert all(isinstance(number, int) and number >= 0 for number in numbers)


@pytest.mark.parametrize(
    ("reason", "chat", "responses"),
    [
        ("stop", "stop", ("completed", None)),
        ("stop_sequence", "stop", ("completed", None)),
        ("tool", "tool_calls", ("completed", None)),
        ("length", "length", ("incomplete", "max_output_tokens")),
        ("filtered", "content_filter", ("incomplete", "content_filter")),
    ],
)
def test_finished(reason: Any, chat: str, responses: tuple[str, str | None]) -> None:
    assert FINISH_REASONS[reason] == chat
    assert responses_status(Finished(reason)) == responses


def test_failed() -> None:
    assert responses_status(Failed(upstream(503, "upstream_error", "m"))) == ("failed", None)
    assert responses_status(Failed(internal(termination=Termination.CANCELLED))) == ("cancelled", None)


@pytest.mark.parametrize(
    ("terminal", "shown", "words"),
    [
        (Finished("filtered", "SAFETY"), False, "The answer was withheld by the provider's filter (SAFETY)."),
        (Finished("filtered"), False, "The answer was withheld by the provider's filter (unspecified)."),
        (Finished("filtered", "SAFETY"), True, None),
        (Finished("stop"), False, None),
        (Failed(upstream(503, "upstream_error", "m")), False, None),
    ],
)
def test_refusal(terminal: Terminal, shown: bool, words: str | None) -> None:
    assert refusal(terminal, shown=shown) == words
