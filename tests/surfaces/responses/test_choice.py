"""``tool_choice`` of every kind → toolConfig, and which functions and searches are offered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.responses.asking import parse, refused
from tests.surfaces.responses.test_tools import OLD, SEARCH, SPACE, F, G, allowed, config, declared, searches


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"type": "function", "name": "add", "namespace": "crm"}, {"mode": "ANY", "allowedFunctionNames": ["crm.add"]}),
        ({"type": "function", "name": "crm.find"}, {"mode": "ANY", "allowedFunctionNames": ["crm.find"]}),
        ({"type": "function", "name": "f", "namespace": "functions"}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ({"type": "local_shell"}, {"mode": "ANY", "allowedFunctionNames": ["local_shell"]}),
        (allowed("required", {"type": "namespace", "name": "crm"}),
         {"mode": "ANY", "allowedFunctionNames": ["crm.find", "crm.add"]}),
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


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ({"type": "function"}, "tool_choice.name"),
        ({"type": "function", "name": "f", "namespace": "crm"}, "tool_choice"),
        ({"type": "namespace", "name": "crm"}, "tool_choice"),
        ({"type": "web_search"}, "tool_choice"),
        ({"type": "file_search"}, "tool_choice"),
        ({"type": "mcp", "server_label": "x"}, "tool_choice"),
        ({"type": "tool_search"}, "tool_choice"),
    ],
)
def test_bad_choices(choice: Any, param: str) -> None:
    assert refused(tools=[F], tool_choice=choice).param == param


def test_a_search_cannot_be_required() -> None:
    assert parse(tools=[SEARCH], tool_choice="required").notes == (
        "tool_choice: only functions can be required, so the model decides",
    )
