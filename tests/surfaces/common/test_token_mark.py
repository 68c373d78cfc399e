"""Whose count it is."""

from __future__ import annotations

from zerogravity.surfaces.common.token_mark import MARK, count_of
from zerogravity.surfaces.gemini.request import count_request


def test_googles_own_count_is_no_estimate() -> None:
    request = count_request({"contents": [{"parts": [{"text": "abcd"}]}]})
    assert count_of(request, 7) == (7, {})
    assert count_of(request, 0) == (0, {})
    assert count_of(request, None) == (5, MARK)
