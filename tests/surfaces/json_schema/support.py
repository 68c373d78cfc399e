"""Small schemas, as they are given and as Google's proto Schema says them."""

from __future__ import annotations

from typing import Any

from tests.surfaces.common.strict import complaints
from zerogravity.surfaces.json_schema import convert

S, J, N = {"type": "string"}, {"type": "integer"}, {"type": "number"}
FREE = {"type": "object", "description": "May hold members of any name (additionalProperties: true)."}
INNER = {"anyOf": [S, N, {"type": "boolean"}, FREE]}


def null(**schema: Any) -> dict[str, Any]:
    return {**schema, "nullable": True}


def anything(**said: Any) -> dict[str, Any]:
    """Any JSON value, as Google's proto Schema can say it."""
    branches = ({**S, **said}, N, {"type": "boolean"}, FREE, {"type": "array", "items": INNER})
    return {"anyOf": [null(**branch) for branch in branches]}


ANY = anything()
LIST = {"type": "array", "items": ANY}
A_B = {"type": "object", "properties": {"a": S, "b": J}, "required": ["a"]}


def said(text: str, **more: Any) -> dict[str, Any]:
    return {**more, "description": text}


def check(given: Any, made: Any, lost: tuple[str, ...]) -> None:
    """``given`` becomes ``made``, which Google takes, and ``lost`` is told of it."""
    converted = convert(given)
    assert (converted.schema, converted.lost) == (made, lost)
    assert list(complaints(converted.schema)) == []
