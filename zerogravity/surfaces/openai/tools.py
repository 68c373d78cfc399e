"""Tool declarations and names → Google's. Names are changed reversibly, without collisions, only where they must be.

``parameters`` (proto Schema) is used, not ``parametersJsonSchema``: v1internal does not know the latter reliably (the
model then answers MALFORMED_FUNCTION_CALL). Facts: wire-gemini-and-mapping 2.3, 2.5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, cast

from zerogravity.errors import bad_request
from zerogravity.surfaces.common.functions import MAX_FUNCTIONS, too_many
from zerogravity.surfaces.json_schema import Converted, convert, noted
from zerogravity.surfaces.openai import fields
from zerogravity.wire import jsonio

MAX_NAME = 64
MAX_NODES = 30_000  # schema nodes of all tools: what parsing may cost
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


def _cleaned(name: str, attempt: int) -> str:
    """A legal name that tells the original one apart; ``attempt`` for the case that somebody has it already."""
    text = name if attempt == 0 else f"{attempt} {name}"
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    cleaned = _ILLEGAL.sub("_", name)
    if not cleaned or not (cleaned[0].isalpha() or cleaned[0] == "_"):
        cleaned = "_" + cleaned
    return f"{cleaned[: MAX_NAME - 9]}_{digest}"


@dataclass(frozen=True, slots=True)
class Declared:
    """One function as a client declared it. ``param``: where, for errors."""

    name: str
    description: str | None = None
    parameters: object = None
    param: str = "tools"


@dataclass(slots=True)
class Tools:
    """What a request declares. A tool's *key* is its name towards ``NameMap``: the client's own, unless its surface has
    several tools of one name.

    ``kinds``: key → ``custom``, or a kind that only its surface knows. ``strict``: some function wants its schema
    obeyed. ``left_out``: kind → where it was declared first, of what nobody here can run. ``notes``: what was left out.
    """

    declared: list[Declared] = field(default_factory=list["Declared"])
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    search: bool = False
    strict: bool = False
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])

    def knows(self, key: str) -> bool:
        return any(tool.name == key for tool in self.declared)

    def function(self, given: Mapping[str, Any], path: str, key: Callable[[str], str] = str) -> str:
        """Declare a function; its key. ``key``: the key of a name."""
        name = key(fields.required_string(given, "name", path=path))
        description = fields.string(given, "description", path=path)
        parameters = fields.obj(given, "parameters", path=path)
        self.strict |= fields.boolean(given, "strict", path=path)
        self.kinds.pop(name, None)  # a name declared twice: the last one wins
        self.declared.append(Declared(name, description, parameters, path))
        return name

    def custom(self, given: Mapping[str, Any], path: str, key: Callable[[str], str] = str) -> str:
        """Declare a custom tool; its key."""
        name = key(fields.required_string(given, "name", path=path))
        self.declared.append(custom_tool(name, given, path))
        self.kinds[name] = "custom"
        return name

    def leave_out(self, kind: str, path: str) -> None:
        """A tool that nothing here can run: the client has others, and nobody made it use this one."""
        self.left_out.setdefault(kind, path)
        self.notes.append(f"{path}: {kind} left out: it cannot be served")


def search_options(options: Mapping[str, Any], path: str) -> None:
    """Validated; Google's search takes neither a context size nor a place."""
    fields.choice(options, "search_context_size", ("low", "medium", "high"), path=path)
    fields.obj(options, "user_location", path=path)


def nested(tool: Mapping[str, Any], kind: str, path: str, *, flat: bool = False) -> tuple[Mapping[str, Any], str]:
    """The object that holds a tool's name, in either API's nesting, and its path. ``flat``: where neither is there,
    the name is what is missed, as in Responses."""
    inner = fields.obj(tool, kind, path=path)
    if inner is not None:
        return inner, f"{path}.{kind}"
    if "name" in tool:
        return tool, path
    raise fields.missing(f"{path}.name" if flat else f"{path}.{kind}")


def custom_tool(name: str, custom: Mapping[str, Any], path: str) -> Declared:
    """A custom tool: a function with one string ``input``; its grammar is told in words."""
    description = fields.string(custom, "description", path=path) or ""
    form = fields.obj(custom, "format", path=path) or {}
    fields.choice(form, "type", ("text", "grammar"), path=f"{path}.format")
    inner = fields.obj(form, "grammar", path=f"{path}.format")
    if (grammar := custom_grammar(form)) is not None:
        place = f"{path}.format" if inner is None else f"{path}.format.grammar"
        syntax = fields.choice(grammar, "syntax", ("lark", "regex"), path=place) or "lark"
        definition = fields.string(grammar, "definition", path=place) or ""
        description = f"{description}\n\nThe input must match this {syntax} grammar:\n{definition}".lstrip()
    text = {"type": "string", "description": "The whole input of the tool, as plain text."}
    schema = {"type": "object", "properties": {"input": text}, "required": ["input"]}
    return Declared(name, description, schema, path)


def custom_grammar(form: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The grammar of a custom tool's ``format``, in either API's nesting; None for plain text. Where its type is not
    said, what stands in it says it."""
    inner = form.get("grammar")
    kind = form.get("type") or ("grammar" if inner or "definition" in form else "text")
    if kind != "grammar":
        return None
    return cast("Mapping[str, Any]", inner) if isinstance(inner, dict) else form


def declare(tools: Sequence[Declared], names: NameMap) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """functionDeclarations and notes on what was lost. A name declared twice: the last one wins, once.

    Raises FaultError 400: too many functions, empty name, parameters that are no object schema.
    """
    made: dict[str, dict[str, Any]] = {}
    losses: list[tuple[str, str]] = []
    nodes = 0
    for tool in tools:
        if not tool.name:
            raise bad_request(
                f"Invalid '{tool.param}.name': it is empty.", param=f"{tool.param}.name", code="invalid_value"
            )
        converted = convert(tool.parameters, param=f"{tool.param}.parameters", arguments=True)
        nodes += converted.nodes
        if nodes > MAX_NODES:
            text = f"Invalid 'tools': their schemas have more than {MAX_NODES} nodes in all."
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
    """Without parameters a function reads as one without arguments; what may be passed is told here."""
    return f"Arguments: {converted.told}" if converted.told else ""


def custom_input(args_json: str) -> str:
    """The plain text of a custom tool's call: ``input``, or the only text there is, under whatever name the model put
    it (``patch``, ``code`` …). No arguments are the empty text; those of another form are handed on as they are."""
    try:
        value = jsonio.loads(args_json.encode() or b"null")
    except ValueError:
        return args_json
    if not isinstance(value, dict):
        return value if isinstance(value, str) else "" if value is None else args_json
    given = {name: each for name, each in cast("dict[str, Any]", value).items() if each is not None}
    if not given:
        return ""
    if isinstance(text := given.get("input"), str):
        return text
    texts = [each for each in given.values() if isinstance(each, str)]
    return texts[0] if len(texts) == 1 else args_json
