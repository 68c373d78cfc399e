"""The tool choices that Chat and Responses share, on both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.playing import OPENAI, parse, refused

TOOL_F, TOOL_G = {"type": "function", "name": "f"}, {"type": "function", "name": "g"}
CUSTOM, SEARCH = {"type": "custom", "name": "x"}, {"type": "web_search"}
NESTED_G = {"type": "function", "function": {"name": "g"}}


@pytest.mark.parametrize("name", OPENAI)
@pytest.mark.parametrize(
    ("choice", "mode", "names"),
    [
        (None, None, None), ("auto", "AUTO", None), ("none", "NONE", None), ("required", "ANY", None),
        (TOOL_G, "ANY", ["g"]), (NESTED_G, "ANY", ["g"]),
        (CUSTOM, "ANY", ["x"]), ({"type": "custom", "custom": {"name": "x"}}, "ANY", ["x"]),
        ({"type": "allowed_tools", "mode": "auto", "tools": [TOOL_F, TOOL_G]}, "VALIDATED", ["f", "g"]),
        ({"type": "allowed_tools", "mode": "required", "tools": [TOOL_F]}, "ANY", ["f"]),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NESTED_G]}}, "VALIDATED", ["g"]),
    ],
)  # fmt: skip
def test_what_a_choice_becomes(name: str, choice: Any, mode: str | None, names: list[str] | None) -> None:
    config = parse(name, tools=[TOOL_F, TOOL_G, CUSTOM], tool_choice=choice).google_request.get("toolConfig")
    expected = {"mode": mode, **({"allowedFunctionNames": names} if names else {})}
    assert config == (None if mode is None else {"functionCallingConfig": expected})


@pytest.mark.parametrize("name", OPENAI)
@pytest.mark.parametrize(
    ("strict", "choice", "mode"),
    [(True, None, "VALIDATED"), (True, "auto", "VALIDATED"), (True, "none", "NONE"), (False, None, None)],
)
def test_calls_of_a_strict_function_are_validated(name: str, strict: bool, choice: str | None, mode: str) -> None:
    config = parse(name, tools=[{**TOOL_F, "strict": strict}], tool_choice=choice).google_request.get("toolConfig", {})
    assert config.get("functionCallingConfig", {}).get("mode") == mode


@pytest.mark.parametrize("name", OPENAI)
@pytest.mark.parametrize(
    ("choice", "param", "code"),
    [
        ("sometimes", "tool_choice", "invalid_value"), (3, "tool_choice", "invalid_type"),
        ({}, "tool_choice.type", "missing_required_parameter"), (TOOL_G, "tool_choice", "invalid_value"),
        (NESTED_G, "tool_choice", "invalid_value"),
        ({"type": "function", "function": {}}, "tool_choice.function.name", "missing_required_parameter"),
        ({"type": "allowed_tools", "tools": [TOOL_F]}, "tool_choice.mode", "missing_required_parameter"),
        ({"type": "allowed_tools", "allowed_tools": {"tools": []}}, "tool_choice.allowed_tools.mode",
         "missing_required_parameter"),
        ({"type": "allowed_tools", "mode": "none", "tools": [TOOL_F]}, "tool_choice.mode", "invalid_value"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "any"}}, "tool_choice.allowed_tools.mode",
         "invalid_value"),
        ({"type": "allowed_tools", "mode": "auto", "tools": []}, "tool_choice.tools", "empty_array"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, "tool_choice.allowed_tools.tools",
         "empty_array"),
        ({"type": "allowed_tools", "mode": "auto", "tools": [TOOL_G]}, "tool_choice", "invalid_value"),
    ],
)  # fmt: skip
def test_choices_that_are_refused(name: str, choice: Any, param: str, code: str) -> None:
    fault = refused(name, tools=[TOOL_F], tool_choice=choice)
    assert (fault.param, fault.code) == (param, code)


@pytest.mark.parametrize("name", OPENAI)
def test_required_needs_tools(name: str) -> None:
    assert refused(name, tool_choice="required").param == "tool_choice"


@pytest.mark.parametrize("name", OPENAI)
def test_a_search_beside_functions_where_the_model_takes_both(name: str) -> None:
    request = parse(name, tools=[SEARCH, TOOL_F]).google_request
    assert request["tools"] == [{"functionDeclarations": [{"name": "f"}], "googleSearch": {}}]
    assert request["toolConfig"] == {"includeServerSideToolInvocations": True}
    older = parse(name, tools=[SEARCH, TOOL_F], model="gemini-2.5-flash")
    assert older.google_request["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert older.notes == ("web search left out: this model cannot combine it with functions",)
