"""``tool_choice`` of every kind → toolConfig, and which functions and searches are offered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.responses.asking import parse, refused
from tests.surfaces.responses.test_tools import OLD, SEARCH, SPACE, F, G, config, declared, searches


def allowed(mode: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "allowed_tools", "mode": mode, "tools": list(tools)}


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (None, None),
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "name": "f"}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ({"type": "custom", "name": "x"}, {"mode": "ANY", "allowedFunctionNames": ["x"]}),
        ({"type": "function", "name": "add", "namespace": "crm"}, {"mode": "ANY", "allowedFunctionNames": ["crm.add"]}),
        ({"type": "function", "name": "crm.find"}, {"mode": "ANY", "allowedFunctionNames": ["crm.find"]}),
        ({"type": "function", "name": "f", "namespace": "functions"}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ({"type": "local_shell"}, {"mode": "ANY", "allowedFunctionNames": ["local_shell"]}),
        (allowed("auto", F, G), {"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]}),
        (allowed("required", F), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (allowed("required", {"type": "namespace", "name": "crm"}),
         {"mode": "ANY", "allowedFunctionNames": ["crm.find", "crm.add"]}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [F]}},
         {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ],
)  # fmt: skip
def test_choices(choice: Any, wanted: Any) -> None:
    tools = [F, G, {"type": "custom", "name": "x"}, SPACE, {"type": "local_shell"}]
    assert config(tools=tools, tool_choice=choice) == wanted


@pytest.mark.parametrize(
    ("choice", "functions", "search"),
    [
        (None, ["f"], True),
        ("none", ["f"], False),
        ({"type": "function", "name": "f"}, ["f"], False),
        ({"type": "web_search"}, [], True),
        ({"type": "web_search_preview"}, [], True),
        (allowed("auto", F), ["f"], False),
        (allowed("auto", F, SEARCH), ["f"], True),
        (allowed("required", SEARCH), [], True),
    ],
)
def test_choices_limit_the_search_too(choice: Any, functions: list[str], search: bool) -> None:
    tools = [F, SEARCH]
    assert declared(tools=tools, tool_choice=choice) == functions
    assert searches(tools=tools, tool_choice=choice) is search


def test_a_search_alone_can_be_chosen_where_it_cannot_stand_beside_functions() -> None:
    assert searches(tools=[F, SEARCH], tool_choice={"type": "web_search"}, model=OLD)


def test_a_strict_function_is_obeyed() -> None:
    assert config(tools=[{**F, "strict": True}]) == {"mode": "VALIDATED"}
    assert config(tools=[{**F, "strict": False}]) is None
    assert config(tools=[{**F, "strict": True}], tool_choice="none") == {"mode": "NONE"}


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ("sometimes", "tool_choice"),
        (3, "tool_choice"),
        ({}, "tool_choice.type"),
        ({"type": "function"}, "tool_choice.name"),
        ({"type": "function", "name": "h"}, "tool_choice"),
        ({"type": "function", "name": "f", "namespace": "crm"}, "tool_choice"),
        ({"type": "namespace", "name": "crm"}, "tool_choice"),
        ({"type": "web_search"}, "tool_choice"),
        ({"type": "file_search"}, "tool_choice"),
        ({"type": "mcp", "server_label": "x"}, "tool_choice"),
        ({"type": "tool_search"}, "tool_choice"),
        ({"type": "allowed_tools", "tools": [F]}, "tool_choice.mode"),
        (allowed("none", F), "tool_choice.mode"),
        (allowed("auto"), "tool_choice.tools"),
        (allowed("auto", G), "tool_choice"),
    ],
)
def test_bad_choices(choice: Any, param: str) -> None:
    assert refused(tools=[F], tool_choice=choice).param == param


def test_required_needs_tools() -> None:
    assert refused(tool_choice="required").param == "tool_choice"
    assert parse(tool_choice="auto").google_request.get("toolConfig") is None
    assert parse(tools=[SEARCH], tool_choice="required").notes == (
        "tool_choice: only functions can be required, so the model decides",
    )
