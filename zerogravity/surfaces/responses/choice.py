"""``tool_choice`` of a Responses request → ``tools`` and ``toolConfig`` of Google's.

| choice                              | Google's mode                                                               |
|-------------------------------------|-----------------------------------------------------------------------------|
| none, auto, required                | NONE, AUTO, ANY                                                             |
| a function, a custom tool, a        | ANY among those                                                             |
| client's tool, a namespace          |                                                                             |
| web_search, image_generation        | offered alone: they cannot be forced                                       |
| allowed_tools                       | VALIDATED or ANY among those; a hard limit                                  |
| a tool that cannot be served       | 400; within allowed_tools only if nothing else is named                     |

Facts: wire-openai 4; wire-gemini-and-mapping 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerogravity.surfaces.openai import fields
from zerogravity.surfaces.openai.choice import Choice, allowed_tools, not_forced, request_members, undeclared, word
from zerogravity.surfaces.openai.tools import NameMap, nested
from zerogravity.surfaces.responses.client_tools import CLIENT_TOOLS
from zerogravity.surfaces.responses.tools import Tools, space_of

Json = Mapping[str, Any]
SHOWN_ALONE = ("function", "custom", "shell", "apply_patch", "image_generation", "web_search_preview",
               "web_search_preview_2025_03_11")  # fmt: skip


def tool_request(body: Json, tools: Tools, names: NameMap, family: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """``tools`` and ``toolConfig`` of the Google request, and notes."""
    return request_members(tools, lambda: _choice(body, tools), names, family)


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


def _choice(body: Json, tools: Tools) -> Choice:
    value = body.get("tool_choice")
    if value is None:
        return Choice(None, tools.search)
    if isinstance(value, str):
        offered = bool(tools.declared or tools.search or tools.pictures)
        choice = word(value, tools, offered=offered, param="tool_choice")
        if choice.mode == "required" and not tools.declared:
            tools.notes.append("tool_choice: only functions can be required")
        return choice
    given = fields.as_object(value, "tool_choice")
    if fields.required_string(given, "type", path="tool_choice") == "allowed_tools":
        return _allowed(given, tools)
    keys, search = _named(given, tools, "tool_choice")
    if keys:
        return Choice("required", search=False, keys=tuple(keys))
    tools.notes.append(f"tool_choice: {given['type']} cannot be forced, only offered alone")
    return Choice(None, search, functions=False)


def _allowed(choice: Json, tools: Tools) -> Choice:
    allowed = allowed_tools(choice)
    if not allowed.given:
        raise allowed.empty("tool")
    keys: list[str] = []
    search = False
    for entry, place in allowed.entries():
        kind = entry.get("type")
        if len(allowed.given) > 1 and kind in tools.left_out and not tools.runs(kind):
            continue
        named, searched = _named(entry, tools, place)
        keys += named
        search |= searched
    if not keys:
        return Choice(None, search, functions=False)
    return Choice(allowed.mode, search, tuple(dict.fromkeys(keys)))


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
                raise undeclared(kind, "tool_choice")
            return [], True
        case _ if kind in tools.left_out:
            raise not_forced(kind, "tool_choice")
        case _:
            raise undeclared(kind, "tool_choice")
    if not keys or not all(tools.knows(key) for key in keys):
        raise undeclared(name, "tool_choice")
    return keys, False
