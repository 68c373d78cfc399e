"""``tools``, ``tool_choice`` and their deprecated twins → declarations and toolConfig."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.chat.support import function, parse
from zerogravity.errors import FaultError

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
F, G = function("f"), function("g")
NESTED_G = {"type": "function", "function": {"name": "g"}}
FLAT_F, FLAT_G = {"type": "function", "name": "f"}, {"type": "function", "name": "g"}


def declared(**body: Any) -> list[str]:
    tools = parse(**body).google_request.get("tools", [])
    return [entry["name"] for tool in tools for entry in tool.get("functionDeclarations", [])]


def config(**body: Any) -> dict[str, Any] | None:
    made = parse(**body).google_request.get("toolConfig")
    return None if made is None else made["functionCallingConfig"]


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": CITY, "strict": None}},
        {"type": "function", "name": "f", "description": "d", "parameters": CITY},
    ],
)
def test_both_nestings(tool: dict[str, Any]) -> None:
    assert parse(tools=[tool]).google_request["tools"] == [
        {"functionDeclarations": [{"name": "f", "description": "d", "parameters": CITY}]}
    ]


def test_a_tool_without_parameters() -> None:
    assert parse(tools=[{"type": "function", "function": {"name": "f"}}]).google_request["tools"] == [
        {"functionDeclarations": [{"name": "f"}]}
    ]


def test_a_custom_tool_is_a_function_with_one_string() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: WORD"}}
    turn = parse(tools=[{"type": "custom", "custom": {"name": "patch", "description": "d", "format": grammar}}])
    entry = turn.google_request["tools"][0]["functionDeclarations"][0]
    assert entry["parameters"]["required"] == ["input"]
    assert entry["description"].startswith("d\n")
    assert "start: WORD" in entry["description"]
    assert turn.tool_kinds == {"patch": "custom"}


@pytest.mark.parametrize("kind", ["web_search", "web_search_preview", "web_search_2025_08_26"])
def test_a_hosted_search(kind: str) -> None:
    assert parse(tools=[{"type": kind}]).google_request["tools"] == [{"googleSearch": {}}]


@pytest.mark.parametrize("kind", ["file_search", "code_interpreter", "image_generation", "mcp", "shell", "retrieval"])
@pytest.mark.parametrize("beside", [F, {"type": "web_search"}, {"type": "custom", "name": "patch"}])
def test_a_hosted_tool_that_nobody_forces_locks_no_client_out(kind: str, beside: dict[str, Any]) -> None:
    turn = parse(tools=[{"type": kind}, beside], tool_choice="auto")
    assert turn.google_request["tools"] == parse(tools=[beside]).google_request["tools"]
    assert f"tools[0]: {kind} left out: it cannot be run here" in turn.notes


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp"}, {"type": "new"}]}, "tools[0].type"),
        ({"tools": [F, {"type": "file_search"}], "tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"tools": [F], "tool_choice": {"type": "file_search"}}, "tool_choice.type"),
    ],
)
def test_a_hosted_tool_alone_or_forced_is_refused(body: dict[str, Any], param: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse(**body)
    assert (caught.value.fault.status, caught.value.fault.param) == (400, param)


def test_functions_survive_beside_a_search_on_every_family() -> None:
    newer = parse(tools=[F, {"type": "web_search"}]).google_request
    assert declared(tools=[F, {"type": "web_search"}]) == ["f"]
    assert newer["toolConfig"]["includeServerSideToolInvocations"] is True
    older = parse(model="gemini-2.5-flash", tools=[F, {"type": "web_search"}])
    assert older.google_request["tools"][0]["functionDeclarations"][0]["name"] == "f"
    assert "googleSearch" not in str(older.google_request)
    assert any("search" in note for note in older.notes)


@pytest.mark.parametrize(
    ("choice", "mode", "names"),
    [
        (None, None, None),
        ("auto", "AUTO", None),
        ("none", "NONE", None),
        ("required", "ANY", None),
        ({"type": "function", "function": {"name": "g"}}, "ANY", ["g"]),
        ({"type": "function", "name": "g"}, "ANY", ["g"]),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NESTED_G]}}, "VALIDATED", ["g"]),
        ({"type": "allowed_tools", "mode": "required", "tools": [FLAT_F, FLAT_G]}, "ANY", ["f", "g"]),
        ({"type": "web_search"}, None, None),
    ],
)  # fmt: skip
def test_tool_choice(choice: Any, mode: str | None, names: list[str] | None) -> None:
    made = config(tools=[F, G], tool_choice=choice)
    assert (None if made is None else made["mode"]) == mode
    assert (made or {}).get("allowedFunctionNames") == names


def test_strict_functions_get_their_calls_validated() -> None:
    assert config(tools=[function("f", strict=True)]) == {"mode": "VALIDATED"}
    assert config(tools=[function("f", strict=True)], tool_choice="auto") == {"mode": "VALIDATED"}
    assert config(tools=[function("f", strict=True)], tool_choice="none") == {"mode": "NONE"}


def test_a_custom_tool_can_be_chosen() -> None:
    tools = [{"type": "custom", "custom": {"name": "patch"}}]
    assert config(tools=tools, tool_choice={"type": "custom", "custom": {"name": "patch"}}) == {
        "mode": "ANY", "allowedFunctionNames": ["patch"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "mode", "names"),
    [(None, None, None), ("auto", "AUTO", None), ("none", "NONE", None), ({"name": "f"}, "ANY", ["f"])],
)
def test_the_deprecated_twins(choice: Any, mode: str | None, names: list[str] | None) -> None:
    body = {"functions": [{"name": "f", "description": "d", "parameters": CITY}], "function_call": choice}
    assert declared(**body) == ["f"]
    made = config(**body)
    assert (None if made is None else made["mode"]) == mode
    assert (made or {}).get("allowedFunctionNames") == names


def test_the_last_of_two_declarations_wins_once() -> None:
    assert declared(tools=[function("f"), function("g"), function("f")]) == ["f", "g"]


def test_lost_schema_keywords_are_noted() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "multipleOf": 3}}}
    turn = parse(tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}])
    assert any("multipleOf" in note for note in turn.notes)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": ["f"]}, "tools[0]", "invalid_type"),
        ({"tools": [{}]}, "tools[0].type", "missing_required_parameter"),
        ({"tools": [{"type": "code_interpreter"}]}, "tools[0].type", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "missing_required_parameter"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name", "invalid_value"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
         "tools[0].function.parameters", "invalid_type"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]},
         "tools[0].function.parameters", "invalid_function_parameters"),
        ({"tools": [{"type": "function", "function": {"name": "f", "strict": "yes"}}]}, "tools[0].function.strict",
         "invalid_type"),
        ({"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "xml"}}}]},
         "tools[0].custom.format.type", "invalid_value"),
        ({"tools": [function(f"f{n}") for n in range(513)]}, "tools", "array_above_max_length"),
        ({"functions": [{}]}, "functions[0].name", "missing_required_parameter"),
        ({"tools": [F], "tool_choice": "always"}, "tool_choice", "invalid_value"),
        ({"tools": [F], "tool_choice": 1}, "tool_choice", "invalid_type"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tools": [F], "tool_choice": NESTED_G}, "tool_choice", "invalid_value"),
        ({"tools": [F], "tool_choice": {"type": "function", "function": {}}}, "tool_choice.function.name",
         "missing_required_parameter"),
        ({"tools": [F], "tool_choice": {"type": "function"}}, "tool_choice.function", "missing_required_parameter"),
        ({"tools": [F], "tool_choice": {"type": "mcp"}}, "tool_choice.type", "invalid_value"),
        ({"tools": [F], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": []}}},
         "tool_choice.allowed_tools.mode", "missing_required_parameter"),
        ({"tools": [F], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "any"}}},
         "tool_choice.allowed_tools.mode", "invalid_value"),
        ({"tools": [F], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
         "tool_choice.allowed_tools.tools", "empty_array"),
        ({"tools": [F], "tool_choice": {"type": "allowed_tools", "mode": "auto",
                                        "tools": [{"type": "function", "name": "h"}]}}, "tool_choice", "invalid_value"),
        ({"functions": [{"name": "f"}], "function_call": "required"}, "function_call", "invalid_value"),
        ({"functions": [{"name": "f"}], "function_call": {"name": "g"}}, "function_call", "invalid_value"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(body: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse(**body)
    assert (caught.value.fault.param, caught.value.fault.code) == (param, code)
