"""``{"type": "mcp"}`` in Responses and Chat: every member is read, or refused by its name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.playing import parse, refused
from zerogravity.core.turn import ToolServer

URL = "https://mcp.example.com/mcp?key=s3cret"
MCP: dict[str, Any] = {"type": "mcp", "server_label": "docs", "server_url": URL}
F: dict[str, Any] = {"type": "function", "function": {"name": "f"}}


def server(**members: Any) -> ToolServer:
    (found,) = parse("responses", tools=[{**MCP, **members}]).servers
    return found


@pytest.mark.parametrize(
    ("members", "field", "value"),
    [
        ({}, "allowed", None),
        ({"allowed_tools": ["a", "b"]}, "allowed", ["a", "b"]),
        ({"allowed_tools": []}, "allowed", []),
        ({"allowed_tools": {"tool_names": ["a"], "read_only": True}}, "allowed",
         {"tool_names": ["a"], "read_only": True}),
        ({"allowed_tools": {"read_only": None}}, "allowed", {}),
        ({}, "approval", "always"),
        ({"require_approval": None}, "approval", "always"),
        ({"require_approval": "never"}, "approval", "never"),
        ({"require_approval": {"never": {"tool_names": ["a"]}, "always": {"read_only": False}}}, "approval",
         {"always": {"read_only": False}, "never": {"tool_names": ["a"]}}),
        ({"headers": {"X-Key": "k"}}, "headers", {"X-Key": "k"}),
        ({"authorization": "t"}, "headers", {"Authorization": "Bearer t"}),
        ({"server_description": "Finds documents."}, "description", "Finds documents."),
        ({}, "url", URL),
        ({}, "param", "tools[0].server_url"),
        ({"server_url": None}, "url", ""),
        ({"server_url": None}, "param", "tools[0].server_label"),
        ({"defer_loading": True, "allowed_callers": ["direct"]}, "label", "docs"),
    ],
)  # fmt: skip
def test_each_member(members: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(server(**members), field) == value


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"server_label": None}, "server_label", "missing_required_parameter"),
        ({"server_label": 1}, "server_label", "invalid_type"),
        ({"server_label": ""}, "server_label", "invalid_value"),
        ({"server_label": "my server"}, "server_label", "invalid_value"),
        ({"server_label": "x" * 65}, "server_label", "invalid_value"),
        ({"server_url": "mcp.example.com"}, "server_url", "invalid_value"),
        ({"server_url": "ftp://example.com"}, "server_url", "invalid_value"),
        ({"server_url": "http://["}, "server_url", "invalid_value"),
        ({"server_url": 1}, "server_url", "invalid_type"),
        ({"connector_id": "connector_gmail"}, "connector_id", "unsupported_parameter"),
        ({"tunnel_id": "t"}, "tunnel_id", "unsupported_parameter"),
        ({"allowed_tools": "a"}, "allowed_tools", "invalid_type"),
        ({"allowed_tools": [1]}, "allowed_tools[0]", "invalid_type"),
        ({"allowed_tools": {"tool_names": "a"}}, "allowed_tools.tool_names", "invalid_type"),
        ({"allowed_tools": {"read_only": "x"}}, "allowed_tools.read_only", "invalid_type"),
        ({"allowed_tools": {"names": []}}, "allowed_tools.names", "unknown_parameter"),
        ({"require_approval": "sometimes"}, "require_approval", "invalid_value"),
        ({"require_approval": True}, "require_approval", "invalid_type"),
        ({"require_approval": {"never": "a"}}, "require_approval.never", "invalid_type"),
        ({"require_approval": {"ever": {}}}, "require_approval.ever", "unknown_parameter"),
        ({"headers": []}, "headers", "invalid_type"),
        ({"headers": {"A": 1}}, "headers.A", "invalid_type"),
        ({"authorization": 1}, "authorization", "invalid_type"),
        ({"authorization": "t", "headers": {"authorization": "x"}}, "authorization", "invalid_value"),
        ({"server_description": 1}, "server_description", "invalid_type"),
        ({"defer_loading": "x"}, "defer_loading", "invalid_type"),
        ({"allowed_callers": "x"}, "allowed_callers", "invalid_type"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(members: dict[str, Any], param: str, code: str) -> None:
    fault = refused("responses", tools=[F, {**MCP, **members}])
    assert (fault.param, fault.code) == (f"tools[1].{param}", code)


@pytest.mark.parametrize("name", ["responses", "chat"])
def test_a_label_stands_for_one_server(name: str) -> None:
    tool = {"type": "mcp", "server_label": "docs"}
    assert refused(name, tools=[tool, tool]).param == "tools[1].server_label"


def test_no_secret_is_shown() -> None:
    of = parse("responses", tools=[{**MCP, "headers": {"X-Key": "s3cret"}, "authorization": "s3cret"}])
    assert "s3cret" not in repr(of.servers).replace(URL, "")
    assert "s3cret" not in str(of.details.as_json())


@pytest.mark.parametrize(
    ("tool", "allowed", "param"),
    [
        ({"type": "mcp", "server_label": "docs"}, None, "tools[0].server_label"),
        ({"type": "mcp", "server_label": "docs", "require_approval": "never"}, None, "tools[0].server_label"),
        ({"type": "mcp", "server_label": "docs", "allowed_tools": ["a"]}, ["a"], "tools[0].server_label"),
        ({"type": "function", "function": {"name": "mcp:docs"}}, None, "tools[0].function.name"),
        ({"type": "function", "name": "mcp:docs", "parameters": {}}, None, "tools[0].name"),
    ],
)
def test_chat_names_servers_of_the_configuration(tool: dict[str, Any], allowed: Any, param: str) -> None:
    turn = parse("chat", tools=[tool], tool_choice="auto")
    assert turn.servers == (ToolServer("docs", allowed=allowed, approval="never", param=param),)
    assert "tools" not in turn.google_request


@pytest.mark.parametrize("member", ["server_url", "headers", "authorization", "connector_id", "require_approval"])
def test_chat_takes_no_other_servers(member: str) -> None:
    fault = refused("chat", tools=[{"type": "mcp", "server_label": "docs", member: "always"}])
    assert (fault.param, fault.code) == (f"tools[0].{member}", "unsupported_parameter")


@pytest.mark.parametrize(
    ("name", "choice", "chosen", "mode"),
    [
        ("responses", "auto", None, "AUTO"),
        ("responses", "required", None, "ANY"),
        ("responses", {"type": "mcp", "server_label": "docs"}, (), "ANY"),
        ("responses", {"type": "mcp", "server_label": "docs", "name": "find"}, ("find",), "ANY"),
        ("responses", {"type": "allowed_tools", "mode": "auto", "tools": [
            {"type": "mcp", "server_label": "docs", "name": "a"}, {"type": "mcp", "server_label": "docs", "name": "b"},
        ]}, ("a", "b"), "VALIDATED"),
        ("responses", {"type": "allowed_tools", "mode": "required", "tools": [
            {"type": "mcp", "server_label": "docs"}, {"type": "mcp", "server_label": "docs", "name": "b"},
        ]}, (), "ANY"),
        ("chat", "required", None, "ANY"),
        ("chat", {"type": "mcp", "server_label": "docs", "name": "find"}, ("find",), "ANY"),
        ("chat", {"type": "function", "function": {"name": "mcp:docs"}}, (), "ANY"),
        ("chat", {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
            {"type": "mcp", "server_label": "docs", "name": "a"}]}}, ("a",), "VALIDATED"),
    ],
)  # fmt: skip
def test_a_choice_of_a_server(name: str, choice: Any, chosen: Any, mode: str) -> None:
    turn = parse(name, tools=[{"type": "mcp", "server_label": "docs"}, F], tool_choice=choice)
    assert turn.servers[0].chosen == chosen
    calling = turn.google_request["toolConfig"]["functionCallingConfig"]
    assert calling == {"mode": mode}


@pytest.mark.parametrize("name", ["responses", "chat"])
def test_a_choice_of_functions_leaves_servers_out(name: str) -> None:
    one = {"type": "function", "name": "f"} if name == "responses" else F
    turn = parse(name, tools=[{"type": "mcp", "server_label": "docs"}, F], tool_choice=one)
    assert turn.servers[0].chosen is None
    calling = turn.google_request["toolConfig"]["functionCallingConfig"]
    assert calling == {"mode": "ANY", "allowedFunctionNames": ["f"]}


@pytest.mark.parametrize("name", ["responses", "chat"])
def test_no_tool_may_be_called(name: str) -> None:
    assert parse(name, tools=[{"type": "mcp", "server_label": "docs"}], tool_choice="none").servers == ()


@pytest.mark.parametrize("name", ["responses", "chat"])
@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ({"type": "mcp"}, "tool_choice.server_label"),
        ({"type": "mcp", "server_label": "other"}, "tool_choice"),
        ({"type": "mcp", "server_label": "docs", "name": 1}, "tool_choice.name"),
    ],
)
def test_a_choice_that_is_refused(name: str, choice: Any, param: str) -> None:
    assert refused(name, tools=[{"type": "mcp", "server_label": "docs"}], tool_choice=choice).param == param
