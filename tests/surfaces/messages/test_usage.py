"""Token counts in Anthropic's form."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.messages.answering import turn_with
from zerogravity.core.events import Usage
from zerogravity.surfaces.messages.usage import first_usage, last_usage, whole_usage

TURN = turn_with({"input_tokens": 42})


@pytest.mark.parametrize(
    ("usage", "counts", "thinking"),
    [
        (Usage(prompt=10, cached=4, candidates=5, thoughts=3), (6, 4, 8), 3),
        (Usage(prompt=10, tool_use=7, cached=4), (13, 4, 0), 0),
        (Usage(prompt=10, cached=20), (0, 20, 0), 0),
        (Usage(), (42, 0, 0), 0),
        (Usage(candidates=5), (42, 0, 5), 0),
    ],
)
def test_input_is_without_what_was_cached_and_output_with_thinking(
    usage: Usage, counts: tuple[int, int, int], thinking: int
) -> None:
    made = last_usage(TURN, usage, 0)
    names = ("input_tokens", "cache_read_input_tokens", "output_tokens")
    assert tuple(made[name] for name in names) == counts
    assert made["cache_creation_input_tokens"] == 0
    assert made["output_tokens_details"] == {"thinking_tokens": thinking}


@pytest.mark.parametrize(("searches", "shown"), [(0, None), (2, {"web_search_requests": 2, "web_fetch_requests": 0})])
def test_searches_are_counted(searches: int, shown: dict[str, Any] | None) -> None:
    assert last_usage(TURN, Usage(), searches)["server_tool_use"] == shown


def test_a_stream_begins_with_an_estimate() -> None:
    made = first_usage(TURN)
    assert (made["input_tokens"], made["output_tokens"]) == (42, 1)
    assert made.keys() == whole_usage(last_usage(TURN, Usage(), 0)).keys()
