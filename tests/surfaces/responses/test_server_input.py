"""Items of MCP servers sent back: calls with their results, lists, requests for approval and their answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.strategies import LISTINGS
from tests.surfaces.responses.asking import (
    STAND_IN,
    call,
    check_contents,
    contents,
    context,
    function,
    output,
    parse,
    refused,
    user,
)
from tests.surfaces.responses.support import turn as rendered_turn
from zerogravity.core.events import (
    CallReturned,
    Event,
    Failed,
    Finished,
    FunctionCall,
    RoundOpened,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.registry import RememberedCall
from zerogravity.core.turn import Approval, Turn, pending
from zerogravity.errors import upstream
from zerogravity.surfaces.base import StoredTurn
from zerogravity.surfaces.common.answer_contents import GONE
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.responses import stored
from zerogravity.surfaces.responses.conversation import Conversation, added_by
from zerogravity.surfaces.responses.server_input import fresh as fresh_ones
from zerogravity.testing import builders

A, B = "a" * 24, "b" * 24
MCP: dict[str, Any] = {"type": "mcp", "server_label": "docs", "server_url": "https://docs.example.com/mcp"}
TOOL: dict[str, Any] = {"name": "find", "input_schema": {"type": "object"}}
LIST: dict[str, Any] = {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "docs", "tools": [TOOL]}
STOP = Finished("stop")
BUSY = Failed(upstream(503, "upstream_error", "busy"))
SECRET = bytes(range(32))
FAMILY = "gemini-3-flash"


def ran(name: str = A, value: Any = "found", **more: Any) -> dict[str, Any]:
    return {
        "type": "mcp_call", "id": f"mcp_{name}", "server_label": "docs", "name": "find", "arguments": '{"q":"x"}',
        "output": value, **more,
    }  # fmt: skip


def asked(name: str = B, **more: Any) -> dict[str, Any]:
    return {
        "type": "mcp_approval_request", "id": f"mcpr_{name}", "server_label": "docs", "name": "read",
        "arguments": '{"p":1}', **more,
    }  # fmt: skip


def said(approve: bool, name: str = B, **more: Any) -> dict[str, Any]:
    return {"type": "mcp_approval_response", "approval_request_id": f"mcpr_{name}", "approve": approve, **more}


def responses_in(made: list[dict[str, Any]]) -> list[Any]:
    return [
        part["functionResponse"]["response"]
        for content in made
        for part in content["parts"]
        if "functionResponse" in part
    ]


# -- calls that were run -----------------------------------------------------------------------------------------


def test_a_call_goes_back_with_its_result() -> None:
    made = contents(user("x"), LIST, ran(), user("go on"), tools=[MCP])
    called, result = made[1]["parts"][0], made[2]["parts"][0]
    assert (called["functionCall"]["name"], called["functionCall"]["args"]) == ("docs.find", {"q": "x"})
    assert called["thoughtSignature"] == STAND_IN
    assert result["functionResponse"]["name"] == "docs.find"
    assert made[3]["parts"] == [{"text": "go on"}]
    assert responses_in(made) == [{"output": "found"}]


@pytest.mark.parametrize(
    ("members", "response"),
    [
        ({"output": '{"a": 1}'}, {"a": 1}),
        ({"output": ""}, {"output": ""}),
        ({"output": None, "error": {"type": "http_error", "code": 503, "message": "busy"}}, {"error": "busy"}),
        ({"output": None, "error": {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "no"}]}},
         {"error": "no"}),
        ({"output": None, "error": "went wrong"}, {"error": "went wrong"}),
        ({"output": None, "error": {"a": 1}}, {"error": '{"a":1}'}),
        ({"output": None, "status": "incomplete"}, {"error": "this call has no result: it was not run to its end"}),
    ],
)  # fmt: skip
def test_what_the_model_is_told(members: dict[str, Any], response: Any) -> None:
    assert responses_in(contents(user("x"), ran(**members), user("y"))) == [response]


def test_the_remembered_call_lends_its_signature() -> None:
    known = RememberedCall("docs_find", "{}", "c2ln", None, FAMILY)
    made = contents(user("x"), ran(), user("y"), within=context(recall={f"call_{A}": known}.get))
    assert made[1]["parts"][0]["thoughtSignature"] == "c2ln"


def test_calls_one_behind_the_other_were_made_together_unless_signed() -> None:
    together = contents(user("x"), ran(), ran(B), user("y"))
    assert [len(content["parts"]) for content in together] == [1, 2, 2, 1]
    known = RememberedCall("docs.find", "{}", "c2ln", None, FAMILY)
    apart = contents(user("x"), ran(), ran(B), user("y"), within=context(recall={f"call_{B}": known}.get))
    assert [len(content["parts"]) for content in apart] == [1, 1, 1, 1, 1, 1]


def test_beside_calls_of_the_client() -> None:
    made = contents(user("x"), call("c1"), ran(), output("c1"), user("y"), tools=[function("f"), MCP])
    assert [len(content["parts"]) for content in made] == [1, 2, 2, 1]
    made = contents(user("x"), ran(), call("c1"), output("c1"), user("y"), tools=[function("f"), MCP])
    assert [len(content["parts"]) for content in made] == [1, 2, 2, 1]


@pytest.mark.parametrize(
    ("item", "param", "code"),
    [
        (ran() | {"id": None}, "input[1].id", "missing_required_parameter"),
        (ran() | {"name": None}, "input[1].name", "missing_required_parameter"),
        (ran() | {"server_label": 1}, "input[1].server_label", "invalid_type"),
        (ran() | {"output": 1}, "input[1].output", "invalid_type"),
        (LIST | {"server_label": None}, "input[1].server_label", "missing_required_parameter"),
        (LIST | {"tools": {}}, "input[1].tools", "invalid_type"),
        (LIST | {"tools": [1]}, "input[1].tools[0]", "invalid_type"),
        (asked() | {"id": None}, "input[1].id", "missing_required_parameter"),
        (said(True) | {"approve": None}, "input[1].approve", "missing_required_parameter"),
        (said(True) | {"approve": "yes"}, "input[1].approve", "invalid_type"),
        (said(True) | {"approval_request_id": None}, "input[1].approval_request_id", "missing_required_parameter"),
        (said(True), "input[1].approval_request_id", "invalid_value"),
    ],
)
def test_what_is_refused_and_where(item: dict[str, Any], param: str, code: str) -> None:
    fault = refused(input=[user("x"), item], tools=[MCP])
    assert (fault.param, fault.code) == (param, code)


# -- lists -------------------------------------------------------------------------------------------------------


def test_a_list_in_the_input_is_not_made_again() -> None:
    of = parse(input=[user("x"), LIST], tools=[MCP, {**MCP, "server_label": "other"}])
    assert of.servers[0].listed == ({"name": "find", "inputSchema": {"type": "object"}},)
    assert of.servers[1].listed is None
    assert of.details.known == ("docs",)


@pytest.mark.parametrize("item", [LIST | {"tools": [], "error": "gone"}, LIST | {"tools": []}])
def test_a_list_that_failed_or_is_empty_is_made_again(item: dict[str, Any]) -> None:
    assert parse(input=[user("x"), item], tools=[MCP]).servers[0].listed is None


# -- approvals ---------------------------------------------------------------------------------------------------


def test_an_approved_call_waits_for_its_result() -> None:
    of = parse(input=[user("x"), asked(), said(True)], tools=[MCP])
    assert of.approvals == (Approval(f"mcpr_{B}", f"call_{B}", "docs", "read", '{"p":1}', True),)
    assert responses_in(list(of.google_request["contents"])) == [pending(f"call_{B}")]
    assert of.details.approved == {f"call_{B}": f"mcpr_{B}"}


def test_a_call_that_is_not_approved_is_told_so() -> None:
    of = parse(input=[user("x"), asked(), said(False, reason="too dear")], tools=[MCP])
    assert of.approvals == (Approval(f"mcpr_{B}", f"call_{B}", "docs", "read", '{"p":1}', False),)
    (response,) = responses_in(list(of.google_request["contents"]))
    assert response == {"error": "the user has not approved this call, so it was not run. Reason: too dear"}
    assert of.details.approved == {}


def test_nobody_has_approved_a_request_without_an_answer() -> None:
    made = contents(user("x"), asked(), user("never mind"), tools=[MCP])
    assert "not approved" in responses_in(made)[0]["error"]


def test_what_has_been_run_since_is_not_run_again() -> None:
    items = [user("x"), asked(), said(True), ran(B, approval_request_id=f"mcpr_{B}"), user("and now?")]
    of = parse(input=items, tools=[MCP])
    assert of.approvals == ()
    assert responses_in(list(of.google_request["contents"])) == [{"output": "found"}]
    check_contents(of.google_request["contents"], of.target.family)


MESSAGE: dict[str, Any] = {"type": "message", "role": "assistant", "content": "It is gone."}
REASONING: dict[str, Any] = {"type": "reasoning", "summary": []}


@pytest.mark.parametrize(
    ("later", "runs"),
    [
        ([], True), ([user("and?")], True), ([REASONING, asked(A), said(True, A)], True),
        ([call("c"), output("c")], True),
        ([MESSAGE], False), ([MESSAGE, user("and?")], False), ([user("x"), MESSAGE], False),
        ([REASONING, {"type": "image_generation_call", "result": "iVBORw0KGgo="}, user("and?")], False),
        ([ran(B, None, error={"type": "mcp_protocol_error", "message": "gone"}), MESSAGE, user("and?")], False),
    ],
)  # fmt: skip
def test_an_approval_sent_again_is_not_used_again(later: list[dict[str, Any]], runs: bool) -> None:
    """By clients that keep no response and have no item of the call."""
    of = parse(input=[user("x"), asked(), said(True), *later], tools=[MCP, function("f")])
    check_contents(of.google_request["contents"], of.target.family)
    assert (f"call_{B}" in {each.call_id for each in of.approvals}) is runs
    told = responses_in(list(of.google_request["contents"]))[0]
    assert told == pending(f"call_{B}") if runs else "error" in told
    has_item = any(item.get("type") == "mcp_call" for item in later)
    assert any("input[2]: an earlier turn has had this approval" in note for note in of.notes) is not (runs or has_item)
    if not runs:
        parse(input=[user("x"), asked(), said(True), *later], tools=[function("f")])


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([said(True, A), asked()], "No MCP approval request with id"),
        ([asked(), said(True), said(True)], "No MCP approval request with id"),
    ],
)
def test_an_answer_to_nothing(items: list[dict[str, Any]], words: str) -> None:
    fault = refused(input=[user("x"), *items], tools=[MCP])
    assert words in fault.message
    assert fault.param is not None
    assert fault.param.endswith("].approval_request_id")


def test_the_server_must_be_offered_still() -> None:
    fault = refused(input=[user("x"), asked(), said(True)], tools=[function("f")])
    assert (fault.param, "'docs'" in fault.message) == ("input[2].approval_request_id", True)


# -- stored responses --------------------------------------------------------------------------------------------


def answered(of: Turn, *events: Event, end: Finished | Failed = STOP) -> StoredTurn:
    return stored.stored_at_end(builders.channel(of, *events, end=end), SECRET).turn


def asking(before: StoredTurn, **body: Any) -> Turn:
    within = context(stored={"resp_1": before})
    return parse(within, previous_response_id="resp_1", **body)


LISTED = LISTINGS[0]
GONE_AGAIN = replace(LISTED, tools=LISTED.tools[:1], names=LISTED.names[:1])
FIND = FunctionCall(f"call_{A}", "docs.find", '{"q":"x"}', "c2ln")
READ = FunctionCall(f"call_{B}", "docs.read", "{}", "c2ln")
FOUND = CallReturned(f"call_{A}", "found")
NEXT = RoundOpened("gemini-3-flash")
HELLO: dict[str, Any] = {
    "google_request": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    "target": Catalogue().resolve("gemini-3-flash"),
}


def test_a_dialogue_goes_on_with_all_rounds_of_the_answer() -> None:
    before = answered(
        rendered_turn(**HELLO),
        LISTED,
        ThinkingDelta("Hm."),
        TextDelta("Let me look."),
        FIND,
        FOUND,
        NEXT,
        TextDelta("It is x."),
    )
    made = asking(before, input="thanks", tools=[MCP]).google_request["contents"]
    check_contents(made, FAMILY)
    assert [content["role"] for content in made] == ["user", "model", "user", "model", "user"]
    assert [list(part) for part in made[1]["parts"]] == [["text"], ["functionCall", "thoughtSignature"]]
    assert responses_in(list(made)) == [{"output": "found"}]
    assert made[3]["parts"] == [{"text": "It is x."}]


def test_a_stored_list_is_not_made_again_at_the_same_place() -> None:
    of = parse(tools=[MCP])
    before = answered(of, LISTED, TextDelta("Hi."))
    again = asking(before, input="x", tools=[MCP])
    assert again.servers[0].listed == LISTED.tools
    later = answered(again, LISTED, TextDelta("Hi."))
    assert asking(later, input="x", tools=[MCP]).servers[0].listed == LISTED.tools
    for changed in ({"server_url": "https://elsewhere.example.com"}, {"allowed_tools": ["find"]}):
        assert asking(before, input="x", tools=[{**MCP, **changed}]).servers[0].listed is None
    assert "docs.example.com" not in str(before.listings)


def test_a_stored_list_counts_for_a_time() -> None:
    """However often the dialogue has gone on since; one of an earlier version, for no time."""
    before = answered(parse(tools=[MCP], input=[user("x"), {**LIST, "server_label": "mail"}]), LISTED, TextDelta("Hi."))
    before = answered(asking(before, input="x", tools=[MCP]), TextDelta("Hi."))
    mail = {**MCP, "server_label": "mail"}
    for late, fresh in ((0, True), (1, False)):
        within = replace(context(stored={"resp_1": before}), fresh_from=context().created + late)
        of = parse(within, previous_response_id="resp_1", input="x", tools=[MCP, mail])
        assert [server.listed is not None for server in of.servers] == [fresh, fresh]
    timeless = [{name: each[name] for name in each if name != "at"} for each in before.listings]
    assert fresh_ones(timeless, 1.0) == ()


@pytest.mark.parametrize("approve", [True, False])
def test_an_approval_of_what_a_stored_response_asked(approve: bool) -> None:
    before = answered(rendered_turn(**HELLO), LISTED, FIND, READ, FOUND)
    of = asking(before, input=[said(approve)], tools=[MCP])
    made = list(of.google_request["contents"])
    check_contents(made, FAMILY)
    assert [each.approve for each in of.approvals] == [approve]
    assert responses_in(made)[0] == {"output": "found"}
    assert (responses_in(made)[1] == pending(f"call_{B}")) is approve
    after = answered(of, LISTED, READ, CallReturned(f"call_{B}", "text"), NEXT, TextDelta("It says text."))
    if approve:
        made = list(asking(after, input="thanks", tools=[MCP]).google_request["contents"])
        check_contents(made, FAMILY)
        assert responses_in(made) == [{"output": "found"}, {"output": "text"}]
        assert made[-2]["parts"] == [{"text": "It says text."}]


@pytest.mark.parametrize(
    ("events", "end", "result"),
    [
        ([GONE_AGAIN, TextDelta("It is gone.")], STOP, {"error": GONE}),
        ([], BUSY, {"error": "this call was not run"}),
        ([READ, CallReturned(f"call_{B}", "text"), NEXT], BUSY, {"output": "text"}),
    ],
    ids=["the tool has gone", "failed before", "failed behind"],
)  # fmt: skip
def test_no_stored_dialogue_waits_for_an_approved_call(
    events: list[Event], end: Finished | Failed, result: dict[str, Any]
) -> None:
    of = asking(answered(rendered_turn(**HELLO), LISTED, FIND, READ, FOUND), input=[said(True)], tools=[MCP])
    made = list(asking(answered(of, LISTED, *events, end=end), input="go on", tools=[MCP]).google_request["contents"])
    check_contents(made, FAMILY)
    assert responses_in(made)[1] == result
    fault = refused(
        context(stored={"r": answered(of, LISTED, *events, end=end)}), previous_response_id="r", input=[said(True)],
        tools=[MCP],
    )  # fmt: skip
    assert "No MCP approval request with id" in fault.message


def test_a_stored_request_that_nobody_answers() -> None:
    before = answered(rendered_turn(**HELLO), LISTED, READ)
    made = list(asking(before, input="never mind", tools=[MCP]).google_request["contents"])
    check_contents(made, FAMILY)
    assert "not approved" in responses_in(made)[0]["error"]


def test_a_stored_answer_with_calls_of_both_kinds_waits_for_the_clients() -> None:
    mine = FunctionCall("call_9", "f", "{}")
    before = answered(rendered_turn(**HELLO), LISTED, FIND, mine, FOUND, end=Finished("tool"))
    made = list(asking(before, input=[output("call_9", "mine")], tools=[MCP, function("f")]).google_request["contents"])
    check_contents(made, FAMILY)
    assert responses_in(made) == [{"output": "found"}, {"output": "mine"}]


def test_a_stored_call_is_found_by_reference_with_its_signature() -> None:
    before = stored.stored_at_end(
        builders.channel(rendered_turn(**HELLO), LISTED, FIND, FOUND, NEXT, TextDelta("x"), end=STOP), SECRET
    )
    item = before.items[f"mcp_{A}"]
    made = contents(
        user("x"), {"type": "item_reference", "id": f"mcp_{A}"}, user("y"), within=context(items={f"mcp_{A}": item})
    )
    assert made[1]["parts"][0]["thoughtSignature"] == "c2ln"


def test_a_limit_of_calls() -> None:
    of = parse(tools=[MCP], max_tool_calls=3)
    assert (of.max_calls, of.details.echo["max_tool_calls"]) == (3, 3)
    assert refused(tools=[MCP], max_tool_calls=0).param == "max_tool_calls"


# -- conversations -----------------------------------------------------------------------------------------------


def talk(*turns: tuple[list[dict[str, Any]], list[Event]], last: list[dict[str, Any]]) -> Turn:
    """A conversation of these turns (input, events of the answer), and the next one."""
    held = Conversation("conv_1", "someone", 0)
    for number, (items, events) in enumerate(turns):
        within = replace(context(), conversation=lambda _, held=held: held.history, turn_id=f"turn_{number:032}")
        of = parse(within, conversation="conv_1", input=items, tools=[MCP])
        held = held.adding(added_by(builders.channel(of, *events, end=STOP), SECRET))
    within = replace(context(), conversation=lambda _: held.history)
    return parse(within, conversation="conv_1", input=last, tools=[MCP])


ASKS: tuple[list[dict[str, Any]], list[Event]] = ([user("hi")], [LISTED, FIND, READ, FOUND])
READS: list[Event] = [READ, CallReturned(f"call_{B}", "text"), NEXT, TextDelta("It says text.")]


def test_a_conversation_asks_and_is_answered() -> None:
    of = talk(ASKS, last=[said(True)])
    assert responses_in(list(of.google_request["contents"])) == [{"output": "found"}, pending(f"call_{B}")]
    assert of.details.approved == {f"call_{B}": f"mcpr_{B}"}


def test_a_conversation_goes_on_behind_an_approved_call() -> None:
    of = talk(ASKS, ([said(True)], [LISTED, *READS]), last=[user("thanks")])
    made = list(of.google_request["contents"])
    check_contents(made, FAMILY)
    assert responses_in(made) == [{"output": "found"}, {"output": "text"}]
    assert (of.approvals, made[-2]["parts"]) == ((), [{"text": "It says text."}])


@pytest.mark.parametrize("last", [[user("never mind")], [said(False), user("no")]])
def test_a_conversation_goes_on_without_approval(last: list[dict[str, Any]]) -> None:
    made = list(talk(ASKS, last=last).google_request["contents"])
    check_contents(made, FAMILY)
    assert "not approved" in responses_in(made)[1]["error"]
