"""What a reader sees of a Gemini stream."""

from __future__ import annotations

from typing import Any

from zerogravity.surfaces.base import StreamSummary
from zerogravity.surfaces.gemini.samples import DEMO, read, sample


def chunk(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}}], **more}


def test_thoughts_text_and_calls() -> None:
    summary = StreamSummary()
    event = chunk(
        {"text": "hm", "thought": True}, {"text": "a"}, {"text": ""}, {"functionCall": {"name": "f", "args": {"a": 1}}},
        {"functionCall": {"name": "g"}},
    )  # fmt: skip
    assert read(event, summary) == [("thinking", "hm"), ("text", "a")]
    assert summary == StreamSummary(['f {"a": 1}', "g {}"])


def test_usage_in_words_with_what_google_leaves_out() -> None:
    summary = StreamSummary()
    assert read({"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 5}}, summary) == []
    assert summary.usage == "7 in, 5 out (+ 0 thinking)"
    read({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"thoughtsTokenCount": 3}}, summary)
    assert summary.usage == "0 in, 0 out (+ 3 thinking)"


def test_the_model_is_no_member_of_a_sample_and_the_demo_shows_thoughts() -> None:
    assert "model" not in sample("m", "hi")
    assert DEMO[1]["generationConfig"] == {"thinkingConfig": {"includeThoughts": True}}
