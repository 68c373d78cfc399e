"""Field masks: mask → tree, value and mask → what is sent, and how a wrong one is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values
from zerogravity.errors import FaultError
from zerogravity.surfaces.gemini import field_mask

ANSWER: dict[str, Any] = {
    "candidates": [
        {"content": {"parts": [{"text": "a", "thought": True}, {"functionCall": {"name": "f", "args": {"x": 1}}}],
                     "role": "model"}, "finishReason": "STOP", "index": 0},
        {"finishReason": "SAFETY", "index": 1},
    ],
    "usageMetadata": {"promptTokenCount": 3, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}]},
    "modelVersion": "m",
    "promptFeedback": {},
}  # fmt: skip
PARTS = [{"text": "a"}, {}]


@pytest.mark.parametrize(
    ("mask", "left"),
    [
        ("*", ANSWER),
        ("", ANSWER),
        (" ", ANSWER),
        ("modelVersion", {"modelVersion": "m"}),
        ("model_version", {"modelVersion": "m"}),
        ("modelVersion,promptFeedback", {"modelVersion": "m", "promptFeedback": {}}),
        (" modelVersion , promptFeedback ", {"modelVersion": "m", "promptFeedback": {}}),
        ("usageMetadata/promptTokenCount", {"usageMetadata": {"promptTokenCount": 3}}),
        ("usageMetadata.promptTokenCount", {"usageMetadata": {"promptTokenCount": 3}}),
        ("usage_metadata.prompt_token_count", {"usageMetadata": {"promptTokenCount": 3}}),
        ("usageMetadata(promptTokenCount)", {"usageMetadata": {"promptTokenCount": 3}}),
        ("usageMetadata/promptTokensDetails/modality",
         {"usageMetadata": {"promptTokensDetails": [{"modality": "TEXT"}]}}),
        ("usageMetadata/*/modality", {"usageMetadata": {"promptTokensDetails": [{"modality": "TEXT"}]}}),
        ("*/promptTokenCount", {"candidates": [{}, {}], "usageMetadata": {"promptTokenCount": 3}}),
        ("candidates/content/parts/text", {"candidates": [{"content": {"parts": PARTS}}, {}]}),
        ("candidates(content/parts/text),modelVersion",
         {"candidates": [{"content": {"parts": PARTS}}, {}], "modelVersion": "m"}),
        ("candidates(content(parts(text)),finishReason)",
         {"candidates": [{"content": {"parts": PARTS}, "finishReason": "STOP"}, {"finishReason": "SAFETY"}]}),
        ("candidates/index,candidates/finishReason",
         {"candidates": [{"finishReason": "STOP", "index": 0}, {"finishReason": "SAFETY", "index": 1}]}),
        ("candidates/index,candidates", {"candidates": ANSWER["candidates"]}),
        ("candidates,candidates/index", {"candidates": ANSWER["candidates"]}),
        ("*,candidates/index", ANSWER),
        ("modelVersion/deeper", {}),
        ("candidates/nothing", {"candidates": [{}, {}]}),
        ("responseId", {}),
    ],
)  # fmt: skip
def test_what_is_left(mask: str, left: Any) -> None:
    assert field_mask.masked(ANSWER, field_mask.parse(mask, field_mask.GENERATE)) == left


@pytest.mark.parametrize(
    ("mask", "why"),
    [
        ("nothing", "Cannot find matching fields for path 'nothing'"),
        ("candidates,totalTokens", "Cannot find matching fields for path 'totalTokens'"),
        ("candidates(", "a name is missing"),
        ("candidates()", "a name is missing before ')'"),
        ("candidates(content", "not closed"),
        ("candidates)", "unexpected ')'"),
        ("candidates,,usageMetadata", "a name is missing before ','"),
        ("candidates,", "a name is missing"),
        ("/candidates", "a name is missing before '/'"),
        ("candidates/", "a name is missing"),
        ("candidates content", "unexpected 'content'"),
        ("candidates[0]", "unexpected '['"),
        ("candidates\x00", "unexpected"),
        ("-candidates", "unexpected '-'"),
        ("candidates" + "/a" * 40, "deeper than 32"),
        ("candidates" + "(a" * 40 + ")" * 40, "deeper than 32"),
        ("candidates," * 1000, "longer than 4096"),
    ],
)
def test_what_is_refused(mask: str, why: str) -> None:
    with pytest.raises(FaultError) as caught:
        field_mask.parse(mask, field_mask.GENERATE)
    fault = caught.value.fault
    assert (fault.status, fault.code, fault.param) == (400, "invalid_argument", "fields")
    assert fault.message.startswith("Error expanding 'fields' parameter. ")
    assert why in fault.message


@given(st.text("ab*,/.()_ 1", max_size=20))
def test_any_text_is_a_mask_or_refused(text: str) -> None:
    try:
        mask = field_mask.parse(text, frozenset({"a", "b"}))
    except FaultError:
        return
    assert mask is None or set(mask) <= {"a", "b", "*"}


@given(json_values, st.sampled_from(["*", "a", "a/b", "a(b,*)", "*/a", "*/*"]))
def test_masking_twice_changes_nothing(value: Any, text: str) -> None:
    mask = field_mask.parse(text, frozenset({"a"}))
    once = field_mask.masked({"a": value, "b": 1}, mask)
    assert field_mask.masked(once, mask) == once
