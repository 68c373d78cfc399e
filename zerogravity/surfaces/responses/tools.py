"""``tools`` of a Responses request → what is declared.

The tools of a namespace become functions named ``namespace.name``; tools that the client runs become functions with the
name of their kind (``client_tools.py``). MCP servers become ``Turn.servers``. Hosted tools (file_search,
code_interpreter, a shell in a container …) cannot be run here: among others they are left out and noted; alone or
forced they are refused.
Facts: wire-openai 4; real-clients, Codex.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.declarations import Declared
from zerogravity.surfaces.common.parameters import ignored
from zerogravity.surfaces.openai import tools as shared
from zerogravity.surfaces.openai.tool_servers import tool_server
from zerogravity.surfaces.openai.tools import nested, search_options
from zerogravity.surfaces.responses import client_tools
from zerogravity.surfaces.responses.client_tools import CLIENT_TOOLS
from zerogravity.surfaces.responses.tool_echo import shown
from zerogravity.wire.narrow import Json

KINDS = ("function", "custom", "namespace", "web_search", *CLIENT_TOOLS, "image_generation", "mcp")
OWN = re.compile(r"tools\[\d+\]")
DEFAULT_NAMESPACE = "functions"
Identity = tuple[str, str, str]  # kind, namespace, name: what makes two declarations the same tool


@dataclass(slots=True)
class Tools(shared.Tools):
    """A tool's key is the client's own name, or ``namespace.name``.

    ``kinds``: key → ``custom`` or one of ``CLIENT_TOOLS``. ``namespaces``: key → {namespace, name},
    where the client's own name is not the key.
    ``pictures``: some are to be made. ``shown``: the request's own, as the Response shows them.
    """

    namespaces: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    pictures: bool = False
    shown: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    _keys: dict[Identity, str] = field(default_factory=dict[Identity, str])

    def key(self, name: str, namespace: str | None = None, kind: str = "") -> str:
        """The key of a tool as the client names it; of one that is not declared, the key it would get."""
        space = namespace_of(namespace)
        return self._keys.get((kind, space, name)) or _flat(space, name)

    def has_client_tool(self, kind: str) -> bool:
        """Whether a client's tool of that kind is declared."""
        return kind in self.kinds.values()

    def keys_in(self, namespace: str) -> list[str]:
        """The keys of a namespace's tools."""
        return [key for (_, space, _), key in self._keys.items() if space == namespace]

    def new_key(self, name: str, namespace: str, kind: str = "") -> str:
        """A key for a tool that is being declared; no two tools share one."""
        if not name:
            return name
        identity = (kind, namespace, name)
        if (known := self._keys.get(identity)) is not None:
            return known
        key = _flat(namespace, name)
        while key in self._keys.values():
            key += "_"
        self._keys[identity] = key
        if namespace:
            self.namespaces[key] = {"namespace": namespace, "name": name}
        elif key != name:
            self.namespaces[key] = {"name": name}
        return key


def read_tools(groups: Sequence[tuple[str, Sequence[Any]]], *, pictures: bool) -> Tools:
    """All groups of declarations, each with its path; those at ``tools`` are the request's own.

    ``pictures``: the model makes some. Raises FaultError 400 naming the entry: what is no tool, or a hosted tool that
    nothing else is declared.
    """
    tools = Tools()
    for path, group in groups:
        for tool, place in fields.each_object(group, path):
            kind = fields.required_string(tool, "type", path=place)
            if not _served(tool, kind, place, pictures):
                tools.leave_out(kind, place)
                continue
            _read(tools, tool, kind, place)
            if path == "tools":
                tools.shown.append(shown(tool, kind, place, tools.notes))
    given = bool(tools.has_functions or tools.search or tools.pictures)
    for kind, place in tools.left_out.items():
        if place.startswith("tools[") and not given:
            raise _refused(kind, place)
    return tools


# -- one declaration -----------------------------------------------------------------------------------------


def _served(tool: Json, kind: str, path: str, pictures: bool) -> bool:
    if kind == "image_generation":
        return pictures
    if kind == "mcp":  # with what is secret of it: nowhere else, since the input is stored
        return OWN.fullmatch(path) is not None
    return kind.startswith("web_search") or (kind in KINDS and not client_tools.hosted(kind, tool, path))


def _refused(kind: str, path: str) -> FaultError:
    if kind == "image_generation":
        text = f"Invalid value: 'image_generation' at '{path}.type'. This model does not generate images."
        return bad_request(text, param=f"{path}.type", code="invalid_value")
    if kind == "shell":
        text = f"Invalid '{path}.environment': there are no containers here; use the type 'local'."
        return bad_request(text, param=f"{path}.environment", code="invalid_value")
    return fields.invalid_value(f"{path}.type", kind, KINDS)


def _read(tools: Tools, tool: Json, kind: str, path: str, namespace: str = "") -> str:
    """Declare one tool that is served; returns its key, "" for what has none."""
    key = partial(tools.new_key, namespace=namespace)
    match kind:
        case "function":
            return tools.function(*nested(tool, kind, path, flat=True), key)
        case "custom":
            return tools.custom(*nested(tool, kind, path, flat=True), key)
        case "namespace":
            _namespace(tools, tool, path, namespace)
        case "mcp":
            _server(tools, tool, path)
        case "tool_search":
            _tool_search(tools, tool, path)
        case "image_generation":
            tools.pictures = True
        case _ if kind in CLIENT_TOOLS:
            _client_tool(tools, kind, path)
        case _:
            _web_search(tools, tool, path)
    return ""


def _namespace(tools: Tools, tool: Json, path: str, outer: str) -> None:
    """Inner tools under the namespace's name; its description goes to the first of them."""
    name = _flat(outer, namespace_of(fields.required_string(tool, "name", path=path)))
    description = fields.string(tool, "description", path=path)
    inner = fields.array(tool, "tools", path=path)
    if inner is None:
        raise fields.missing(f"{path}.tools")
    for entry, place in fields.each_object(inner, f"{path}.tools"):
        kind = fields.required_string(entry, "type", path=place)
        if not _served(entry, kind, place, pictures=False):
            tools.leave_out(kind, place)
            continue
        key = _read(tools, entry, kind, place, name)
        if key and description and name:
            last = tools.declared[-1]
            words = f"{last.description or ''}\n\nAbout {name}: {description}".lstrip()
            tools.declared[-1] = Declared(last.name, words, last.parameters, last.param)
            description = None


def _server(tools: Tools, tool: Json, path: str) -> None:
    """What it may be found by does not matter: its tools are declared at once."""
    fields.boolean(tool, "defer_loading", path=path)
    fields.array(tool, "allowed_callers", path=path)
    tools.server(tool_server(tool, path))


def _tool_search(tools: Tools, tool: Json, path: str) -> None:
    execution = fields.choice(tool, "execution", ("server", "client"), path=path)
    if execution != "client":
        tools.notes.append(f"{path}: tool_search left out: every tool is declared at once")
        return
    description = fields.string(tool, "description", path=path)
    _client_tool(tools, "tool_search", path, description, fields.obj(tool, "parameters", path=path))


def _client_tool(
    tools: Tools, kind: str, path: str, description: str | None = None, parameters: Json | None = None
) -> None:
    key, known = tools.new_key(kind, "", kind), CLIENT_TOOLS[kind]
    tools.declared.append(Declared(key, description or known.description, parameters or known.parameters, path))
    tools.kinds[key] = kind


def _web_search(tools: Tools, tool: Json, path: str) -> None:
    """Google's search takes none of the options; those that limit what may be found are noted."""
    search_options(tool, path)
    limits = [name for name in ("filters", "external_web_access", "search_content_types") if tool.get(name) is not None]
    tools.notes += [ignored(f"{path}.{name}") for name in limits]
    tools.search = True


def namespace_of(namespace: str | None) -> str:
    """Codex wraps its plain tools into the namespace ``functions``."""
    return "" if namespace in (None, DEFAULT_NAMESPACE) else namespace


def _flat(namespace: str, name: str) -> str:
    return f"{namespace}.{name}" if namespace and name else namespace or name
