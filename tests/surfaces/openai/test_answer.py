"""What Chat and Responses make of an answer's end and its token counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.core.events import Failed, Finished, Terminal, Usage
from zerogravity.errors import Termination, internal, upstream
from zerogravity.surfaces.openai.answer import (
    FINISH_REASONS,
    chat_usage,
    refusal,
    responses_status,
    responses_usage,
)

SOME = Usage(prompt=100, cached=60, candidates=20, thoughts=30, tool_use=5, total=155)


def test_usage_of_responses() -> None:
    assert responses_usage(SOME) == {
        "input_tokens": 105, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 0},
        "output_tokens": 50, "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 155,
    }  # fmt: skip


def test_usage_of_chat() -> None:
    assert chat_usage(SOME) == {
        "prompt_tokens": 105, "completion_tokens": 50, "total_tokens": 155,
        "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                      "rejected_prediction_tokens": 0},
    }  # fmt: skip


counts = st.integers(0, 10**9)


@given(st.builds(Usage, counts, counts, counts, counts, counts, counts))
def test_totals_add_up_and_nothing_is_null(usage: Usage) -> None:
    one, other = responses_usage(usage), chat_usage(usage)
    assert one["input_tokens"] + one["output_tokens"] == one["total_tokens"] == other["total_tokens"]
    assert other["prompt_tokens"] + other["completion_tokens"] == other["total_tokens"]
    assert one["output_tokens_details"]["reasoning_tokens"] <= one["output_tokens"]
    for made in (one, other):
        for value in made.values():
            numbers = value.values() if isinstance(value, dict) else (value,)
            assert all(isinstance(number, int) and number >= 0 for number in numbers)


@pytest.mark.parametrize(
    ("reason", "chat", "responses"),
    [
        ("stop", "stop", ("completed", None)),
        ("stop_sequence", "stop", ("completed", None)),
        ("tool", "tool_calls", ("completed", None)),
        ("length", "length", ("incomplete", "max_output_tokens")),
        ("filtered", "content_filter", ("incomplete", "content_filter")),
    ],
)
def test_finished(reason: Any, chat: str, responses: tuple[str, str | None]) -> None:
    assert FINISH_REASONS[reason] == chat
    assert responses_status(Finished(reason)) == responses


def test_failed() -> None:
    assert responses_status(Failed(upstream(503, "upstream_error", "m"))) == ("failed", None)
    assert responses_status(Failed(internal(termination=Termination.CANCELLED))) == ("cancelled", None)


@pytest.mark.parametrize(
    ("terminal", "shown", "words"),
    [
        (Finished("filtered", "SAFETY"), False, "The answer was withheld by the provider's filter (SAFETY)."),
        (Finished("filtered"), False, "The answer was withheld by the provider's filter (unspecified)."),
        (Finished("filtered", "SAFETY"), True, None),
        (Finished("stop"), False, None),
        (Failed(upstream(503, "upstream_error", "m")), False, None),
    ],
)
def test_refusal(terminal: Terminal, shown: bool, words: str | None) -> None:
    assert refusal(terminal, shown=shown) == words
