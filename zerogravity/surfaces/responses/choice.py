"""``tool_choice`` of a Responses request → a choice, and the form in which the Response shows it.

Google can only force functions: a web search or image generation that is forced is offered alone instead.
Facts: wire-openai 4; wire-gemini-and-mapping 2.3.
"""

from __future__ import annotations

from typing import Any

from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.tool_choice import Choice, not_runnable, undeclared
from zerogravity.surfaces.openai.choice import allowed_tools, of_word
from zerogravity.surfaces.openai.tools import nested
from zerogravity.surfaces.responses.client_tools import CLIENT_TOOLS
from zerogravity.surfaces.responses.tools import Tools, namespace_of
from zerogravity.wire.narrow import Json

SHOWN_ALONE = ("function", "custom", "shell", "apply_patch", "image_generation", "web_search_preview",
               "web_search_preview_2025_03_11", "mcp")  # fmt: skip
SHOWN = ("name", "namespace", "server_label")


def shown_choice(body: Json) -> Any:
    """A valid ``tool_choice`` as the Response shows it. The API has no form for a choice of some kinds of tool: such a
    tool is shown as the only allowed one."""
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
    return {"type": tool["type"], **{name: inner[name] for name in SHOWN if inner.get(name)}}


def tool_choice(body: Json, tools: Tools) -> Choice:
    """Raises FaultError 400."""
    value = body.get("tool_choice")
    if value is None:
        return Choice(None, tools.search)
    if isinstance(value, str):
        offered = bool(tools.has_functions or tools.search or tools.pictures)
        choice = of_word(value, tools, offered=offered, param="tool_choice")
        if choice.mode == "required" and not tools.has_functions:
            tools.notes.append("tool_choice: only functions can be required, so the model decides")
        return choice
    given = fields.as_object(value, "tool_choice")
    if fields.required_string(given, "type", path="tool_choice") == "allowed_tools":
        return _allowed(given, tools)
    keys, search = _named(given, tools, "tool_choice")
    if keys or tools.chosen:
        return Choice("required", search=False, keys=tuple(keys))
    tools.notes.append(f"tool_choice: {given['type']} cannot be forced, so it is offered as the only tool")
    return Choice(None, search, functions=False)


def _allowed(choice: Json, tools: Tools) -> Choice:
    allowed = allowed_tools(choice)
    if not allowed.tools:
        raise allowed.empty("tool")
    keys: list[str] = []
    search = False
    for entry, place in allowed.entries():
        kind = entry.get("type")
        if len(allowed.tools) > 1 and kind in tools.left_out and not tools.has_client_tool(kind):
            continue
        named, searched = _named(entry, tools, place)
        keys += named
        search |= searched
    if not keys and not tools.chosen:
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
            keys = tools.keys_in(namespace_of(name))
        case _ if kind in CLIENT_TOOLS and tools.has_client_tool(kind):
            name, keys = kind, [tools.key(kind, kind=kind)]
        case "image_generation" if tools.pictures:
            return [], False
        case "mcp":
            label = fields.required_string(entry, "server_label", path=path)
            if not tools.choose(label, fields.string(entry, "name", path=path)):
                raise undeclared(label, "tool_choice")
            return [], False
        case _ if kind.startswith("web_search"):
            if not tools.search:
                raise undeclared(kind, "tool_choice")
            return [], True
        case _ if kind in tools.left_out:
            raise not_runnable(kind, "tool_choice")
        case _:
            raise undeclared(kind, "tool_choice")
    if not keys or not all(tools.declares(key) for key in keys):
        raise undeclared(name, "tool_choice")
    return keys, False
