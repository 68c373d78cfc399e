"""``tool_choice`` of a Responses request → ``tools`` and ``toolConfig`` of Google's.

| choice                              | Google's mode                                                               |
|-------------------------------------|-----------------------------------------------------------------------------|
| none, auto, required                | NONE, AUTO, ANY                                                             |
| a function, a custom tool, a        | ANY among those                                                             |
| client's tool, a namespace          |                                                                             |
| web_search, image_generation        | offered alone: they can not be forced                                       |
| allowed_tools                       | VALIDATED or ANY among those; a hard limit                                  |
| a tool that can not be served       | 400; within allowed_tools only if nothing else is named                     |

Facts: wire-openai 4; wire-gemini-and-mapping 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zerogravity.core.family import rules
from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.openai import fields
from zerogravity.surfaces.openai.tools import Mode, NameMap, declare, nested, not_forced, tool_config, tool_members
from zerogravity.surfaces.responses.client_tools import CLIENT_TOOLS
from zerogravity.surfaces.responses.tools import Tools, space_of

Json = Mapping[str, Any]
CHOICES = ("none", "auto", "required")
SHOWN_ALONE = ("function", "custom", "shell", "apply_patch", "image_generation", "web_search_preview",
               "web_search_preview_2025_03_11")  # fmt: skip


def tool_request(body: Json, tools: Tools, names: NameMap, family: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """``tools`` and ``toolConfig`` of the Google request, and notes."""
    declarations, notes = declare(tools.declared, names)
    choice = _choice(body, tools)
    mode: Mode | None = choice.mode
    if tools.strict and mode in (None, "auto"):
        mode = "allowed"  # VALIDATED: text or calls, and calls obey their schema
    config = tool_config(mode, [names.to_google(key) for key in choice.keys]) if mode is not None else None
    if not choice.functions:
        declarations = []
    together = rules(family).search_with_functions
    members, more = tool_members(declarations, search=choice.search, together=together, config=config)
    return members, (*tools.notes, *notes, *more)


def shown_choice(body: Json) -> Any:
    """``tool_choice`` as the Response shows it; ``_choice`` has checked it. The API has no form for one that names a
    tool of some kinds: such a one is what it means here, the only tool that is allowed."""
    value = body.get("tool_choice")
    if value is None or isinstance(value, str):
        return "auto" if value is None else value
    if value["type"] == "allowed_tools":
        inner = value.get("allowed_tools") or value
        return {"type": "allowed_tools", "mode": inner["mode"], "tools": [_shown(tool) for tool in inner["tools"]]}
    if value["type"] in SHOWN_ALONE:
        return _shown(value)
    mode = "auto" if value["type"].startswith("web_search") else "required"
    return {"type": "allowed_tools", "mode": mode, "tools": [_shown(value)]}


def _shown(tool: Json) -> Json:
    """One tool that a choice names, flat."""
    inner = tool.get(tool["type"]) or tool
    return {"type": tool["type"], **{name: inner[name] for name in ("name", "namespace") if inner.get(name)}}


@dataclass(frozen=True, slots=True)
class _Choice:
    """``keys``: the functions that a choice names. ``functions``: False when it names only other tools."""

    mode: Mode | None
    search: bool
    keys: tuple[str, ...] = ()
    functions: bool = True


def _choice(body: Json, tools: Tools) -> _Choice:
    value = body.get("tool_choice")
    if value is None:
        return _Choice(None, tools.search)
    if isinstance(value, str):
        if value not in CHOICES:
            raise fields.invalid_value("tool_choice", value, CHOICES)
        if value == "required" and not (tools.declared or tools.search or tools.pictures):
            raise bad_request("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
        if value == "required" and not tools.declared:
            tools.notes.append("tool_choice: only functions can be required")
        mode: Mode = "required" if value == "required" else "none" if value == "none" else "auto"
        return _Choice(mode, tools.search)
    choice = fields.as_object(value, "tool_choice")
    if fields.required_string(choice, "type", path="tool_choice") == "allowed_tools":
        return _allowed(choice, tools)
    keys, search = _named(choice, tools, "tool_choice")
    if keys:
        return _Choice("required", search=False, keys=tuple(keys))
    tools.notes.append(f"tool_choice: {choice['type']} can not be forced, only offered alone")
    return _Choice(None, search, functions=False)


def _allowed(choice: Json, tools: Tools) -> _Choice:
    """``allowed_tools`` is a hard limit: what it does not name can not be used."""
    inner = fields.obj(choice, "allowed_tools", path="tool_choice")
    path = "tool_choice" if inner is None else "tool_choice.allowed_tools"
    inner = choice if inner is None else inner
    mode = fields.choice(inner, "mode", ("auto", "required"), path=path)
    if mode is None:
        raise fields.missing(f"{path}.mode")
    given = fields.array(inner, "tools", path=path)
    if not given:
        raise bad_request(f"Invalid '{path}.tools': it names no tool.", param=f"{path}.tools", code="empty_array")
    keys: list[str] = []
    search = False
    for index, value in enumerate(given):
        place = f"{path}.tools[{index}]"
        entry = fields.as_object(value, place)
        kind = entry.get("type")
        if len(given) > 1 and kind in tools.left_out and not tools.runs(kind):
            continue
        named, searched = _named(entry, tools, place)
        keys += named
        search |= searched
    if not keys:
        return _Choice(None, search, functions=False)
    return _Choice("required" if mode == "required" else "allowed", search, tuple(dict.fromkeys(keys)))


def _named(entry: Json, tools: Tools, path: str) -> tuple[list[str], bool]:
    """(keys, search) of one tool that a choice names. Raises FaultError 400 for one that is not declared."""
    kind = fields.required_string(entry, "type", path=path)
    match kind:
        case "function" | "custom":
            inner, place = nested(entry, kind, path, flat=True)
            name = fields.required_string(inner, "name", path=place)
            keys = [tools.key(name, fields.string(inner, "namespace", path=place))]
        case "namespace":
            name = fields.required_string(entry, "name", path=path)
            keys = tools.within(space_of(name))
        case _ if kind in CLIENT_TOOLS and tools.runs(kind):
            name, keys = kind, [tools.key(kind, kind=kind)]
        case "image_generation" if tools.pictures:
            return [], False
        case _ if kind.startswith("web_search"):
            if not tools.search:
                raise _undeclared(kind)
            return [], True
        case _ if kind in tools.left_out:
            raise not_forced(kind, "tool_choice")
        case _:
            raise _undeclared(kind)
    if not keys or not all(tools.knows(key) for key in keys):
        raise _undeclared(name)
    return keys, False


def _undeclared(name: str) -> FaultError:
    text = f"Invalid 'tool_choice': the tool '{name}' is not among the declared tools."
    return bad_request(text, param="tool_choice")
