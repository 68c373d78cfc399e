"""Tool choice: modes, a search beside functions; the choices that Chat and Responses share, on both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.judging import about, complaint
from tests.surfaces.playing import OPENAI, parse, refused
from zerogravity.surfaces.common.tool_choice import tool_config, tool_members


@pytest.mark.parametrize(
    ("mode", "names", "made"),
    [
        ("auto", ["a"], {"mode": "AUTO"}),
        ("none", ["a"], {"mode": "NONE"}),
        ("required", [], {"mode": "ANY"}),
        ("required", ["a"], {"mode": "ANY", "allowedFunctionNames": ["a"]}),
        ("allowed", [], {"mode": "VALIDATED"}),
        ("allowed", ["a"], {"mode": "VALIDATED", "allowedFunctionNames": ["a"]}),
    ],
)
def test_modes(mode: Any, names: list[str], made: dict[str, Any]) -> None:
    assert tool_config(mode, names) == {"functionCallingConfig": made}


F = [{"name": "f"}]
AUTO = tool_config("auto")


@pytest.mark.parametrize(
    ("declarations", "search", "both", "config", "made", "noted"),
    [
        ([], False, True, None, {}, 0),
        ([], False, True, AUTO, {}, 0),
        (F, False, True, None, {"tools": [{"functionDeclarations": F}]}, 0),
        (F, False, True, AUTO, {"tools": [{"functionDeclarations": F}], "toolConfig": AUTO}, 0),
        ([], True, True, None, {"tools": [{"googleSearch": {}}]}, 0),
        ([], True, False, None, {"tools": [{"googleSearch": {}}]}, 0),
        (F, True, True, None, {"tools": [{"functionDeclarations": F, "googleSearch": {}}],
                               "toolConfig": {"includeServerSideToolInvocations": True}}, 0),
        (F, True, True, AUTO, {"tools": [{"functionDeclarations": F, "googleSearch": {}}],
                               "toolConfig": {**AUTO, "includeServerSideToolInvocations": True}}, 0),
        (F, True, False, None, {"tools": [{"functionDeclarations": F}]}, 1),
        (F, True, True, tool_config("none"),
         {"tools": [{"functionDeclarations": F}], "toolConfig": tool_config("none")}, 1),
        ([], True, True, tool_config("none"), {}, 1),
    ],
)  # fmt: skip
def test_search_beside_functions(
    declarations: Any, search: bool, both: bool, config: Any, made: dict[str, Any], noted: int
) -> None:
    members, notes = tool_members(declarations, search=search, both=both, config=config)
    assert members == made
    assert len(notes) == noted
    assert complaint(about("gemini-3-flash" if both else "gemini-2.5-flash", **members)) is None


# -- on both surfaces --------------------------------------------------------------------------------------------

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
    assert request["tools"] == [{"functionDeclarations": F, "googleSearch": {}}]
    assert request["toolConfig"] == {"includeServerSideToolInvocations": True}
    older = parse(name, tools=[SEARCH, TOOL_F], model="gemini-2.5-flash")
    assert older.google_request["tools"] == [{"functionDeclarations": F}]
    assert older.notes == ("web search left out: this model cannot combine it with functions",)
