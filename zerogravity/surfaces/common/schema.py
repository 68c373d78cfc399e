"""JSON Schema → Google's proto Schema (``parameters``, ``responseSchema``), and what was lost on the way.

| input                                   | output                                                     |
|-----------------------------------------|------------------------------------------------------------|
| $ref, $defs, definitions                | inlined (JSON pointers); a cycle is cut to a plain object  |
| const                                   | enum of one when a string, else "Must be X." in description |
| enum                                    | strings on STRING; other values into the description       |
| null in enum, type list or anyOf        | nullable                                                   |
| type: [A, B]; oneOf                     | anyOf                                                      |
| anyOf beside other keywords             | pushed into the branches; branches of bare ``required`` go |
| allOf                                   | merged                                                     |
| items: [a, b], prefixItems              | items = anyOf of the members                               |
| array without items; schema without type | items of strings; type inferred                           |
| required naming no property             | that name removed                                          |
| exclusive bounds, multipleOf, pattern…, not, if, additionalProperties, x-… | short hint in description, then removed |

Property *names* are never touched, nor is anything inside ``default``. Facts: wire-gemini-and-mapping 2.5.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from zerogravity.errors import FaultError, bad_request

Json = Mapping[str, Any]
Out = dict[str, Any]

MAX_DEPTH = 60
MAX_NODES = 20_000
TYPES = {"string", "number", "integer", "boolean", "array", "object"}
_KEPT: dict[str, type | tuple[type, ...]] = {
    "title": str, "format": str, "minItems": int, "maxItems": int, "minProperties": int, "maxProperties": int,
    "minimum": (int, float), "maximum": (int, float), "minLength": int, "maxLength": int, "pattern": str,
}  # fmt: skip
_STRUCTURE = {
    "type", "description", "nullable", "enum", "const", "properties", "required", "items", "prefixItems", "anyOf",
    "oneOf", "allOf", "$ref", "$defs", "definitions", "default", "propertyOrdering", "any_of", "example",
    "property_ordering",
}  # fmt: skip
_SILENT = {"$schema", "$id", "$anchor", "$comment", "$vocabulary", "deprecated", "readOnly", "writeOnly", "strict"}
_SNAKE = {
    "any_of": "anyOf", "min_items": "minItems", "max_items": "maxItems", "min_length": "minLength",
    "max_length": "maxLength", "min_properties": "minProperties", "max_properties": "maxProperties",
    "property_ordering": "propertyOrdering",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Converted:
    """``schema``: None when there is nothing to say (a function without arguments). ``lost``: ``path: keyword``."""

    schema: Out | None
    lost: tuple[str, ...]


@dataclass(slots=True)
class _Walk:
    root: Json
    ordering: bool
    param: str
    lost: list[str] = field(default_factory=list[str])
    nodes: int = 0


def convert_schema(schema: object, *, ordering: bool = False, param: str = "parameters") -> Converted:
    """Any JSON schema → a schema that Google's strict parser takes. ``ordering``: add propertyOrdering.

    Raises FaultError 400 when it is no schema, too deep or too large.
    """
    if schema is None or schema is True or schema == {}:
        return Converted(None, ())
    if not isinstance(schema, dict):
        raise bad_request(f"Invalid schema for '{param}': it must be an object.", param=param, code="invalid_type")
    root = cast("Json", schema)
    walk = _Walk(root, ordering, param)
    out = _node(root, walk, "", (), 0)
    return Converted(out, tuple(walk.lost))


def object_schema(schema: object, *, param: str) -> Converted:
    """The same for function parameters, which must be an object; None when it has no properties."""
    converted = convert_schema(schema, param=param)
    out = converted.schema
    if out is None or (out.get("type") == "object" and not out.get("properties") and "anyOf" not in out):
        return Converted(None, converted.lost)
    if out.get("type") != "object" and "anyOf" not in out:
        raise bad_request(
            f"Invalid schema for '{param}': schema must be of type 'object', got '{out.get('type')}'.",
            param=param, code="invalid_function_parameters",
        )  # fmt: skip
    return converted


def _node(schema: object, walk: _Walk, path: str, refs: tuple[str, ...], depth: int) -> Out:
    walk.nodes += 1
    if depth > MAX_DEPTH or walk.nodes > MAX_NODES:
        raise _too_large(walk)
    if not isinstance(schema, dict):
        return {"type": "string"} if schema is not True else {"type": "object"}
    node = {_SNAKE.get(key, key): value for key, value in cast("Json", schema).items()}
    if isinstance(reference := node.get("$ref"), str):
        return _reference(reference, node, walk, path, refs, depth)
    if isinstance(node.get("allOf"), list):
        node = _merge_all(node, walk, refs)
        if isinstance(node.get("$ref"), str):
            return _node(node, walk, path, refs, depth + 1)
    hints: list[str] = []
    out: Out = {}
    nullable = node.get("nullable") is True
    branches = [*_branches(node, "anyOf"), *_branches(node, "oneOf")]
    types = _types(node)
    if None in types:
        nullable = True
    named = [name for name in types if name is not None]
    if len(named) > 1:
        branches = branches or [{**node, "type": name} for name in named]
        if not _branches(node, "anyOf") and not _branches(node, "oneOf"):
            node = {key: value for key, value in node.items() if key in ("description", "title")}
    if branches:
        made, nullable = _union(branches, node, walk, path, refs, depth, nullable)
        if made is not None:
            if nullable:
                made["nullable"] = True
            return made
    _copy(node, out, hints, walk, path)
    kind = named[0] if len(named) == 1 else _infer(node)
    out["type"] = kind
    nullable = _enum(node, out, kind, hints, walk, path) or nullable
    if kind == "object":
        _properties(node, out, walk, path, refs, depth)
    if kind == "array":
        out["items"] = _items(node, walk, path, refs, depth)
    _default(node, out, walk, path)
    if nullable:
        out["nullable"] = True
    _describe(node, out, hints)
    return out


# -- references and unions -----------------------------------------------------------------------------------


def _reference(reference: str, node: Json, walk: _Walk, path: str, refs: tuple[str, ...], depth: int) -> Out:
    """The schema behind a $ref; a description beside it wins. A cycle or an unknown target is a plain object."""
    description = node.get("description")
    if reference in refs or (target := _resolve(walk.root, reference)) is None:
        walk.lost.append(f"{path or '.'}: {'recursion' if reference in refs else 'unknown $ref'} {reference}")
        out: Out = {"type": "object"}
    else:
        rest = {key: value for key, value in node.items() if key not in ("$ref", "description", "$defs", "definitions")}
        merged: object = (
            {**cast("Json", target), **rest} if isinstance(target, dict) and rest else cast("object", target)
        )
        out = _node(merged, walk, path, (*refs, reference), depth + 1)
    if isinstance(description, str):
        out["description"] = description
    return out


def _resolve(root: Json, reference: str) -> object | None:
    if not reference.startswith("#"):
        return None
    place: object = root
    for raw in reference[1:].split("/")[1:]:
        name = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and name in place:
            place = cast("Json", place)[name]
        elif isinstance(place, list) and name.isdigit() and int(name) < len(cast("list[Any]", place)):
            place = cast("list[Any]", place)[int(name)]
        else:
            return None
    return place


def _merge_all(node: Json, walk: _Walk, refs: tuple[str, ...]) -> Out:
    """allOf: properties, required and constraints of all members in one schema."""
    merged: Out = {key: value for key, value in node.items() if key != "allOf"}
    properties: Out = dict(cast("Json", merged.get("properties"))) if isinstance(merged.get("properties"), dict) else {}
    required: list[Any] = list(_sequence(merged.get("required")))
    seen = set(refs)
    pending = list(_sequence(node["allOf"]))
    while pending:
        member: object = pending.pop(0)
        while isinstance(member, dict) and isinstance(reference := cast("Json", member).get("$ref"), str):
            member = None if reference in seen else _resolve(walk.root, reference)
            seen.add(reference)
        if not isinstance(member, dict):
            continue
        part = {_SNAKE.get(key, key): value for key, value in cast("Json", member).items()}
        pending = [*_sequence(part.get("allOf")), *pending]
        if isinstance(part.get("properties"), dict):
            properties |= cast("Json", part["properties"])
        required += _sequence(part.get("required"))
        for key, value in part.items():
            if key not in ("properties", "required", "allOf"):
                merged.setdefault(key, value)
    if properties:
        merged["properties"] = properties
    if required:
        merged["required"] = list(dict.fromkeys(name for name in required if isinstance(name, str)))
    return merged


def _branches(node: Json, keyword: str) -> list[Json]:
    """The branches of a union that say more than ``required``."""
    found: list[Json] = [cast("Json", item) if isinstance(item, dict) else {} for item in _sequence(node.get(keyword))]
    return [item for item in found if set(item) - {"required"} or not item]


def _union(
    branches: Sequence[Json], node: Json, walk: _Walk, path: str, refs: tuple[str, ...], depth: int, nullable: bool
) -> tuple[Out | None, bool]:
    """anyOf with what stood beside it pushed into its branches; one branch left is no union."""
    real = [branch for branch in branches if not _is_null(branch)]
    nullable = nullable or len(real) < len(branches)
    if not real:
        return None, nullable
    shared = {
        key: value for key, value in node.items()
        if key not in ("anyOf", "oneOf", "description", "title", "nullable", "default", "$defs", "definitions")
    }  # fmt: skip
    if shared.get("type") is not None and not isinstance(shared["type"], str):
        del shared["type"]
    made = [_node(_combine(shared, branch), walk, f"{path}/anyOf", refs, depth + 1) for branch in real]
    nullable = nullable or any(branch.pop("nullable", False) for branch in made)
    unique = list({json.dumps(branch, sort_keys=True): branch for branch in made}.values())
    out: Out = unique[0] if len(unique) == 1 else {"anyOf": unique}
    description = node.get("description")
    if isinstance(description, str) and description:
        if "anyOf" in out:
            for branch in unique:
                branch.setdefault("description", description)
        else:
            out["description"] = description
    return out, nullable


def _combine(shared: Json, branch: Json) -> Out:
    combined: Out = {**shared, **branch}
    if isinstance(shared.get("properties"), dict) and isinstance(branch.get("properties"), dict):
        combined["properties"] = {**cast("Json", shared["properties"]), **cast("Json", branch["properties"])}
    required = [*_sequence(shared.get("required")), *_sequence(branch.get("required"))]
    if required:
        combined["required"] = required
    return combined


def _is_null(branch: Json) -> bool:
    return (
        branch.get("type") == "null" or ("const" in branch and branch["const"] is None) or branch.get("enum") == [None]
    )


# -- one schema ----------------------------------------------------------------------------------------------


def _types(node: Json) -> list[str | None]:
    """The type words in lower case; None stands for null; unknown words are dropped."""
    given = node.get("type")
    words = [given] if isinstance(given, str) else _sequence(given)
    found: list[str | None] = []
    for word in words:
        name = word.lower() if isinstance(word, str) else None
        if name == "null":
            found.append(None)
        elif name in TYPES:
            found.append(name)
    return list(dict.fromkeys(found))


def _infer(node: Json) -> str:
    if "properties" in node or "additionalProperties" in node or "required" in node:
        return "object"
    if "items" in node or "prefixItems" in node:
        return "array"
    values = [value for value in (*_sequence(node.get("enum")), node.get("const")) if value is not None]
    if values and all(isinstance(value, bool) for value in values):
        return "boolean"
    if values and all(isinstance(value, int) for value in values):
        return "integer"
    return "number" if values and all(isinstance(value, int | float) for value in values) else "string"


def _copy(node: Json, out: Out, hints: list[str], walk: _Walk, path: str) -> None:
    """Keywords Google knows are taken over; what it does not know becomes a hint."""
    for key, value in node.items():
        if key in _STRUCTURE or key in ("nullable", "oneOf"):
            continue
        wanted = _KEPT.get(key)
        if wanted is not None and isinstance(value, wanted) and not isinstance(value, bool):
            if not (key.startswith(("min", "max")) and key[3:4].isupper() and cast("int", value) < 0):
                out[key] = value
            continue
        if key in _SILENT:
            continue
        walk.lost.append(f"{path or '.'}: {key}")
        if key == "additionalProperties":
            if value is False:
                hints.append("No extra properties allowed.")
            continue
        text = json.dumps(value, ensure_ascii=False, default=str)
        if not key.startswith("x-") and len(text) <= 120:
            hints.append(f"{key}: {text}.")


def _enum(node: Json, out: Out, kind: str, hints: list[str], walk: _Walk, path: str) -> bool:
    """enum and const; returns whether null was among the values."""
    values: list[Any] = _sequence(node.get("enum"))
    if "const" in node:
        values = [node["const"]]
    if not values:
        return False
    has_null = any(value is None for value in values)
    real = [value for value in values if value is not None and value != ""]
    if kind == "string" and real and all(isinstance(value, str) for value in real):
        out["enum"] = list(dict.fromkeys(real))
        out.pop("format", None)
        return has_null
    if real:
        shown = ", ".join(json.dumps(value, ensure_ascii=False, default=str) for value in real[:50])
        hints.append(f"Must be {shown}." if len(real) == 1 else f"Allowed: {shown}.")
        walk.lost.append(f"{path or '.'}: {'const' if 'const' in node else 'enum'} of other than strings")
    return has_null


def _properties(node: Json, out: Out, walk: _Walk, path: str, refs: tuple[str, ...], depth: int) -> None:
    """``properties`` is a map of names, not a schema: names like ``type`` or ``$ref`` are names."""
    given = node.get("properties")
    if not isinstance(given, dict) or not given:
        return
    named = cast("Json", given)
    out["properties"] = {
        name: _node(value, walk, f"{path}/{name}", refs, depth + 1) for name, value in named.items()
    }  # fmt: skip
    required = [name for name in _sequence(node.get("required")) if isinstance(name, str) and name in named]
    if required:
        out["required"] = list(dict.fromkeys(required))
    order = _sequence(node.get("propertyOrdering"))
    if order and set(order) == set(named):
        out["propertyOrdering"] = order
    elif walk.ordering:
        out["propertyOrdering"] = list(named)


def _items(node: Json, walk: _Walk, path: str, refs: tuple[str, ...], depth: int) -> Out:
    items = node.get("items")
    tuple_form = _sequence(node.get("prefixItems")) or (cast("list[Any]", items) if isinstance(items, list) else [])
    if tuple_form:
        walk.lost.append(f"{path or '.'}: the positions of a tuple")
        members: list[object] = [*tuple_form]
        if isinstance(items, dict):
            members.append(cast("object", items))
        made = [_node(member, walk, f"{path}/items", refs, depth + 1) for member in members]
        unique = list({json.dumps(member, sort_keys=True): member for member in made}.values())
        return unique[0] if len(unique) == 1 else {"anyOf": unique}
    if isinstance(items, dict) and items:
        return _node(cast("Json", items), walk, f"{path}/items", refs, depth + 1)
    return {"type": "string"}


def _default(node: Json, out: Out, walk: _Walk, path: str) -> None:
    if "default" not in node or node["default"] is None:
        return
    if isinstance(node["default"], str | int | float):
        out["default"] = node["default"]
    else:
        walk.lost.append(f"{path or '.'}: default")


def _describe(node: Json, out: Out, hints: Sequence[str]) -> None:
    given = node.get("description")
    words = [given] if isinstance(given, str) and given else []
    if text := " ".join([*words, *hints]):
        out["description"] = text


def _sequence(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _too_large(walk: _Walk) -> FaultError:
    text = (
        f"Invalid schema for '{walk.param}': it is deeper than {MAX_DEPTH} levels or has more than {MAX_NODES} nodes."
    )
    return bad_request(text, param=walk.param, code="invalid_function_parameters")


def walk_schemas(schema: Json) -> Iterator[Json]:
    """Every schema inside a converted one, itself included."""
    yield schema
    for child in cast("Json", schema.get("properties") or {}).values():
        yield from walk_schemas(child)
    if isinstance(schema.get("items"), dict):
        yield from walk_schemas(schema["items"])
    for branch in _sequence(schema.get("anyOf")):
        yield from walk_schemas(branch)
