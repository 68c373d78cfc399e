"""A chunk as Google's own clients can read it: words for numbers, nothing of another kind than it must be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.playing import ask, frames, play
from zerogravity.surfaces.gemini.client_form import readable
from zerogravity.testing.builders import chunk
from zerogravity.wire import jsonio

PART = {"content": {"parts": [{"text": "a"}]}}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"candidates": {}}, {}),
        ({"candidates": ["x", PART]}, {"candidates": [PART]}),
        ({"candidates": [PART, {"finishReason": "STOP"}, {"index": 1}]}, {"candidates": [PART, {"index": 1}]}),
        ({"candidates": [{**PART, "index": None}]}, {"candidates": [PART]}),
        ({"candidates": [{"content": None}]}, {"candidates": [{}]}),
        ({"candidates": [{"content": {"parts": "x"}}]}, {"candidates": [{"content": {}}]}),
        ({"candidates": [{"content": {"parts": ["x", {"text": "a"}, None]}}]}, {"candidates": [PART]}),
        ({"candidates": [{"finishReason": 1}]}, {"candidates": [{"finishReason": "STOP"}]}),
        ({"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]}, {"candidates": [{}]}),
        ({"candidates": [{"finishReason": "NEW"}]}, {"candidates": [{"finishReason": "NEW"}]}),
        ({"usageMetadata": None, "promptFeedback": "x"}, {}),
        ({"promptFeedback": {"blockReason": 1}}, {"promptFeedback": {"blockReason": "SAFETY"}}),
        ({"promptFeedback": {"blockReason": 0}}, {"promptFeedback": {}}),
    ],
)  # fmt: skip
def test_what_a_client_could_not_read(given: dict[str, Any], made: dict[str, Any]) -> None:
    text, value = readable(jsonio.dumps(given), given, enveloped=True)
    assert value == jsonio.loads(text) == made


def test_what_a_client_can_read_keeps_its_text() -> None:
    text = b'{ "candidates": [ {"finishReason": "STOP", "avgLogprobs": 1.0} ] }'
    assert readable(text, value := jsonio.loads(text), enveloped=True) == (text, value)


def test_words_stand_where_google_wrote_numbers() -> None:
    """A proto3 JSON writer may write either; Google's SDKs check the words."""
    ratings = [{"category": 1, "probability": 2, "severity": 7}, "odd", {"category": "HARM_CATEGORY_NEW"}]
    usage: Any = {
        "trafficType": 1,
        "promptTokensDetails": [{"modality": 1, "tokenCount": 5}, 7],
        "cacheTokensDetails": 3,
    }
    ran = ({"executableCode": {"language": 1, "code": "1"}}, {"codeExecutionResult": {"outcome": 3}})
    pages = {"urlMetadata": [{"retrievedUrl": "https://a", "urlRetrievalStatus": 1}, {"urlRetrievalStatus": 99}]}
    more: Any = {"safetyRatings": ratings, "urlContextMetadata": pages}
    sent = chunk({"text": "a"}, *ran, finish="STOP", usage=usage, **more)
    channel = play(ask("gemini"), {**sent, "promptFeedback": {"safetyRatings": ratings[:1]}})
    said = jsonio.loads(b"".join(frames("gemini", channel)).partition(b"data: ")[2].strip())
    words = [{"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "LOW", "severity": 7}, *ratings[1:]]
    assert said["candidates"][0]["safetyRatings"] == words
    assert said["promptFeedback"]["safetyRatings"] == words[:1]
    parts = said["candidates"][0]["content"]["parts"][1:]
    assert parts[0]["executableCode"] == {"language": "PYTHON", "code": "1"}
    assert parts[1]["codeExecutionResult"] == {"outcome": "OUTCOME_DEADLINE_EXCEEDED"}
    statuses = [one["urlRetrievalStatus"] for one in said["candidates"][0]["urlContextMetadata"]["urlMetadata"]]
    assert statuses == ["URL_RETRIEVAL_STATUS_SUCCESS", 99]
    details = [{"modality": "TEXT", "tokenCount": 5}, 7]
    estimate = {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12}
    assert said["usageMetadata"] == {**usage, "trafficType": "ON_DEMAND", "promptTokensDetails": details, **estimate}
