"""What a reader sees of a Chat stream."""

from __future__ import annotations

from typing import Any

from zerogravity.surfaces.base import StreamSummary
from zerogravity.surfaces.chat.samples import DEMO, read, sample


def delta(**members: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": members}]}


def function(**members: Any) -> dict[str, Any]:
    return {"index": 0, "function": members}


def test_thoughts_and_text() -> None:
    summary = StreamSummary()
    assert read(delta(reasoning_content="hm", content="a"), summary) == [("thinking", "hm"), ("text", "a")]
    assert read(delta(role="assistant", content=""), summary) == []
    assert summary == StreamSummary()


def test_the_pieces_of_a_call_are_put_together() -> None:
    summary = StreamSummary()
    for call in (function(name="f", arguments=""), function(arguments='{"a":'), function(arguments="1}")):
        assert read(delta(tool_calls=[call]), summary) == []
    read(delta(tool_calls=[function(name="g", arguments="{}")]), summary)
    assert summary.calls == ['f {"a":1}', "g {}"]


def test_usage_in_words() -> None:
    summary = StreamSummary()
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}}
    assert read({"choices": [], "usage": usage}, summary) == []
    assert read({**delta(content="a"), "usage": None}, summary) == [("text", "a")]
    assert summary.usage == "7 in, 5 out (3 thinking)"


def test_a_sample_is_a_stream_and_the_demo_asks_for_its_usage() -> None:
    assert sample("m", "hi")["stream"] is True
    assert DEMO[1]["stream_options"] == {"include_usage": True}
