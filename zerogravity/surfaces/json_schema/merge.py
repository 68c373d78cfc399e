"""JSON Schemas that refer to or are made of others: pointers, ``allOf``, and unions of objects as one object.

``combine`` is the one rule: two schemas that both hold become one; the outer one wins where they disagree, properties
of one name hold both. What could not be kept is listed in ``dropped``. Facts: wire-gemini-and-mapping 2.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

Out = dict[str, Any]

SNAKE = {
    "any_of": "anyOf", "min_items": "minItems", "max_items": "maxItems", "min_length": "minLength",
    "max_length": "maxLength", "min_properties": "minProperties", "max_properties": "maxProperties",
    "property_ordering": "propertyOrdering",
}  # fmt: skip
_OUTER_ALONE = ("description", "title", "default", "example", "examples", "$defs", "definitions")


@dataclass(frozen=True, slots=True)
class Merged:
    """``refs``: the references on the way here, the merged ones included. ``steps``: members read."""

    schema: Out
    refs: tuple[str, ...]
    steps: int
    dropped: tuple[str, ...]


def camel(schema: Json) -> Out:
    """Google's own snake_case keywords as the SDKs write them → camelCase."""
    return {SNAKE.get(key, key): value for key, value in schema.items()}


def resolve(root: Json, reference: str) -> object | None:
    """What a JSON pointer inside this document (``#/…``) names; None for anything else."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    place: object = root
    for raw in unquote(reference[2:]).split("/"):
        name = raw.replace("~1", "/").replace("~0", "~")
        known, listed = narrow.members(place), narrow.items(place)
        if name in known:
            place = known[name]
        elif name.isdecimal() and int(name) < len(listed):
            place = listed[int(name)]
        else:
            return None
    return place


def follow(reference: str, root: Json, refs: tuple[str, ...], limit: int) -> tuple[object | None, str]:
    """(what a reference names, or None; why not). Nothing inside itself, and no more than ``limit`` in one another."""
    if reference in refs:
        return None, f"recursion {reference}"
    if len(refs) >= limit:
        return None, f"{reference}, the whole is too large"
    return resolve(root, reference), f"unknown $ref {reference}"


def combine(outer: Json, inner: Json, dropped: list[str]) -> Out:
    """One schema for two that both hold."""
    made: Out = {**inner, **outer}
    for key in sorted(outer.keys() & inner.keys()):
        one: object = outer[key]
        other: object = inner[key]
        if one == other or key in _OUTER_ALONE:
            continue
        if key == "properties" and isinstance(one, dict) and isinstance(other, dict):
            made[key] = _properties(narrow.members(outer[key]), narrow.members(inner[key]))
        elif key == "required":
            made[key] = [*narrow.items(outer[key]), *narrow.items(inner[key])]
        elif key != "allOf":
            dropped.append(f"a second {key}")
    if extra := [*narrow.items(outer.get("allOf")), *narrow.items(inner.get("allOf"))]:
        made["allOf"] = extra
    return made


def merge_all(node: Json, root: Json, refs: tuple[str, ...], limit: int) -> Merged:
    """``allOf``: the schema and all its members as one."""
    merged: Out = {key: value for key, value in node.items() if key != "allOf"}
    pending, steps, seen = narrow.items(node["allOf"])[:], 0, set[str]()
    dropped: list[str] = []
    while pending:
        member, steps = pending.pop(0), steps + 1
        if (given := narrow.an_object(member)) is None:
            continue
        part = camel(given)
        reference = part.pop("$ref", None)
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            found, why = follow(reference, root, refs, limit)
            if (target := narrow.an_object(found)) is not None:
                pending.insert(0, combine(part, target, dropped))
                continue
            dropped.append(why)
            part.setdefault("type", "object")
        nested: object = part.pop("allOf", None)
        pending = [*narrow.items(nested), *pending]
        merged = combine(merged, part, dropped)
    return Merged(merged, (*refs, *sorted(seen)), steps, tuple(dropped))


def one_object(branches: Sequence[Json]) -> Out | None:
    """Converted object schemas, of which one holds → one object with the properties of all, or None when some branch
    is no object. Required is what every branch requires."""
    if any(branch.get("type") != "object" for branch in branches):
        return None
    properties: Out = {}
    for branch in branches:
        given: Out = narrow.members(branch.get("properties"))
        for name, schema in given.items():
            properties[name] = schema if name not in properties else _either(properties[name], schema)
    required = [name for name in properties if all(name in narrow.items(branch.get("required")) for branch in branches)]
    made: Out = {"type": "object", "properties": properties}
    if required:
        made["required"] = required
    if texts := list(dict.fromkeys(str(branch["description"]) for branch in branches if branch.get("description"))):
        made["description"] = " ".join(texts)
    return made


def _properties(outer: Json, inner: Json) -> Out:
    made: Out = {**outer, **{name: schema for name, schema in inner.items() if name not in outer}}
    for name in outer.keys() & inner.keys():
        if outer[name] != inner[name]:
            made[name] = {"allOf": [outer[name], inner[name]]}
    return made


def _either(one: Out, other: Out) -> Out:
    """A property of which one of two converted schemas holds."""
    if one == other:
        return one
    if "enum" in one and "enum" in other:
        return {**one, "enum": list(dict.fromkeys([*one["enum"], *other["enum"]]))}
    branches = [*one.get("anyOf", [one]), *other.get("anyOf", [other])]
    return {"anyOf": [branch for index, branch in enumerate(branches) if branch not in branches[:index]]}
