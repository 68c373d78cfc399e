"""What only Chat's tools have: its nesting, a search beside a choice, and the deprecated ``functions``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.chat.support import parse
from tests.surfaces.playing import refused

F = {"type": "function", "name": "f"}


def config(**body: Any) -> dict[str, Any] | None:
    return parse(**body).google_request.get("toolConfig", {}).get("functionCallingConfig")


def test_choosing_a_search_leaves_the_mode_alone() -> None:
    assert config(tools=[F], tool_choice={"type": "web_search"}) is None


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        (None, None), ("auto", {"mode": "AUTO"}), ("none", {"mode": "NONE"}),
        ({"name": "f"}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)  # fmt: skip
def test_the_deprecated_functions(choice: Any, made: dict[str, Any] | None) -> None:
    function = {
        "name": "f",
        "description": "d",
        "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
    }
    body = {"functions": [function], "function_call": choice}
    assert parse(**body).google_request["tools"] == [{"functionDeclarations": [function]}]
    assert config(**body) == made


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tools": [{"type": "custom"}]}, "tools[0].custom", "missing_required_parameter"),
        ({"functions": [{}]}, "functions[0].name", "missing_required_parameter"),
        ({"tools": [F], "tool_choice": {"type": "function"}}, "tool_choice.function", "missing_required_parameter"),
        ({"tools": [F], "tool_choice": {"type": "x"}}, "tool_choice.type", "invalid_value"),
        ({"functions": [{"name": "f"}], "function_call": "required"}, "function_call", "invalid_value"),
        ({"functions": [{"name": "f"}], "function_call": {"name": "g"}}, "function_call", "invalid_value"),
    ],
)
def test_what_is_refused_and_where(body: dict[str, Any], param: str, code: str) -> None:
    fault = refused("chat", **body)
    assert (fault.param, fault.code) == (param, code)
