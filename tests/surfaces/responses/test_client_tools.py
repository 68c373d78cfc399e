"""Tools that the client runs, with item types of their own: declared, called, answered, and shown as OpenAI's types."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from openai.types.responses import (
    ResponseApplyPatchToolCall,
    ResponseFunctionShellToolCall,
    ResponseOutputItem,
    Tool,
)
from pydantic import TypeAdapter

from tests.strategies import json_values
from tests.surfaces.responses.asking import SECRET, context
from tests.surfaces.responses.support import rendered, stream, turn
from tests.surfaces.responses.test_emit import TOOL
from tests.surfaces.responses.test_tools import declarations, parse, refused, user
from zerogravity.core.events import FunctionCall
from zerogravity.surfaces.responses.client_tools import CLIENT_TOOLS
from zerogravity.surfaces.responses.stored import of_turn
from zerogravity.testing import builders
from zerogravity.wire import jsonio

SHELL = {"type": "shell", "environment": {"type": "local"}}
PATCH = {"type": "apply_patch"}
ITEM: TypeAdapter[Any] = TypeAdapter(ResponseOutputItem)


def made(kind: str, arguments: str) -> dict[str, Any]:
    (item,) = rendered([FunctionCall("call_1", "t", arguments)], TOOL, turn(tool_kinds={"t": kind}))["output"]
    return item


@pytest.mark.parametrize(
    "tool", [SHELL, PATCH, {"type": "shell"}, {"type": "local_shell"}], ids=lambda each: each["type"]
)
def test_they_are_functions_for_google(tool: dict[str, Any]) -> None:
    turn = parse(tools=[tool], tool_choice={"type": tool["type"]})
    (entry,) = declarations(turn)
    assert entry["name"] == tool["type"]
    assert turn.tool_kinds == {tool["type"]: tool["type"]}
    calling = turn.google_request["toolConfig"]["functionCallingConfig"]
    assert calling == {"mode": "ANY", "allowedFunctionNames": [tool["type"]]}
    assert turn.details.echo["tools"] == [tool]


@pytest.mark.parametrize(
    ("kind", "arguments", "members"),
    [
        ("shell", '{"commands":["ls","pwd"],"timeout_ms":5}',
         {"action": {"commands": ["ls", "pwd"], "timeout_ms": 5, "max_output_length": None}}),
        ("shell", '{"command":"ls"}',
         {"action": {"commands": ["ls"], "timeout_ms": None, "max_output_length": None}}),
        ("shell", '{"commands":[],"timeout_ms":true}',
         {"action": {"commands": [], "timeout_ms": None, "max_output_length": None}}),
        ("apply_patch", '{"type":"create_file","path":"a","diff":"+x"}',
         {"operation": {"type": "create_file", "path": "a", "diff": "+x"}}),
        ("apply_patch", '{"type":"delete_file","path":"a","diff":"-x"}',
         {"operation": {"type": "delete_file", "path": "a"}}),
        ("apply_patch", '{"type":"create_file","path":"a"}',
         {"operation": {"type": "create_file", "path": "a", "diff": "+"}}),
        ("apply_patch", '{"path":"a","diff":"@@"}', {"operation": {"type": "update_file", "path": "a", "diff": "@@"}}),
    ],
)  # fmt: skip
def test_a_call_becomes_its_item(kind: str, arguments: str, members: dict[str, Any]) -> None:
    item = made(kind, arguments)
    assert {name: item[name] for name in members} == members
    assert (item["type"], item["call_id"], item["status"]) == (f"{kind}_call", "call_1", "completed")


@given(json_values)
def test_any_arguments_make_an_item_of_openais_types(value: Any) -> None:
    text = jsonio.dumps(value).decode()
    for kind in ("shell", "apply_patch", "local_shell"):
        ITEM.validate_python(made(kind, text), strict=True)
    assert isinstance(ITEM.validate_python(made("shell", text)), ResponseFunctionShellToolCall)
    assert isinstance(ITEM.validate_python(made("apply_patch", text)), ResponseApplyPatchToolCall)


def test_the_commands_of_a_shell_are_streamed() -> None:
    call = FunctionCall("call_1", "t", '{"commands":["ls","",  "pwd"]}')
    values = stream([call], TOOL, turn(tool_kinds={"t": "shell"}))
    told = [(value["type"].rsplit(".", 1)[1], value["command_index"], value.get("delta", value.get("command")))
            for value in values if "shell_call_command" in value["type"]]  # fmt: skip
    assert told == [
        ("added", 0, ""), ("delta", 0, "ls"), ("done", 0, "ls"), ("added", 1, ""), ("done", 1, ""),
        ("added", 2, ""), ("delta", 2, "pwd"), ("done", 2, "pwd"),
    ]  # fmt: skip


RAN = [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}, "created_by": "x"}]


@pytest.mark.parametrize(
    ("call", "output", "args", "response"),
    [
        ({"type": "shell_call", "action": {"commands": ["ls"], "timeout_ms": None}}, {"output": RAN},
         {"commands": ["ls"]}, {"output": [{name: RAN[0][name] for name in ("stdout", "stderr", "outcome")}]}),
        ({"type": "shell_call", "action": {"commands": ["ls"]}}, {"output": "plain"}, {"commands": ["ls"]},
         {"output": "plain"}),
        ({"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}}, {"status": "completed"},
         {"type": "delete_file", "path": "a"}, {"status": "completed", "output": ""}),
        ({"type": "apply_patch_call", "operation": {"type": "update_file", "path": "a", "diff": "@@"}},
         {"status": "failed", "output": "no such file"}, {"type": "update_file", "path": "a", "diff": "@@"},
         {"status": "failed", "output": "no such file"}),
        ({"type": "local_shell_call", "action": {"type": "exec", "command": ["ls"], "env": {}}}, {"output": "a"},
         {"command": ["ls"], "env": {}}, {"output": "a"}),
    ],
)  # fmt: skip
def test_they_go_back_as_calls_and_results(call: Any, output: Any, args: Any, response: Any) -> None:
    kind = call["type"]
    tool = {"type": kind.removesuffix("_call")}
    items = [
        user("x"),
        {"call_id": "c", "status": "completed", **call},
        {"type": f"{kind}_output", "call_id": "c", **output},
    ]
    contents = parse(input=items, tools=[tool]).google_request["contents"]
    assert contents[1]["parts"][0]["functionCall"] == {"name": tool["type"], "args": args, "id": "c"}
    assert contents[2]["parts"][0]["functionResponse"] == {"name": tool["type"], "response": response, "id": "c"}


@pytest.mark.parametrize("model", ["gemini-3-flash", "claude-sonnet-4-6"])
def test_a_result_may_name_the_item_of_a_call_that_is_stored(model: str) -> None:
    """As OpenAI's schema has it for a local shell: its output has an ``id`` and no ``call_id``."""
    tools = [{"type": "local_shell"}]
    call = FunctionCall("call_1", "local_shell", '{"command":["ls"]}')
    stored = of_turn(builders.channel(parse(tools=tools), call, end=TOOL), SECRET)
    (item,) = stored.response["output"]
    result = {"type": "local_shell_call_output", "id": item["id"], "output": "a"}
    within = context(stored={"resp": stored.turn})
    turn = parse(within, model=model, input=[result], previous_response_id="resp", tools=tools)
    assert turn.google_request["contents"][-1]["parts"][0]["functionResponse"]["response"] == {"output": "a"}


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "shell_call", "call_id": "c"}, "input[0].action"),
        ({"type": "shell_call", "action": {}}, "input[0].call_id"),
        ({"type": "apply_patch_call", "call_id": "c"}, "input[0].operation"),
        ({"type": "apply_patch_call_output", "call_id": "c", "status": "x"}, "input[0].status"),
        ({"type": "shell_call_output", "call_id": "c", "output": {}}, "input[0].output"),
        ({"type": "shell_call_output", "call_id": "c", "output": ["x"]}, "input[0].output[0]"),
        ({"type": "local_shell_call_output", "call_id": "c"}, "input[0].output"),
    ],
)  # fmt: skip
def test_what_is_no_such_item_is_refused_by_name(item: dict[str, Any], param: str) -> None:
    assert refused(input=[item]).param == param


# -- as the Response shows them ------------------------------------------------------------------------------------

TOOL_TYPE: TypeAdapter[Any] = TypeAdapter(Tool)
F = {"type": "function", "name": "f"}


@pytest.mark.parametrize(
    ("tool", "shown", "dropped"),
    [
        ({**F, "x": 1, "defer_loading": True}, {**F, "defer_loading": True}, ["x"]),
        ({"type": "function", "function": {"name": "f", "strict": True}}, {**F, "strict": True}, []),
        ({**F, "output_schema": "x", "allowed_callers": ["direct"]}, {**F, "allowed_callers": ["direct"]},
         ["output_schema"]),
        ({"type": "custom", "name": "c", "format": {"type": "text", "x": 1}},
         {"type": "custom", "name": "c", "format": {"type": "text"}}, ["format.x"]),
        ({"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"definition": "a"}}}},
         {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "a"}}, []),
        ({"type": "web_search", "filters": {"allowed_domains": "x"}, "user_location": {"type": "approximate"}},
         {"type": "web_search", "filters": {}, "user_location": {"type": "approximate"}}, ["filters.allowed_domains"]),
        ({"type": "web_search", "filters": [1]}, {"type": "web_search"}, ["filters"]),
        ({"type": "web_search_2031_01_01"}, {"type": "web_search"}, []),
        ({"type": "web_search_preview_2025_03_11"}, {"type": "web_search_preview_2025_03_11"}, []),
        ({"type": "namespace", "name": "n", "tools": [{**F, "y": 1}, {"type": "mcp"}]},
         {"type": "namespace", "name": "n", "description": "", "tools": [F]}, ["tools[0].y"]),
        ({"type": "tool_search", "execution": "client", "z": 1}, {"type": "tool_search", "execution": "client"}, ["z"]),
        ({"type": "shell", "environment": {"type": "local", "skills": []}}, SHELL, ["environment.skills"]),
    ],
)  # fmt: skip
def test_members_are_shown_in_the_apis_form_or_dropped(tool: Any, shown: Any, dropped: list[str]) -> None:
    turn = parse(tools=[tool, {"type": "function", "name": "other"}])
    first = turn.details.echo["tools"][0]
    TOOL_TYPE.validate_python(first)
    nulls = ("description", "parameters", "strict")
    assert {name: value for name, value in first.items() if value is not None or name not in nulls} == shown
    told = [note.split(":")[0].removeprefix("tools[0].") for note in turn.notes if "API does not define" in note]
    assert told == dropped


def test_pictures_are_shown_with_their_own_members() -> None:
    tool = {
        "type": "image_generation",
        "quality": "best",
        "size": "1024x1024",
        "partial_images": True,
        "moderation": "low",
    }
    turn = parse(model="gemini-3-pro-image", tools=[tool])
    assert turn.details.echo["tools"] == [{"type": "image_generation", "size": "1024x1024", "moderation": "low"}]
    TOOL_TYPE.validate_python(turn.details.echo["tools"][0])


def test_each_kind_has_a_call_and_a_result_of_its_own() -> None:
    kinds = [kind for tool in CLIENT_TOOLS.values() for kind in (tool.call, tool.result)]
    assert len(set(kinds)) == len(kinds)
