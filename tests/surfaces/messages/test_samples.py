"""What a reader sees of a Messages stream."""

from __future__ import annotations

from tests.surfaces.messages.answering import TOOL, stream
from zerogravity.core.events import FunctionCall, Grounding, TextDelta, ThinkingDelta, Usage
from zerogravity.surfaces.base import StreamSummary
from zerogravity.surfaces.messages.samples import DEMO, read, sample


def test_a_whole_stream() -> None:
    summary = StreamSummary()
    events = stream(
        [ThinkingDelta("hm"), TextDelta("a"), Grounding({"webSearchQueries": ["sky"]}),
         FunctionCall("call_1", "f", '{"a": 1}', "U0lH"), FunctionCall("call_2", "g", "{}"), Usage(10, 4, 5, 3)],
        TOOL, thoughts="shown", search="beside",
    )  # fmt: skip
    assert [shown for event in events for shown in read(event, summary)] == [("thinking", "hm"), ("text", "a")]
    assert summary.calls == ['web_search {"query":"sky"}', 'f {"a": 1}', "g {}"]
    assert summary.usage == "6 in, 8 out (3 thinking)"


def test_a_sample_is_a_stream_with_a_limit() -> None:
    assert sample("m", "hi")["stream"] is True
    assert sample("m", "hi")["max_tokens"] > 0
    assert DEMO[1]["thinking"] == {"type": "adaptive"}
