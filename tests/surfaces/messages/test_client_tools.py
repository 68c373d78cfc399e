"""Tools without a schema that the client runs, as functions. Facts: wire-anthropic 5."""

from __future__ import annotations

from typing import Any

import pytest

from tests.golden.cases import sent
from tests.judging import complaint
from tests.surfaces.messages.support import parse, refused
from zerogravity.surfaces.messages.client_tools import ACTIONS, OLD_ACTIONS

FILE = {"command", "path", "file_text", "old_str", "new_str", "insert_line", "view_range"}
SCREEN = {"action", "coordinate", "text"}
MOUSE = {"scroll_direction", "scroll_amount", "duration", "start_coordinate"}


def declared(kind: str, name: str, **more: Any) -> dict[str, Any]:
    for model in ("claude-sonnet-4-6", "gemini-2.5-flash", "gemini-3-flash"):
        turn = parse(model=model, tools=[{"type": kind, "name": name, **more}])
        assert complaint(sent(turn)) is None
    (function,) = turn.google_request["tools"][0]["functionDeclarations"]
    assert function["name"] == name
    return function


@pytest.mark.parametrize(
    ("kind", "name", "members", "required"),
    [
        ("bash_20250124", "bash", {"command", "restart"}, set[str]()),
        ("bash_20241022", "bash", {"command", "restart"}, set[str]()),
        ("text_editor_20250728", "str_replace_based_edit_tool", {*FILE, "insert_text"}, {"command", "path"}),
        ("text_editor_20250429", "str_replace_based_edit_tool", {*FILE, "insert_text"}, {"command", "path"}),
        ("text_editor_20250124", "str_replace_editor", FILE, {"command", "path"}),
        ("text_editor_20241022", "str_replace_editor", FILE, {"command", "path"}),
        ("memory_20250818", "memory", {*FILE, "insert_text", "old_path", "new_path"}, {"command"}),
        ("computer_20241022", "computer", SCREEN, {"action"}),
        ("computer_20250124", "computer", SCREEN | MOUSE, {"action"}),
        ("computer_20251124", "computer", SCREEN | MOUSE | {"region"}, {"action"}),
    ],
)  # fmt: skip
def test_the_parameters(kind: str, name: str, members: set[str], required: set[str]) -> None:
    parameters = declared(kind, name)["parameters"]
    assert set(parameters["properties"]) == members
    assert set(parameters.get("required", ())) == required


@pytest.mark.parametrize(
    ("kind", "member", "words"),
    [
        ("text_editor_20250728", "command", ["view", "create", "str_replace", "insert"]),
        ("text_editor_20241022", "command", ["view", "create", "str_replace", "insert", "undo_edit"]),
        ("memory_20250818", "command", ["view", "create", "str_replace", "insert", "delete", "rename"]),
        ("computer_20241022", "action", [*OLD_ACTIONS]),
        ("computer_20250124", "action", [*ACTIONS]),
        ("computer_20251124", "action", [*ACTIONS, "zoom"]),
    ],
)
def test_the_words(kind: str, member: str, words: list[str]) -> None:
    assert declared(kind, "x")["parameters"]["properties"][member]["enum"] == words


def test_the_size_of_the_screen_is_told() -> None:
    function = declared("computer_20250124", "computer", display_width_px=1024, display_height_px=768)
    assert "1024 x 768" in function["description"]
    fault = refused(tools=[{"type": "computer_20250124", "name": "computer", "display_width_px": "wide"}])
    assert (fault.param, fault.code) == ("tools[0].display_width_px", "invalid_type")


@pytest.mark.parametrize("kind", ["bash_20250124", "text_editor_20250124", "memory_20250818"])
def test_a_name_that_is_left_out(kind: str) -> None:
    names = {"bash_20250124": "bash", "text_editor_20250124": "str_replace_editor", "memory_20250818": "memory"}
    (function,) = parse(tools=[{"type": kind}]).google_request["tools"][0]["functionDeclarations"]
    assert function["name"] == names[kind]
