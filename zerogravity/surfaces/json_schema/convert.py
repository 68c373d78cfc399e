"""JSON Schema → Google's proto Schema (``parameters``, ``responseSchema``), and what was lost on the way.

| input                                   | output                                                     |
|-----------------------------------------|------------------------------------------------------------|
| $ref, $defs, definitions                | inlined (JSON pointers); a cycle is cut to a plain object  |
|                                         | or array that names it, as is what lies deep when the      |
|                                         | whole would be too large                                   |
| const                                   | enum of one when a string, else "Must be X." in description |
| enum                                    | strings on STRING; other values into the description       |
| null in enum, type list or anyOf        | nullable                                                   |
| type: [A, B]; values of A and B; oneOf  | anyOf                                                      |
| int, dict, list[str], any …             | what they mean (``kinds.py``)                              |
| no type, {}, true                       | of its values, its default, its keywords; else any value:  |
|                                         | anyOf all types                                            |
| anyOf beside other keywords             | pushed into the branches; branches of bare ``required`` go |
| allOf; keywords beside $ref             | merged                                                     |
| items: [a, b], prefixItems              | items = anyOf of the members                               |
| array without items                     | items of any value                                         |
| required naming no property             | that name removed                                          |
| members that are not listed             | told in the description: an OBJECT has only what it lists  |
| (additionalProperties, patternProperties, an object without properties) |                            |
| propertyNames with an enum              | properties                                                 |
| format                                  | date-time, int32, int64, float, double; others as a hint   |
| exclusiveMinimum, multipleOf, not, if … | a short hint in the description, then removed              |
| x-…, additionalProperties: false        | removed                                                    |
| function parameters that are a union    | one object with the properties of all branches             |

In Google's JSON Schema (``dialect=JSON``, for ``responseJsonSchema``) unlisted members and cycles are said as such.
Property *names* are never touched, nor is anything inside ``default``. Facts: wire-gemini-and-mapping 2.5.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.json_schema import keywords
from zerogravity.surfaces.json_schema.json_dialect import finished
from zerogravity.surfaces.json_schema.json_types import inferred, is_null, read, types_of
from zerogravity.surfaces.json_schema.keywords import PROTO, Dialect
from zerogravity.surfaces.json_schema.merge import (
    Json,
    Out,
    camel,
    combine,
    follow,
    merge_all,
    one_object,
    resolve,
    sequence,
)
from zerogravity.surfaces.json_schema.unions import branches_of, describe, flat, nullable_all, of_type, one_of
from zerogravity.surfaces.json_schema.walk import Place, TooLargeError, Walk, name_of

MAX_DEPTH = 60
MAX_NODES = 3_000
REFERENCES = (MAX_DEPTH, 3, 1)  # how many lie inside one another; fewer when the whole would be too large
MAX_TEXT = 1 << 18  # characters of a converted schema: a long text behind many $refs is copied by each
MAX_MEMBERS = 600  # characters of a hint on members that are not listed
_NOT_SHARED = {"anyOf", "oneOf", "description", "title", "nullable", "default", "$defs", "definitions"}
_NAMING = ("propertyNames", "additionalProperties")
_SCALARS: tuple[Out, ...] = ({"type": "string"}, {"type": "number"}, {"type": "boolean"})


@dataclass(frozen=True, slots=True)
class Converted:
    """``schema``: None when there is nothing to say (a function without arguments). ``lost``: ``path: keyword``.
    ``nodes``: what it has cost. ``closed``: where it admits less members than the original. ``told``: what is to be
    said of arguments without a schema."""

    schema: Out | None
    lost: tuple[str, ...]
    nodes: int = 0
    closed: tuple[str, ...] = ()
    told: str = ""


def convert_schema(
    schema: object,
    *,
    ordering: bool = False,
    param: str = "parameters",
    dialect: Dialect = PROTO,
    arguments: bool = False,
) -> Converted:
    """Any JSON schema → a schema that Google's strict parser takes. ``ordering``: add propertyOrdering.

    Raises FaultError 400 when it is no schema, too deep or too large.
    """
    if schema is None or schema is True or schema == {}:
        return Converted(None, ())
    if not isinstance(schema, dict):
        raise bad_request(f"Invalid schema for '{param}': it must be an object.", param=param, code="invalid_type")
    root, nodes = cast("Json", schema), 0
    for limit in REFERENCES:
        walk = Walk(root, dialect, ordering, arguments, limit)
        try:
            out = _whole(walk)
        except TooLargeError:
            nodes += walk.nodes
        else:
            return Converted(out, tuple(dict.fromkeys(walk.lost)), nodes + walk.nodes, tuple(walk.closed))
    raise _too_large(param)


def object_schema(schema: object, *, param: str) -> Converted:
    """The same for function parameters, which must be an object; None when it has no properties."""
    converted = convert_schema(schema, param=param, arguments=True)
    out, lost = converted.schema, converted.lost
    if out is not None and "anyOf" in out and (whole := one_object(out["anyOf"])) is not None:
        out, lost = whole, (*lost, ".: the alternatives")
    if out is None or (out.get("type") == "object" and not out.get("properties")):
        told = str(out.get("description", "")) if out is not None else ""
        return Converted(None, lost, converted.nodes, converted.closed, told)
    if out.get("type") != "object":
        raise bad_request(
            f"Invalid schema for '{param}': schema must be of type 'object', got '{out.get('type', 'anyOf')}'.",
            param=param, code="invalid_function_parameters",
        )  # fmt: skip
    return Converted(out, lost, converted.nodes, converted.closed)


def _whole(walk: Walk) -> Out:
    """The root, and what it refers to."""
    out = _node(walk.root, walk, Place())
    if not walk.dialect.whole:
        return out
    made: Out = {}
    while missing := [reference for reference in walk.defined if walk.defined[reference] not in made]:
        for reference in missing:
            at = Place(f"/$defs/{walk.defined[reference]}", (reference,), 1, outer=False)
            made[walk.defined[reference]] = _node(resolve(walk.root, reference), walk, at)
    return finished({**out, "$defs": made} if made else out, walk.lose)


def _node(schema: object, walk: Walk, at: Place) -> Out:
    """One schema and all below it."""
    walk.nodes += 1
    if at.depth > MAX_DEPTH or walk.nodes > MAX_NODES:
        raise TooLargeError
    if schema is False:
        walk.lose(at.path, "false")
        return {"type": "string", "description": "Must not be given."}
    if not isinstance(schema, dict):
        if schema is not True:
            walk.lose(at.path, "what is no schema")
        return _node({"type": schema} if isinstance(schema, str) else {}, walk, at)
    node = _understood(cast("Json", schema), walk, at)
    if isinstance(reference := node.get("$ref"), str):
        return _reference(reference, node, walk, at)
    if isinstance(node.get("allOf"), list):
        merged = merge_all(node, walk.root, at.refs, walk.limit)
        walk.nodes += merged.steps
        for dropped in merged.dropped:
            walk.lose(at.path, dropped)
        return _node(merged.schema, walk, Place(at.path, merged.refs, at.depth + 1, at.outer, at.within))
    if is_null(node):
        return _plain(node, "string", walk, at, nullable=True)
    types = types_of(node)
    nullable = node.get("nullable") is True or None in types
    branches = [*branches_of(node, "anyOf"), *branches_of(node, "oneOf")]
    named = [name for name in types if name is not None] or ([] if branches else inferred(node))
    if not branches and len(named) > 1:
        branches = [of_type(node, name) for name in named]
        node = {key: value for key, value in node.items() if key in ("description", "default")}
    if branches:
        made, nullable = _union(branches, node, walk, at, nullable)
        if made is not None:
            return nullable_all(made) if nullable else made
        named = named or ["string"]
    if not named and not (walk.arguments and at.outer):
        return _anything(node, walk, at)
    return _plain(node, named[0] if named else "object", walk, at, nullable)


def _understood(schema: Json, walk: Walk, at: Place) -> Json:
    """The schema in JSON Schema's words; what one reference in an allOf says is that reference."""
    node, unknown = read(camel(schema))
    for word in unknown:
        walk.lose(at.path, f"the type {word}")
    if unknown:
        hints = [hint for word in unknown for hint in keywords.hint("type", word)]
        node = {**node, "description": keywords.described(node.get("description"), hints)}
    match node.get("allOf"):
        case [{"$ref": str() as reference, **rest}] if not rest and "$ref" not in node:
            return {**{key: value for key, value in node.items() if key != "allOf"}, "$ref": reference}
        case _:
            return node


def _plain(node: Json, kind: str, walk: Walk, at: Place, nullable: bool) -> Out:
    """A schema that is no union and no reference."""
    if kind == "object":
        node = _listed(node, walk.root)
    hints: list[str] = []
    lose = partial(walk.lose, at.path)
    out = keywords.copied(node, kind, walk.dialect, hints, lose)
    out["type"] = kind
    nullable = keywords.enum(node, out, kind, walk.dialect, hints, lose) or nullable
    if kind == "object":
        _members(node, out, hints, walk, at)
    if kind == "array":
        out["items"] = _items(node, walk, at)
    keywords.default(node, out, walk.dialect, hints, lose)
    if nullable:
        out["nullable"] = True
    if text := keywords.described(node.get("description"), hints):
        out["description"] = text
    walk.text += sum(len(value) for value in out.values() if isinstance(value, str))
    walk.text += sum(len(value) for value in out.get("enum", ()) if isinstance(value, str))
    if walk.text > MAX_TEXT:
        raise TooLargeError
    return out


def _anything(node: Json, walk: Walk, at: Place) -> Out:
    """Any JSON value."""
    free = _plain({"type": "object"}, "object", walk, at.into(""), nullable=False)
    inner: list[Out] = [*map(dict, _SCALARS), free]
    array: Out = {"type": "array", "items": {"anyOf": [dict(branch) for branch in inner]}}
    said = _plain({key: value for key, value in node.items() if key != "title"}, "string", walk, at, nullable=False)
    return nullable_all({"anyOf": [said, *inner[1:], array]})


# -- references and unions -----------------------------------------------------------------------------------


def _reference(reference: str, node: Json, walk: Walk, at: Place) -> Out:
    """The schema behind a $ref with what stands beside it. A cycle or an unknown target is cut, if it can not be said
    as a reference: through a property, since Google wants a cycle to have an end."""
    target, why = follow(reference, walk.root, at.refs, walk.limit)
    rest = {key: value for key, value in node.items() if key not in ("$ref", "$defs", "definitions")}
    if isinstance(target, dict):
        dropped: list[str] = []
        merged = combine(rest, camel(cast("Json", target)), dropped)
        for what in dropped:
            walk.lose(at.path, what)
        return _node(merged, walk, at.same("", reference))
    if target is not None:  # a schema may be true
        return _node(rest or target, walk, at.same("", reference))
    if walk.dialect.whole and reference in at.refs[: at.within]:
        return {"$ref": f"#/$defs/{walk.define(reference)}"}
    walk.lose(at.path, why)
    return _node(_cut(reference, rest, walk.root), walk, at.same())


def _cut(reference: str, rest: Json, root: Json) -> Out:
    """What stands for a schema that is not followed: its type and its name."""
    target = resolve(root, reference)
    schema, _ = read(camel(cast("Json", target if isinstance(target, dict) else {})))
    names = () if target is None else (f'Like "{schema.get("title") or name_of(reference)}" above.',)
    text = keywords.described(rest.get("description"), names)
    made: Out = {"description": text} if text else {}
    if any(key in schema for key in ("anyOf", "oneOf")):
        return made
    kinds = schema.get("type") or inferred(schema) or "object"
    return {"type": kinds, **{key: schema[key] for key in ("enum", "const") if key in schema}, **made}


def _union(branches: Sequence[Json], node: Json, walk: Walk, at: Place, nullable: bool) -> tuple[Out | None, bool]:
    """anyOf with what stood beside it pushed into its branches; one branch left is no union."""
    real = [branch for branch in branches if not is_null(branch)]
    nullable = nullable or len(real) < len(branches)
    if not real:
        return None, nullable
    shared = {key: value for key, value in node.items() if key not in _NOT_SHARED}
    if not isinstance(shared.get("type"), str):
        shared.pop("type", None)
    dropped: list[str] = []
    description = node.get("description")
    if len(real) == 1 and isinstance(description, str) and description:  # its own words go, its hints stay
        real, description = [{**real[0], "description": description}], None
    made = flat([_node(combine(branch, shared, dropped), walk, at.same("anyOf")) for branch in real])
    for what in dropped:
        walk.lose(at.path, what)
    for branch in made:
        nullable |= bool(branch.pop("nullable", False))
    out = one_of(made)
    if "anyOf" not in out:
        keywords.default(node, out, walk.dialect, [], partial(walk.lose, at.path))
        if isinstance(title := node.get("title"), str):
            out.setdefault("title", title)
    elif node.get("default") is not None:
        walk.lose(at.path, "default")
    if isinstance(description, str) and description:
        describe(out, description)
    return out, nullable


# -- what lies inside ----------------------------------------------------------------------------------------


def _members(node: Json, out: Out, hints: list[str], walk: Walk, at: Place) -> None:
    """``properties`` is a map of names, not a schema: names like ``type`` or ``$ref`` are names."""
    given = node.get("properties")
    named: Json = cast("Json", given) if isinstance(given, dict) else {}
    required = list(dict.fromkeys(name for name in sequence(node.get("required")) if isinstance(name, str)))
    if named:
        out["properties"] = {name: _node(value, walk, at.into(name, name=True)) for name, value in named.items()}
        if kept := [name for name in required if name in named]:
            out["required"] = kept
        order = [name for name in sequence(node.get("propertyOrdering")) if isinstance(name, str)]
        if order and sorted(order) == sorted(named):
            out["propertyOrdering"] = order
        elif walk.ordering:
            out["propertyOrdering"] = list(named)
    opened = _unlisted(node, out, hints, walk, at)
    if absent := [name for name in required if name not in named]:
        walk.lose(at.path, "required names without a property")
        hints += keywords.hint("required", absent) if opened else ()


def _listed(node: Json, root: Json) -> Json:
    """``propertyNames`` with an enum: its names as properties."""
    names = node.get("propertyNames")
    if isinstance(names, dict) and isinstance(reference := cast("Json", names).get("$ref"), str):
        names = resolve(root, reference)
    listed = sequence(cast("Json", names).get("enum")) if isinstance(names, dict) else []
    rest = node.get("additionalProperties", {})
    if not listed or rest is False or not all(isinstance(name, str) for name in listed):
        return node
    given = node.get("properties")
    named = {**dict.fromkeys(listed, rest), **(cast("Json", given) if isinstance(given, dict) else {})}
    return {**{key: node[key] for key in node if key not in _NAMING}, "properties": named}


def _unlisted(node: Json, out: Out, hints: list[str], walk: Walk, at: Place) -> bool:
    """Members that are not listed; whether there may be any."""
    given = node.get("additionalProperties", node.get("unevaluatedProperties"))
    found = node.get("patternProperties")
    patterns: Json = cast("Json", found) if isinstance(found, dict) else {}
    patterns = {name: value for name, value in patterns.items() if value is not False}
    said = given is not None or bool(patterns)
    if said and (not walk.dialect.whole or patterns):
        walk.lose(at.path, "patternProperties" if patterns else "additionalProperties")
    if (given is False and not patterns) or (not said and "properties" in out):
        if said and walk.dialect.whole:
            out["additionalProperties"] = False
        return False
    if not said and walk.arguments and at.outer and not (node.get("required") or node.get("minProperties")):
        return False  # a function without arguments is declared so
    made = {name: _value(schema, walk, at) for name, schema in patterns.items()}
    rest = _value(cast("Json", given), walk, at) if isinstance(given, dict) else given is True or not patterns
    if walk.dialect.whole:
        values = [*made.values(), *([rest] if isinstance(rest, dict) else [])]
        out["additionalProperties"] = True if rest is True or True in values else one_of(cast("list[Out]", values))
    else:
        walk.closed.append(at.path)
        more = "further members" if "properties" in out else "members of any name"
        hints += [f"May hold {more} (additionalProperties: {_short(rest)})."] if rest else ()
    if made:
        shown = ", ".join(f"{json.dumps(name)}: {_short(value)}" for name, value in made.items())
        hints.append(f"May hold members by their names (patternProperties: {{{shown}}}).")
    return True


def _value(schema: object, walk: Walk, at: Place) -> Out | bool:
    """The schema of unlisted members; true: any value."""
    if schema is True or (isinstance(schema, dict) and not read(cast("Json", schema))[0]):
        return True
    return _node(cast("object", schema), walk, at.into("additionalProperties"))


def _short(value: Out | bool) -> str:
    """A converted schema as part of a hint; of a long one its type alone."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if len(text) <= MAX_MEMBERS or isinstance(value, bool):
        return text
    return _short({"type": value["type"]} if "type" in value else True)


def _items(node: Json, walk: Walk, at: Place) -> Out:
    items = node.get("items")
    members: list[object] = sequence(node.get("prefixItems")) or sequence(items)
    if members:
        walk.lose(at.path, "the positions of a tuple")
        rest = [cast("object", items)] if isinstance(items, dict) else []
        return one_of([_node(member, walk, at.into("items")) for member in (*members, *rest)])
    return _node(cast("object", items) if isinstance(items, dict | str) else {}, walk, at.into("items"))


def _too_large(param: str) -> FaultError:
    text = (
        f"Invalid schema for '{param}': it is deeper than {MAX_DEPTH} levels, has more than {MAX_NODES} nodes or "
        f"{MAX_TEXT} characters."
    )
    return bad_request(text, param=param, code="invalid_function_parameters")
