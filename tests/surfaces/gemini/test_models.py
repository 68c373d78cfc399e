"""Model lists and token estimates."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from zerogravity.errors import FaultError
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.gemini.models import count_answer, estimate, list_json, model_json, text_tokens
from zerogravity.surfaces.gemini.request import count_request

INFOS = Catalogue().list()


def test_an_entry() -> None:
    info = next(info for info in INFOS if info.id == "gemini-3-flash")
    made = model_json(info)
    assert made["name"] == "models/gemini-3-flash"
    assert {"generateContent", "streamGenerateContent", "countTokens"} <= set(made["supportedGenerationMethods"])
    assert made["thinking"] is True
    types.Model.model_validate({name: value for name, value in made.items() if name != "supportedGenerationMethods"})


def test_one_page_of_everything_has_no_token() -> None:
    assert list(list_json(INFOS, "1000")) == ["models"]


def test_pages_end() -> None:
    names: list[str] = []
    token = ""
    for _ in range(len(INFOS)):
        page = list_json(INFOS, "4", token)
        names += [entry["name"] for entry in page["models"]]
        if (token := page.get("nextPageToken", "")) == "":
            break
    assert names == [f"models/{info.id}" for info in INFOS]
    assert len(list_json(INFOS, "3")["models"]) == 3
    assert list_json(INFOS, "3", str(len(INFOS)))["models"] == []


@pytest.mark.parametrize(
    ("size", "token", "field"), [("x", "", "pageSize"), ("-1", "", "pageSize"), ("", "²", "pageToken")]
)
def test_page_parameters_are_numbers(size: str, token: str, field: str) -> None:
    with pytest.raises(FaultError) as caught:
        list_json(INFOS, size, token)
    assert (caught.value.fault.status, caught.value.fault.param) == (400, field)


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd" * 10, 10), ("дома" * 10, 20), ("漢字" * 10, 20), ("😀", 1)]
)
def test_tokens_of_a_text(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


def count(**body: Any) -> Any:
    return estimate(count_request({"contents": [{"parts": [{"text": "abcd"}]}], **body}))


def test_an_estimate_is_marked() -> None:
    answer = count()
    assert answer.headers == {"x-zerogravity-tokens": "estimate"}
    assert answer.body == {"totalTokens": 5, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}]}
    types.CountTokensResponse.model_validate({"totalTokens": answer.body["totalTokens"]})
    assert count_answer(7, estimated=False).headers == {}


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
    details = {
        entry["modality"]: entry["tokenCount"]
        for entry in count(contents=[{"parts": [part]}]).body["promptTokensDetails"]
    }
    assert details[modality] == tokens


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
    assert count(**more).body["totalTokens"] > count().body["totalTokens"] + 4


def test_signatures_do_not_count() -> None:
    part = {"text": "abcd", "thoughtSignature": "A" * 1000, "thought": True}
    assert count(contents=[{"parts": [part]}]).body == count().body
