"""Tools that the client runs and that have item types of their own: declaration ↔ function, item ↔ arguments.

The model sees each as a function with the tool's name. ``shell`` in an environment other than the client's own machine
is a hosted tool, which cannot be run here.
Facts: wire-openai 3, 4; OpenAI's schema (FunctionShellCall, ApplyPatchToolCall, LocalShellToolCall, ToolSearchCall).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.history import arguments
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

Members = dict[str, Any]
PATCHES = ("create_file", "update_file", "delete_file")


@dataclass(frozen=True, slots=True)
class ClientTool:
    """One kind. ``call``, ``result``: types of its items. ``description``, ``parameters``: of the function.
    ``members``: arguments → members of a call's item besides type, id, status and call_id. ``arguments``: a call's item
    → arguments. ``output``: a result's item → text for the model; both get the item's path and raise FaultError 400.
    """

    call: str
    result: str
    description: str
    parameters: Json
    members: Callable[[Json], Members]
    arguments: Callable[[Json, str], Json]
    output: Callable[[Json, str], str]


def call_members(kind: str, args_json: str) -> Members:
    """The item of a call by the model, without id, status and call_id."""
    tool = CLIENT_TOOLS[kind]
    return {"type": tool.call, **tool.members(arguments(args_json))}


def tool_of_call(kind: str) -> str | None:
    """The tool whose calls are items of that kind."""
    return next((name for name, tool in CLIENT_TOOLS.items() if tool.call == kind), None)


def tool_of_result(kind: str) -> str | None:
    """The tool whose results are items of that kind."""
    return next((name for name, tool in CLIENT_TOOLS.items() if tool.result == kind), None)


def hosted(kind: str, tool: Json, path: str) -> bool:
    """Whether OpenAI would run the tool, not the client."""
    if kind != "shell":
        return False
    environment = fields.obj(tool, "environment", path=path)
    if environment is None:
        return False
    return fields.required_string(environment, "type", path=f"{path}.environment") != "local"


# -- local_shell ---------------------------------------------------------------------------------------------


def _exec_members(given: Json) -> Members:
    """A command line in one string is run by a shell."""
    command = given.get("command")
    words = narrow.items(command) or (["sh", "-c", command] if command else [])
    action: Members = {"type": "exec", "command": [str(word) for word in words], "env": {}}
    for name, kind in (("working_directory", str), ("timeout_ms", int), ("user", str)):
        action[name] = given[name] if isinstance(given.get(name), kind) else None
    return {"action": action}


def _exec_arguments(item: Json, path: str) -> Json:
    return {name: value for name, value in (fields.obj(item, "action", path=path) or {}).items() if name != "type"}


# -- shell ---------------------------------------------------------------------------------------------------


def _shell_members(given: Json) -> Members:
    commands = given.get("commands", given.get("command"))
    lines = narrow.items(commands) or ([commands] if commands else [])
    action: Members = {"commands": [line if isinstance(line, str) else jsonio.text(line) for line in lines]}
    for name in ("timeout_ms", "max_output_length"):
        value = given.get(name)
        action[name] = value if isinstance(value, int) and not isinstance(value, bool) else None
    return {"action": action, "environment": {"type": "local"}}


def _shell_arguments(item: Json, path: str) -> Json:
    action = fields.required_obj(item, "action", path=path)
    return {name: value for name, value in action.items() if value is not None}


def _shell_output(item: Json, path: str) -> str:
    """The output and outcome of each command; plain text, from older clients, as it is."""
    output = item.get("output")
    if isinstance(output, str):
        return output
    runs = fields.each_object(fields.array(item, "output", path=path), f"{path}.output")
    wanted = ("stdout", "stderr", "outcome")
    return jsonio.text({"output": [{name: run[name] for name in wanted if name in run} for run, _ in runs]})


# -- apply_patch ---------------------------------------------------------------------------------------------


def _patch_members(given: Json) -> Members:
    """An unknown type is inferred from the diff. An empty new file gets the diff ``+``: clients take an empty diff for
    a missing one."""
    kind, diff = given.get("type"), given.get("diff")
    if kind not in PATCHES:
        kind = "delete_file" if diff is None else "update_file"
    if kind == "create_file":
        diff = diff or "+"
    path = given.get("path")
    operation: Members = {"type": kind, "path": path if isinstance(path, str) else ""}
    if kind != "delete_file":
        operation["diff"] = diff if isinstance(diff, str) else ""
    return {"operation": operation}


def _patch_arguments(item: Json, path: str) -> Json:
    return fields.required_obj(item, "operation", path=path)


def _patch_output(item: Json, path: str) -> str:
    """The output; with the status if it failed or printed nothing."""
    status = fields.choice(item, "status", ("completed", "failed"), path=path) or "completed"
    output = fields.string(item, "output", path=path) or ""
    return jsonio.text({"status": status, "output": output}) if status == "failed" or not output else output


# -- tool_search ---------------------------------------------------------------------------------------------


def _search_output(item: Json, path: str) -> str:
    """Names and descriptions of the tools that were found; the tools themselves are declared."""
    tools = narrow.objects(fields.array(item, "tools", path=path))
    names = ("name", "description")
    found = [{name: tool[name] for name in names if isinstance(tool.get(name), str)} for tool in tools]
    return jsonio.text({"tools": found})


def _search_arguments(item: Json, path: str) -> Json:
    given = item.get("arguments")
    return arguments(given) if isinstance(given, str) else fields.obj(item, "arguments", path=path) or {}


def _plain_output(item: Json, path: str) -> str:
    output = item.get("output")
    if output is None:
        raise fields.missing(f"{path}.output")
    return output if isinstance(output, str) else jsonio.text(output)


def _schema(required: Sequence[str], **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


_MS: Json = {"type": "integer", "description": "When to give up, in milliseconds."}
_DIFF = (
    "create_file: the whole file, each line with + before it. update_file: hunks; each begins with a line @@, which may"
    " name a line above to find the place, followed by the lines around the change (a space before each), those that go"
    " (-) and those that come (+). delete_file: empty."
)
CLIENT_TOOLS: dict[str, ClientTool] = {
    "local_shell": ClientTool(
        "local_shell_call", "local_shell_call_output",
        "Runs a command on the user's machine; the answer is its output.",
        _schema(
            ["command"],
            command={"type": "array", "items": {"type": "string"}, "description": "The program and its arguments."},
            working_directory={"type": "string", "description": "Where to run it."},
            timeout_ms=_MS,
        ),
        _exec_members, _exec_arguments, _plain_output,
    ),
    "shell": ClientTool(
        "shell_call", "shell_call_output",
        "Runs shell commands on the user's machine, one after the other; the answer is what each of them printed.",
        _schema(
            ["commands"],
            commands={"type": "array", "items": {"type": "string"}, "description": "The command lines."},
            timeout_ms=_MS,
            max_output_length={"type": "integer", "description": "How many characters of each output are wanted."},
        ),
        _shell_members, _shell_arguments, _shell_output,
    ),
    "apply_patch": ClientTool(
        "apply_patch_call", "apply_patch_call_output",
        "Creates, changes or deletes one file of the user's; call it once for each file.",
        _schema(
            ["type", "path", "diff"],
            type={"type": "string", "enum": list(PATCHES)},
            path={"type": "string", "description": "The file."},
            diff={"type": "string", "description": _DIFF},
        ),
        _patch_members, _patch_arguments, _patch_output,
    ),
    "tool_search": ClientTool(
        "tool_search_call", "tool_search_output",
        "Finds further tools.",
        _schema(["query"], query={"type": "string", "description": "What the wanted tools should do."}),
        lambda given: {"execution": "client", "arguments": given}, _search_arguments, _search_output,
    ),
}  # fmt: skip
