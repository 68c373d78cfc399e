"""Values that fit their schemas."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from zerogravity.testing.simulator.google.synthesise import MAX_COUNT, Synthesiser

SCHEMAS: dict[str, Any] = {
    "scalars": {"type": "object", "required": ["a", "b", "c", "d"], "properties": {
        "a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "number"}, "d": {"type": "boolean"}}},
    "nested": {"type": "object", "required": ["list"], "properties": {"list": {"type": "array", "items": {
        "type": "object", "required": ["x"], "properties": {"x": {"type": "array", "items": {"type": "integer"}}}}}}},
    "enum": {"type": "string", "enum": ["red", "green"]},
    "const": {"const": 7},
    "nullable": {"type": ["string", "null"]},
    "union": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 5}]},
    "one of": {"oneOf": [{"type": "string", "maxLength": 2}, {"type": "integer"}]},
    "bounds": {"type": "object", "required": ["a", "b", "c", "d"], "properties": {
        "a": {"type": "integer", "minimum": 100}, "b": {"type": "integer", "maximum": -3},
        "c": {"type": "number", "exclusiveMinimum": 2}, "d": {"type": "integer", "minimum": 4, "multipleOf": 5}}},
    "lengths": {"type": "string", "minLength": 30, "maxLength": 31},
    "items": {"type": "array", "items": {"type": "string"}, "minItems": 4},
    "few items": {"type": "array", "items": {"type": "string"}, "maxItems": 1},
    "tuple": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
    "formats": {"type": "object", "required": ["a", "b"], "properties": {
        "a": {"type": "string", "format": "date-time"}, "b": {"type": "string", "format": "uuid"}}},
    "references": {"$defs": {"n": {"type": "object", "required": ["v"], "properties": {"v": {"type": "integer"}}}},
                   "type": "object", "required": ["n"], "properties": {"n": {"$ref": "#/$defs/n"}}},
    "a cycle": {"$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
    "no type": {"properties": {"a": {"items": {"type": "integer"}}}, "required": ["a"]},
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("turn", [0, 1, 2])
def test_values_fit_their_schemas(name: str, turn: int) -> None:
    schema = SCHEMAS[name]
    value = Synthesiser("Weather in Rome and Oslo?", turn=turn).value(schema, schema)
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(value)


def test_schemas_cannot_ask_for_too_much() -> None:
    assert len(Synthesiser("").value({"type": "array", "minItems": 10**12}, {})) == MAX_COUNT
    assert len(Synthesiser("").value({"type": "string", "minLength": 10**12}, {})) == MAX_COUNT
    again = {"$ref": "#"}
    endless = {"type": "object", "required": ["a", "b"], "properties": {"a": again, "b": again}}
    assert len(json.dumps(Synthesiser("").value(endless, endless))) < 30 * MAX_COUNT


@pytest.mark.parametrize(
    ("description", "path"),
    [
        ("The absolute path; relative ones are not supported", "/home/me/notes.txt"),
        ("Path (relative or absolute)", "notes.txt"),
        ("", "notes.txt"),
    ],
)
def test_paths_as_their_description_wants_them(description: str, path: str) -> None:
    schema = {"type": "object", "properties": {"path": {"type": "string", "description": description}}}
    assert Synthesiser("Create notes.txt", "/home/me").arguments(schema) == {"path": path}
