"""What a reader sees of a stream of the Responses API."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.surfaces.base import StreamSummary
from zerogravity.surfaces.responses.samples import DEMO, read, sample

CALL = {"type": "function_call", "name": "f", "arguments": '{"a":1}'}


@pytest.mark.parametrize(
    ("event", "told", "summary"),
    [
        ({"type": "response.reasoning_summary_text.delta", "delta": "hm"}, [("thinking", "hm")], StreamSummary()),
        ({"type": "response.output_text.delta", "delta": "a"}, [("text", "a")], StreamSummary()),
        ({"type": "response.output_item.done", "item": CALL}, [], StreamSummary(['f {"a":1}'])),
        ({"type": "response.output_item.done", "item": {"type": "message"}}, [], StreamSummary()),
        ({"type": "response.output_item.added", "item": CALL}, [], StreamSummary()),
        ({"type": "response.function_call_arguments.delta", "delta": "{"}, [], StreamSummary()),
    ],
)
def test_events(event: dict[str, Any], told: list[tuple[str, str]], summary: StreamSummary) -> None:
    found = StreamSummary()
    assert read(event, found) == told
    assert found == summary


@pytest.mark.parametrize("end", ["completed", "incomplete", "failed"])
def test_usage_in_words(end: str) -> None:
    usage = {"input_tokens": 7, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}}
    found = StreamSummary()
    assert read({"type": f"response.{end}", "response": {"usage": usage}}, found) == []
    assert found.usage == "7 in, 5 out (3 thinking)"


def test_a_failure_may_have_no_usage() -> None:
    found = StreamSummary()
    assert read({"type": "response.failed", "response": {"usage": None}}, found) == []
    assert found.calls == []


def test_a_sample_is_a_stream_and_the_demo_shows_thoughts() -> None:
    assert sample("m", "hi")["stream"] is True
    assert DEMO[1]["reasoning"]["summary"] == "auto"
