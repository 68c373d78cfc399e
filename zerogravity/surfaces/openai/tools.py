"""What Chat and Responses share of ``tools``: their nestings, custom tools, the options of the web search.

Facts: wire-openai 4, 9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zerogravity.surfaces.common import declarations, fields
from zerogravity.surfaces.common.declarations import Declared
from zerogravity.wire import jsonio, narrow


@dataclass(slots=True)
class Tools(declarations.Tools):
    """``kinds`` has ``custom`` for custom tools."""

    def custom(self, given: Mapping[str, Any], path: str, key: Callable[[str], str] = str) -> str:
        """Declare a custom tool; its key."""
        name = key(fields.required_string(given, "name", path=path))
        self.declared.append(custom_tool(name, given, path))
        self.kinds[name] = "custom"
        return name


def search_options(options: Mapping[str, Any], path: str) -> None:
    """Validates what Google's search has no setting for. Raises FaultError 400."""
    fields.choice(options, "search_context_size", ("low", "medium", "high"), path=path)
    fields.obj(options, "user_location", path=path)


def nested(tool: Mapping[str, Any], kind: str, path: str, *, flat: bool = False) -> tuple[Mapping[str, Any], str]:
    """The object that holds a tool's name, in either API's nesting, and its path. ``flat``: if neither is there, the
    error names the flat form's member, as in Responses. Raises FaultError 400."""
    inner = fields.obj(tool, kind, path=path)
    if inner is not None:
        return inner, f"{path}.{kind}"
    if "name" in tool:
        return tool, path
    raise fields.missing(f"{path}.name" if flat else f"{path}.{kind}")


def schemas(tools: object) -> Iterator[tuple[str, object]]:
    """(name, schema or format) of each tool, in either API's nesting, as it stands there. Total."""
    for tool in narrow.objects(tools):
        for form in narrow.objects([tool, tool.get("function"), tool.get("custom")]):
            if name := narrow.text(form.get("name")):
                yield name, form.get("parameters", form.get("format"))


def custom_tool(name: str, custom: Mapping[str, Any], path: str) -> Declared:
    """A custom tool: a function with one string ``input``, whose description contains the grammar."""
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
    """The grammar of a custom tool's ``format``, in either API's nesting; None for plain text. A missing type is
    inferred from the other members."""
    inner = form.get("grammar")
    kind = form.get("type") or ("grammar" if inner or "definition" in form else "text")
    if kind != "grammar":
        return None
    return form if (nested := narrow.an_object(inner)) is None else nested


def custom_input(args_json: str) -> str:
    """The plain text of a custom tool's call: ``input``, or the only text among the arguments, whatever name the model
    gave it (``patch``, ``code`` …). No arguments: the empty text; any other form: the JSON as it is."""
    try:
        value = jsonio.loads(args_json.encode() or b"null")
    except ValueError:
        return args_json
    if (members := narrow.an_object(value)) is None:
        return value if isinstance(value, str) else "" if value is None else args_json
    given = {name: each for name, each in members.items() if each is not None}
    if not given:
        return ""
    if isinstance(text := given.get("input"), str):
        return text
    texts = [each for each in given.values() if isinstance(each, str)]
    return texts[0] if len(texts) == 1 else args_json
