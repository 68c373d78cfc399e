"""What the echo of a request says about its answer."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.surfaces.responses.details import ResponsesDetails


@pytest.mark.parametrize(
    ("echo", "one"),
    [({}, False), ({"parallel_tool_calls": None}, False), ({"parallel_tool_calls": True}, False),
     ({"parallel_tool_calls": 0}, False), ({"parallel_tool_calls": False}, True)],
)  # fmt: skip
def test_one_call_only_where_the_request_says_so(echo: dict[str, Any], one: bool) -> None:
    assert ResponsesDetails(echo=echo).one_call is one


@pytest.mark.parametrize(
    ("echo", "shown"),
    [({}, False), ({"reasoning": None}, False), ({"reasoning": {"effort": "high"}}, False),
     ({"reasoning": {"summary": None}}, False), ({"reasoning": {"summary": "auto"}}, True)],
)  # fmt: skip
def test_thoughts_only_where_the_request_asks_for_them(echo: dict[str, Any], shown: bool) -> None:
    assert ResponsesDetails(echo=echo).shows_thinking is shown
