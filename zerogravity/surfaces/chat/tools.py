"""``tools``, ``tool_choice`` and the deprecated ``functions``, ``function_call`` → what is declared, and a choice.

Both nestings are read: ``{"type": "function", "function": {…}}`` and the flat one of the Responses API. A server of the
configuration is offered by ``{"type": "mcp", "server_label": NAME}``, or as a function ``mcp:NAME``. Tools of other
kinds cannot be run here: among others they are left out and noted; alone or forced they are refused.
Facts: wire-openai 9; wire-gemini-and-mapping 2.3, 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.parameters import ignored
from zerogravity.surfaces.common.tool_choice import Choice, not_runnable, undeclared
from zerogravity.surfaces.common.tool_servers import configured
from zerogravity.surfaces.openai import tools as shared
from zerogravity.surfaces.openai.choice import WORDS, allowed_tools, of_word
from zerogravity.surfaces.openai.tool_servers import configured_server
from zerogravity.surfaces.openai.tools import nested, search_options
from zerogravity.wire.narrow import Json

KINDS = ("function", "custom", "web_search")


@dataclass(slots=True)
class Tools(shared.Tools):
    """``legacy``: calls go back as ``function_call``."""

    legacy: bool = False


def read_tools(body: Json) -> Tools:
    """Everything the request declares. Raises FaultError 400 naming the entry."""
    tools = Tools()
    for tool, path in fields.each_object(fields.array(body, "tools"), "tools"):
        kind = fields.required_string(tool, "type", path=path)
        if kind == "function":
            _function(tools, *nested(tool, "function", path))
        elif kind == "mcp":
            tools.server(configured_server(tool, path))
        elif kind == "custom":
            tools.custom(*nested(tool, "custom", path))
        elif kind.startswith("web_search"):
            tools.search = True
            tools.notes += [ignored(f"{path}.{name}") for name in tool if name != "type"]
        else:
            tools.leave_out(kind, path)
    functions = fields.array(body, "functions") or []
    tools.legacy = bool(functions) and not tools.declared
    for function, path in fields.each_object(functions, "functions"):
        tools.function(function, path)
    options = fields.obj(body, "web_search_options")
    if options is not None:
        search_options(options, "web_search_options")
        tools.search = True
        tools.notes += [ignored(f"web_search_options.{name}") for name in options]
    if not tools.has_functions and not tools.search:
        for kind, path in tools.left_out.items():
            raise fields.invalid_value(f"{path}.type", kind, KINDS)
    return tools


def _function(tools: Tools, given: Json, path: str) -> None:
    if (server := configured(given.get("name"), f"{path}.name")) is not None:
        tools.server(server)
    else:
        tools.function(given, path)


def schemas(body: Json) -> Iterator[tuple[str, object]]:
    """(name, schema or format) of each tool and function, as it stands there. Total."""
    yield from shared.schemas(body.get("functions"))
    yield from shared.schemas(body.get("tools"))


def tool_choice(body: Json, tools: Tools) -> Choice:
    """``tool_choice`` or ``function_call``. Raises FaultError 400."""
    param = "tool_choice" if body.get("tool_choice") is not None else "function_call"
    value = body.get(param)
    if value is None:
        return Choice(None, tools.search)
    if isinstance(value, str):
        words = WORDS if param == "tool_choice" else WORDS[:2]
        return of_word(value, tools, offered=bool(tools.has_functions or tools.search), param=param, words=words)
    choice = fields.as_object(value, param)
    if param == "function_call":
        return Choice("required", tools.search, _named(choice, param, tools, param))
    match fields.required_string(choice, "type", path=param):
        case "function" | "custom" as kind:
            return Choice("required", tools.search, _named(*nested(choice, kind, param), tools, param))
        case "mcp":
            _chosen(choice, param, tools, param)
            return Choice("required", tools.search)
        case "allowed_tools":
            return _allowed(choice, tools)
        case kind if kind.startswith("web_search"):
            return Choice(None, tools.search)
        case kind if kind in tools.left_out:
            raise not_runnable(kind, param)
        case kind:
            raise fields.invalid_value(f"{param}.type", kind, ("function", "custom", "allowed_tools"))


def _allowed(choice: Json, tools: Tools) -> Choice:
    """Google can only limit functions: what a choice says of other tools is skipped."""
    allowed = allowed_tools(choice)
    keys: list[str] = []
    for tool, place in allowed.entries():
        kind = fields.required_string(tool, "type", path=place)
        if kind in ("function", "custom"):
            keys += _named(*nested(tool, kind, place), tools, "tool_choice")
        elif kind == "mcp":
            _chosen(tool, place, tools, "tool_choice")
    if not keys and not tools.chosen:
        raise allowed.empty("function")
    return Choice(allowed.mode, tools.search, tuple(keys))


def _named(entry: Json, path: str, tools: Tools, param: str) -> tuple[str, ...]:
    name = fields.required_string(entry, "name", path=path)
    if (server := configured(name, path)) is not None and tools.choose(server.label, None):
        return ()
    if not tools.declares(name):
        raise undeclared(name, param)
    return (name,)


def _chosen(entry: Json, path: str, tools: Tools, param: str) -> None:
    label = fields.required_string(entry, "server_label", path=path)
    if not tools.choose(label, fields.string(entry, "name", path=path)):
        raise undeclared(label, param)
