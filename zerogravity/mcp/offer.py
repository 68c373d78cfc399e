"""Listed tools → functions of Google's request, beside those that the client runs itself.

A server's tool is called ``server.tool`` there, changed like any other name where Google does not take it. What cannot
be expressed of its schema is noted; a tool whose schema is none is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from zerogravity.core.events import Notice, ToolsListed
from zerogravity.core.family import rules
from zerogravity.core.turn import ToolServer, Turn
from zerogravity.errors import FaultError, bad_request
from zerogravity.mcp.servers import Endpoint
from zerogravity.surfaces.common.claude import for_model
from zerogravity.surfaces.common.declarations import Declared, NameMap, declare, server_tool
from zerogravity.surfaces.common.functions import MAX_FUNCTIONS, form_with_functions, too_many
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

KEPT = ("name", "title", "description", "inputSchema", "annotations")


@dataclass(frozen=True, slots=True)
class Listed:
    """A server's tools, those that the model may call."""

    server: ToolServer
    endpoint: Endpoint
    tools: Sequence[Json]


@dataclass(frozen=True, slots=True)
class Offer:
    """``turn``: the turn whose request declares them. ``listings``: one of each server, in order."""

    turn: Turn
    listings: tuple[ToolsListed, ...]
    notices: tuple[Notice, ...]


def offer(turn: Turn, servers: Sequence[Listed]) -> Offer:
    """Takes its time with large schemas. Raises FaultError 400: too many functions, a choice of a tool that there is
    not, an answer's form that this model does not take with functions."""
    request = cast("dict[str, Any]", dict(turn.google_request))
    taken = {name for tool in narrow.objects(request.get("tools")) for name in _declared(tool)}
    names, notes = NameMap(), list[str]()
    listings, declarations = list[ToolsListed](), list[dict[str, Any]]()
    for listed in servers:
        made = list(_functions(listed, names, taken, notes))
        declarations += [declaration for _, declaration in made]
        _described(made, listed.server)
        listings.append(_listing(listed, made))
    if len(taken) > MAX_FUNCTIONS:
        raise bad_request(too_many(len(taken)), param=servers[-1].server.param or "tools")
    if declarations:
        notes += _declare(request, declarations, turn.target.family)
    _choose(request, servers, listings)
    suited, more = for_model(request, turn.target, lambda _: None)
    notices = tuple(Notice("tools", note) for note in (*notes, *more))
    return Offer(replace(turn, google_request=suited), tuple(listings), notices)


def _declared(tool: Json) -> list[str]:
    declarations = narrow.objects(tool.get("functionDeclarations") or tool.get("function_declarations"))
    return [narrow.text(declaration.get("name")) for declaration in declarations]


def _functions(
    listed: Listed, names: NameMap, taken: set[str], notes: list[str]
) -> Iterator[tuple[Json, dict[str, Any]]]:
    """Each tool with its declaration."""
    label, seen = listed.server.label, set[str]()
    for tool in listed.tools:
        name = narrow.text(tool.get("name"))
        if not name or name in seen:
            continue
        seen.add(name)
        key = server_tool(label, name)
        while names.to_google(key) in taken:
            key += "_"
        described = narrow.a_string(tool.get("description")) or narrow.a_string(tool.get("title"))
        try:
            [declaration], lost = declare([Declared(key, described, tool.get("inputSchema"), key)], names)
        except FaultError as error:
            notes.append(f"{key} left out: {error.fault.message}")
            continue
        notes += lost
        taken.add(declaration["name"])
        yield {member: tool[member] for member in KEPT if tool.get(member) is not None}, declaration


def _described(made: Sequence[tuple[Json, dict[str, Any]]], server: ToolServer) -> None:
    """What the server is good for goes to its first tool."""
    if made and server.description:
        declaration = made[0][1]
        declaration["description"] = "\n\n".join(filter(None, (server.description, declaration.get("description"))))


def _listing(listed: Listed, made: Sequence[tuple[Json, dict[str, Any]]]) -> ToolsListed:
    names = tuple(declaration["name"] for _, declaration in made)
    asks = tuple(name for (tool, _), name in zip(made, names, strict=True) if listed.endpoint.asks(tool))
    return ToolsListed(listed.server.label, tuple(dict(tool) for tool, _ in made), names, asks)


def _declare(request: dict[str, Any], declarations: Sequence[Json], family: str) -> list[str]:
    """Put them into the request, beside what is there; returns notes."""
    tools = [dict(tool) for tool in narrow.objects(request.get("tools"))]
    holder = next((tool for tool in tools if "functionDeclarations" in tool), None)
    if holder is None:
        tools.append(holder := {"functionDeclarations": []})
    holder["functionDeclarations"] = [*narrow.objects(holder["functionDeclarations"]), *declarations]
    notes: list[str] = []
    if any("googleSearch" in tool for tool in tools):
        searching = [{name: tool[name] for name in tool if name != "googleSearch"} for tool in tools]
        if rules(family).search_with_functions:
            config = narrow.members(request.get("toolConfig"))
            request["toolConfig"] = {**config, "includeServerSideToolInvocations": True}
            searching[tools.index(holder)]["googleSearch"] = {}
        else:
            notes.append("web search left out: this model cannot combine it with functions")
        tools = [tool for tool in searching if tool]
    request["tools"] = tools
    if (moot := form_with_functions(request, family, param="the form of the answer")) is None:
        raise bad_request("This model cannot answer with JSON where MCP tools are offered.", param="tools")
    return [*notes, *moot]


def _choose(request: dict[str, Any], servers: Sequence[Listed], listings: Sequence[ToolsListed]) -> None:
    """What the client's choice says of servers' tools, beside the functions that it names."""
    config = dict(narrow.members(request.get("toolConfig")))
    calling = dict(narrow.members(config.get("functionCallingConfig")))
    if any(listed.server.chosen is not None for listed in servers):
        chosen = [name for listed, listing in zip(servers, listings, strict=True) for name in _chosen(listed, listing)]
        calling["allowedFunctionNames"] = [*narrow.texts(calling.get("allowedFunctionNames")), *chosen]
        if calling.get("mode") not in ("ANY", "VALIDATED"):
            calling["mode"] = "VALIDATED"
        config["functionCallingConfig"] = calling
    if not any(_declared(tool) for tool in narrow.objects(request.get("tools"))):
        config.pop("functionCallingConfig", None)  # Google refuses one without functions
    request.pop("toolConfig", None)
    if config:
        request["toolConfig"] = config


def _chosen(listed: Listed, listing: ToolsListed) -> list[str]:
    """Names for Google. Raises FaultError 400."""
    wanted = listed.server.chosen
    known = {tool["name"]: name for tool, name in zip(listing.tools, listing.names, strict=True)}
    for name in wanted or ():
        if name not in known:
            text = f"Invalid 'tool_choice': the MCP server '{listing.server}' has no tool '{name}' that may be called."
            raise bad_request(text, param="tool_choice")
    return [] if wanted is None else [known[name] for name in wanted] or list(listing.names)
