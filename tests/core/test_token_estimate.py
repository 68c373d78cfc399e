"""About how many tokens a request and its answer have."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.core.events import Usage
from zerogravity.core.fold import Call, Item, Media, Message, Reasoning
from zerogravity.core.token_estimate import by_modality, text_tokens, total, usage_of
from zerogravity.surfaces.gemini.request import count_request


def count(**body: Any) -> dict[str, int]:
    return by_modality(count_request({"contents": [{"parts": [{"text": "abcd"}]}], **body}))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("abcd" * 10, 10),
        ("дома" * 10, 20),
        ("漢字" * 10, 20),
        ("かな", 2),
        ("한글", 2),
        ("😀", 1),
        ("abcd" + "дома" + "漢字", 5),
        ("\ud83d", 1),
    ],
)
def test_tokens_of_a_text(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


@pytest.mark.parametrize(
    ("part", "modality", "tokens"),
    [
        ({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, "IMAGE", 258),
        ({"inlineData": {"mimeType": "application/pdf", "data": "A" * 200_000}}, "DOCUMENT", 3 * 258),
        ({"inlineData": {"mimeType": "audio/wav", "data": "A" * 64_000}}, "AUDIO", 96),
        ({"inlineData": {"mimeType": "video/mp4", "data": "A" * 400_000}}, "VIDEO", 600),
        ({"functionResponse": {"name": "f", "parts": [{"inlineData": {"mimeType": "image/png"}}]}}, "IMAGE", 258),
    ],
)  # fmt: skip
def test_media(part: dict[str, Any], modality: str, tokens: int) -> None:
    assert count(contents=[{"parts": [part]}])[modality] == tokens


@pytest.mark.parametrize(
    "more",
    [
        {"systemInstruction": {"parts": [{"text": "be brief and kind"}]}},
        {"tools": [{"functionDeclarations": [{"name": "get_weather", "description": "The weather of a city"}]}]},
        {"generationConfig": {"responseSchema": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}},
        {"contents": [{"parts": [{"text": "abcd"}, {"functionCall": {"name": "f", "args": {"city": "Rome"}}}]}]},
    ],
)
def test_everything_that_is_sent_counts(more: dict[str, Any]) -> None:
    assert count(**more)["TEXT"] > count()["TEXT"] + 4


def test_the_total_is_that_of_all_modalities() -> None:
    parts = [{"text": "abcd"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]
    request = count_request({"contents": [{"parts": parts}]})
    assert total(request) == sum(by_modality(request).values()) == 4 + 1 + 258


def test_signatures_do_not_count() -> None:
    part = {"text": "abcd", "thoughtSignature": "A" * 1000, "thought": True}
    assert count(contents=[{"parts": [part]}]) == count()


@pytest.mark.parametrize(
    ("item", "candidates", "thoughts"),
    [
        (Message(0, ["abcd", "abcd"]), 2, 0),
        (Reasoning(0, ["abcd", "ef"]), 0, 2),
        (Call(0, "call_1", "read", '{"path":"a"}'), 1 + 3, 0),
        (Media(0, "image/png", "AAAA"), 258, 0),
    ],
)
def test_an_answer_counts_by_what_it_has_brought(item: Item, candidates: int, thoughts: int) -> None:
    request = count_request({"contents": [{"parts": [{"text": "abcd"}]}]})
    whole = 5 + candidates + thoughts
    assert usage_of(request, [item]) == Usage(5, 0, candidates, thoughts, total=whole, source="estimate")
    assert usage_of(request, [item, item]).made == 2 * (candidates + thoughts)
