"""The chunks of a turn → one whole answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.gemini.support import CALL, SIGNED, THOUGHT, chunk, whole
from zerogravity.surfaces.gemini.merge import merged


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ([{"text": "a"}, {"text": "b"}], [{"text": "ab"}]),
        ([THOUGHT, THOUGHT, {"text": "a"}], [{"text": "hmhm", "thought": True}, {"text": "a"}]),
        ([{"text": "a"}, CALL, {"text": "b"}], [{"text": "a"}, CALL, {"text": "b"}]),
        ([CALL, CALL], [CALL, CALL]),
        ([{"text": "a"}, SIGNED], [{"text": "a", "thoughtSignature": "U0lH"}]),
        ([{"text": "a"}, {"text": "b", "thoughtSignature": "U0lH"}, {"text": "c"}],
         [{"text": "a"}, {"text": "b", "thoughtSignature": "U0lH"}, {"text": "c"}]),
        ([CALL, CALL, SIGNED], [{**CALL, "thoughtSignature": "U0lH"}, CALL]),
        ([{**CALL, "thoughtSignature": "Zg=="}, SIGNED],
         [{**CALL, "thoughtSignature": "Zg=="}, {"thoughtSignature": "U0lH"}]),
        ([SIGNED], [SIGNED]),
        ([{"text": "", "thought": True, "thoughtSignature": "U0lH"}, {"text": "a"}],
         [{"text": "", "thought": True, "thoughtSignature": "U0lH"}, {"text": "a"}]),
        ([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, {"text": "a"}],
         [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, {"text": "a"}]),
    ],
)  # fmt: skip
def test_merged_parts(given: list[dict[str, Any]], made: list[dict[str, Any]]) -> None:
    body = merged(chunk(part) for part in given)
    assert body["candidates"][0]["content"]["parts"] == made


def test_the_rest_of_a_merged_answer() -> None:
    first = chunk({"text": "a"}, modelVersion="m", responseId="r", usageMetadata={"promptTokenCount": 1})
    first["candidates"][0]["citationMetadata"] = {"citationSources": [{"uri": "1"}]}
    last = chunk(
        finish="STOP", modelVersion="m", responseId="r", usageMetadata={"promptTokenCount": 1, "totalTokenCount": 9}
    )
    last["candidates"][0] |= {
        "groundingMetadata": {"webSearchQueries": ["q"]}, "citationMetadata": {"citationSources": [{"uri": "2"}]},
    }  # fmt: skip
    assert merged([first, last]) == {
        "candidates": [{
            "content": {"parts": [{"text": "a"}], "role": "model"}, "index": 0, "finishReason": "STOP",
            "citationMetadata": {"citationSources": [{"uri": "1"}, {"uri": "2"}]},
            "groundingMetadata": {"webSearchQueries": ["q"]},
        }],
        "modelVersion": "m", "responseId": "r", "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 9},
    }  # fmt: skip


def test_an_answer_without_any_part_has_no_empty_list() -> None:
    assert whole([chunk(finish="MAX_TOKENS")])["candidates"] == [{"index": 0, "finishReason": "MAX_TOKENS"}]
    assert whole([chunk({"text": ""}, finish="MAX_TOKENS")])["candidates"][0]["content"] == {"role": "model"}
