"""What may be called: the modes, and a search beside functions where the model takes both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.judging import about, complaint
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
