"""Token counts of the Messages API."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.errors import FaultError
from zerogravity.surfaces.base import Answer, Context
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.messages.counting import COUNTING

CONTEXT = Context("turn_" + "1" * 32, 0, Catalogue().resolve)


def count(counted: int | None = None, **body: Any) -> Answer:
    return COUNTING.answer(COUNTING.parse({"model": "gemini-3-flash", **body}, CONTEXT), counted)


HI = [{"role": "user", "content": "x" * 400}]


def test_googles_count_and_the_estimate() -> None:
    assert count(7, messages=HI) == Answer(200, {"input_tokens": 7})
    assert count(messages=HI) == Answer(200, {"input_tokens": 104}, {"x-zerogravity-tokens": "estimate"})


def test_what_says_how_to_answer_does_not_matter() -> None:
    assert count(7, messages=HI, stream="x").status == 200
    assert count(7, messages=HI, max_tokens=-1).status == 200


@pytest.mark.parametrize(
    ("body", "param"), [({"messages": []}, "messages"), ({"messages": HI, "model": None}, "model")]
)
def test_the_rest_is_read_as_in_a_request(body: dict[str, Any], param: str) -> None:
    with pytest.raises(FaultError) as caught:
        count(**body)
    assert caught.value.fault.param == param
