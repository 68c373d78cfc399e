"""A stream that nobody goes on with, after any record of any turn: it ends as a legal one, with all that was shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import LISTINGS, record_lists, served_lists
from tests.surfaces.responses.asking import SECRET, parse
from zerogravity.core.events import AttemptOpened, Event, Finished, FunctionCall, Record, TextDelta, ThinkingDelta
from zerogravity.surfaces.responses.breaking_off import closing
from zerogravity.surfaces.responses.emit import ResponsesEmitter
from zerogravity.surfaces.responses.response import unfinished
from zerogravity.surfaces.responses.stored import StoredResponse, cut_off, withdrawn
from zerogravity.testing import builders
from zerogravity.testing.check import check_response, check_responses

ASKED = {"background": True, "reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]}


def begun(records: list[Record]) -> StoredResponse:
    """What is stored of a turn while it runs, with the frames of these records."""
    turn = parse(**ASKED)
    emitter = ResponsesEmitter(turn, SECRET)
    frames = [*emitter.begin(), *(frame for record in records for frame in emitter.feed(record))]
    response = unfinished(turn, "queued")
    return StoredResponse(response["id"], "me", 100.0, response, frames=tuple(frames), running=True)


@given(st.one_of(record_lists(), served_lists()), st.data())
def test_any_beginning_of_any_turn_ends_as_a_legal_stream(records: list[Record], data: st.DataObject) -> None:
    stored = begun(records[: data.draw(st.integers(0, len(records) - 1))])  # without its end
    for end, status in ((cut_off, "failed"), (withdrawn, "cancelled")):
        ended = end(stored)
        events = check_responses(b"".join(ended.frames))
        check_response(ended.response)
        assert ended.frames[: len(stored.frames)] == stored.frames
        assert (events[-1]["response"], ended.response["status"]) == (ended.response, status)


def records_of(*events: Event) -> list[Record]:
    channel = builders.channel(parse(**ASKED), AttemptOpened(), *events, end=Finished("stop"))
    return list(channel.records)[:-1]


@pytest.mark.parametrize(
    ("events", "kinds", "last"),
    [
        ([], [], None),
        ([ThinkingDelta("a"), ThinkingDelta("b")],
         ["reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"],
         {"type": "reasoning", "summary": [{"type": "summary_text", "text": "ab"}]}),
        ([TextDelta("a\u2028"), TextDelta("b")], ["output_text.done", "content_part.done", "output_item.done"],
         {"type": "message", "status": "incomplete"}),
        ([LISTINGS[0], FunctionCall("call_" + "a" * 24, "docs.find", '{"q":1}')], ["output_item.done"],
         {"type": "mcp_call", "status": "incomplete", "arguments": '{"q":1}', "output": None}),
    ],
)  # fmt: skip
def test_what_is_open_is_closed_with_what_has_come(
    events: list[Event], kinds: list[str], last: dict[str, Any] | None
) -> None:
    frames = begun(records_of(*events)).frames
    made, items = closing(frames)
    assert [frame.partition(b"\n")[0].decode() for frame in made] == [f"event: response.{kind}" for kind in kinds]
    assert (items[-1] if items else None) == ({**items[-1], **last} if last else None)
