"""Functions that a client declares → Google's. Names change only where they must: reversibly, without collisions.

``parameters`` (proto Schema) is used, not ``parametersJsonSchema``: v1internal does not know the latter reliably (the
model then answers MALFORMED_FUNCTION_CALL). Facts: wire-gemini-and-mapping 2.3, 2.5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from zerogravity.core.turn import ToolServer
from zerogravity.errors import bad_request
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.functions import MAX_FUNCTIONS, too_many
from zerogravity.surfaces.json_schema import Converted, convert, noted

MAX_NAME = 64
MAX_NODES = 30_000  # of the schemas of all tools: bounds the cost of parsing
_LEGAL = re.compile(r"[A-Za-z_][A-Za-z0-9_.:\-]{0,63}")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_.:\-]")


class NameMap:
    """Client's tool names ↔ Google's. The same name always becomes the same name, in every turn."""

    def __init__(self) -> None:
        self._google: dict[str, str] = {}
        self._client: dict[str, str] = {}

    def to_google(self, name: str) -> str:
        """A legal name: the same if it is legal, else cleaned, with a short hash of the original behind it."""
        if (known := self._google.get(name)) is not None:
            return known
        made, attempt = name, 0
        while not _LEGAL.fullmatch(made) or self._client.get(made, name) != name:
            made, attempt = _cleaned(name, attempt), attempt + 1
        self._google[name] = made
        self._client[made] = name
        return made

    @property
    def to_client(self) -> dict[str, str]:
        """Google's name → the client's, only where they differ."""
        return {google: client for google, client in self._client.items() if google != client}


def server_tool(server: str, tool: str) -> str:
    """The key of an MCP server's tool, if no other function has it."""
    return f"{server}.{tool}"


def _cleaned(name: str, attempt: int) -> str:
    """A legal name that is specific to the original; ``attempt``: counts up while it is taken."""
    text = name if attempt == 0 else f"{attempt} {name}"
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    cleaned = _ILLEGAL.sub("_", name)
    if not cleaned or not (cleaned[0].isalpha() or cleaned[0] == "_"):
        cleaned = "_" + cleaned
    return f"{cleaned[: MAX_NAME - 9]}_{digest}"


@dataclass(frozen=True, slots=True)
class Declared:
    """One function as a client declared it. ``param``: its path, for errors; ``member``: where its schema is there."""

    name: str
    description: str | None = None
    parameters: object = None
    param: str = "tools"
    member: str = "parameters"


@dataclass(slots=True)
class Tools:
    """What a request declares. A tool's *key* is its name in ``NameMap``: the client's own name, unless the surface has
    several tools of one name.

    ``kinds``: key → kind, of tools that are more than a function; only their surface knows these kinds. ``strict``:
    some function's schema has to be obeyed. ``left_out``: kind → path of its first declaration, of tools that cannot be
    run here. ``servers``: MCP servers, whose tools are declared once they are listed.
    """

    declared: list[Declared] = field(default_factory=list["Declared"])
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    search: bool = False
    strict: bool = False
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])
    servers: list[ToolServer] = field(default_factory=list[ToolServer])

    @property
    def has_functions(self) -> bool:
        """Whether the model gets any."""
        return bool(self.declared or self.servers)

    def server(self, server: ToolServer) -> None:
        """Offer the tools of an MCP server. Raises FaultError 400 for a second one of its label."""
        if any(known.label == server.label for known in self.servers):
            text = f"Invalid '{server.param}': another MCP server has the label '{server.label}', too."
            raise bad_request(text, param=server.param, code="invalid_value")
        self.servers.append(server)

    def choose(self, label: str, tool: str | None) -> bool:
        """Let the tool choice name a tool of a server, or all of them. Whether there is such a server."""
        for index, server in enumerate(self.servers):
            if server.label == label:
                named = () if tool is None or server.chosen == () else (*(server.chosen or ()), tool)
                self.servers[index] = replace(server, chosen=named)
                return True
        return False

    @property
    def chosen(self) -> bool:
        """Whether the tool choice names some server."""
        return any(server.chosen is not None for server in self.servers)

    def declares(self, key: str) -> bool:
        return any(tool.name == key for tool in self.declared)

    def function(self, given: Mapping[str, Any], path: str, key: Callable[[str], str] = str) -> str:
        """Declare a function; its key. ``key``: the key of a name."""
        name = key(fields.required_string(given, "name", path=path))
        description = fields.string(given, "description", path=path)
        parameters = fields.obj(given, "parameters", path=path)
        self.strict |= fields.boolean(given, "strict", path=path)
        self.kinds.pop(name, None)  # of an earlier declaration of the same name
        self.declared.append(Declared(name, description, parameters, path))
        return name

    def leave_out(self, kind: str, path: str) -> None:
        """A tool that cannot be run here."""
        self.left_out.setdefault(kind, path)
        self.notes.append(f"{path}: {kind} left out: it cannot be run here")


def declare(tools: Sequence[Declared], names: NameMap) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """functionDeclarations, and notes on what was lost. Of a name declared twice the last one counts.

    Raises FaultError 400: too many functions, an empty name, parameters that are not an object schema.
    """
    made: dict[str, dict[str, Any]] = {}
    losses: list[tuple[str, str]] = []
    nodes = 0
    for tool in tools:
        if not tool.name:
            raise bad_request(
                f"Invalid '{tool.param}.name': it is empty.", param=f"{tool.param}.name", code="invalid_value"
            )
        converted = convert(tool.parameters, param=f"{tool.param}.{tool.member}", arguments=True)
        nodes += converted.nodes
        if nodes > MAX_NODES:
            text = f"Invalid 'tools': their schemas have more than {MAX_NODES} nodes in total."
            raise bad_request(text, param=tool.param, code="invalid_function_parameters")
        losses += [(tool.name, loss) for loss in converted.lost]
        name = names.to_google(tool.name)
        declaration: dict[str, Any] = {"name": name}
        if described := "\n\n".join(filter(None, (tool.description, _about_arguments(converted)))):
            declaration["description"] = described
        if converted.schema is not None:
            declaration["parameters"] = converted.schema
        made[name] = declaration
    if len(made) > MAX_FUNCTIONS:
        raise bad_request(too_many(len(made)), param="tools", code="array_above_max_length")
    return list(made.values()), noted("tools", losses)


def _about_arguments(converted: Converted) -> str:
    """A function without parameters looks like one without arguments: what may be passed goes into its description."""
    return f"Arguments: {converted.note}" if converted.note else ""
