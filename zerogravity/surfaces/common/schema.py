"""JSON Schema → Google's proto Schema (``parameters``, ``responseSchema``), and what was lost on the way.

| input                                   | output                                                     |
|-----------------------------------------|------------------------------------------------------------|
| $ref, $defs, definitions                | inlined (JSON pointers); a cycle is cut to a plain object, |
|                                         | as is what lies deep when the whole would be too large     |
| const                                   | enum of one when a string, else "Must be X." in description |
| enum                                    | strings on STRING; other values into the description       |
| null in enum, type list or anyOf        | nullable                                                   |
| type: [A, B]; oneOf                     | anyOf                                                      |
| anyOf beside other keywords             | pushed into the branches; branches of bare ``required`` go |
| allOf; keywords beside $ref             | merged                                                     |
| items: [a, b], prefixItems              | items = anyOf of the members                               |
| array without items; schema without type | items of strings; type inferred                           |
| required naming no property             | that name removed                                          |
| format                                  | date-time, int32, int64, float, double; others as a hint   |
| exclusiveMinimum, multipleOf, not, if … | a short hint in the description, then removed      |
| x-…, additionalProperties: true, false  | removed                                                    |
| function parameters that are a union    | one object with the properties of all branches             |

Property *names* are never touched, nor is anything inside ``default``. Facts: wire-gemini-and-mapping 2.5.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.common.compose import Json, Out, camel, combine, follow, merge_all, one_object, sequence
from zerogravity.surfaces.common.kinds import inferred, is_null, is_number, kind_of_value, types_of
from zerogravity.wire import jsonio

MAX_DEPTH = 60
MAX_NODES = 3_000
REFERENCES = (MAX_DEPTH, 3, 1)  # how many lie inside one another; fewer when the whole would be too large
MAX_TEXT = 1 << 18  # characters of a converted schema: a long text behind many $refs is copied by each
MAX_HINT = 120
_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength")
_TEXTS = ("title", "pattern")
_BOUNDS = ("minimum", "maximum")
_FORMATS = {"string": ("date-time",), "integer": ("int32", "int64"), "number": ("float", "double")}
_STRUCTURE = {
    "type", "description", "nullable", "enum", "const", "properties", "required", "items", "prefixItems", "anyOf",
    "oneOf", "allOf", "$ref", "$defs", "definitions", "default", "propertyOrdering",
}  # fmt: skip
_SILENT = {"$schema", "$id", "$anchor", "$comment", "$vocabulary", "deprecated", "readOnly", "writeOnly", "strict"}
_NOT_SHARED = {"anyOf", "oneOf", "description", "title", "nullable", "default", "$defs", "definitions"}


@dataclass(frozen=True, slots=True)
class Converted:
    """``schema``: None when there is nothing to say (a function without arguments). ``lost``: ``path: keyword``.
    ``nodes``: what it has cost."""

    schema: Out | None
    lost: tuple[str, ...]
    nodes: int = 0


class _TooLargeError(Exception):
    """The walk has reached a limit."""


@dataclass(slots=True)
class _Walk:
    root: Json
    ordering: bool
    limit: int
    lost: list[str] = field(default_factory=list[str])
    nodes: int = 0
    text: int = 0

    def lose(self, path: str, what: str) -> None:
        self.lost.append(f"{path or '.'}: {what}")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: property names from the root, references on the way."""

    path: str = ""
    refs: tuple[str, ...] = ()
    depth: int = 0

    def into(self, step: str, *refs: str) -> _Place:
        return _Place(f"{self.path}/{step}" if step else self.path, (*self.refs, *refs), self.depth + 1)


def convert_schema(schema: object, *, ordering: bool = False, param: str = "parameters") -> Converted:
    """Any JSON schema → a schema that Google's strict parser takes. ``ordering``: add propertyOrdering.

    Raises FaultError 400 when it is no schema, too deep or too large.
    """
    if schema is None or schema is True or schema == {}:
        return Converted(None, ())
    if not isinstance(schema, dict):
        raise bad_request(f"Invalid schema for '{param}': it must be an object.", param=param, code="invalid_type")
    root, nodes = cast("Json", schema), 0
    for limit in REFERENCES:
        walk = _Walk(root, ordering, limit)
        try:
            out = _node(root, walk, _Place())
        except _TooLargeError:
            nodes += walk.nodes
        else:
            return Converted(out, tuple(dict.fromkeys(walk.lost)), nodes + walk.nodes)
    raise _too_large(param)


def object_schema(schema: object, *, param: str) -> Converted:
    """The same for function parameters, which must be an object; None when it has no properties."""
    typeless = isinstance(schema, dict) and _says_no_type(cast("Json", schema))
    wanted: object = {**cast("Json", schema), "type": "object"} if typeless else cast("object", schema)
    converted = convert_schema(wanted, param=param)
    out, lost = converted.schema, converted.lost
    if out is not None and "anyOf" in out and (whole := one_object(out["anyOf"])) is not None:
        out, lost = whole, (*lost, ".: the alternatives")
    if out is None or (out.get("type") == "object" and not out.get("properties")):
        return Converted(None, lost, converted.nodes)
    if out.get("type") != "object":
        raise bad_request(
            f"Invalid schema for '{param}': schema must be of type 'object', got '{out.get('type', 'anyOf')}'.",
            param=param, code="invalid_function_parameters",
        )  # fmt: skip
    return Converted(out, lost, converted.nodes)


def _says_no_type(schema: Json) -> bool:
    combined = any(key in schema for key in ("$ref", "anyOf", "any_of", "oneOf", "allOf"))
    return bool(schema) and not combined and schema.get("type") is None


def _node(schema: object, walk: _Walk, at: _Place) -> Out:
    """One schema and all below it."""
    walk.nodes += 1
    if at.depth > MAX_DEPTH or walk.nodes > MAX_NODES:
        raise _TooLargeError
    if not isinstance(schema, dict):
        if not isinstance(schema, bool):
            walk.lose(at.path, "what is no schema")
        return {"type": "string"}
    node = camel(cast("Json", schema))
    if isinstance(reference := node.get("$ref"), str):
        return _reference(reference, node, walk, at)
    if isinstance(node.get("allOf"), list):
        merged = merge_all(node, walk.root, at.refs, walk.limit)
        walk.nodes += merged.steps
        for dropped in merged.dropped:
            walk.lose(at.path, dropped)
        return _node(merged.schema, walk, _Place(at.path, merged.refs, at.depth + 1))
    types = types_of(node)
    named = [name for name in types if name is not None]
    nullable = node.get("nullable") is True or None in types
    branches = [*_branches(node, "anyOf"), *_branches(node, "oneOf")]
    if not branches and len(named) > 1:
        branches = [_of_type(node, name) for name in named]
        node = {key: value for key, value in node.items() if key in ("description", "default")}
    if branches:
        made, nullable = _union(branches, node, walk, at, nullable)
        if made is not None:
            return _nullable(made) if nullable else made
    return _plain(node, named[0] if named else inferred(node), walk, at, nullable)


def _plain(node: Json, kind: str, walk: _Walk, at: _Place, nullable: bool) -> Out:
    """A schema that is no union and no reference."""
    hints: list[str] = []
    out = _copied(node, kind, hints, walk, at.path)
    out["type"] = kind
    nullable = _enum(node, out, kind, hints, walk, at.path) or nullable
    if kind == "object":
        _properties(node, out, walk, at)
    if kind == "array":
        out["items"] = _items(node, walk, at)
    _default(node, out, walk, at.path)
    if nullable:
        out["nullable"] = True
    if text := _described(node.get("description"), hints):
        out["description"] = text
    walk.text += sum(len(value) for value in out.values() if isinstance(value, str))
    walk.text += sum(len(value) for value in out.get("enum", ()))
    if walk.text > MAX_TEXT:
        raise _TooLargeError
    return out


def _described(given: object, hints: Sequence[str]) -> str:
    """The description, and the hints as sentences of their own."""
    text = given if isinstance(given, str) else ""
    if text and hints and text.rstrip()[-1:] not in ".!?:;…":
        text = f"{text.rstrip()}."
    return " ".join([*([text] if text else []), *hints])


# -- references and unions -----------------------------------------------------------------------------------


def _reference(reference: str, node: Json, walk: _Walk, at: _Place) -> Out:
    """The schema behind a $ref with what stands beside it. A cycle or an unknown target is a plain object."""
    target, why = follow(reference, walk.root, at.refs, walk.limit)
    rest = {key: value for key, value in node.items() if key not in ("$ref", "$defs", "definitions")}
    if isinstance(target, dict):
        dropped: list[str] = []
        merged = combine(rest, camel(cast("Json", target)), dropped)
        for what in dropped:
            walk.lose(at.path, what)
        return _node(merged, walk, at.into("", reference))
    if target is not None:  # a schema may be true
        return _node(rest or target, walk, at.into("", reference))
    walk.lose(at.path, why)
    description = node.get("description")
    return {"type": "object", **({"description": description} if isinstance(description, str) else {})}


def _branches(node: Json, keyword: str) -> list[Json]:
    """The branches of a union that say more than ``required``."""
    found = [camel(cast("Json", item)) if isinstance(item, dict) else {} for item in sequence(node.get(keyword))]
    return [item for item in found if set(item) - {"required"} or not item]


def _of_type(node: Json, name: str) -> Out:
    """One branch of ``type: [A, B]``, with the enum values of that type."""
    branch = {key: value for key, value in node.items() if key not in ("description", "default", "enum")}
    if values := [value for value in sequence(node.get("enum")) if kind_of_value(value) in (name, "null")]:
        branch["enum"] = values
    return {**branch, "type": name}


def _union(branches: Sequence[Json], node: Json, walk: _Walk, at: _Place, nullable: bool) -> tuple[Out | None, bool]:
    """anyOf with what stood beside it pushed into its branches; one branch left is no union."""
    real = [branch for branch in branches if not is_null(branch)]
    nullable = nullable or len(real) < len(branches)
    if not real:
        return None, nullable
    shared = {key: value for key, value in node.items() if key not in _NOT_SHARED}
    if not isinstance(shared.get("type"), str):
        shared.pop("type", None)
    dropped: list[str] = []
    made = [_node(combine(branch, shared, dropped), walk, at.into("anyOf")) for branch in real]
    for what in dropped:
        walk.lose(at.path, what)
    for branch in made:
        nullable |= bool(branch.pop("nullable", False))
    unique = list({json.dumps(branch, sort_keys=True): branch for branch in made}.values())
    if len(unique) == 1 and "anyOf" not in unique[0]:
        _default(node, unique[0], walk, at.path)
        if isinstance(title := node.get("title"), str):
            unique[0].setdefault("title", title)
    elif node.get("default") is not None:
        walk.lose(at.path, "default")
    out: Out = unique[0] if len(unique) == 1 else {"anyOf": _flat(unique)}
    if isinstance(description := node.get("description"), str) and description:
        _describe(out, description)
    return out, nullable


def _flat(branches: Sequence[Out]) -> list[Out]:
    """A union of unions is a union."""
    return [inner for branch in branches for inner in branch.get("anyOf", [branch])]


def _describe(out: Out, description: str) -> None:
    """A union's description goes where there is none, or before the first."""
    branches = out.get("anyOf")
    if branches is None:
        out["description"] = description
        return
    silent = [branch for branch in branches if "description" not in branch]
    for branch in silent:
        branch["description"] = description
    if not silent:
        branches[0]["description"] = f"{description} {branches[0]['description']}"


def _nullable(out: Out) -> Out:
    """Nothing may stand beside anyOf, so its branches say it."""
    for schema in out.get("anyOf", [out]):
        schema["nullable"] = True
    return out


# -- one schema ----------------------------------------------------------------------------------------------


def _copied(node: Json, kind: str, hints: list[str], walk: _Walk, path: str) -> Out:
    """Keywords Google knows are taken over; what it does not know becomes a hint."""
    out: Out = {}
    for key, value in node.items():
        if key in _STRUCTURE or key in _SILENT:
            continue
        if (key in _TEXTS and isinstance(value, str)) or (key == "format" and value in _FORMATS.get(kind, ())):
            out[key] = value
        elif key in _COUNTS and is_number(value) and value == int(value) and 0 <= value < 2**63:
            out[key] = int(value)
        elif key in _BOUNDS and is_number(value):
            out[key] = value
        else:
            walk.lose(path, key)
            hints += _hint(key, value)
    return out


def _hint(key: str, value: object) -> list[str]:
    """What a removed keyword said, in a few words; nothing where it says nothing."""
    if (
        key.startswith("x-")
        or (isinstance(value, bool) and key == "additionalProperties")
        or value in ({}, [], "", None)
    ):
        return []
    text = jsonio.dumps(value).decode()
    return [f"{key}: {text}."] if len(text) <= MAX_HINT else []


def _enum(node: Json, out: Out, kind: str, hints: list[str], walk: _Walk, path: str) -> bool:
    """enum and const; returns whether null was among the values."""
    values = [node["const"]] if "const" in node else sequence(node.get("enum"))
    word = "const" if "const" in node else "enum"
    real = [value for value in values if value is not None and value != ""]
    if "" in values:
        walk.lose(path, f"the empty string in {word}")
    if kind == "string" and real and all(isinstance(value, str) for value in real):
        out["enum"] = list(dict.fromkeys(real))
        out.pop("format", None)
    elif real:
        shown = ", ".join(jsonio.dumps(value).decode() for value in real[:50])
        hints.append(f"Must be {shown}." if len(real) == 1 else f"Allowed: {shown}.")
        walk.lose(path, f"{word} of other than strings")
    return None in values


def _properties(node: Json, out: Out, walk: _Walk, at: _Place) -> None:
    """``properties`` is a map of names, not a schema: names like ``type`` or ``$ref`` are names."""
    given = node.get("properties")
    named: Json = cast("Json", given) if isinstance(given, dict) else {}
    required = [name for name in sequence(node.get("required")) if isinstance(name, str)]
    if any(name not in named for name in required):
        walk.lose(at.path, "required names without a property")
    if not named:
        return
    out["properties"] = {name: _node(value, walk, at.into(name)) for name, value in named.items()}
    if kept := [name for name in dict.fromkeys(required) if name in named]:
        out["required"] = kept
    order = [name for name in sequence(node.get("propertyOrdering")) if isinstance(name, str)]
    if order and sorted(order) == sorted(named):
        out["propertyOrdering"] = order
    elif walk.ordering:
        out["propertyOrdering"] = list(named)


def _items(node: Json, walk: _Walk, at: _Place) -> Out:
    items = node.get("items")
    members: list[object] = sequence(node.get("prefixItems")) or sequence(items)
    if members:
        walk.lose(at.path, "the positions of a tuple")
        rest = [cast("object", items)] if isinstance(items, dict) else []
        made = [_node(member, walk, at.into("items")) for member in (*members, *rest)]
        unique = list({json.dumps(member, sort_keys=True): member for member in made}.values())
        return unique[0] if len(unique) == 1 else {"anyOf": _flat(unique)}
    return _node(cast("object", items), walk, at.into("items")) if isinstance(items, dict) else {"type": "string"}


def _default(node: Json, out: Out, walk: _Walk, path: str) -> None:
    value = node.get("default")
    if isinstance(value, str | bool) or is_number(value):
        out["default"] = value
    elif value is not None:
        walk.lose(path, "default")


def _too_large(param: str) -> FaultError:
    text = (
        f"Invalid schema for '{param}': it is deeper than {MAX_DEPTH} levels, has more than {MAX_NODES} nodes or "
        f"{MAX_TEXT} characters."
    )
    return bad_request(text, param=param, code="invalid_function_parameters")
