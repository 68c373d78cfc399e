"""``tools`` and ``tool_choice`` → declarations and toolConfig. Facts: wire-anthropic 1, 5, 7.15 to 7.17, 7.24."""

from __future__ import annotations

from typing import Any

import pytest

from tests.golden.cases import sent
from tests.judging import complaint
from tests.surfaces.messages.support import HELLO, Block, assistant, parse, refused, result, use, user
from zerogravity.surfaces.messages import surface
from zerogravity.surfaces.messages.details import MessagesDetails

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def tool(name: str = "f", **more: Any) -> Block:
    return {"name": name, "input_schema": SCHEMA, **more}


def declared(*tools: Block, **body: Any) -> list[str]:
    """The names of the functions that Google gets."""
    turn = parse(tools=list(tools), **body)
    assert complaint(sent(turn)) is None
    given = turn.google_request.get("tools", ())
    return [each["name"] for one in given for each in one.get("functionDeclarations", ())]


def test_what_goes_up_of_a_custom_tool() -> None:
    extra = {"type": "custom", "cache_control": {"type": "ephemeral"}, "eager_input_streaming": True,
             "defer_loading": False, "input_examples": [{}], "allowed_callers": ["direct"]}  # fmt: skip
    turn = parse(tools=[tool(description="d", **extra), tool("g", type=None, description="")])
    made = turn.google_request["tools"]
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    assert made == [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": parameters},
                                              {"name": "g", "parameters": parameters}]}]  # fmt: skip
    assert "toolConfig" not in turn.google_request
    assert turn.notes == ()


def test_strict_asks_for_valid_calls_as_on_the_other_surfaces() -> None:
    assert parse(tools=[tool(strict=True)]).google_request["toolConfig"] == {
        "functionCallingConfig": {"mode": "VALIDATED"}
    }


@pytest.mark.parametrize("name", ["WebFetch", "mcp__server__Tool-1", "x" * 100, "with space", "7up"])
def test_a_name_comes_back_as_it_was(name: str) -> None:
    turn = parse(tools=[tool(name)], messages=[user("a"), assistant(use(name=name)), user(result())])
    made = turn.google_request["tools"][0]["functionDeclarations"][0]["name"]
    assert turn.client_name(made) == name
    contents: Any = turn.google_request["contents"]
    assert contents[1]["parts"][0]["functionCall"]["name"] == made
    assert contents[2]["parts"][0]["functionResponse"]["name"] == made
    assert complaint(sent(turn)) is None


# -- deferred tools --------------------------------------------------------------------------------------------------

LATER = tool("Later", defer_loading=True)
FOUND = result(content=[{"type": "tool_reference", "tool_name": "Later"}])
LOADED = [user("a"), assistant(use(name="ToolSearch")), user(FOUND)]


@pytest.mark.parametrize(
    ("tools", "body", "names"),
    [
        ([tool(), LATER], {}, ["f"]),
        ([tool(), LATER], {"messages": LOADED}, ["f", "Later"]),
        ([tool(), LATER], {"tool_choice": {"type": "tool", "name": "Later"}}, ["f", "Later"]),
        ([tool(), LATER, {"type": "tool_search_tool_regex_20251119", "name": "x"}], {}, ["f", "Later"]),
        ([LATER], {}, []),
    ],
)
def test_a_deferred_tool_is_declared_once_it_is_loaded(
    tools: list[Block], body: dict[str, Any], names: list[str]
) -> None:
    assert declared(*tools, **body) == names


# -- tools of the server ---------------------------------------------------------------------------------------------


def test_a_search_and_nothing_else() -> None:
    turn = parse(tools=[{**SEARCH, "max_uses": 8}], tool_choice={"type": "auto"}, output_config={"effort": "medium"})
    assert turn.google_request["tools"] == [{"googleSearch": {}}]
    assert turn.details_as(MessagesDetails).search == "alone"
    assert turn.notes == ("tools[0].max_uses: ignored, it has no effect here",)


def test_a_search_beside_functions() -> None:
    turn = parse(tools=[tool(), SEARCH])
    assert "googleSearch" in turn.google_request["tools"][0]
    assert turn.details_as(MessagesDetails).search == "beside"
    old = parse(model="gemini-2.5-flash", tools=[tool(), SEARCH])
    assert "web search left out: this model cannot combine it with functions" in old.notes


UNSERVED = ("code_execution_20250825", "advisor_20260301", "mcp_toolset", "computer_toolset_20260801",
            "browser_toolset_20260801", "of_tomorrow")  # fmt: skip


@pytest.mark.parametrize("kind", UNSERVED)
def test_a_tool_that_cannot_be_run_here(kind: str) -> None:
    fault = refused(tools=[{"type": kind, "name": "x"}])
    assert (fault.param, fault.code) == ("tools[0].type", "invalid_value")
    turn = parse(tools=[{"type": kind, "name": "x"}, tool()])
    assert turn.notes == (f"tools[0]: {kind} left out: it cannot be run here",)
    fault = refused(tools=[{"type": kind, "name": "x"}, tool()], tool_choice={"type": "tool", "name": "x"})
    assert (fault.param, fault.code) == ("tool_choice.name", "invalid_value")


@pytest.mark.parametrize(
    ("tools", "param", "code"),
    [
        ({}, "tools", "invalid_type"), (["f"], "tools[0]", "invalid_type"),
        ([{"input_schema": SCHEMA}], "tools[0].name", "missing_required_parameter"),
        ([{"name": "", "input_schema": SCHEMA}], "tools[0].name", "invalid_value"),
        ([{"name": "f"}], "tools[0].input_schema", "missing_required_parameter"),
        ([{"name": "f", "input_schema": "x"}], "tools[0].input_schema", "invalid_type"),
        ([{"name": "f", "input_schema": {"type": "string"}}], "tools[0].input_schema", "invalid_function_parameters"),
        ([{**tool(), "description": 5}], "tools[0].description", "invalid_type"),
        ([{**tool(), "type": 5}], "tools[0].type", "invalid_type"),
        ([{**tool(), "strict": "yes"}], "tools[0].strict", "invalid_type"),
        ([{**tool(), "defer_loading": "yes"}], "tools[0].defer_loading", "invalid_type"),
        ([{**LATER, "name": {}}], "tools[0].name", "invalid_type"),
    ],
)  # fmt: skip
def test_a_spoilt_tool_is_refused_by_its_path(tools: Any, param: str, code: str) -> None:
    fault = refused(tools=tools)
    assert (fault.param, fault.code) == (param, code)


# -- tool_choice -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        ({"type": "auto"}, {"mode": "AUTO"}),
        ({"type": "any"}, {"mode": "ANY"}),
        ({"type": "none"}, {"mode": "NONE"}),
        ({"type": "tool", "name": "g"}, {"mode": "ANY", "allowedFunctionNames": ["g"]}),
    ],
)
def test_a_choice(choice: Block | None, config: Block | None) -> None:
    turn = parse(tools=[tool(), tool("g")], tool_choice=choice)
    assert turn.google_request.get("toolConfig", {}).get("functionCallingConfig") == config
    assert complaint(sent(turn)) is None


@pytest.mark.parametrize("kind", ["auto", "any", "tool"])
def test_one_call_at_a_time(kind: str) -> None:
    for given in (True, False, None):
        choice = {"type": kind, "name": "f", "disable_parallel_tool_use": given}
        assert parse(tools=[tool()], tool_choice=choice).details_as(MessagesDetails).one_call is bool(given)


@pytest.mark.parametrize("tools", [None, []])
@pytest.mark.parametrize("choice", [{"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "f"}])
def test_a_choice_without_tools_is_ignored(tools: Any, choice: Block) -> None:
    assert parse(tools=tools, tool_choice=choice).google_request["contents"] == [
        {"role": "user", "parts": [{"text": "Hello"}]}
    ]


def test_a_search_that_is_forced() -> None:
    turn = parse(tools=[tool(), SEARCH], tool_choice={"type": "tool", "name": "web_search"})
    assert turn.google_request["tools"] == [{"googleSearch": {}}]


@pytest.mark.parametrize(
    ("choice", "param", "code"),
    [
        ("auto", "tool_choice", "invalid_type"), ({}, "tool_choice.type", "missing_required_parameter"),
        ({"type": "function"}, "tool_choice.type", "invalid_value"),
        ({"type": "tool"}, "tool_choice.name", "missing_required_parameter"),
        ({"type": "tool", "name": "g"}, "tool_choice.name", "invalid_value"),
        ({"type": "auto", "disable_parallel_tool_use": 1}, "tool_choice.disable_parallel_tool_use", "invalid_type"),
    ],
)  # fmt: skip
def test_a_spoilt_choice_is_refused_by_its_path(choice: Any, param: str, code: str) -> None:
    fault = refused(tools=[tool()], tool_choice=choice)
    assert (fault.param, fault.code) == (param, code)


def test_the_surface_lists_tools_as_they_stand() -> None:
    body = {"messages": HELLO, "tools": [tool(), SEARCH, 5, {"type": "x"}]}
    assert list(surface.tools(body)) == [("f", SCHEMA), ("web_search", None)]
    assert list(surface.tools({"tools": 5})) == []
