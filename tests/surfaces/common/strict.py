"""Google's proto Schema as a rule book of its own, so that the converter is not judged by its own tables: what a
strict parser would say. Facts: wire-gemini-and-mapping 2.5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TYPES = {"string", "number", "integer", "boolean", "array", "object"}
KNOWN = {
    "type", "format", "title", "description", "nullable", "default", "items", "minItems", "maxItems", "enum",
    "properties", "propertyOrdering", "required", "minProperties", "maxProperties", "minimum", "maximum", "minLength",
    "maxLength", "pattern", "example", "anyOf",
}  # fmt: skip


def complaints(schema: Any, path: str = "schema") -> Iterator[str]:
    """What Google would refuse."""
    if not isinstance(schema, dict):
        yield f"{path}: no object"
        return
    for name in schema.keys() - KNOWN:
        yield f'Unknown name "{name}" at {path}'
    if "anyOf" in schema:
        if len(schema) > 1:
            yield f"{path}: any_of must be the only field set"
        if not schema["anyOf"]:
            yield f"{path}: empty anyOf"
        for index, branch in enumerate(schema["anyOf"]):
            yield from complaints(branch, f"{path}.anyOf[{index}]")
        return
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        yield f"{path}.type: {kind!r}"
    enum = schema.get("enum")
    if enum is not None and (kind != "string" or not enum or not all(isinstance(v, str) and v for v in enum)):
        yield f"{path}.enum: {enum!r}"
    if (kind == "array") != ("items" in schema):
        yield f"{path}.items: missing field, or in the wrong place"
    if "items" in schema:
        yield from complaints(schema["items"], f"{path}.items")
    properties = schema.get("properties", {})
    if properties and kind != "object":
        yield f"{path}.properties: only allowed for OBJECT type"
    for name in schema.get("required", []):
        if name not in properties:
            yield f"{path}.required: property is not defined: {name!r}"
    if "propertyOrdering" in schema and sorted(schema["propertyOrdering"]) != sorted(properties):
        yield f"{path}.propertyOrdering: differs from the properties"
    for name, value in properties.items():
        yield from complaints(value, f"{path}.properties[{name}]")
    for name in ("title", "description", "format", "pattern"):
        if name in schema and not isinstance(schema[name], str):
            yield f"{path}.{name}: no string"
    if kind == "string" and schema.get("format", "date-time") != "date-time":
        yield f"{path}.format: only 'enum' and 'date-time' are supported for STRING type"
    for name in schema.keys() & {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}:
        value = schema[name]
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            yield f"{path}.{name}: {value!r}"
    for name in schema.keys() & {"minimum", "maximum"}:
        if not isinstance(schema[name], int | float) or isinstance(schema[name], bool):
            yield f"{path}.{name}: {schema[name]!r}"
    if "nullable" in schema and schema["nullable"] is not True:
        yield f"{path}.nullable: {schema['nullable']!r}"
    if "default" in schema and isinstance(schema["default"], dict | list | None):
        yield f"{path}.default: {schema['default']!r}"


JSON_KNOWN = {
    "$defs", "$ref", "type", "format", "title", "description", "enum", "items", "prefixItems", "minItems", "maxItems",
    "minimum", "maximum", "anyOf", "properties", "additionalProperties", "required", "propertyOrdering",
}  # fmt: skip


def json_complaints(schema: Any, path: str = "schema") -> Iterator[str]:
    """What is no part of Google's subset of JSON Schema; of its references, the stand-in judges."""
    if schema is True:
        return
    if not isinstance(schema, dict) or not schema:
        yield f"{path}: {schema!r}"
        return
    for name in schema.keys() - JSON_KNOWN:
        yield f"{path}: {name} has no effect"
    kinds = ("$ref" in schema) + ("anyOf" in schema) + (schema.get("type") in {*TYPES, "null"})
    if kinds != 1:
        yield f"{path}: {sorted(schema)}"
    if schema.get("type") == "object" and not schema.get("properties") and "additionalProperties" not in schema:
        yield f"{path}: an object that says nothing of its members"
    for value in schema.get("enum", []):
        if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
            yield f"{path}.enum: {value!r}"
    for name in schema.get("required", []):
        if name not in schema.get("properties", {}):
            yield f"{path}.required: {name!r}"
    for name in ("properties", "$defs"):
        for key, one in schema.get(name, {}).items():
            yield from json_complaints(one, f"{path}.{name}[{key}]")
    for name in ("items", "additionalProperties"):
        if schema.get(name) not in (None, False):
            yield from json_complaints(schema[name], f"{path}.{name}")
    for index, branch in enumerate(schema.get("anyOf", [])):
        yield from json_complaints(branch, f"{path}.anyOf[{index}]")
