"""Conversations: what a turn adds to one, what the next one sends of it, what clients may add."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import LISTINGS, record_lists
from tests.surfaces.playing import replayed
from tests.surfaces.responses.asking import SECRET, check_contents, context, function, output, parse, user
from zerogravity.core.events import (
    CallReturned,
    Event,
    Failed,
    Finished,
    FunctionCall,
    InlineData,
    Record,
    RoundOpened,
    Signature,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError, upstream
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common.answer_contents import GONE
from zerogravity.surfaces.responses.conversation import Conversation, added_by, looked_up, named, new_items, shown
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.stored import stored_at_end
from zerogravity.testing import builders
from zerogravity.wire import jsonio

STOP, TOOL = Finished("stop"), Finished("tool")
EMPTY = Conversation("conv_1", "someone", 100.0)


def within(conversation: Conversation, **more: Any) -> Context:
    return replace(context(**more), conversation=lambda _: conversation.history)


def asked(conversation: Conversation, turn_id: str = "turn_" + "6" * 32, **body: Any) -> Turn:
    return parse(replace(within(conversation), turn_id=turn_id), conversation="conv_1", **body)


def turned(conversation: Conversation, events: list[Event], end: Finished | Failed = STOP, **body: Any) -> Conversation:
    """The conversation after a turn, each with ids of its own."""
    of = asked(conversation, f"turn_{len(conversation.items):032}", **body)
    return conversation.adding(added_by(builders.channel(of, *events, end=end), SECRET))


def contents_of(conversation: Conversation, *items: Any, **body: Any) -> list[Any]:
    made = asked(conversation, input=list(items), **body)
    check_contents(made.google_request["contents"], made.target.family)
    return list(made.google_request["contents"])


CALLING: list[Event] = [ThinkingDelta("hm"), Signature("own", "thought"), FunctionCall("c", "f", "{}", "sig", "up")]

# -- what a turn adds, and what the next one sends -----------------------------------------------------------------


def test_a_thought_that_no_item_shows_goes_to_the_next_turn() -> None:
    held = turned(
        EMPTY, [ThinkingDelta("hm"), Signature("own", "thought")], Finished("length", "MAX_TOKENS"), input="a"
    )
    assert [item["content"][0]["text"] for item in held.visible.values()] == ["a"]
    asked, thought, goes_on = contents_of(held, user("go on"))
    assert (asked["parts"], goes_on["parts"]) == ([{"text": "a"}], [{"text": "go on"}])
    assert thought == {"role": "model", "parts": [{"text": "hm", "thought": True, "thoughtSignature": "own"}]}


@given(record_lists(), st.sampled_from([None, "auto"]), st.booleans(), st.booleans())
def test_the_next_turn_sends_what_it_would_after_a_response(
    records: list[Record], summary: str | None, encrypted: bool, stream: bool
) -> None:
    """Whatever Google has answered; and the items are those that the client has seen."""
    include = ["reasoning.encrypted_content"] if encrypted else []
    body: dict[str, Any] = {"reasoning": {"summary": summary}, "include": include, "stream": stream}
    channel = replayed(records, parse(within(EMPTY), conversation="conv_1", **body))
    stored = stored_at_end(channel, SECRET)
    held = EMPTY.adding(added_by(channel, SECRET))
    if isinstance(channel.terminal, Failed):
        assert held == EMPTY
        return
    seen = [*stored.input_items, *stored.response["output"]]
    assert [item["id"] for item in held.visible.values()] == [item["id"] for item in seen]
    calls = [output(item["call_id"]) for item in stored.response["output"] if item["type"] == "function_call"]
    chained = parse(context(stored={"r": stored.turn}), previous_response_id="r", input=[*calls, user("go on")])
    assert contents_of(held, *calls, user("go on")) == list(chained.google_request["contents"])
    assert Conversation.of_json("conv_1", "someone", jsonio.loads(jsonio.dumps(held.as_json()))) == held


@pytest.mark.parametrize(
    "odd",
    [{"created": "1"}, {"metadata": []}, {"metadata": {"a": 1}}, {"items": {}}, {"items": [1]}, {"items": [{}]},
     {"items": [{"id": 1}]}, {"items": [{"shown_as": "x"}]}],
    ids=str,
)  # fmt: skip
def test_what_is_no_conversation_is_refused(odd: dict[str, Any]) -> None:
    whole = {"created": 1, "metadata": {"a": "b"}, "items": [{"id": "msg_1"}]}
    assert Conversation.of_json("conv_1", "me", whole).as_json() == whole
    for data in ({**whole, **odd}, {name: value for name, value in whole.items() if name not in odd}):
        with pytest.raises((TypeError, LookupError)):
            Conversation.of_json("conv_1", "me", data)


def half_open(held: Conversation) -> list[dict[str, Any]]:
    """Results of all calls behind the end of the last turn."""
    ends = [index for index, item in enumerate(held.items) if "id" not in item]
    newest = held.items[ends[-1] :] if ends else held.items
    return [output(item["call_id"]) for item in newest if item.get("type") == "function_call"]


@settings(max_examples=40)
@given(st.lists(record_lists(), max_size=2), st.data())
def test_any_items_may_be_deleted(turns: list[list[Record]], data: st.DataObject) -> None:
    """Whatever is left is sent by Google's rules, and no turn is refused for it."""
    held = EMPTY
    for number, records in enumerate(turns):
        given = [*half_open(held), user(f"question {number}")]
        held = held.adding(added_by(replayed(records, asked(held, f"turn_{number:032}", input=given)), SECRET))
    unwanted = data.draw(st.sets(st.sampled_from(sorted(held.visible)))) if held.visible else set()
    for item_id in unwanted:
        held = held.without(item_id)
    assert not unwanted & held.visible.keys()
    model = data.draw(st.sampled_from(["gemini-3-flash", "gemini-2.5-pro", "claude-sonnet-4-6"]))
    contents_of(held, *half_open(held), user("go on"), model=model)


def everything() -> Conversation:
    """Items of all kinds that belong together, over four turns, one of which has failed."""
    picture: list[Event] = [InlineData("image/png", "AAAA"), InlineData("image/png", "%"), *CALLING]
    held = turned(EMPTY, picture, TOOL, tools=[function("f"), {"type": "custom", "name": "g"}])
    events: list[Event] = [LISTED, *FOUND, READ]
    held = turned(held, events, TOOL, input=[output("c"), user("x")], tools=[ASKING])
    said = {"type": "mcp_approval_response", "approval_request_id": f"mcpr_{B}", "approve": True, "id": "mcpa_1"}
    held = held.adding([said])
    run: list[Event] = [LISTED, READ, CallReturned(f"call_{B}", "read"), RoundOpened("gemini-3-flash")]
    held = turned(held, run, Failed(upstream(502, "x", "y")), input=[user("y")], tools=[ASKING])
    held = turned(held, [TextDelta("done")], input=[user("y")], tools=[ASKING])
    held = turned(held, [FunctionCall("d", "f", "{}", "sig")], TOOL, input=[user("z")], tools=[function("f")])
    return held.adding([{**output("d"), "id": "fco_d"}])


WHOLE = [
    "message", "image_generation_call", "image_generation_call", "function_call", "function_call_output", "message",
    "mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response", "mcp_call", "message", "message",
    "message", "function_call", "function_call_output",
]  # fmt: skip


def test_items_of_all_kinds_go_together() -> None:
    held = everything()
    assert [item["type"] for item in held.visible.values()] == WHOLE
    assert responses_in(contents_of(held, user("w"))) == [
        {"output": "ok"}, {"output": "found"}, {"output": "read"}, {"output": "ok"},
    ]  # fmt: skip
    assert asked(held, input=[user("w")]).notes == ()


@given(st.sets(st.integers(0, len(WHOLE) - 1), max_size=6), st.sampled_from(["gemini-3-flash", "claude-sonnet-4-6"]))
@settings(max_examples=60)
def test_any_items_that_belong_together_may_be_parted(unwanted: set[int], model: str) -> None:
    """What makes no sense without what was deleted is left out, with a note; and nothing is run for it."""
    held = everything()
    for item_id in [item_id for index, item_id in enumerate(held.visible) if index in unwanted]:
        held = held.without(item_id)
    of = asked(held, input=[*half_open(without_results(held)), user("w")], model=model, tools=[ASKING])
    check_contents(of.google_request["contents"], of.target.family)
    assert of.approvals == ()


def without_results(held: Conversation) -> Conversation:
    """A call of the last turn that has its result asks for none."""
    got = {item["call_id"] for item in held.visible.values() if item["type"] == "function_call_output"}
    return replace(held, items=tuple(item for item in held.items if item.get("call_id") not in got))


@pytest.mark.parametrize(
    ("unwanted", "left_out"),
    [
        ("function_call", ["image_generation_call", "function_call_output"]),
        ("function_call_output", ["image_generation_call", "function_call"]),
        ("mcp_approval_request", ["mcp_approval_response"]), ("mcp_approval_response", []), ("mcp_call", []),
        ("mcp_list_tools", []), ("image_generation_call", ["image_generation_call"]), ("message", []),
    ],
)  # fmt: skip
def test_what_is_left_out_is_noted(unwanted: str, left_out: list[str]) -> None:
    held = everything()
    first = next(item_id for item_id, item in held.visible.items() if item["type"] == unwanted)
    notes = asked(held.without(first), input=[user("w")]).notes
    assert [note.split()[1] for note in notes] == left_out
    assert all(note.startswith("conversation: ") and " left out: " in note for note in notes)


def test_thoughts_that_nobody_has_asked_to_see_go_back() -> None:
    held = turned(EMPTY, CALLING, TOOL, tools=[function("f")])
    assert [item["type"] for item in held.visible.values()] == ["message", "function_call"]
    thought, call = contents_of(held, output("c"))[1]["parts"]
    assert thought == {"text": "hm", "thought": True, "thoughtSignature": "own"}
    assert (call["thoughtSignature"], call["functionCall"]["id"]) == ("sig", "up")


def test_without_one_item_of_an_answer_the_others_go_back_by_themselves() -> None:
    held = turned(EMPTY, [TextDelta("Let me see."), *CALLING], TOOL, tools=[function("f")])
    _, said, _ = held.visible
    (call,) = contents_of(held.without(said), output("c"))[1]["parts"]
    assert (call["thoughtSignature"], call["functionCall"]["id"]) == ("sig", "c")


def test_another_family_goes_on() -> None:
    """Without signatures, and with ids of calls that are the conversation's own."""
    held = EMPTY
    for number in range(2):
        call = FunctionCall(f"c{number}", "f", "{}", "sig")
        held = turned(held, [call], TOOL, model="gemini-2.5-pro", input=[user("go on")], tools=[function("f")])
        held = held.adding([{**output(f"c{number}"), "id": f"fco_{number}"}])
    for model, ids in (("gemini-2.5-pro", [None, None]), ("gemini-3-flash", ["c0", "c1"])):
        made = contents_of(held, user("go on"), model=model)
        calls = [part["functionCall"] for content in made for part in content["parts"] if "functionCall" in part]
        assert [call.get("id") for call in calls] == ids


def test_pictures_and_sounds_go_back_as_they_were() -> None:
    held = turned(EMPTY, [InlineData("image/png", "AAAA"), Signature("sig", "media"), InlineData("audio/wav", "BBBB")])
    assert [item["type"] for item in held.visible.values()] == ["message", "image_generation_call", "message"]
    parts = contents_of(held, user("go on"))[1]["parts"]
    assert [part["inlineData"]["data"] for part in parts] == ["AAAA", "BBBB"]


def test_two_answers_that_have_come_to_stand_together() -> None:
    held = turned(turned(EMPTY, [TextDelta("a")]), [TextDelta("b")], input=[user("unwanted")])
    unwanted = next(item_id for item_id, item in held.visible.items() if "unwanted" in str(item))
    texts = [part["text"] for content in contents_of(held.without(unwanted), user("x")) for part in content["parts"]]
    assert texts == ["Hello", "a", "Continue.", "b", "x"]


def test_system_text_and_tools_of_its_items_count() -> None:
    items = [
        {"type": "message", "id": "msg_1", "role": "developer", "content": [{"type": "input_text", "text": "D"}]},
        {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [function("f")]},
    ]
    made = asked(EMPTY.adding(items), input=[user("x")], instructions="I")
    assert [part["text"] for part in made.google_request["systemInstruction"]["parts"]] == ["I", "D"]
    assert made.google_request["tools"][0]["functionDeclarations"][0]["name"] == "f"
    assert made.notes == ()


def test_a_summary_replaces_what_came_before_it() -> None:
    held = turned(EMPTY, [TextDelta("a")], input=[{"role": "developer", "content": "D"}, user("x")])
    held = turned(held, [TextDelta("what there was")], input=[{"type": "compaction_trigger"}])
    assert [item["type"] for item in held.visible.values()] == ["message", "message", "message", "compaction"]
    made = asked(held, input=[user("y")])
    (said,) = made.google_request["contents"]
    assert [part["text"].rpartition("\n")[2] for part in said["parts"]] == ["x", "what there was", "y"]
    assert made.google_request["systemInstruction"]["parts"] == [{"text": "D"}]
    again = turned(held, [TextDelta("shorter still")], input=[{"type": "compaction_trigger"}])
    (said,) = contents_of(again, user("z"))
    assert [part["text"].rpartition("\n")[2] for part in said["parts"]] == ["x", "shorter still", "z"]


def test_a_response_of_a_conversation_may_be_continued_as_any_other() -> None:
    held = EMPTY.adding([{"type": "message", "id": "msg_1", "role": "user",
                          "content": [{"type": "input_text", "text": "a"}]}])  # fmt: skip
    stored = stored_at_end(builders.channel(asked(held, input=[user("b")]), TextDelta("c"), end=STOP), SECRET)
    after = parse(context(stored={"r": stored.turn}), previous_response_id="r", input="d")
    texts = [part["text"] for content in after.google_request["contents"] for part in content["parts"]]
    assert texts == ["a", "b", "c", "d"]
    assert stored.turn.users[0]["id"] == "msg_1", "for a summary"


def test_what_is_added_twice_is_there_once() -> None:
    of = asked(EMPTY)
    added = added_by(builders.channel(of, *CALLING, end=TOOL), SECRET)
    held = EMPTY.adding(added)
    assert held.adding(added) == held


# -- what clients see of it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "include", "sealed"),
    [
        ("reasoning", [], False), ("reasoning", ["reasoning.encrypted_content"], True),
        ("message", ["reasoning.encrypted_content"], False), ("function_call", [], False), ("compaction", [], True),
    ],
)  # fmt: skip
def test_what_is_sealed_is_shown_to_those_who_ask(kind: str, include: list[str], sealed: bool) -> None:
    item = {"type": kind, "id": "x_1", "encrypted_content": "zg1.x"}
    assert ("encrypted_content" in shown(item, include)) is sealed


# -- requests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"conversation": 7}, {"conversation": {"id": 7}}, {"conversation": {}},
                                  {"conversation": ["x"]}])  # fmt: skip
def test_looking_up_never_fails(body: dict[str, Any]) -> None:
    assert looked_up(body) is None


def test_a_conversation_is_named_by_its_id_or_an_object() -> None:
    for name in ("conv_1", {"id": "conv_1"}, {"id": "conv_1", "object": "conversation"}):
        assert named({"conversation": name}) == looked_up({"conversation": name}) == "conv_1"
    assert named({"conversation": None, "previous_response_id": "resp_1"}) is None


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": "assistant", "content": [{"type": "input_video"}]}, "items[1].content[0].type"),
        ({"type": "function_call_output", "call_id": "c", "output": 7}, "items[1].output"),
        ({"type": "shell_call", "call_id": "c"}, "items[1].action"),
        ({"type": "reasoning", "summary": "x"}, "items[1].summary"),
        ({"role": "user", "content": [{"type": "input_image", "image_url": "https://a.test/b.png"}]},
         "items[1].content[0].image_url"),
        ({"id": 7, "type": "item_reference"}, "items[1].id"),
    ],
)  # fmt: skip
def test_an_item_that_no_turn_could_send_is_refused_when_it_is_added(item: Any, param: str) -> None:
    with pytest.raises(FaultError) as caught:
        new_items({"items": [user("fine"), item]}, context())
    assert (caught.value.fault.status, caught.value.fault.param) == (400, param)


def test_half_of_a_call_may_be_added_by_itself() -> None:
    result, spoken = new_items({"items": [output("c"), user("x")]}, context())
    assert (result["status"], spoken["status"]) == ("completed", "completed")
    of = asked(EMPTY.adding([result]), input=[user("x")])
    assert of.notes == (f"conversation: function_call_output {result['id']} left out: its call is not there",)


def test_a_turn_that_failed_adds_nothing() -> None:
    assert turned(EMPTY, [TextDelta("half")], Failed(upstream(502, "x", "y"))) == EMPTY


# -- MCP servers ---------------------------------------------------------------------------------------------------

A, B = "a" * 24, "b" * 24
MCP: dict[str, Any] = {"type": "mcp", "server_label": "docs", "server_url": "https://docs.example.com/mcp"}
ASKING = {**MCP, "require_approval": "always"}
LISTED = LISTINGS[0]
READ = FunctionCall(f"call_{B}", "docs.read", "{}", "sig")
FOUND = [FunctionCall(f"call_{A}", "docs.find", "{}", "sig"), CallReturned(f"call_{A}", "found")]


def responses_in(made: list[Any]) -> list[Any]:
    parts = [part for content in made for part in content["parts"] if "functionResponse" in part]
    return [part["functionResponse"]["response"] for part in parts]


def test_calls_that_were_run_here_go_back_with_their_results() -> None:
    events: list[Event] = [LISTED, *FOUND, RoundOpened("gemini-3-flash"), TextDelta("done")]
    held = turned(EMPTY, events, tools=[MCP])
    assert [item["type"] for item in held.visible.values()] == ["message", "mcp_list_tools", "mcp_call", "message"]
    after = asked(held, input=[user("go on")], tools=[MCP])
    check_contents(after.google_request["contents"], after.target.family)
    assert responses_in(list(after.google_request["contents"])) == [{"output": "found"}]
    assert after.servers[0].listed is not None, "the list is not made again"
    called = next(item_id for item_id, item in held.visible.items() if item["type"] == "mcp_call")
    assert responses_in(contents_of(held.without(called), user("go on"), tools=[MCP])) == []


@pytest.mark.parametrize("tools", [LISTED.tools, ()], ids=["some", "none"])
@pytest.mark.parametrize(
    ("changed", "later", "known"),
    [({}, 3600, True), ({}, 3601, False), ({"server_url": "https://elsewhere.example.com"}, 1, False),
     ({"allowed_tools": ["find"]}, 1, False)],
)  # fmt: skip
def test_a_conversation_s_list_counts_for_its_place_and_its_time(
    tools: tuple[Any, ...], changed: dict[str, Any], later: float, known: bool
) -> None:
    names = LISTED.names[: len(tools)]
    listed = replace(LISTED, tools=tools, names=names, asks=())
    held = turned(EMPTY, [listed, TextDelta("Hi.")], tools=[MCP])
    held = turned(held, [TextDelta("Hi.")], tools=[MCP])  # which does not make it younger
    now = within(held).created + later
    of = parse(replace(within(held), created=now, fresh_from=now - 3600), conversation="conv_1", tools=[MCP | changed])
    assert (of.servers[0].listed, of.details_as(ResponsesDetails).known) == (
        (tools, ("docs",)) if known else (None, ())
    )


ITEM: dict[str, Any] = {"type": "mcp_list_tools", "server_label": "docs", "tools": [{"name": "f", "input_schema": {}}]}


def knows(conversation: Conversation, later: float = 0.0) -> bool:
    """Whether the tools of the server are known to a turn that many seconds later."""
    now = within(conversation).created + later
    made = replace(within(conversation), created=now, fresh_from=now - 3600)
    return parse(made, conversation="conv_1", tools=[MCP]).servers[0].listed is not None


def test_a_list_that_a_turn_s_input_has_is_known() -> None:
    assert knows(turned(EMPTY, [TextDelta("Hi.")], input=[user("x"), {**ITEM, "id": "mcpl_1"}], tools=[MCP]))


def test_a_list_that_a_client_has_added_is_known_as_long_as_it_is_fresh_and_says_no_more_than_it_did() -> None:
    held = EMPTY.adding(new_items({"items": [user("x"), {**ITEM, "id": "mcpl_1"}]}, context()))
    assert (knows(held, 3600), knows(held, 3601), knows(held.without("mcpl_1"))) == (True, False, False)
    assert held.visible["mcpl_1"] == shown(held.visible["mcpl_1"]) == {**ITEM, "id": "mcpl_1"}
    assert knows(Conversation.of_json("conv_1", "", held.as_json()))
    for odd in ({"tools": []}, {"error": "gone"}, {"server_label": "other"}):
        assert not knows(EMPTY.adding(new_items({"items": [user("x"), {**ITEM, **odd}]}, context())))


@pytest.mark.parametrize(
    "held",
    [
        turned(EMPTY, [LISTED, TextDelta("Hi.")], tools=[MCP]),
        EMPTY.adding(new_items({"items": [user("x"), ITEM]}, context())),
    ],
    ids=["listed by a turn", "added by a client"],
)
def test_a_summary_replaces_no_list(held: Conversation) -> None:
    summed = turned(held, [TextDelta("They met.")], input=[{"type": "compaction_trigger"}])
    assert [item["type"] for item in summed.sent if "id" in item and "role" not in item][-1] == "compaction"
    assert (knows(summed, 3600), knows(summed, 3601)) == (True, False)
    again = turned(summed, [TextDelta("They met again.")], input=[user("hm"), {"type": "compaction_trigger"}])
    assert knows(again)


@pytest.mark.parametrize("approve", [True, False])
@pytest.mark.parametrize("by_itself", [True, False])
def test_approvals_over_several_turns(approve: bool, by_itself: bool) -> None:
    """The answer comes with a turn, or was added to the conversation before it."""
    held = turned(EMPTY, [LISTED, READ], TOOL, tools=[ASKING])
    request = next(item for item in held.visible.values() if item["type"] == "mcp_approval_request")
    said: dict[str, Any] = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": approve}
    given: list[Any] = [said]
    if by_itself:
        held, given = held.adding(new_items({"items": [said]}, context())), []
    of = asked(held, "turn_" + "7" * 32, input=given, tools=[ASKING])
    assert [each.approve for each in of.approvals] == ([approve] if approve or not by_itself else [])
    run: list[Event] = [LISTED, READ, CallReturned(f"call_{B}", "read"), RoundOpened("gemini-3-flash")]
    events = run if approve else []
    held = held.adding(added_by(builders.channel(of, *events, TextDelta("done"), end=STOP), SECRET))
    after = asked(held, input=[user("go on")], tools=[ASKING])
    check_contents(after.google_request["contents"], after.target.family)
    assert after.approvals == ()
    (told,) = responses_in(list(after.google_request["contents"]))
    assert told == {"output": "read"} if approve else "not approved" in told["error"]


GONE_AGAIN = replace(LISTED, tools=LISTED.tools[:1], names=LISTED.names[:1])
ANSWERS: dict[str, list[Event]] = {
    "run": [LISTED, READ, CallReturned(f"call_{B}", "read"), RoundOpened("gemini-3-flash"), TextDelta("done")],
    "gone": [GONE_AGAIN, TextDelta("It is gone.")],
}


def approved(by_itself: bool) -> tuple[Conversation, list[Any]]:
    """A conversation with a request, and what is to be said in the next turn."""
    held = turned(EMPTY, [LISTED, READ], TOOL, tools=[ASKING])
    said = {"type": "mcp_approval_response", "approval_request_id": f"mcpr_{B}", "approve": True}
    return (held.adding(new_items({"items": [said]}, context())), []) if by_itself else (held, [said])


@pytest.mark.parametrize("by_itself", [True, False])
@pytest.mark.parametrize("way", ANSWERS)
@pytest.mark.parametrize("unwanted", ["", "mcp_call", "message", "mcp_approval_response", "all of the answer"])
def test_an_approval_is_used_once(way: str, by_itself: bool, unwanted: str) -> None:
    """Whatever has become of the call, and of the items that tell."""
    held, said = approved(by_itself)
    before = set(held.visible)
    held = turned(held, ANSWERS[way], input=[*said, user("so?")], tools=[ASKING])
    called = held.visible[f"mcp_{B}"]
    assert (called["status"], called["approval_request_id"]) == ("completed" if way == "run" else "failed", f"mcpr_{B}")
    assert (called["error"] or {}).get("message") == (None if way == "run" else GONE)
    for item_id, item in held.visible.items():
        if item_id not in before and unwanted in (item["type"], "all of the answer"):
            held = held.without(item_id)
    for servers in ([ASKING], []):
        of = asked(held, input=[user("go on")], tools=servers)
        check_contents(of.google_request["contents"], of.target.family)
        assert of.approvals == ()
        (told,) = responses_in(list(of.google_request["contents"]))
        if unwanted in ("", "message", "mcp_approval_response") and not (by_itself and unwanted):
            assert told == ({"output": "read"} if way == "run" else {"error": GONE})
        elif unwanted == "mcp_call":
            assert "not run again" in told["error"]
    with pytest.raises(FaultError, match="No MCP approval request with id"):
        asked(held, input=[{**approved(by_itself=False)[1][0]}], tools=[ASKING])


@pytest.mark.parametrize("ran", [True, False])
def test_an_approval_that_a_failed_turn_has_used_is_used(ran: bool) -> None:
    """What was given with that turn goes with it; what stood in the conversation before does not."""
    end = Failed(upstream(502, "x", "y"))
    events = ANSWERS["run"][:4] if ran else [LISTED]
    for by_itself in (True, False):
        held, said = approved(by_itself)
        after = turned(held, events, end, input=[*said, user("so?")], tools=[ASKING])
        assert (after == held) is not (ran and by_itself)
        of = asked(after, input=[*said, user("go on")], tools=[ASKING])
        check_contents(of.google_request["contents"], of.target.family)
        assert len(of.approvals) == (0 if ran and by_itself else 1)
        if ran and by_itself:
            assert responses_in(list(of.google_request["contents"])) == [{"output": "read"}]


def test_what_is_approved_too_late_is_not_run() -> None:
    held, said = approved(by_itself=False)
    held = turned(held, [TextDelta("never mind")], input=[user("never mind")], tools=[ASKING])
    with pytest.raises(FaultError, match="No MCP approval request with id") as caught:
        asked(held, input=said, tools=[ASKING])
    assert caught.value.fault.param == "input[0].approval_request_id"
    of = asked(held.adding(new_items({"items": said}, context())), input=[user("x")], tools=[ASKING])
    assert (of.approvals, ["no approval request waits for it" in note for note in of.notes]) == ((), [True])
