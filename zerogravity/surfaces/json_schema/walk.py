# long: one walk
"""One JSON schema and all below it → Google's: the walk, and what it carries along.

| input                                   | output                                                     |
|-----------------------------------------|------------------------------------------------------------|
| $ref, $defs, definitions                | inlined (JSON pointers); a cycle is cut to a plain object  |
|                                         | or array that names it, as is what lies deep when the      |
|                                         | whole would be too large                                   |
| const                                   | enum of one when a string, else "Must be X." in description |
| enum                                    | strings on STRING; other values into the description       |
| null in enum, type list or anyOf        | nullable                                                   |
| type: [A, B]; values of A and B; oneOf  | anyOf                                                      |
| int, dict, list[str], any …             | what they mean (``json_types.py``)                              |
| no type, {}, true                       | of its values, its default, its keywords; else any value:  |
|                                         | anyOf all types                                            |
| anyOf next to other keywords            | pushed into the branches; branches of bare ``required`` go |
| allOf; keywords next to $ref            | merged                                                     |
| items: [a, b], prefixItems              | items = anyOf of the members                               |
| array without items                     | items of any value                                         |
| required naming no property             | that name removed                                          |
| members that are not listed             | listed in the description: an OBJECT has only what it lists|
| (additionalProperties, patternProperties, an object without properties) |                            |
| propertyNames with an enum              | properties                                                 |
| format                                  | date-time, int32, int64, float, double; others as a hint   |
| exclusiveMinimum, multipleOf, not, if … | a short hint in the description, then removed              |
| x-…, additionalProperties: false        | removed                                                    |
| function parameters that are a union    | one object with the properties of all branches             |

In Google's JSON Schema (``dialect=JSON``, for ``responseJsonSchema``) unlisted members and cycles are expressed.
Property *names* are never touched, nor is anything inside ``default``. Facts: wire-gemini-and-mapping 2.5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.json_schema import dialects
from zerogravity.surfaces.json_schema.dialects import PROTO, Dialect, finished
from zerogravity.surfaces.json_schema.json_types import inferred, is_null, kind_of_value, read, types_of
from zerogravity.surfaces.json_schema.merge import (
    Out,
    camel,
    combine,
    follow,
    merge_all,
    one_object,
    resolve,
)
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

MAX_DEPTH = 60
MAX_NODES = 3_000
REFERENCES = (MAX_DEPTH, 3, 1)  # how many lie inside one another; fewer when the whole would be too large
MAX_TEXT = 1 << 18  # characters of a converted schema: a long text behind many $refs is copied by each
MAX_MEMBERS = 600  # characters of a hint on members that are not listed
_NOT_SHARED = {"anyOf", "oneOf", "description", "title", "nullable", "default", "$defs", "definitions"}
_NAMING = ("propertyNames", "additionalProperties")
_SCALARS: tuple[Out, ...] = ({"type": "string"}, {"type": "number"}, {"type": "boolean"})
MAX_PLACES = 3  # that a note names
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, slots=True)
class Converted:
    """``schema``: None when there is nothing to say (a function without arguments). ``lost``: ``path: keyword``.
    ``nodes``: what it has cost. ``closed``: where it admits fewer members than the original. ``note``: a description of
    arguments that have no schema."""

    schema: Out | None
    lost: tuple[str, ...]
    nodes: int = 0
    closed: tuple[str, ...] = ()
    note: str = ""


class TooLargeError(Exception):
    """The walk has reached a limit."""


@dataclass(slots=True)
class Walk:
    """``arguments``: the root holds a function's. ``defined``: reference → name, of what is referred to."""

    root: Json
    dialect: Dialect
    ordering: bool
    arguments: bool
    limit: int
    lost: list[str] = field(default_factory=list[str])
    closed: list[str] = field(default_factory=list[str])
    defined: dict[str, str] = field(default_factory=dict[str, str])
    nodes: int = 0
    text: int = 0

    def lose(self, path: str, what: str) -> None:
        self.lost.append(f"{path or '.'}: {what}")

    def define(self, reference: str) -> str:
        """The name of a definition, to be made when the rest is done."""
        if reference not in self.defined:
            name = _UNSAFE.sub("_", name_of(reference))
            while name in self.defined.values():
                name += "_"
            self.defined[reference] = name
        return self.defined[reference]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the walk is: property names from the root, references on the way. ``outer``: still at the root.
    ``within``: how many references there were at the last property."""

    path: str = ""
    refs: tuple[str, ...] = ()
    depth: int = 0
    outer: bool = True
    within: int = 0

    def same(self, step: str = "", *refs: str) -> Place:
        """Another schema of the same value."""
        path = f"{self.path}/{step}" if step else self.path
        return Place(path, (*self.refs, *refs), self.depth + 1, self.outer, self.within)

    def into(self, step: str, *, name: bool = False) -> Place:
        """A schema of something in the value."""
        within = len(self.refs) if name else self.within
        return Place(f"{self.path}/{step}", self.refs, self.depth + 1, outer=False, within=within)


def convert(
    schema: object,
    *,
    param: str = "parameters",
    ordering: bool = False,
    dialect: Dialect = PROTO,
    arguments: bool = False,
) -> Converted:
    """Any JSON schema → a schema that Google's strict parser takes. ``ordering``: add propertyOrdering. ``arguments``:
    it is a function's, so it must be an object's; None when that has no properties.

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
            made = Converted(out, tuple(dict.fromkeys(walk.lost)), nodes + walk.nodes, tuple(walk.closed))
            return _arguments(made, out, param) if arguments else made
    raise _too_large(param)


def _arguments(converted: Converted, out: Out, param: str) -> Converted:
    """The same as what Google takes for a function's arguments."""
    lost = converted.lost
    if "anyOf" in out and (whole := one_object(out["anyOf"])) is not None:
        out, lost = whole, (*lost, ".: the alternatives")
    if out.get("type") == "object" and not out.get("properties"):
        return replace(converted, schema=None, lost=lost, note=str(out.get("description", "")))
    if out.get("type") != "object":
        raise bad_request(
            f"Invalid schema for '{param}': schema must be of type 'object', got '{out.get('type', 'anyOf')}'.",
            param=param, code="invalid_function_parameters",
        )  # fmt: skip
    return replace(converted, schema=out, lost=lost)


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
            walk.lose(at.path, "an invalid schema")
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
        hints = [hint for word in unknown for hint in dialects.hint("type", word)]
        node = {**node, "description": dialects.described(node.get("description"), hints)}
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
    out = dialects.copied(node, kind, walk.dialect, hints, lose)
    out["type"] = kind
    nullable = dialects.enum(node, out, kind, walk.dialect, hints, lose) or nullable
    if kind == "object":
        _members(node, out, hints, walk, at)
    if kind == "array":
        out["items"] = _items(node, walk, at)
    dialects.default(node, out, walk.dialect, hints, lose)
    if nullable:
        out["nullable"] = True
    if text := dialects.described(node.get("description"), hints):
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
    scalar = _plain({key: value for key, value in node.items() if key != "title"}, "string", walk, at, nullable=False)
    return nullable_all({"anyOf": [scalar, *inner[1:], array]})


# -- references and unions -----------------------------------------------------------------------------------


def _reference(reference: str, node: Json, walk: Walk, at: Place) -> Out:
    """The schema behind a $ref merged with the keywords next to it. A cycle or an unknown target is cut if it cannot be
    expressed as a reference: through a property, since Google wants a cycle to have an end."""
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
    schema, _ = read(camel(narrow.members(target)))
    names = () if target is None else (f'Like "{schema.get("title") or name_of(reference)}" above.',)
    text = dialects.described(rest.get("description"), names)
    made: Out = {"description": text} if text else {}
    if any(key in schema for key in ("anyOf", "oneOf")):
        return made
    kinds = schema.get("type") or inferred(schema) or "object"
    return {"type": kinds, **{key: schema[key] for key in ("enum", "const") if key in schema}, **made}


def _union(branches: Sequence[Json], node: Json, walk: Walk, at: Place, nullable: bool) -> tuple[Out | None, bool]:
    """anyOf with its neighbouring keywords pushed into its branches; one branch left is no union."""
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
        dialects.default(node, out, walk.dialect, [], partial(walk.lose, at.path))
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
    named: Json = narrow.members(given)
    required = list(dict.fromkeys(name for name in narrow.items(node.get("required")) if isinstance(name, str)))
    if named:
        out["properties"] = {name: _node(value, walk, at.into(name, name=True)) for name, value in named.items()}
        if kept := [name for name in required if name in named]:
            out["required"] = kept
        order = [name for name in narrow.items(node.get("propertyOrdering")) if isinstance(name, str)]
        if order and sorted(order) == sorted(named):
            out["propertyOrdering"] = order
        elif walk.ordering:
            out["propertyOrdering"] = list(named)
    opened = _unlisted(node, out, hints, walk, at)
    if absent := [name for name in required if name not in named]:
        walk.lose(at.path, "required names without a property")
        hints += dialects.hint("required", absent) if opened else ()


def _listed(node: Json, root: Json) -> Json:
    """``propertyNames`` with an enum: its names as properties."""
    names = node.get("propertyNames")
    if isinstance(reference := narrow.lookup(names, "$ref"), str):
        names = resolve(root, reference)
    listed = narrow.items(narrow.lookup(names, "enum"))
    rest = node.get("additionalProperties", {})
    if not listed or rest is False or not all(isinstance(name, str) for name in listed):
        return node
    given = node.get("properties")
    named = {**dict.fromkeys(listed, rest), **narrow.members(given)}
    return {**{key: node[key] for key in node if key not in _NAMING}, "properties": named}


def _unlisted(node: Json, out: Out, hints: list[str], walk: Walk, at: Place) -> bool:
    """Members that are not listed; whether there may be any."""
    given = node.get("additionalProperties", node.get("unevaluatedProperties"))
    found = node.get("patternProperties")
    patterns: Json = narrow.members(found)
    patterns = {name: value for name, value in patterns.items() if value is not False}
    stated = given is not None or bool(patterns)
    if stated and (not walk.dialect.whole or patterns):
        walk.lose(at.path, "patternProperties" if patterns else "additionalProperties")
    if (given is False and not patterns) or (not stated and "properties" in out):
        if stated and walk.dialect.whole:
            out["additionalProperties"] = False
        return False
    if not stated and walk.arguments and at.outer and not (node.get("required") or node.get("minProperties")):
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
    members: list[object] = narrow.items(node.get("prefixItems")) or narrow.items(items)
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


def name_of(reference: str) -> str:
    """``#/$defs/node`` → ``node``."""
    return reference.rsplit("/", 1)[-1].strip("#") or "root"


# -- alternatives, before and after their conversion: nothing may stand next to anyOf ---------------------------


def branches_of(node: Json, keyword: str) -> list[Json]:
    """The branches of a union that say more than ``required``."""
    given = [item for item in narrow.items(node.get(keyword)) if item is not False]
    found = [camel(cast("Json", item)) if isinstance(item, dict) else {} for item in given]
    return [item for item in found if set(item) - {"required"} or not item]


def of_type(node: Json, name: str) -> Out:
    """One branch of ``type: [A, B]``, with the enum values of that type."""
    branch = {key: value for key, value in node.items() if key not in ("description", "default", "enum")}
    if values := [value for value in narrow.items(node.get("enum")) if kind_of_value(value) in (name, "null")]:
        branch["enum"] = values
    return {**branch, "type": name}


def flat(branches: Sequence[Out]) -> list[Out]:
    """A union of unions is a union."""
    return [inner for branch in branches for inner in branch.get("anyOf", [branch])]


def describe(out: Out, description: str) -> None:
    """A union's description goes where there is none, or before the first."""
    branches = out.get("anyOf", [out])
    silent = [branch for branch in branches if "description" not in branch]
    for branch in silent:
        branch["description"] = description
    if not silent:
        branches[0]["description"] = f"{description} {branches[0]['description']}"


def nullable_all(out: Out) -> Out:
    """Nothing may stand next to anyOf, so its branches hold it."""
    for schema in out.get("anyOf", [out]):
        schema["nullable"] = True
    return out


def one_of(made: Sequence[Out]) -> Out:
    """One of several converted schemas."""
    unique = list({json.dumps(member, sort_keys=True): member for member in made}.values())
    return unique[0] if len(unique) == 1 else {"anyOf": flat(unique)}


# -- what was lost ---------------------------------------------------------------------------------------------


def noted(of: str, losses: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """``losses``: (whose schema, ``path: what``)."""
    places: dict[str, list[str]] = {}
    for whose, loss in losses:
        path, _, what = loss.partition(": ")
        places.setdefault(what, []).append(whose + path if path != "." else whose or "the root")
    return tuple(f"{of}: not in Google's schemas: {what} ({_some(found)})" for what, found in places.items())


def _some(places: list[str]) -> str:
    more = len(places) - MAX_PLACES
    if more <= 1:  # as long as its number
        return ", ".join(places)
    return f"{', '.join(places[:MAX_PLACES])} and {more} more"
