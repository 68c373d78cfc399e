"""Enums as numbers → Google's words."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.core.events import AttemptClosed
from zerogravity.wire import enums, jsonio
from zerogravity.wire.google import GoogleDecoder


@pytest.mark.parametrize(
    ("value", "vertex", "public"),
    [
        (0, None, None), (1, "STOP", "STOP"), (2, "MAX_TOKENS", "MAX_TOKENS"), (3, "SAFETY", "SAFETY"),
        (4, "RECITATION", "RECITATION"), (5, "OTHER", "OTHER"), (6, "BLOCKLIST", "LANGUAGE"),
        (7, "PROHIBITED_CONTENT", "BLOCKLIST"), (8, "SPII", "PROHIBITED_CONTENT"),
        (9, "MALFORMED_FUNCTION_CALL", "SPII"), (10, "MODEL_ARMOR", "MALFORMED_FUNCTION_CALL"),
        (11, "IMAGE_SAFETY", "IMAGE_SAFETY"), (12, "IMAGE_PROHIBITED_CONTENT", "UNEXPECTED_TOOL_CALL"),
        (15, "UNEXPECTED_TOOL_CALL", "IMAGE_OTHER"), (16, "NO_IMAGE", "NO_IMAGE"), (999, "OTHER", "OTHER"),
        (-1, None, None), (True, None, None), (1.5, None, None), (None, None, None), ("", None, None), ([], None, None),
        ("STOP", "STOP", "STOP"), ("NEW", "NEW", "NEW"), ("FINISH_REASON_UNSPECIFIED", None, None),
    ],
)  # fmt: skip
def test_finish_reasons(value: Any, vertex: str | None, public: str | None) -> None:
    assert enums.finish_reason(value, enveloped=True) == vertex
    assert enums.finish_reason(value, enveloped=False) == public
    for enveloped, expected in ((True, vertex), (False, public)):
        chunk = {"candidates": [{"finishReason": value}]}
        decoder = GoogleDecoder(str)
        decoder.decode(jsonio.dumps({"response": chunk} if enveloped else chunk))
        assert decoder.close() == (AttemptClosed(expected),)


@pytest.mark.parametrize(
    ("value", "vertex", "public"),
    [
        (0, None, None), (1, "SAFETY", "SAFETY"), (2, "OTHER", "OTHER"), (3, "BLOCKLIST", "BLOCKLIST"),
        (4, "PROHIBITED_CONTENT", "PROHIBITED_CONTENT"), (5, "MODEL_ARMOR", "IMAGE_SAFETY"), (99, "OTHER", "OTHER"),
        ("JAILBREAK", "JAILBREAK", "JAILBREAK"), ("BLOCK_REASON_UNSPECIFIED", None, None),
        ("BLOCKED_REASON_UNSPECIFIED", None, None), (None, None, None),
    ],
)  # fmt: skip
def test_block_reasons(value: Any, vertex: str | None, public: str | None) -> None:
    assert enums.block_reason(value, enveloped=True) == vertex
    assert enums.block_reason(value, enveloped=False) == public
    decoder = GoogleDecoder(str)
    decoder.decode(jsonio.dumps({"response": {"promptFeedback": {"blockReason": value}}}))
    assert decoder.close() == (AttemptClosed(None if vertex is None else f"BLOCKED:{vertex}"),)


@pytest.mark.parametrize(
    ("member", "value", "vertex", "public"),
    [
        ("modality", 1, "TEXT", "TEXT"), ("modality", 5, "DOCUMENT", "DOCUMENT"), ("modality", 99, 99, 99),
        ("modality", "TEXT", "TEXT", "TEXT"), ("modality", True, True, True),
        ("language", 1, "PYTHON", "PYTHON"), ("outcome", 2, "OUTCOME_FAILED", "OUTCOME_FAILED"),
        ("urlRetrievalStatus", 4, "URL_RETRIEVAL_STATUS_UNSAFE", "URL_RETRIEVAL_STATUS_UNSAFE"),
        ("trafficType", 1, "ON_DEMAND", "ON_DEMAND"),
        ("probability", 1, "NEGLIGIBLE", "NEGLIGIBLE"), ("severity", 4, "HARM_SEVERITY_HIGH", "HARM_SEVERITY_HIGH"),
        ("category", 1, "HARM_CATEGORY_HATE_SPEECH", "HARM_CATEGORY_DEROGATORY"),
        ("category", 8, 8, "HARM_CATEGORY_HATE_SPEECH"), ("category", -1, -1, -1),
    ],
)  # fmt: skip
def test_other_enums(member: str, value: Any, vertex: object, public: object) -> None:
    assert enums.named(member, value, enveloped=True) == vertex
    assert enums.named(member, value, enveloped=False) == public
