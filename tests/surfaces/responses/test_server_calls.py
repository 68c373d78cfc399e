"""The tools of MCP servers as items: lists, calls that the gateway runs, calls that ask, streamed and whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent
from openai.types.responses.response_output_item import McpApprovalRequest, McpCall, McpListTools
from pydantic import TypeAdapter

from tests.strategies import CALL_ERRORS, LISTINGS, served_lists
from tests.surfaces.responses.support import SEALED, SECRET, TURN, frames, records, rendered, stream, turn
from zerogravity.core.events import (
    CallReturned,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Record,
    RoundOpened,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.fold import fold
from zerogravity.core.turn import Approval
from zerogravity.errors import cancelled
from zerogravity.surfaces.common.answer_contents import GONE
from zerogravity.surfaces.responses import response, server_calls
from zerogravity.testing.check import check_responses

STOP = Finished("stop")
A, B, C = (f"call_{letter * 24}" for letter in "abc")
DOCS = LISTINGS[0]
FIND = FunctionCall(A, "docs.find", '{"q":"x"}')
READ = FunctionCall(B, "docs.read", "{}")
SEND = FunctionCall(C, "mail.send", "{}")
NEXT = RoundOpened("gemini-3-flash")
_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


@given(served_lists(), st.booleans(), st.booleans(), st.booleans())
def test_any_turn_gives_a_legal_stream_that_ends_with_its_response(
    made: list[Record], background: bool, sealed: bool, together: bool
) -> None:
    echo = {"parallel_tool_calls": together, "background": background}
    of = turn(background=background, echo=echo, **(SEALED if sealed else {}))
    values = check_responses(frames(made, of))
    assert values[-1]["response"] == response.render(of, fold(made), SECRET)


@given(served_lists())
def test_openais_own_client_reads_any_of_them(made: list[Record]) -> None:
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for value in check_responses(frames(made, TURN)):
        state.handle_event(_EVENT.validate_python(value))
        if value["type"] == "response.output_item.done":
            item = value["item"]
            typed = {"mcp_call": McpCall, "mcp_list_tools": McpListTools, "mcp_approval_request": McpApprovalRequest}
            if (kind := typed.get(item["type"])) is not None:
                assert kind(**item).to_dict(exclude_unset=True) == item


def test_a_call_is_shown_with_its_result_between_what_the_model_says() -> None:
    events: list[Event] = [DOCS, TextDelta("Let me look."), FIND, CallReturned(A, "found"), NEXT, TextDelta("It is x.")]
    values = stream(events, STOP)
    assert kinds(values) == [
        "created", "in_progress",
        "output_item.added", "mcp_list_tools.in_progress", "mcp_list_tools.completed", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done",
        "output_item.added", "mcp_call.in_progress", "mcp_call_arguments.delta", "mcp_call_arguments.done",
        "mcp_call.completed", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done",
        "completed",
    ]  # fmt: skip
    output = values[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["mcp_list_tools", "message", "mcp_call", "message"]
    assert output[0] == {
        "id": output[0]["id"], "type": "mcp_list_tools", "server_label": "docs",
        "tools": [
            {"name": "find", "description": "Finds.", "input_schema": {"type": "object"}, "annotations": None},
            {"name": "read", "description": None, "input_schema": {"type": "object"}, "annotations": None},
        ],
    }  # fmt: skip
    assert output[2] == {
        "id": "mcp_" + "a" * 24, "type": "mcp_call", "status": "completed", "approval_request_id": None,
        "arguments": '{"q":"x"}', "error": None, "name": "find", "output": "found", "server_label": "docs",
    }  # fmt: skip
    ids = [item["id"] for item in output]
    assert [value["item_id"] for value in values if value["type"].startswith("response.mcp_call")] == [ids[2]] * 4
    assert output[0]["id"].startswith("mcpl_")


def test_several_calls_run_at_once_and_come_back_in_any_order() -> None:
    events: list[Event] = [DOCS, LISTINGS[1], FIND, SEND, CallReturned(C, "sent"), CallReturned(A, "found"), NEXT]
    values = stream([*events, TextDelta("Done.")], STOP)
    done = [
        (value["output_index"], value["item"]["name"])
        for value in values
        if value["type"] == "response.output_item.done" and value["item"]["type"] == "mcp_call"
    ]
    assert done == [(3, "send"), (2, "find")]
    assert [item.get("name") for item in values[-1]["response"]["output"]] == [None, None, "find", "send", None]


@pytest.mark.parametrize("known", [(), ("docs",)])
def test_an_approved_call_whose_tool_has_gone_is_a_failed_item(known: tuple[str, ...]) -> None:
    """Before all that the model says to it."""
    approvals = tuple(
        Approval(f"mcpr_{letter * 24}", f"call_{letter * 24}", "docs", tool, "{}", approve)
        for letter, tool, approve in (("a", "find", True), ("b", "lost", True), ("c", "lost", False))
    )
    approved = {each.call_id: each.request_id for each in approvals if each.approve}
    of = turn(approvals=approvals, known=known, approved=approved)
    events: list[Event] = [LISTINGS[1], LISTINGS[2], DOCS, FIND, CallReturned(A, "found"), NEXT, TextDelta("It is x.")]
    values = stream(events, STOP, of)
    assert values[-1]["response"] == response.render(of, fold(records(events, STOP)), SECRET)
    lists, output = ["mcp_list_tools"] * (2 if known else 3), values[-1]["response"]["output"]
    assert [item["type"] for item in output] == [*lists, "mcp_call", "mcp_call", "message"]
    assert McpCall(**output[len(lists)]).to_dict(exclude_unset=True) == {
        "id": "mcp_" + "b" * 24, "type": "mcp_call", "status": "failed", "approval_request_id": "mcpr_" + "b" * 24,
        "arguments": "{}", "error": {"type": "mcp_protocol_error", "code": -32602, "message": GONE}, "name": "lost",
        "output": None, "server_label": "docs",
    }  # fmt: skip
    assert kinds(values).count("mcp_call.failed") == 1


@pytest.mark.parametrize("error", CALL_ERRORS)
def test_a_call_that_went_wrong_is_a_failed_item(error: dict[str, Any]) -> None:
    events: list[Event] = [DOCS, FIND, CallReturned(A, error=error), NEXT, TextDelta("Sorry.")]
    values = stream(events, STOP)
    item = values[-1]["response"]["output"][1]
    assert (item["status"], item["error"], item["output"]) == ("failed", error, None)
    assert "mcp_call.failed" in kinds(values)
    assert values[-1]["response"]["status"] == "completed"


def test_a_call_is_incomplete_where_the_turn_ends_before() -> None:
    values = stream([DOCS, FIND], Failed(cancelled()))
    item = values[-1]["response"]["output"][1]
    assert (item["status"], item["output"], item["error"]) == ("incomplete", None, None)
    assert kinds(values)[-2:] == ["output_item.done", "failed"]


def test_a_server_that_lists_nothing_is_a_failed_list() -> None:
    values = stream([LISTINGS[2], TextDelta("Hello")], STOP)
    item = values[-1]["response"]["output"][0]
    assert (item["tools"], item["error"]) == ([], "nobody answers there")
    assert kinds(values)[3:5] == ["mcp_list_tools.in_progress", "mcp_list_tools.failed"]


def test_a_call_that_asks_is_a_request_and_no_call() -> None:
    values = stream([DOCS, READ], STOP)
    output = values[-1]["response"]["output"]
    assert output[1] == {
        "id": "mcpr_" + "b" * 24, "type": "mcp_approval_request", "arguments": "{}", "name": "read",
        "server_label": "docs",
    }  # fmt: skip
    assert not [kind for kind in kinds(values) if kind.startswith("mcp_call")]


def test_an_approved_call_names_the_request() -> None:
    of = turn(approved={B: "mcpr_1"})
    events: list[Event] = [DOCS, READ, CallReturned(B, "text"), TextDelta("It says text.")]
    output = stream(events, STOP, of)[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["mcp_list_tools", "mcp_call", "message"]
    assert (output[1]["approval_request_id"], output[1]["output"]) == ("mcpr_1", "text")


def test_what_the_dialogue_has_listed_is_not_shown_again() -> None:
    of = turn(known=("docs",))
    assert [item["type"] for item in rendered([DOCS, LISTINGS[1], TextDelta("Hi")], STOP, of)["output"]] == [
        "mcp_list_tools",
        "message",
    ]


def test_calls_of_the_client_beside_those_of_a_server_are_its_own() -> None:
    events: list[Event] = [DOCS, FIND, FunctionCall(C, "mine", "{}"), CallReturned(A, "found")]
    output = rendered(events, Finished("tool"))["output"]
    assert [item["type"] for item in output] == ["mcp_list_tools", "mcp_call", "function_call"]


def test_one_call_at_a_time_is_a_rule_for_the_clients_own() -> None:
    of = turn(echo={"parallel_tool_calls": False})
    events: list[Event] = [
        DOCS,
        LISTINGS[1],
        FIND,
        SEND,
        FunctionCall(B, "mine", "{}"),
        FunctionCall("call_9", "mine", "{}"),
    ]
    output = rendered([*events, CallReturned(A, "found"), CallReturned(C, "sent")], Finished("tool"), of)["output"]
    assert [item["type"] for item in output[2:]] == ["mcp_call", "mcp_call", "function_call"]


def test_a_signed_call_has_its_seal_before_it() -> None:
    signed = FunctionCall(A, "docs.find", "{}", "c2ln")
    of = turn(**SEALED)
    events: list[Event] = [DOCS, ThinkingDelta("Hm."), signed, CallReturned(A, "found"), NEXT, TextDelta("x")]
    kinds = [item["type"] for item in stream(events, STOP, of)[-1]["response"]["output"]]
    assert kinds == ["mcp_list_tools", "reasoning", "mcp_call", "message"]


@pytest.mark.parametrize("kind", ["mcp_call", "mcp_approval_request"])
def test_an_items_id_leads_to_its_call(kind: str) -> None:
    assert server_calls.call_id(kind, server_calls.item_id(kind, A)) == A
    assert server_calls.call_id(kind, "foreign") == "foreign"


def test_a_list_leads_back_to_what_the_server_said() -> None:
    tools = ({"name": "find", "description": "Finds.", "inputSchema": {"type": "object"}},)
    assert server_calls.listed_tools(server_calls.list_item(LISTINGS[0]))[:1] == tools
