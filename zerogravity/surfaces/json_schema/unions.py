"""Alternatives, before and after their conversion: what makes a union of branches. Nothing may stand beside anyOf."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from zerogravity.surfaces.json_schema.json_types import kind_of_value
from zerogravity.surfaces.json_schema.merge import Json, Out, camel, sequence


def branches_of(node: Json, keyword: str) -> list[Json]:
    """The branches of a union that say more than ``required``."""
    given = [item for item in sequence(node.get(keyword)) if item is not False]
    found = [camel(cast("Json", item)) if isinstance(item, dict) else {} for item in given]
    return [item for item in found if set(item) - {"required"} or not item]


def of_type(node: Json, name: str) -> Out:
    """One branch of ``type: [A, B]``, with the enum values of that type."""
    branch = {key: value for key, value in node.items() if key not in ("description", "default", "enum")}
    if values := [value for value in sequence(node.get("enum")) if kind_of_value(value) in (name, "null")]:
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
    """Nothing may stand beside anyOf, so its branches say it."""
    for schema in out.get("anyOf", [out]):
        schema["nullable"] = True
    return out


def one_of(made: Sequence[Out]) -> Out:
    """One of several converted schemas."""
    unique = list({json.dumps(member, sort_keys=True): member for member in made}.values())
    return unique[0] if len(unique) == 1 else {"anyOf": flat(unique)}
