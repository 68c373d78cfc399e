"""What Google's proto Schema says of a keyword, and what becomes a sentence of the description."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.json_schema.support import A_B, FREE, J, N, S, check, said


@pytest.mark.parametrize(
    ("given", "made", "lost"),
    [
        # const
        ({"const": "x"}, {**S, "enum": ["x"]}, ()),
        ({"type": "string", "const": "x", "description": "d"}, said("d", **S, enum=["x"]), ()),
        ({"const": 5}, said("Must be 5.", **J), (".: const of other than strings",)),
        ({"const": True}, said("Must be true.", type="boolean"), (".: const of other than strings",)),
        ({"const": 1.5}, said("Must be 1.5.", **N), (".: const of other than strings",)),
        ({"const": ""}, S, (".: the empty string in const",)),
        # enum
        ({"enum": ["a", "b", "a"]}, {**S, "enum": ["a", "b"]}, ()),
        ({"type": "string", "format": "date-time", "enum": ["a"]}, {**S, "enum": ["a"]}, ()),
        ({"type": "integer", "enum": [1, 2]}, said("Allowed: 1, 2.", **J), (".: enum of other than strings",)),
        ({"enum": [1, 2.5]}, said("Allowed: 1, 2.5.", **N), (".: enum of other than strings",)),
        ({"type": "boolean", "enum": [True]}, said("Must be true.", type="boolean"),
         (".: enum of other than strings",)),
        ({"enum": ["a", "", None]}, {**S, "enum": ["a"], "nullable": True}, (".: the empty string in enum",)),
        ({"type": "string", "enum": []}, S, ()),
        ({"type": ["string", "integer"], "enum": ["a", 1]},
         {"anyOf": [{**S, "enum": ["a"]}, said("Must be 1.", **J)]}, ("/anyOf: enum of other than strings",)),
        # kept
        ({"type": "string", "minLength": 1, "maxLength": 2.0, "pattern": "^a", "title": "T", "format": "date-time"},
         {**S, "minLength": 1, "maxLength": 2, "pattern": "^a", "title": "T", "format": "date-time"}, ()),
        ({"type": "integer", "minimum": 0, "maximum": 9.5, "format": "int32"},
         {**J, "minimum": 0, "maximum": 9.5, "format": "int32"}, ()),
        ({"type": "number", "format": "double"}, {**N, "format": "double"}, ()),
        ({"type": "array", "items": S, "min_items": 1, "max_items": 2},
         {"type": "array", "items": S, "minItems": 1, "maxItems": 2}, ()),
        # hints
        ({"type": "string", "format": "email"}, said('format: "email".', **S), (".: format",)),
        ({"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5, "description": "d"},
         said("d. exclusiveMinimum: 0. multipleOf: 5.", **J), (".: exclusiveMinimum", ".: multipleOf")),
        ({"type": "array", "items": S, "uniqueItems": True}, said("uniqueItems: true.", type="array", items=S),
         (".: uniqueItems",)),
        ({"type": "string", "not": {"const": "x"}}, said('not: {"const":"x"}.', **S), (".: not",)),
        ({"type": "string", "examples": ["a"]}, said('examples: ["a"].', **S), (".: examples",)),
        ({"type": "string", "example": "a"}, said('example: "a".', **S), (".: example",)),
        ({"type": "string", "x-order": 1}, S, (".: x-order",)),
        ({"type": "string", "examples": ["long" * 40]}, S, (".: examples",)),
        ({"type": "string", "minLength": -1}, said("minLength: -1.", **S), (".: minLength",)),
        ({"type": "string", "maxLength": "5"}, said('maxLength: "5".', **S), (".: maxLength",)),
        ({"type": "number", "minimum": 10**400}, N, (".: minimum",)),
        ({**A_B, "additionalProperties": False}, A_B,
         (".: additionalProperties",)),
        ({**A_B, "additionalProperties": True}, said("May hold further members (additionalProperties: true).", **A_B),
         (".: additionalProperties",)),
        ({"type": "object", "properties": {}, "additionalProperties": False}, {"type": "object"},
         (".: additionalProperties",)),
        ({"type": "object", "unevaluatedProperties": J},
         said('May hold members of any name (additionalProperties: {"type":"integer"}).', type="object"),
         (".: additionalProperties",)),
        ({"type": "object", "additionalProperties": {"$ref": "#/$defs/x"}, "$defs": {"x": A_B}},
         said('May hold members of any name (additionalProperties: {"type":"object","properties":{"a":'
              '{"type":"string"},"b":{"type":"integer"}},"required":["a"]}).', type="object"),
         (".: additionalProperties",)),
        ({"type": "object", "additionalProperties": said("x" * 700, **S)},
         said('May hold members of any name (additionalProperties: {"type":"string"}).', type="object"),
         (".: additionalProperties",)),
        ({"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": J},
         {"type": "object", "properties": {"a": J, "b": J}}, ()),
        ({"type": "object", "additionalProperties": J},
         said('May hold members of any name (additionalProperties: {"type":"integer"}).', type="object"),
         (".: additionalProperties",)),
        ({"type": "string", "$schema": "x", "$id": "y", "$comment": "z", "deprecated": True, "readOnly": True}, S, ()),
        # default
        ({"type": "string", "default": "x"}, {**S, "default": "x"}, ()),
        ({"type": "boolean", "default": False}, {"type": "boolean", "default": False}, ()),
        ({"type": "string", "default": None}, S, ()),
        ({"type": "object", "default": {"$ref": "#", "type": ["a"]}},
         said(f'{FREE["description"]} default: {{"$ref":"#","type":["a"]}}.', type="object"), (".: default",)),
    ],
)  # fmt: skip
def test_keywords(given: Any, made: Any, lost: tuple[str, ...]) -> None:
    check(given, made, lost)
