"""References and ``allOf``: two schemas that both hold become one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.json_schema.support import A_B, ANY, FREE, J, S, check, said


@pytest.mark.parametrize(
    ("given", "made", "lost"),
    [
        # $ref
        ({"$ref": "#/$defs/x", "$defs": {"x": J}}, J, ()),
        ({"$ref": "#/definitions/x", "definitions": {"x": J}}, J, ()),
        ({"$ref": "#/$defs/a~1b~0c", "$defs": {"a/b~c": J}}, J, ()),
        ({"$ref": "#/$defs/My%20Type", "$defs": {"My Type": J}}, J, ()),
        ({"$ref": "#/$defs/list/1", "$defs": {"list": [S, J]}}, J, ()),
        ({"$ref": "#/$defs/x", "description": "beside", "$defs": {"x": {**J, "description": "inside"}}},
         said("beside", **J), ()),
        ({"$ref": "#/$defs/x", "properties": {"b": J}, "$defs": {"x": {"type": "object", "properties": {"a": S}}}},
         {"type": "object", "properties": {"b": J, "a": S}}, ()),
        ({"$ref": "#/$defs/x", "default": 5, "$defs": {"x": J}}, {**J, "default": 5}, ()),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"$ref": "#/$defs/y"}, "y": J}}, J, ()),
        ({"$ref": "#/$defs/x", "$defs": {"x": True}}, ANY, ()),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}},
         {"type": "object", "properties": {"a": FREE}}, ("/a: unknown $ref #/$defs/none",)),
        ({"type": "object", "properties": {"a": {"$ref": "#anchor"}}},
         {"type": "object", "properties": {"a": FREE}}, ("/a: unknown $ref #anchor",)),
        ({"type": "object", "properties": {"a": {"$ref": "https://example.com/x"}}},
         {"type": "object", "properties": {"a": FREE}}, ("/a: unknown $ref https://example.com/x",)),
        # allOf
        ({"allOf": [{"properties": {"a": S}, "required": ["a"]}, {"properties": {"b": J}}]}, A_B, ()),
        ({"allOf": [{"$ref": "#/$defs/x"}], "description": "d", "$defs": {"x": J}}, said("d", **J), ()),
        ({"allOf": [{"$ref": "#/$defs/x", "properties": {"b": J}}], "$defs": {"x": {"properties": {"a": S}}}},
         {"type": "object", "properties": {"b": J, "a": S}}, ()),
        ({"allOf": [{"allOf": [{"minLength": 1}]}, {"maxLength": 2}], "type": "string"},
         {**S, "minLength": 1, "maxLength": 2}, ()),
        ({"allOf": [{"properties": {"k": S}}, {"properties": {"k": {"const": "x"}}}]},
         {"type": "object", "properties": {"k": {**S, "enum": ["x"]}}}, ()),
        ({"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "b"}]}, {**S, "pattern": "a"},
         (".: a second pattern",)),
        ({"allOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x"}], "$defs": {"x": J}}, J, ()),
    ],
)  # fmt: skip
def test_two_schemas_are_one(given: Any, made: Any, lost: tuple[str, ...]) -> None:
    check(given, made, lost)
