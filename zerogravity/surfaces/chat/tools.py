"""``tools``, ``tool_choice`` and their deprecated twins ``functions``, ``function_call`` → Google's declarations.

Both nestings are read: ``{"type": "function", "function": {…}}`` and the flat one of the Responses API. A custom tool
becomes a function with one string ``input``. Tools of other kinds can be run by nobody here: beside others they are
left out and noted, alone or forced they are refused. Facts: wire-openai 9; wire-gemini-and-mapping 2.3, 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zerogravity.core.family import rules
from zerogravity.errors import bad_request
from zerogravity.surfaces.openai import fields
from zerogravity.surfaces.openai.tools import (
    Declared,
    Mode,
    NameMap,
    custom_tool,
    declare,
    left_out,
    nested,
    not_forced,
    tool_config,
    tool_members,
)

Json = Mapping[str, Any]
KINDS = ("function", "custom", "web_search")
CHOICES = ("none", "auto", "required")


@dataclass(slots=True)
class Tools:
    """``kinds``: client's name → ``custom``. ``legacy``: calls go back as ``function_call``. ``strict``: some
    function wants its schema obeyed. ``left_out``: kind → where it was declared, of tools that nobody here can run.
    ``notes``: what was left out."""

    declared: list[Declared] = field(default_factory=list[Declared])
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    search: bool = False
    legacy: bool = False
    strict: bool = False
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])

    def knows(self, name: str) -> bool:
        return any(tool.name == name for tool in self.declared)


def read_tools(body: Json) -> Tools:
    """Everything the request declares. Raises FaultError 400 naming the entry."""
    tools = Tools()
    for index, value in enumerate(fields.array(body, "tools") or []):
        path = f"tools[{index}]"
        tool = fields.as_object(value, path)
        kind = fields.required_string(tool, "type", path=path)
        if kind == "function":
            _function(tools, *nested(tool, "function", path))
        elif kind == "custom":
            _custom(tools, *nested(tool, "custom", path))
        elif kind.startswith("web_search"):
            tools.search = True
            tools.notes += [f"{path}.{name}: no counterpart upstream" for name in tool if name != "type"]
        else:
            tools.left_out[kind] = path
            tools.notes.append(left_out(kind, path))
    functions = fields.array(body, "functions") or []
    tools.legacy = bool(functions) and not tools.declared
    for index, value in enumerate(functions):
        _function(tools, fields.as_object(value, f"functions[{index}]"), f"functions[{index}]")
    if fields.obj(body, "web_search_options") is not None:
        _search_options(body["web_search_options"])
        tools.search = True
        tools.notes += [f"web_search_options.{name}: no counterpart upstream" for name in body["web_search_options"]]
    if not tools.declared and not tools.search:
        for kind, path in tools.left_out.items():
            raise fields.invalid_value(f"{path}.type", kind, KINDS)
    return tools


def tool_request(body: Json, tools: Tools, names: NameMap, family: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """``tools`` and ``toolConfig`` of the Google request, and notes."""
    declarations, notes = declare(tools.declared, names)
    choice = _choice(body, tools, names)
    if tools.strict and (choice is None or choice[0] == "auto"):
        choice = "allowed", list[str]()  # VALIDATED: text or calls, and calls obey their schema
    config = tool_config(*choice) if choice is not None else None
    members, more = tool_members(
        declarations, search=tools.search, together=rules(family).search_with_functions, config=config
    )
    return members, (*tools.notes, *notes, *more)


def _function(tools: Tools, function: Json, path: str) -> None:
    name = fields.required_string(function, "name", path=path)
    description = fields.string(function, "description", path=path)
    parameters = fields.obj(function, "parameters", path=path)
    tools.strict |= fields.boolean(function, "strict", path=path)
    tools.declared.append(Declared(name, description, parameters, path))


def _custom(tools: Tools, custom: Json, path: str) -> None:
    name = fields.required_string(custom, "name", path=path)
    tools.declared.append(custom_tool(name, custom, path))
    tools.kinds[name] = "custom"


def _search_options(options: Json) -> None:
    """Validated; Google's search takes neither a context size nor a place."""
    fields.choice(options, "search_context_size", ("low", "medium", "high"), path="web_search_options")
    fields.obj(options, "user_location", path="web_search_options")


def _choice(body: Json, tools: Tools, names: NameMap) -> tuple[Mode, list[str]] | None:
    """(mode, Google's names) of ``tool_choice`` or ``function_call``; None: the model's default."""
    param = "tool_choice" if body.get("tool_choice") is not None else "function_call"
    value = body.get(param)
    if value is None:
        return None
    choices = CHOICES if param == "tool_choice" else CHOICES[:2]
    if isinstance(value, str):
        if value not in choices:
            raise fields.invalid_value(param, value, choices)
        if not tools.declared and not tools.search and value != "required":
            return None
        mode: Mode = "required" if value == "required" else "none" if value == "none" else "auto"
        if not tools.declared and not tools.search:
            raise bad_request(f"'{param}' is only allowed when 'tools' are specified.", param=param)
        return mode, []
    choice = fields.as_object(value, param)
    if param == "function_call":
        return "required", [_named(choice, tools, names, param, param)]
    match fields.required_string(choice, "type", path=param):
        case "function" | "custom" as kind:
            inner, path = nested(choice, kind, param)
            return "required", [_named(inner, tools, names, path, param)]
        case "allowed_tools":
            return _allowed(choice, tools, names)
        case kind if kind.startswith("web_search"):
            return None
        case kind if kind in tools.left_out:
            raise not_forced(kind, param)
        case kind:
            raise fields.invalid_value(f"{param}.type", kind, ("function", "custom", "allowed_tools"))


def _allowed(choice: Json, tools: Tools, names: NameMap) -> tuple[Mode, list[str]]:
    inner = fields.obj(choice, "allowed_tools", path="tool_choice")
    path = "tool_choice" if inner is None else "tool_choice.allowed_tools"
    inner = choice if inner is None else inner
    mode = fields.choice(inner, "mode", ("auto", "required"), path=path)
    if mode is None:
        raise fields.missing(f"{path}.mode")
    allowed: list[str] = []
    for index, value in enumerate(fields.array(inner, "tools", path=path) or []):
        place = f"{path}.tools[{index}]"
        tool = fields.as_object(value, place)
        kind = fields.required_string(tool, "type", path=place)
        if kind in ("function", "custom"):
            entry, place = nested(tool, kind, place)
            allowed.append(_named(entry, tools, names, place, "tool_choice"))
    if not allowed:
        raise bad_request(f"Invalid '{path}.tools': it names no function.", param=f"{path}.tools", code="empty_array")
    return ("required" if mode == "required" else "allowed"), allowed


def _named(entry: Json, tools: Tools, names: NameMap, path: str, param: str) -> str:
    name = fields.required_string(entry, "name", path=path)
    if not tools.knows(name):
        raise bad_request(f"Invalid '{param}': the tool '{name}' is not among the declared tools.", param=param)
    return names.to_google(name)
