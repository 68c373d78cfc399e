"""``mcp:NAME`` stands for a server of the configuration, on the surfaces that have no such tools."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.playing import parse, refused
from zerogravity.core.turn import ToolServer
from zerogravity.surfaces.common.tool_servers import configured

F: dict[str, Any] = {"name": "f", "description": "F."}
SERVER: dict[str, Any] = {"name": "mcp:docs"}


def gemini(*declarations: Any, **calling: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"tools": [{"functionDeclarations": list(declarations)}]}
    return {**made, "toolConfig": {"functionCallingConfig": calling}} if calling else made


@pytest.mark.parametrize("name", ["mcp:docs", "mcp:a_B-9"])
def test_a_name_that_stands_for_a_server(name: str) -> None:
    assert configured(name, "x") == ToolServer(name[4:], approval="never", param="x")


@pytest.mark.parametrize(
    "name", ["docs", "mcp:", "mcp:9", "mcp:a b", "mcp:a:b", "xmcp:a", "mcp__docs__find", "MCP:a", 1]
)
def test_any_other_name_is_a_tools_own(name: Any) -> None:
    assert configured(name, "x") is None


@pytest.mark.parametrize(
    ("surface", "body", "param"),
    [
        ("messages", {"tools": [{"name": "mcp:docs"}]}, "tools[0].name"),
        ("messages", {"tools": [{"name": "mcp:docs", "type": "custom", "input_schema": {"type": "object"}}]},
         "tools[0].name"),
        ("gemini", gemini(SERVER), "tools[0].functionDeclarations[0].name"),
        ("gemini", {"tools": [{"function_declarations": [SERVER]}]}, "tools[0].functionDeclarations[0].name"),
    ],
)  # fmt: skip
def test_the_server_is_offered_in_place_of_the_tool(surface: str, body: dict[str, Any], param: str) -> None:
    turn = parse(surface, **body)
    assert turn.servers == (ToolServer("docs", approval="never", param=param),)
    assert "tools" not in turn.google_request


def test_other_tools_stay() -> None:
    messages = parse("messages", tools=[{"name": "mcp:docs"}, {"name": "f", "input_schema": {"type": "object"}}])
    google = parse("gemini", tools=[{"functionDeclarations": [F, SERVER]}, {"googleSearch": {}}])
    for turn in (messages, google):
        assert [one["name"] for one in turn.google_request["tools"][0]["functionDeclarations"]] == ["f"]
    assert google.google_request["tools"][1] == {"googleSearch": {}}


@pytest.mark.parametrize(
    ("surface", "body", "chosen", "calling"),
    [
        ("messages", {"tools": [{"name": "mcp:docs"}], "tool_choice": {"type": "any"}}, None, {"mode": "ANY"}),
        ("messages", {"tools": [{"name": "mcp:docs"}], "tool_choice": {"type": "tool", "name": "mcp:docs"}}, (),
         {"mode": "ANY"}),
        ("gemini", gemini(SERVER, mode="ANY", allowedFunctionNames=["mcp:docs"]), (), {"mode": "ANY"}),
        ("gemini", gemini(SERVER, F, mode="ANY", allowedFunctionNames=["mcp:docs", "f"]), (),
         {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ("gemini", gemini(SERVER, F, mode="ANY", allowedFunctionNames=["f"]), None,
         {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)  # fmt: skip
def test_a_choice_of_it(surface: str, body: dict[str, Any], chosen: Any, calling: dict[str, Any]) -> None:
    turn = parse(surface, **body)
    assert turn.servers[0].chosen == chosen
    assert turn.google_request["toolConfig"]["functionCallingConfig"] == calling


@pytest.mark.parametrize(
    ("surface", "body"),
    [
        ("messages", {"tools": [{"name": "mcp:docs"}], "tool_choice": {"type": "none"}}),
        ("gemini", gemini(SERVER, mode="NONE")),
    ],
)
def test_nothing_of_it_may_be_called(surface: str, body: dict[str, Any]) -> None:
    assert parse(surface, **body).servers == ()


@pytest.mark.parametrize(
    ("surface", "body", "param"),
    [
        ("messages", {"tools": [{"name": "mcp:docs"}, {"name": "mcp:docs"}]}, "tools[1].name"),
        ("gemini", gemini(SERVER, SERVER), "tools[0].functionDeclarations[1].name"),
    ],
)
def test_it_is_offered_once(surface: str, body: dict[str, Any], param: str) -> None:
    assert refused(surface, **body).param == param
