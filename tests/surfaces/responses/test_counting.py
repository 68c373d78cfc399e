"""Token counts of the Responses API."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.errors import FaultError
from zerogravity.surfaces.base import Answer, Context
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.responses.counting import COUNTING

CONTEXT = Context("turn_" + "1" * 32, 0, Catalogue().resolve)


def count(counted: int | None = None, **body: Any) -> Answer:
    return COUNTING.answer(COUNTING.parse({"model": "gemini-3-flash", **body}, CONTEXT), counted)


def test_googles_count_and_the_estimate() -> None:
    assert count(7, input="hi") == Answer(200, {"object": "response.input_tokens", "input_tokens": 7})
    answer = count(input="x" * 400)
    assert answer.body == {"object": "response.input_tokens", "input_tokens": 104}
    assert answer.headers == {"x-zerogravity-tokens": "estimate"}


def test_what_says_how_to_answer_does_not_matter() -> None:
    assert count(1, input="hi", store=True, background=True, stream=7, stream_options={"x": 1}).status == 200
    with pytest.raises(FaultError):
        count(input=7)
