"""Compaction: the turn that writes the summary, its answer, and the way back as input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from openai.types.responses import CompactedResponse

from tests.surfaces.responses.asking import SECRET, call, check_contents, context, output, parse, text, user
from zerogravity import errors
from zerogravity.core.events import AttemptClosed, Event, Failed, Finished, Terminal, TextDelta, Usage
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError
from zerogravity.surfaces.base import Answer, StoredTurn
from zerogravity.surfaces.responses import compact
from zerogravity.surfaces.responses.compaction import PROMPT
from zerogravity.surfaces.responses.items import SUMMARY
from zerogravity.surfaces.responses.stored import StoredResponse, of_turn
from zerogravity.testing import builders

DIALOGUE = [
    {"role": "developer", "content": "D"}, user("one"), call("c"), output("c"),
    {"type": "reasoning", "summary": []}, {"role": "assistant", "content": "done"}, user("two"),
]  # fmt: skip


def kept(turn: Turn, events: Sequence[Event]) -> StoredResponse:
    return of_turn(builders.channel(turn, *events, end=Finished("stop")), SECRET)


def asked(**body: Any) -> Turn:
    return compact.parse({"model": "gemini-3-flash", "input": DIALOGUE, **body}, context())


def answered(turn: Turn, events: Sequence[Event], end: Terminal) -> Answer:
    channel = builders.channel(turn, *events, AttemptClosed("STOP"), end=end)
    return compact.answer(turn, channel.state, SECRET)


def test_the_model_is_asked_for_a_summary() -> None:
    turn = asked(instructions="I", tools=[{"type": "mcp"}], stream=True, store=True)
    made = turn.google_request["contents"]
    check_contents(made, turn.target.family)
    assert made[-1]["parts"][-1] == {"text": PROMPT}
    assert [part["text"] for part in turn.google_request["systemInstruction"]["parts"]] == ["I", "D"]
    assert "tools" not in turn.google_request
    assert (turn.stream, turn.store) == (False, False)


def test_a_string_is_compacted_too() -> None:
    (content,) = asked(input="hello").google_request["contents"]
    assert content["parts"] == [{"text": "hello"}, {"text": PROMPT}]


def test_the_users_messages_of_the_whole_chain_are_kept() -> None:
    """Facts: OpenAI keeps all of the user's messages as they are."""
    first = kept(parse(input=[user("one"), {"role": "developer", "content": "D"}]), [TextDelta("1")])
    second = kept(parse(context(stored={"r": first.turn}), previous_response_id="r", input="two"), [TextDelta("2")])
    for body, said in (({}, ["one", "two"]), ({"input": [user("three")]}, ["one", "two", "three"])):
        turn = compact.parse({"model": "gemini-3-flash", "previous_response_id": "r", **body},
                             context(stored={"r": second.turn}))  # fmt: skip
        *messages, summary = answered(turn, [TextDelta("S")], Finished("stop")).body["output"]
        assert [item["content"][0]["text"] for item in messages] == said
        assert summary["type"] == "compaction"


def test_a_stored_dialogue_is_compacted_too() -> None:
    before = StoredTurn(({"role": "user", "parts": [{"text": "x"}]}, {"role": "model", "parts": [{"text": "y"}]}),
                        family="gemini-3-flash")  # fmt: skip
    body = {"model": "gemini-3-flash", "previous_response_id": "r"}
    turn = compact.parse(body, context(stored={"r": before}))
    assert [content["parts"][0]["text"] for content in turn.google_request["contents"]] == ["x", "y", PROMPT]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 3}, "input"),
        ({"model": None}, "model"),
        ({"input": [user("x"), output("c")]}, "input"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"previous_response_id": "gone"}, "previous_response_id"),
    ],
)
def test_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(FaultError) as caught:
        asked(**body)
    assert (caught.value.fault.status, caught.value.fault.param) == (400, param)


def test_the_answer_keeps_the_users_messages_and_one_summary() -> None:
    turn = asked()
    answer = answered(turn, [TextDelta("It "), TextDelta("went well."), Usage(10, 0, 5, 1)], Finished("stop"))
    assert answer.status == 200
    body = answer.body
    assert [item["type"] for item in body["output"]] == ["message", "message", "compaction"]
    assert [item["content"] for item in body["output"][:2]] == [[text("one")], [text("two")]]
    assert body["output"][2]["id"].startswith("cmp_")
    assert "went well" not in str(body)
    assert (body["object"], body["created_at"]) == ("response.compaction", turn.created)
    assert body["id"] == "resp_" + turn.id.removeprefix("turn_")
    assert body["usage"]["total_tokens"] == 16
    CompactedResponse.model_validate({**body, "output": body["output"][2:]})  # its types know no user messages
    again = parse(input=[*body["output"], user("three")])
    assert [part["text"] for part in again.google_request["contents"][0]["parts"]] == [
        "one", "two", SUMMARY + "It went well.", "three"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "end", "status", "code"),
    [
        ([TextDelta("half")], Failed(errors.upstream(503, "overloaded", "busy")), 503, "overloaded"),
        ([], Finished("stop"), 502, "empty_response"),
        ([TextDelta(" \n")], Finished("stop"), 502, "empty_response"),
        ([TextDelta("half")], Finished("length", "MAX_TOKENS"), 502, "compaction_incomplete"),
        ([TextDelta("half")], Finished("filtered", "RECITATION"), 502, "compaction_incomplete"),
        ([], Finished("filtered", "PROHIBITED_CONTENT"), 502, "compaction_incomplete"),
    ],
)
def test_no_summary_is_an_error(events: list[Event], end: Terminal, status: int, code: str) -> None:
    answer = answered(asked(), events, end)
    assert (answer.status, answer.body["error"]["code"]) == (status, code)
