"""``tools`` and ``tool_choice`` of a Responses request → Google's declarations.

| kind                                  | here                                                                        |
|---------------------------------------|-----------------------------------------------------------------------------|
| function                              | a function, in the flat or the Chat nesting                                 |
| custom, text or lark/regex grammar    | a function with one string ``input``; its description tells the grammar     |
| namespace                             | its functions and custom tools as ``namespace.name``; Codex' namespace      |
|                                       | ``functions`` is the default one: plain names                               |
| web_search, _preview, dated names     | googleSearch, beside functions where the family takes both                  |
| tool_search, execution client         | the function ``tool_search``; what it found is declared from then on        |
| tool_search otherwise                 | left out and noted: deferred tools are declared at once                     |
| local_shell                           | the function ``local_shell``                                                |
| image_generation                      | answers with pictures on image models; on others left out and noted beside  |
|                                       | other tools (Cline always offers it), refused alone                         |
| file_search, code_interpreter, mcp,   | refused by name: nothing here can run them, and no agent that was tried     |
| computer…, shell, apply_patch, other  | needs them                                                                  |

What cannot be served inside a namespace or an input item (``additional_tools``, ``tool_search_output``) is left out
and noted, since the client did not ask for that tool alone. Facts: wire-openai 4; real-clients, Codex.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.models import rules
from zerogravity.surfaces.common.tools import (
    Declared,
    Mode,
    NameMap,
    custom_tool,
    declare,
    nested,
    tool_config,
    tool_members,
)

Json = Mapping[str, Any]
KINDS = ("function", "custom", "namespace", "web_search", "tool_search", "local_shell", "image_generation")
CHOICES = ("none", "auto", "required")
DEFAULT_NAMESPACE = "functions"
LOCAL_SHELL: Json = {
    "type": "object",
    "properties": {
        "command": {"type": "array", "items": {"type": "string"}, "description": "The program and its arguments."},
        "working_directory": {"type": "string", "description": "Where to run it."},
        "timeout_ms": {"type": "integer", "description": "When to give up, in milliseconds."},
    },
    "required": ["command"],
}
SEARCH: Json = {
    "type": "object",
    "properties": {"query": {"type": "string", "description": "What the wanted tools should do."}},
    "required": ["query"],
}
Identity = tuple[str, str, str]  # kind, namespace, name: what makes two declarations the same tool


@dataclass(slots=True)
class Tools:
    """Everything a request declares. A tool's *key* is its name towards ``NameMap``: the client's own name, or
    ``namespace.name``.

    ``kinds``: key → ``custom``, ``local_shell`` or ``tool_search``. ``namespaces``: key → {namespace, name}.
    ``strict``: some function wants its schema obeyed.
    """

    declared: list[Declared] = field(default_factory=list[Declared])
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    search: bool = False
    pictures: bool = False
    strict: bool = False
    notes: list[str] = field(default_factory=list[str])
    _keys: dict[Identity, str] = field(default_factory=dict[Identity, str])

    def key(self, name: str, namespace: str | None = None, kind: str = "") -> str:
        """The key of a tool as the client names it; of one that is not declared, the key it would get."""
        space = _space(namespace)
        return self._keys.get((kind, space, name)) or _flat(space, name)

    def knows(self, key: str) -> bool:
        return any(tool.name == key for tool in self.declared)

    def within(self, namespace: str) -> list[str]:
        """The keys of a namespace's tools."""
        return [key for (_, space, _), key in self._keys.items() if space == namespace]

    def add(self, name: str, namespace: str, kind: str = "") -> str:
        """A key for a tool that is being declared; no two tools share one."""
        identity = (kind, namespace, name)
        if (known := self._keys.get(identity)) is not None:
            return known
        key = _flat(namespace, name)
        while key in self._keys.values():
            key += "_"
        self._keys[identity] = key
        if namespace:
            self.namespaces[key] = {"namespace": namespace, "name": name}
        return key


def read_tools(groups: Sequence[tuple[str, Sequence[Any]]], *, pictures: bool) -> Tools:
    """All groups of declarations, each with its path; those at ``tools`` are the request's own.

    ``pictures``: the model makes some. Raises FaultError 400 naming the entry.
    """
    tools = Tools()
    for path, group in groups:
        for index, value in enumerate(group):
            place = f"{path}[{index}]"
            tool = fields.as_object(value, place)
            kind = fields.required_string(tool, "type", path=place)
            offered = kind == "image_generation" and len(group) > 1  # beside others: the model may, but need not
            if (path == "tools" and not offered) or _served(kind, pictures):
                _read(tools, tool, kind, place, pictures)
            else:
                tools.notes.append(f"{place}: {kind} left out: it can not be served")
    return tools


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


def echoed(body: Json) -> list[dict[str, Any]]:
    """``tools`` as the Response shows them: functions flat, with every member the schema requires."""
    shown: list[dict[str, Any]] = []
    for index, value in enumerate(fields.array(body, "tools") or []):
        tool = dict(value)
        if tool["type"] == "function":
            inner, _ = nested(tool, "function", f"tools[{index}]", flat=True)
            rest = {name: given for name, given in tool.items() if name != "function"}
            tool = {**rest, "description": None, "parameters": None, "strict": None, **inner}
        shown.append(tool)
    return shown


# -- one declaration -----------------------------------------------------------------------------------------


def _served(kind: str, pictures: bool) -> bool:
    return kind.startswith("web_search") or (kind in KINDS and (kind != "image_generation" or pictures))


def _read(tools: Tools, tool: Json, kind: str, path: str, pictures: bool, namespace: str = "") -> str:
    """Declare one tool; returns its key, "" for what has none."""
    match kind:
        case "function":
            return _function(tools, *nested(tool, "function", path, flat=True), namespace)
        case "custom":
            return _custom(tools, *nested(tool, "custom", path, flat=True), namespace)
        case "namespace":
            _namespace(tools, tool, path, pictures, namespace)
        case "tool_search":
            _tool_search(tools, tool, path)
        case "local_shell":
            text = "Runs a command on the user's machine; the answer is its output."
            _client_tool(tools, kind, text, LOCAL_SHELL, path)
        case "image_generation" if pictures:
            tools.pictures = True
        case "image_generation":
            text = f"Invalid value: 'image_generation' at '{path}.type'. This model does not make pictures."
            raise bad_request(text, param=f"{path}.type", code="invalid_value")
        case _ if kind.startswith("web_search"):
            _web_search(tools, tool, path)
        case _:
            raise fields.invalid_value(f"{path}.type", kind, KINDS)
    return ""


def _function(tools: Tools, function: Json, path: str, namespace: str) -> str:
    name = fields.required_string(function, "name", path=path)
    description = fields.string(function, "description", path=path)
    parameters = fields.obj(function, "parameters", path=path)
    tools.strict |= fields.boolean(function, "strict", path=path)
    key = tools.add(name, namespace) if name else name
    tools.kinds.pop(key, None)  # a name declared twice: the last one wins
    tools.declared.append(Declared(key, description, parameters, path))
    return key


def _custom(tools: Tools, custom: Json, path: str, namespace: str) -> str:
    name = fields.required_string(custom, "name", path=path)
    key = tools.add(name, namespace) if name else name
    tools.declared.append(custom_tool(key, custom, path))
    tools.kinds[key] = "custom"
    return key


def _namespace(tools: Tools, tool: Json, path: str, pictures: bool, outer: str) -> None:
    """Inner tools under the namespace's name; its description goes to the first of them."""
    name = _flat(outer, _space(fields.required_string(tool, "name", path=path)))
    description = fields.string(tool, "description", path=path)
    inner = fields.array(tool, "tools", path=path)
    if inner is None:
        raise fields.missing(f"{path}.tools")
    for index, value in enumerate(inner):
        place = f"{path}.tools[{index}]"
        entry = fields.as_object(value, place)
        kind = fields.required_string(entry, "type", path=place)
        if not _served(kind, pictures):
            tools.notes.append(f"{place}: {kind} left out: it can not be served")
            continue
        key = _read(tools, entry, kind, place, pictures, name)
        if key and description and name:
            last = tools.declared[-1]
            words = f"{last.description or ''}\n\nAbout {name}: {description}".lstrip()
            tools.declared[-1] = Declared(last.name, words, last.parameters, last.param)
            description = None


def _tool_search(tools: Tools, tool: Json, path: str) -> None:
    execution = fields.choice(tool, "execution", ("server", "client"), path=path)
    if execution != "client":
        tools.notes.append(f"{path}: tool_search left out: every tool is declared at once")
        return
    description = fields.string(tool, "description", path=path) or "Finds further tools."
    _client_tool(tools, "tool_search", description, fields.obj(tool, "parameters", path=path) or SEARCH, path)


def _client_tool(tools: Tools, kind: str, description: str, parameters: Json, path: str) -> None:
    key = tools.add(kind, "", kind)
    tools.declared.append(Declared(key, description, parameters, path))
    tools.kinds[key] = kind


def _web_search(tools: Tools, tool: Json, path: str) -> None:
    """Google's search takes none of the options; those that limit what may be found are noted."""
    fields.choice(tool, "search_context_size", ("low", "medium", "high"), path=path)
    fields.obj(tool, "user_location", path=path)
    limits = [name for name in ("filters", "external_web_access", "search_content_types") if tool.get(name) is not None]
    tools.notes += [f"{path}.{name}: no counterpart upstream" for name in limits]
    tools.search = True


def _space(namespace: str | None) -> str:
    """Codex wraps its plain tools into the namespace ``functions``."""
    return "" if namespace in (None, DEFAULT_NAMESPACE) else namespace


def _flat(namespace: str, name: str) -> str:
    return f"{namespace}.{name}" if namespace and name else namespace or name


# -- tool_choice ---------------------------------------------------------------------------------------------


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
        named, searched = _named(fields.as_object(value, place), tools, place)
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
            keys = tools.within(_space(name))
        case "local_shell" | "tool_search":
            name, keys = kind, [tools.key(kind, kind=kind)]
        case "image_generation" if tools.pictures:
            return [], False
        case _ if kind.startswith("web_search"):
            if not tools.search:
                raise _undeclared(kind)
            return [], True
        case _:
            raise _undeclared(kind)
    if not keys or not all(tools.knows(key) for key in keys):
        raise _undeclared(name)
    return keys, False


def _undeclared(name: str) -> FaultError:
    text = f"Invalid 'tool_choice': the tool '{name}' is not among the declared tools."
    return bad_request(text, param="tool_choice")
