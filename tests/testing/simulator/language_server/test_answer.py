"""The LS stand-in's reading of Google's answers: it outlives whatever comes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values
from zerogravity.testing.simulator.language_server.answer import Answer
from zerogravity.testing.simulator.language_server.state import PlannerStep, model_usage


def taken(*chunks: Any) -> tuple[Answer, PlannerStep, dict[str, Any]]:
    answer, step = Answer(), PlannerStep("PLANNER_RESPONSE")
    for chunk in chunks:
        answer.take(chunk, step, keep_thinking=True)
    usage = model_usage("MODEL_X", answer.usage, answer.response_id)
    json.dumps([step.render(), answer.content, answer.stop_reason, usage])
    return answer, step, usage


def said(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **more}]}


@pytest.mark.parametrize(
    "odd",
    [
        {"usageMetadata": [1]}, {"usageMetadata": "x"}, {"usageMetadata": {"promptTokenCount": {}}},
        {"usageMetadata": {"thoughtsTokenCount": None, "candidatesTokenCount": "many"}},
        {"usageMetadata": {"promptTokenCount": float("nan"), "candidatesTokenCount": float("inf")}},
        {"candidates": "x"}, {"candidates": [None]}, {"candidates": [[]]}, {"candidates": {"content": {}}},
        {"candidates": [{"content": "x"}]}, {"candidates": [{"content": {"parts": {"text": "x"}}}]},
        {"candidates": [{"content": {"parts": [None, 3, "x", [], {"text": 7}, {"text": None}]}}]},
        said({"functionCall": "x"}), said({"functionCall": {"name": ["f"], "args": "x", "id": 7}}),
        said({"text": "", "thoughtSignature": 5}), said({"thought": True, "text": ["x"]}),
        {"candidates": [{"finishReason": 1}]}, {"promptFeedback": "x"}, {"promptFeedback": {"blockReason": 3}},
        {"modelVersion": 3, "responseId": ["r"]},
    ],
)  # fmt: skip
def test_an_odd_chunk_costs_no_more_than_itself(odd: dict[str, Any]) -> None:
    _, step, _ = taken(said({"text": "a"}), odd, said({"text": "b"}, finishReason="STOP"))
    assert step.text == "ab"


def test_counts_may_be_texts() -> None:
    figures = {"promptTokenCount": "12", "candidatesTokenCount": 3.0, "thoughtsTokenCount": "4"}
    _, _, usage = taken(said({"text": "a"}), {"usageMetadata": figures})
    assert (usage["inputTokens"], usage["outputTokens"], usage["thinkingOutputTokens"]) == ("12", "7", "4")


MEMBERS = st.sampled_from(["candidates", "usageMetadata", "promptFeedback", "modelVersion", "responseId"])


@given(st.lists(st.dictionaries(MEMBERS, json_values), max_size=4))
def test_any_chunks(chunks: list[Any]) -> None:
    taken(*chunks)


@given(json_values)
def test_any_content(value: Any) -> None:
    keys = ("text", "functionCall", "thoughtSignature", "thought", "inlineData")
    taken(said(value), said(*({key: value} for key in keys)), {"candidates": [{"content": value}]})
