"""``tools`` and ``tool_choice`` → what is declared, and a choice.

Custom tools and those without a schema that the client runs become functions; a web search becomes Google's. A custom
tool ``mcp:NAME`` stands for the tools of an MCP server of the configuration. Other tools of the server cannot be run
here: among others they are left out and noted; alone or forced they are refused. A tool whose loading is deferred is
declared once the dialogue, or the choice, names it; or at once, where the server was to search for it.
Facts: wire-anthropic 1, 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from zerogravity.surfaces.common import declarations, fields
from zerogravity.surfaces.common.declarations import Declared
from zerogravity.surfaces.common.parameters import ignored
from zerogravity.surfaces.common.tool_choice import Choice, Mode, not_runnable, undeclared
from zerogravity.surfaces.common.tool_servers import configured
from zerogravity.surfaces.messages.client_tools import client_tool
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

KINDS = ("custom", "bash_*", "text_editor_*", "memory_*", "computer_*", "web_search_*", "tool_search_tool_*")
MODES: dict[str, Mode] = {"auto": "auto", "any": "required", "tool": "required", "none": "none"}
LIMITS = ("max_uses", "allowed_domains", "blocked_domains", "user_location")  # of a search; Google's takes none


@dataclass(slots=True)
class Tools(declarations.Tools):
    """``hosted``: name → type of each tool that the server would run."""

    hosted: dict[str, str] = field(default_factory=dict[str, str])


def read_tools(body: Json) -> Tools:
    """Everything that the request declares. Raises FaultError 400 naming the entry."""
    tools = Tools()
    given = list(fields.each_object(fields.array(body, "tools"), "tools"))
    kinds = [fields.string(tool, "type", path=path) or "custom" for tool, path in given]
    loaded = None if any(kind.startswith("tool_search_tool_") for kind in kinds) else _loaded(body)
    for (tool, path), kind in zip(given, kinds, strict=True):
        deferred = fields.boolean(tool, "defer_loading", path=path)
        if deferred and loaded is not None and fields.string(tool, "name", path=path) not in loaded:
            continue
        _read(tools, tool, kind, path)
    if not tools.has_functions and not tools.search:
        for kind, path in tools.left_out.items():
            raise fields.invalid_value(f"{path}.type", kind, KINDS)
    return tools


def _read(tools: Tools, tool: Json, kind: str, path: str) -> None:
    server = configured(tool.get("name"), f"{path}.name") if kind == "custom" else None
    if server is not None:
        tools.server(server)
    elif kind == "custom":
        tools.declared.append(_custom(tools, tool, path))
    elif (declared := client_tool(tool, kind, path)) is not None:
        tools.declared.append(declared)
    elif kind.startswith("tool_search_tool_"):
        tools.notes.append(f"{path}: {kind} left out: every tool is declared at once")
    else:
        tools.hosted[narrow.text(tool.get("name")) or kind] = kind
        if kind.startswith("web_search_"):
            tools.search = True
            tools.notes += [ignored(f"{path}.{name}") for name in LIMITS if tool.get(name) is not None]
        else:
            tools.leave_out(kind, path)


def _custom(tools: Tools, tool: Json, path: str) -> Declared:
    name = fields.required_string(tool, "name", path=path)
    schema = fields.required_obj(tool, "input_schema", path=path)
    tools.strict |= fields.boolean(tool, "strict", path=path)
    return Declared(name, fields.string(tool, "description", path=path), schema, path, member="input_schema")


def _loaded(body: Json) -> set[str]:
    """The names of the tools that results have loaded, and of the one that is forced. Total."""
    names = {narrow.text(narrow.lookup(body, "tool_choice", "name"))}
    for message in narrow.objects(body.get("messages")):
        for block in narrow.objects(message.get("content")):
            found = narrow.objects(block.get("content")) if block.get("type") == "tool_result" else [block]
            names |= {narrow.text(one.get("tool_name")) for one in found if one.get("type") == "tool_reference"}
    return names - {""}


def schemas(body: Json) -> Iterator[tuple[str, object]]:
    """(name, schema) of each tool, as it stands there. Total."""
    for tool in narrow.objects(body.get("tools")):
        if name := narrow.text(tool.get("name")):
            yield name, tool.get("input_schema")


def tool_choice(body: Json, tools: Tools) -> Choice:
    """Without tools there is nothing to choose, whatever it says. Raises FaultError 400."""
    choice = fields.obj(body, "tool_choice")
    if choice is None or not (tools.has_functions or tools.search):
        return Choice(None, tools.search)
    kind = fields.choice(choice, "type", tuple(MODES), path="tool_choice")
    if kind is None:
        raise fields.missing("tool_choice.type")
    if kind != "tool":
        return Choice(MODES[kind], tools.search)
    name = fields.required_string(choice, "name", path="tool_choice")
    server = configured(name, "tool_choice.name")
    if server is not None and tools.choose(server.label, None):
        return Choice("required", tools.search)
    if tools.declares(name):
        return Choice("required", tools.search, (name,))
    hosted = tools.hosted.get(name)
    if hosted is None:
        raise undeclared(name, "tool_choice.name")
    if not hosted.startswith("web_search_"):
        raise not_runnable(hosted, "tool_choice.name")
    return Choice(None, search=True, functions=False)


def one_call(body: Json) -> bool:
    """Whether an answer may hold one call only. Raises FaultError 400."""
    return fields.boolean(fields.obj(body, "tool_choice") or {}, "disable_parallel_tool_use", path="tool_choice")
