"""Stored responses: what a turn leaves, and that all of it comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import record_lists
from tests.surfaces.playing import replayed
from tests.surfaces.responses.asking import SECRET, STAND_IN, check_contents, context, function, output, parse, user
from zerogravity import errors
from zerogravity.core.events import (
    Event,
    Failed,
    Finished,
    FunctionCall,
    InlineData,
    Record,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.turn import Turn
from zerogravity.surfaces.common.sealed_state import Carried, unseal
from zerogravity.surfaces.responses.emit import frame
from zerogravity.surfaces.responses.stored import StoredResponse, cut_off, remains, stored_at_end
from zerogravity.testing import builders
from zerogravity.testing.check import check_response, check_responses
from zerogravity.wire import jsonio

FAMILY = "gemini-3-flash"
STOP, TOOL = Finished("stop"), Finished("tool")


def kept(events: list[Event], end: Finished | Failed = STOP, of: Turn | None = None) -> StoredResponse:
    return stored_at_end(builders.channel(of or parse(), *events, end=end), SECRET)


def answer_of(events: list[Event], end: Finished | Failed = STOP, **body: Any) -> list[dict[str, Any]]:
    """The parts of the answer in the stored history."""
    made = kept(events, end, parse(**body)).contents[-1]
    assert made["role"] == "model"
    return list(made["parts"])


# -- what is kept of a turn --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "parts"),
    [
        ([TextDelta("a"), TextDelta("b")], [{"text": "ab"}]),
        ([ThinkingDelta("hm"), TextDelta("a")], [{"text": "a"}]),
        ([TextDelta("a"), Signature("s", "text")], [{"text": "a", "thoughtSignature": "s"}]),
        ([ThinkingDelta("hm"), Signature("s", "thought"), TextDelta("a")],
         [{"text": "hm", "thought": True, "thoughtSignature": "s"}, {"text": "a"}]),
        ([InlineData("image/png", "AAAA")], [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]),
        ([FunctionCall("c", "f", '{"a": 123456789012345678901234}', "s", "up")],
         [{"functionCall": {"name": "f", "args": {"a": 123456789012345678901234}, "id": "up"}, "zgCallId": "c",
           "thoughtSignature": "s"}]),
        ([ServerTool('{"toolCall": {"id": "1"}}'), TextDelta("a"), FunctionCall("c", "f", "{}", "s"),
          ServerTool('{"toolResponse": {"id": "1"}}')],
         [{"text": "a"}, {"toolCall": {"id": "1"}},
          {"functionCall": {"name": "f", "args": {}, "id": "c"}, "zgCallId": "c", "thoughtSignature": "s"},
          {"toolResponse": {"id": "1"}}]),
        ([FunctionCall("c", "f", "{}"), FunctionCall("d", "f", "{}")],
         [{"functionCall": {"name": "f", "args": {}, "id": "c"}, "zgCallId": "c", "thoughtSignature": STAND_IN},
          {"functionCall": {"name": "f", "args": {}, "id": "d"}, "zgCallId": "d"}]),
    ],
)  # fmt: skip
def test_the_answer_joins_the_history(events: list[Event], parts: list[dict[str, Any]]) -> None:
    assert answer_of(events) == parts


def test_older_models_get_no_ids() -> None:
    parts = answer_of([FunctionCall("c", "f", "{}", None, "up")], TOOL, model="gemini-2.5-pro")
    assert parts == [{"functionCall": {"name": "f", "args": {}}, "zgCallId": "c"}]


def test_calls_that_the_client_never_saw_are_not_kept() -> None:
    events: list[Event] = [FunctionCall("c", "f", "{}"), FunctionCall("d", "f", "{}")]
    parts = answer_of(events, TOOL, parallel_tool_calls=False)
    assert [part["zgCallId"] for part in parts] == ["c"]


@pytest.mark.parametrize("end", [Failed(errors.upstream(502, "x", "y")), Finished("length")])
def test_no_answer_adds_nothing_to_the_history(end: Finished | Failed) -> None:
    made = kept([], end)
    assert made.contents == ({"role": "user", "parts": [{"text": "Hello"}]},)
    assert made.response["status"] in ("failed", "incomplete")


@pytest.mark.parametrize("events", [[], [ThinkingDelta("hm"), Signature("s", "thought")]])
def test_a_refusal_is_what_the_model_has_said(events: list[Event]) -> None:
    made = kept(events, Finished("filtered", "SAFETY"))
    (shown,) = made.response["output"]
    (part,) = shown["content"]
    assert part["type"] == "refusal"
    assert made.contents[1:] == ({"role": "model", "parts": [{"text": part["refusal"]}]},)
    again = parse(input=[user("Hello"), shown, user("why?")])
    after = parse(context(stored={"r": made.turn}), previous_response_id="r", input="why?")
    assert after.google_request == again.google_request, "the same as when the client keeps it"


SYSTEM = {"role": "developer", "content": "D"}
SAID = {"role": "assistant", "content": "A"}
SAID_PART = {"role": "model", "parts": [{"text": "A"}]}


@pytest.mark.parametrize(
    ("given", "dialogue"),
    [
        ([SYSTEM], []),
        ([SYSTEM, {"role": "system", "content": "E"}], []),
        ([SYSTEM, SAID], [SAID_PART]),
        ([user("x"), SAID], [{"role": "user", "parts": [{"text": "x"}]}, SAID_PART]),
        ([user("x")], [{"role": "user", "parts": [{"text": "x"}]}]),
    ],
)
def test_nothing_that_only_googles_rules_demand_is_stored(given: list[Any], dialogue: list[Any]) -> None:
    """What only Google's rules demand goes to Google and is not stored: the next turn sees to its own."""
    turn = parse(input=given)
    check_contents(turn.google_request["contents"], turn.target.family)
    warm = kept([], of=turn)
    assert list(warm.contents) == dialogue
    after = parse(context(stored={"r": warm.turn}), previous_response_id="r", input="go on")
    check_contents(after.google_request["contents"], after.target.family)
    texts = [part["text"] for content in after.google_request["contents"] for part in content["parts"]]
    assert "Continue." not in texts
    assert [text for text in texts if text in ("D", "E")] == [], "system text is said once, as such"
    told = [part["text"] for part in after.google_request.get("systemInstruction", {"parts": []})["parts"]]
    assert told == [item["content"] for item in given if item["role"] in ("developer", "system")]


def test_an_answer_stands_behind_what_it_answered() -> None:
    made = kept([TextDelta("B")], of=parse(input=[user("x"), SAID]))
    assert [content["role"] for content in made.contents] == ["user", "model", "user", "model"]
    made = kept([TextDelta("B")], of=parse(input=[SYSTEM]))
    assert made.contents == ({"role": "model", "parts": [{"text": "B"}]},)


def test_a_failed_answer_is_shown_but_not_continued() -> None:
    made = kept([TextDelta("half")], Failed(errors.upstream(502, "x", "y")))
    assert made.response["output"][0]["content"][0]["text"] == "half"
    assert len(made.contents) == 1


def test_the_members_of_a_stored_response() -> None:
    turn = parse(
        input=[{"type": "additional_tools", "tools": [function("f")]}, {"role": "developer", "content": "D"},
               user("x")],
        instructions="I",
    )  # fmt: skip
    made = stored_at_end(builders.channel(turn, TextDelta("a"), end=STOP), SECRET, [b"one", b"two"])
    assert (made.id, made.owner, made.created) == ("resp_" + "5" * 32, "someone", turn.created)
    assert made.input_items == turn.details.input
    assert (made.system, made.tools, made.family) == (("D",), (function("f"),), FAMILY)
    assert made.frames == (b"one", b"two")
    assert made.turn.contents == made.contents
    assert set(made.items) == {item["id"] for item in (*made.input_items, *made.response["output"])}


@pytest.mark.parametrize("include", [[], ["reasoning.encrypted_content"]])
def test_items_found_by_reference_bring_their_signatures(include: list[str]) -> None:
    events: list[Event] = [
        ThinkingDelta("hm"), Signature("own", "thought"), TextDelta("a"), ThinkingDelta("ah"),
        FunctionCall("c", "f", "{}", "sig"),
    ]  # fmt: skip
    made = kept(events, TOOL, parse(include=include, tools=[function("f")], reasoning={"summary": "auto"}))
    found = {
        item["type"]: unseal(SECRET, item["encrypted_content"])
        for item in reversed(made.items.values()) if "encrypted_content" in item
    }  # fmt: skip
    assert found["function_call"] == [Carried("sig", FAMILY, "c")]
    assert found["reasoning"] == [Carried("own", FAMILY)]
    shown = [item for item in made.response["output"] if item["type"] == "reasoning"]
    assert all(("encrypted_content" in item) == bool(include) for item in shown)


def test_reasoning_that_only_carries_is_not_taken_for_a_thought() -> None:
    events: list[Event] = [FunctionCall("c", "f", "{}", "sig"), ThinkingDelta("hm"), Signature("own", "thought")]
    made = kept(events, TOOL, parse(include=["reasoning.encrypted_content"], reasoning={"summary": "auto"}))
    carrying, _, thinking = made.response["output"]
    assert carrying["id"] not in made.sealed
    assert unseal(SECRET, made.sealed[thinking["id"]]) == [Carried("own", FAMILY)]


@given(record_lists(), st.booleans())
def test_any_turn_can_be_continued_under_the_rules_of_turns(made: list[Record], parallel: bool) -> None:
    turn = parse(parallel_tool_calls=parallel)
    kept = stored_at_end(replayed(made, turn), SECRET)
    seen = [item["call_id"] for item in kept.response["output"] if item["type"] == "function_call"]
    finished = isinstance(made[-1].events[-1], Finished)
    for model in ("gemini-3-flash", "gemini-2.5-pro"):
        after = parse(
            context(stored={"r": kept.turn}), model=model, previous_response_id="r",
            input=[*[output(call_id) for call_id in seen if finished], user("go on")],
        )  # fmt: skip
        check_contents(after.google_request["contents"], after.target.family)


# -- as JSON -----------------------------------------------------------------------------------------------------


def through_json(made: StoredResponse) -> StoredResponse:
    return StoredResponse.of_json(jsonio.loads(jsonio.dumps(made.as_json())), made.frames, running=made.running)


def test_everything_comes_back_as_it_was() -> None:
    whole = StoredResponse(
        "resp_1", "me", 100.5,
        {"status": "completed", "background": True, "output": [{"id": "fc_1", "big": 2**70, "text": "\u2028\x85é"}]},
        ({"id": "msg_1"},), ({"role": "user", "parts": [{"text": "x"}]},), {"fc_1": "sealed"}, FAMILY, ("S",),
        (function("f"),), (b"data: {}\n\n",), running=True, earlier=({"role": "user"},),
    )  # fmt: skip
    assert through_json(whole) == whole
    assert through_json(whole).items["fc_1"]["encrypted_content"] == "sealed"


def test_a_whole_turn_comes_back() -> None:
    made = kept([ThinkingDelta("hm"), FunctionCall("c", "f", '{"a": 1}', "s", "up")], TOOL)
    assert through_json(made) == made


def test_members_missing_in_an_older_file_are_empty() -> None:
    response = {"status": "completed", "background": False, "output": []}
    old = {"id": "resp_1", "owner": "me", "created": 100.0, "response": response, "run": "0123456789abcdef"}
    assert StoredResponse.of_json(old) == StoredResponse("resp_1", "me", 100.0, response)


ODD: list[dict[str, Any]] = [
    {"id": None}, {"owner": 1}, {"created": "1"}, {"response": []}, {"response": {}}, {"input_items": "text"},
    {"input_items": {"id": "x"}}, {"input_items": [1]}, {"input_items": [{}]}, {"contents": 5}, {"system": [{}]},
    {"sealed": []}, {"cut_off": "no"}, {"response": {"status": "x", "background": True, "output": [{"type": "x"}]}},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_what_is_no_stored_response_is_refused(odd: dict[str, Any]) -> None:
    whole = kept([TextDelta("hi")], STOP).as_json()
    StoredResponse.of_json(whole)
    with pytest.raises((TypeError, LookupError)):
        StoredResponse.of_json({**whole, **odd})
    with pytest.raises((TypeError, LookupError)):
        StoredResponse.of_json({name: value for name, value in whole.items() if name not in odd and name != "id"})


def test_what_remains_is_small_and_cannot_be_continued() -> None:
    large = "x" * 100_000
    schema = {"type": "json_schema", "name": "x", "schema": {"type": "object", "description": large}}
    turn = parse(model="gemini-3-flash", background=True, instructions=large, input=large,
                 tools=[function("f", description=large)], text={"format": schema})  # fmt: skip
    left = remains(turn)
    check_response(left.response)
    check_responses(b"".join(left.frames))
    assert (left.response["status"], left.is_bare, left.running) == ("failed", True, False)
    assert len(jsonio.dumps(left.as_json())) + sum(map(len, left.frames)) < 8000
    assert through_json(left) == left
    assert not kept([TextDelta("hi")], STOP).is_bare


def test_a_response_cut_off_by_the_end_of_the_process_has_failed() -> None:
    begun = {"id": "resp_1", "status": "queued", "background": True, "output": [], "error": None, "usage": None}
    frames = tuple(
        frame(f"response.{kind}", number, response=begun) for number, kind in enumerate(("created", "queued"))
    )
    cut = cut_off(StoredResponse("resp_1", "me", 100.0, begun, frames=frames, running=True))
    assert (cut.running, cut.cut_off, cut.response["status"]) == (False, True, "failed")
    assert cut.response["usage"] is None, "nobody knows"
    assert cut.response["error"]["code"] == "server_error"
    assert cut.frames[:2] == frames
    assert [each.partition(b"\n")[0] for each in cut.frames[2:]] == [
        b"event: response.in_progress",
        b"event: response.failed",
    ]
    assert not cut.stream_lost
    for left in ((), frames[:1], frames[1:]):  # the store has lost the others
        again = cut_off(StoredResponse("resp_1", "me", 100.0, begun, frames=left, running=True))
        assert again.frames == cut.frames


@pytest.mark.parametrize("end", ["completed", "incomplete", "failed", "cancelled"])
def test_a_stream_of_which_frames_are_missing_is_lost_and_its_end_is_told_all_the_same(end: str) -> None:
    over = {"id": "resp_1", "status": end, "background": True, "output": []}
    event = "failed" if end == "cancelled" else end
    kinds = ("created", "queued", "in_progress", "output_item.added", event)
    frames = tuple(frame(f"response.{kind}", number, response=over) for number, kind in enumerate(kinds))
    whole = StoredResponse("resp_1", "me", 100.0, over, frames=frames)
    assert not whole.stream_lost
    assert [whole.frames_from(number) for number in (0, 3, 5, 9)] == [frames, frames[3:], (), ()]
    for left in ((), frames[:-1], frames[1:], (*frames[:2], *frames[3:]), frames[-1:]):
        lost = replace(whole, frames=left)
        assert lost.stream_lost
        assert lost.frames_from(3) == (frame(f"response.{event}", 3, response=over),)
