"""Tools of servers as functions of Google's request, judged by the stand-in's rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values
from zerogravity.core.events import Notice
from zerogravity.core.google import as_request
from zerogravity.core.turn import Target, ToolServer, Turn
from zerogravity.errors import FaultError
from zerogravity.mcp.offer import Listed, Offer, offer
from zerogravity.mcp.servers import Endpoint
from zerogravity.surfaces.common.claude import NO_ARGUMENTS

ANY = Endpoint("s", approval=("never",))
LOOK = {"name": "look", "inputSchema": {"type": "object"}}


def offered(
    *tools: dict[str, Any], request: dict[str, Any] | None = None, family: str = "gemini-3-flash", **server: Any
) -> Offer:
    contents = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    turn = Turn("t", "responses", "m", Target("m", "m", family=family), as_request({**contents, **(request or {})}))
    return offer(turn, [Listed(ToolServer("s", **server), ANY, tools)])


def functions(made: Offer) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for tool in made.turn.google_request.get("tools", ())
            for one in tool.get("functionDeclarations", ())}  # fmt: skip


def notes(made: Offer) -> str:
    assert {notice.code for notice in made.notices} <= {"tools"}
    return "\n".join(notice.text for notice in made.notices)


# -- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("look", "s.look"),
        ("look-up_2", "s.look-up_2"),
        ("search web", "s.search_web_"),
        ("x" * 100, "s." + "x" * 53 + "_"),
        ("größe", "s.gr__e_"),
    ],
)
def test_names(name: str, declared: str) -> None:
    [made] = functions(offered({"name": name}))
    assert made.startswith(declared)
    assert len(made) <= 64


def test_a_name_that_the_client_has_is_changed() -> None:
    mine = {"tools": [{"functionDeclarations": [{"name": "s.look", "description": "mine"}]}]}
    made = offered(LOOK, request=mine)
    assert list(functions(made)) == ["s.look", "s.look_"]
    assert functions(made)["s.look"]["description"] == "mine"
    assert made.listings[0].names == ("s.look_",)


def test_a_server_can_have_a_name_once() -> None:
    made = offered({**LOOK, "description": "first"}, {**LOOK, "description": "second"}, {"description": "nameless"})
    assert [one["description"] for one in functions(made).values()] == ["first"]
    assert len(made.listings[0].tools) == 1


# -- declarations ------------------------------------------------------------------------------------------------


def test_what_is_recorded_of_a_tool() -> None:
    tool = {
        **LOOK,
        "title": "Look",
        "annotations": {"readOnlyHint": True},
        "outputSchema": {"type": "object"},
        "_meta": {},
    }
    made = offered(tool)
    [listing] = made.listings
    assert listing.tools == ({**LOOK, "title": "Look", "annotations": {"readOnlyHint": True}},)
    assert functions(made)["s.look"]["description"] == "Look"


def test_a_server_s_description_goes_to_its_first_tool() -> None:
    made = offered({**LOOK, "description": "Looks"}, {"name": "other"}, description="The archive")
    assert [one.get("description") for one in functions(made).values()] == ["The archive\n\nLooks", None]


def test_what_a_schema_loses_is_noted() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a", "not": {"const": "b"}}}}
    made = offered({"name": "f", "inputSchema": schema})
    assert "s.f" in notes(made)


@pytest.mark.parametrize("schema", [7, "object", {"type": "array"}, {"$ref": "#/nowhere"}])
def test_a_tool_whose_schema_is_none_is_left_out(schema: Any) -> None:
    made = offered({"name": "bad", "inputSchema": schema}, LOOK)
    assert "s.look" in functions(made)
    if "s.bad" not in functions(made):
        assert "s.bad left out: " in notes(made)
        assert made.listings[0].names == ("s.look",)


def test_claude_gets_a_schema_with_every_function() -> None:
    assert functions(offered(LOOK, family="claude"))["s.look"]["parameters"] == NO_ARGUMENTS


def test_too_many_functions() -> None:
    with pytest.raises(FaultError) as caught:
        offered(*({"name": f"f{number}"} for number in range(513)), param="tools[2]")
    assert (caught.value.fault.status, caught.value.fault.param) == (400, "tools[2]")


# -- beside what is there ----------------------------------------------------------------------------------------

SEARCH = {"tools": [{"googleSearch": {}}]}


def test_a_search_stays_where_the_model_takes_both() -> None:
    made = offered(LOOK, request=SEARCH).turn.google_request
    [tool] = made.get("tools", ())
    assert set(tool) == {"functionDeclarations", "googleSearch"}
    assert made.get("toolConfig") == {"includeServerSideToolInvocations": True}


def test_a_search_is_left_out_where_it_does_not() -> None:
    made = offered(LOOK, request=SEARCH, family="gemini-2.5-flash")
    assert [set(tool) for tool in made.turn.google_request.get("tools", ())] == [{"functionDeclarations"}]
    assert made.notices == (Notice("tools", "web search left out: this model cannot combine it with functions"),)


def test_a_search_alone_stays_where_a_server_has_no_tools() -> None:
    assert offered(request=SEARCH, family="gemini-2.5-flash").turn.google_request.get("tools") == SEARCH["tools"]


def test_other_tools_of_google_s_stay() -> None:
    made = offered(LOOK, request={"tools": [{"urlContext": {}}]})
    assert [set(tool) for tool in made.turn.google_request.get("tools", ())] == [
        {"urlContext"},
        {"functionDeclarations"},
    ]


def test_an_answer_s_form_that_the_model_does_not_take_with_functions() -> None:
    form = {"generationConfig": {"responseMimeType": "application/json"}}
    assert functions(offered(LOOK, request=form))
    assert not functions(offered(request=form, family="gemini-2.5-flash"))
    with pytest.raises(FaultError, match="cannot answer with JSON where MCP tools are offered"):
        offered(LOOK, request=form, family="gemini-2.5-flash")


# -- what the client chooses -------------------------------------------------------------------------------------


def calling(mode: str, *names: str) -> dict[str, Any]:
    return {"functionCallingConfig": {"mode": mode, **({"allowedFunctionNames": list(names)} if names else {})}}


MINE = {"tools": [{"functionDeclarations": [{"name": "mine"}]}]}


@pytest.mark.parametrize(
    ("request_", "chosen", "config"),
    [
        ({}, None, None),
        ({"toolConfig": calling("ANY")}, None, calling("ANY")),
        ({"toolConfig": calling("AUTO")}, ("look",), calling("VALIDATED", "s.look")),
        ({}, (), calling("VALIDATED", "s.look", "s.other")),
        ({"toolConfig": calling("ANY")}, ("look",), calling("ANY", "s.look")),
        ({**MINE, "toolConfig": calling("VALIDATED", "mine")}, ("look",), calling("VALIDATED", "mine", "s.look")),
        ({**MINE, "toolConfig": calling("ANY", "mine")}, None, calling("ANY", "mine")),
    ],
)  # fmt: skip
def test_a_choice(request_: dict[str, Any], chosen: tuple[str, ...] | None, config: dict[str, Any] | None) -> None:
    made = offered(LOOK, {"name": "other"}, request=request_, chosen=chosen)
    assert made.turn.google_request.get("toolConfig") == config


def test_a_choice_without_any_function_is_left_out() -> None:
    assert "toolConfig" not in offered(request={"toolConfig": calling("ANY")}).turn.google_request


def test_a_choice_of_a_tool_that_there_is_not() -> None:
    with pytest.raises(FaultError, match="the MCP server 's' has no tool 'x' that may be called") as caught:
        offered(LOOK, chosen=("x",))
    assert caught.value.fault.param == "tool_choice"


def test_the_turn_s_own_request_is_left_alone() -> None:
    request = {**MINE, "toolConfig": calling("ANY")}
    offered(LOOK, request=request, chosen=())
    assert request == {**MINE, "toolConfig": calling("ANY")}
    assert MINE == {"tools": [{"functionDeclarations": [{"name": "mine"}]}]}


MEMBERS = st.sampled_from(["name", "title", "description", "inputSchema", "annotations", "other"])


@given(st.lists(st.dictionaries(MEMBERS, json_values), max_size=5))
def test_whatever_is_listed_every_tool_that_is_offered_has_a_name(tools: list[dict[str, Any]]) -> None:
    """A list may be the client's own words: it sends back what it was shown."""
    made = offered(*tools)
    [listing] = made.listings
    assert list(functions(made)) == list(listing.names)
    assert len(listing.tools) == len(listing.names) == len(set(listing.names))
