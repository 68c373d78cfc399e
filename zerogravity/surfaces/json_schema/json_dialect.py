"""A converted schema → Google's subset of JSON Schema (``responseJsonSchema``): what its rules demand of the whole.

| before                                  | after                                                     |
|-----------------------------------------|-----------------------------------------------------------|
| nullable                                | anyOf with ``{"type": "null"}``                           |
| anything beside $ref                    | removed                                                   |
| a required property that holds a $ref   | optional; told in the description of its object           |

Only cycles are left as references, and Google takes them in properties that are not required (that they are nullable is
not enough). Facts: wire-gemini-and-mapping 2.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from zerogravity.surfaces.json_schema.keywords import described, hint
from zerogravity.surfaces.json_schema.merge import Json, Out, sequence

_NULL: Out = {"type": "null"}


def finished(schema: Out, lose: Callable[[str, str], None], path: str = "") -> Out:
    """``lose``: told (path, what) of what is left out."""
    if "$ref" in schema:
        made: Out = {"$ref": schema["$ref"]}
    else:
        made = {key: value for key, value in schema.items() if key != "nullable"}
        for key in ("items", "additionalProperties"):
            if isinstance(made.get(key), dict):
                made[key] = finished(made[key], lose, f"{path}/{key}")
        for key in ("properties", "$defs"):
            if key in made:
                made[key] = {name: finished(one, lose, f"{path}/{name}") for name, one in made[key].items()}
        _loosened(made, lose, path)
    nullable = schema.get("nullable") is True
    if "anyOf" in made:
        nullable |= any(branch.get("nullable") is True for branch in made["anyOf"])
        branches = [{**branch, "nullable": False} for branch in made["anyOf"]]
        made["anyOf"] = [finished(branch, lose, f"{path}/anyOf") for branch in branches]
    if not nullable:
        return made
    defs = {"$defs": made.pop("$defs")} if "$defs" in made else {}
    return {"anyOf": [*made.get("anyOf", [made]), dict(_NULL)], **defs}


def _loosened(made: Out, lose: Callable[[str, str], None], path: str) -> None:
    properties = cast("Json", made.get("properties") or {})
    loose = [name for name in sequence(made.get("required")) if _refers(properties.get(name))]
    if not loose:
        return
    lose(path, "required inside a recursion")
    made["required"] = [name for name in made["required"] if name not in loose]
    if not made["required"]:
        del made["required"]
    made["description"] = described(made.get("description"), hint("required", loose))


def _refers(schema: object) -> bool:
    """Whether a reference lies in it before the next property."""
    if not isinstance(schema, dict):
        return False
    node = cast("Json", schema)
    inner = [node.get("items"), node.get("additionalProperties"), *sequence(node.get("anyOf"))]
    return "$ref" in node or any(map(_refers, inner))
