"""The Gemini grammar: good streams pass in both forms, and each rule is broken once."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.surfaces.changes import Change, Values, at, insert
from zerogravity.testing.check import GrammarError, check_gemini

GOOD: Values = [
    {"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}], "role": "model"}, "index": 0}]},
    {"candidates": [{"content": {"parts": [{"text": "a"}, {"inlineData": {"mimeType": "a/b", "data": "AA=="}}]}}]},
    {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "U0lH"}]}}],
     "usageMetadata": {"promptTokenCount": 1, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1}]}},
    {"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}]},
    {"usageMetadata": {"promptTokenCount": 1, "trafficType": "ON_DEMAND"}},
]  # fmt: skip
ERROR = {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE", "details": []}}


def sse(values: Values) -> bytes:
    return b"".join(b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\r\n\r\n" for value in values)


def array(values: Values) -> bytes:
    return b"[" + b",\r\n".join(json.dumps(value, separators=(",", ":")).encode() for value in values) + b"]"


@pytest.mark.parametrize("form", [sse, array])
@pytest.mark.parametrize(
    "values",
    [
        GOOD,
        [{"promptFeedback": {"blockReason": "SAFETY"}}],
        [*GOOD[:2], ERROR],
        [ERROR],
        [{"candidates": [{"finishReason": "MAX_TOKENS"}, {"finishReason": "STOP", "index": 1}]}],
    ],
)
def test_good_streams(form: Callable[[Values], bytes], values: Values) -> None:
    assert check_gemini(form(values)) == values
    assert check_gemini([form(values)[:7], form(values)[7:]]) == values


P = "candidates.0.content.parts"
RULES: list[tuple[Change, str]] = [
    (at("1.response", {}), "envelope's response"),
    (at("1.traceId", "t"), "envelope's traceId"),
    (at("1.metadata", {}), "envelope's metadata"),
    (at("1.candidates", {}), "candidates: must be an array"),
    (at("1.candidates.0", "x"), "must be an object"),
    (at("1.candidates.0.index", -1), "not negative"),
    (at("1.candidates.0.content", []), "content: must be an object"),
    (at("1.candidates.0.content.role", "user"), "is not model"),
    (at(f"1.{P}", "x"), "parts: must be an array"),
    (at(f"1.{P}.0", "x"), "must be an object"),
    (at(f"1.{P}.0", {}), "an empty part next to others"),
    (at(f"1.{P}.0", {"text": ""}), "an empty text part next to others"),
    (at(f"1.{P}.0", {"text": "", "thoughtSignature": "x"}), "an empty text part next to others"),
    (at(f"1.{P}.0.text", 7), "text: must be a string"),
    (at(f"0.{P}.0.thought", "yes"), "thought: must be true or false"),
    (at(f"2.{P}.0.thoughtSignature", 7), "thoughtSignature: must be a string"),
    (at(f"2.{P}.0.functionCall", "f"), "functionCall: must be an object"),
    (at(f"2.{P}.0.functionCall.name", ...), "name: must be a string"),
    (at(f"2.{P}.0.functionCall.args", "{}"), "args: must be an object"),
    (at(f"1.{P}.1.inlineData", "AA"), "inlineData: must be an object"),
    (at(f"1.{P}.1.inlineData.mimeType", ...), "mimeType: must be a string"),
    (at(f"1.{P}.1.inlineData.data", 1), "data: must be a string"),
    (at("2.usageMetadata", []), "usageMetadata: must be an object"),
    (at("2.usageMetadata.promptTokenCount", "1"), "whole number"),
    (at("2.usageMetadata.promptTokensDetails", {}), "must be an array"),
    (at("2.usageMetadata.promptTokensDetails.0.modality", ...), "modality: must be a string"),
    (at("1.promptFeedback", "x"), "promptFeedback: must be an object"),
    (at("1.promptFeedback", {"blockReason": 7}), "blockReason: must be a string"),
    (at("4.promptFeedback", {"blockReason": "SAFETY"}), "a blocked prompt after the end"),
    (at("3.candidates.0.finishReason", 1), "finishReason: must be a string"),
    (at("3.candidates.0.finishReason", ...), "ends without a finishReason"),
    (at("3.candidates.0.index", 1), "ends without a finishReason"),
    (insert(4, {"candidates": [{"finishReason": "STOP"}]}), "a second finishReason"),
    (insert(4, GOOD[1]), "content after the end"),
    (insert(5, ERROR), "an error after the finishReason"),
    (insert(3, ERROR), "comes after the error"),
]


@pytest.mark.parametrize("form", [sse, array])
@pytest.mark.parametrize(("change", "why"), RULES)
def test_each_rule_of_the_chunks(form: Callable[[Values], bytes], change: Change, why: str) -> None:
    values = copy.deepcopy(GOOD)
    change(values)
    with pytest.raises(GrammarError, match=why):
        check_gemini(form(values))


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ({"error": "x"}, "error: must be an object"),
        ({"error": {**ERROR["error"], "code": "503"}}, "code: must be a whole number"),
        ({"error": {**ERROR["error"], "code": 200}}, "no HTTP status of a failure"),
        ({"error": {**ERROR["error"], "message": None}}, "message: must be a string"),
        ({"error": {**ERROR["error"], "status": 14}}, "status: must be a string"),
        ({"error": {**ERROR["error"], "status": ""}}, "status: is empty"),
        ({"error": {**ERROR["error"], "details": {}}}, "details: must be an array"),
        ({**ERROR, "usageMetadata": {}}, "other members than the error"),
        ({"candidates": [], **ERROR}, "must begin with"),
    ],
)
def test_each_rule_of_an_error(error: dict[str, Any], why: str) -> None:
    with pytest.raises(GrammarError, match=why):
        check_gemini(sse([GOOD[0], error]))


SSE, ARRAY = sse(GOOD), array(GOOD)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no blank line"),
        (SSE[:-2], "no blank line"),
        (SSE.replace(b"\r\n", b"\n"), "no blank line"),
        (b": ping\r\n\r\n" + SSE, "does not begin with 'data: '"),
        (b"event: x\r\n" + SSE, "does not begin with 'data: '"),
        (SSE.replace(b"data: ", b"data:", 1), "does not begin with 'data: '"),
        (SSE + b"data: [DONE]\r\n\r\n", "no JSON object"),
        (b"data: {\r\ndata: }\r\n\r\n" + SSE, "more than one line"),
        (b"data: {\r\n\r\n" + SSE, "not JSON"),
        (SSE.replace(b'"a"', '"\x85"'.encode()), "U\\+0085"),
        (SSE.replace(b'"a"', b'"\xff"'), "not JSON in UTF-8"),
        (ARRAY[:-1], "the array is not closed"),
        (ARRAY.replace(b",\r\n", b",\n"), "more than one line"),
        (b"[]", "ends without a finishReason"),
        (b"[1]", "must be an object"),
        (b"[{]", "not JSON"),
    ],
)
def test_each_rule_of_the_framing(data: bytes, why: str) -> None:
    with pytest.raises(GrammarError, match=why):
        check_gemini(data)
