"""countTokens of the Gemini API."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from zerogravity.errors import FaultError
from zerogravity.surfaces.base import Answer, Context
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.gemini.counting import COUNTING

FROM_URL = {"model": "gemini-3-flash", "stream": False, "alt": "json", "fields": ""}
CONTEXT = Context("turn_" + "1" * 32, 0, Catalogue().resolve)


def count(counted: int | None = None, **body: Any) -> Answer:
    return COUNTING.answer(
        COUNTING.parse({**FROM_URL, "contents": [{"parts": [{"text": "abcd"}]}], **body}, CONTEXT), counted
    )


def test_an_estimate_is_marked() -> None:
    answer = count()
    assert answer.headers == {"x-zerogravity-tokens": "estimate"}
    assert answer.body == {"totalTokens": 5, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}]}
    types.CountTokensResponse.model_validate({"totalTokens": answer.body["totalTokens"]})


def test_googles_own_count() -> None:
    assert count(7) == Answer(200, {"totalTokens": 7})
    assert count(7, fields="promptTokensDetails") == Answer(200, {})


@pytest.mark.parametrize("body", [{"model": "no-such"}, {"fields": "nothing"}, {"contents": 7}])
def test_what_cannot_be_counted(body: dict[str, Any]) -> None:
    with pytest.raises(FaultError):
        count(**body)
