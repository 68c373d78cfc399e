"""``text.format`` and ``response_format`` → the form that the answer is to have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.answer_form import JSON_MODE, TEXT, Form, schema_form


def wanted_form(given: Mapping[str, Any] | None, family: str, *, path: str, flat: bool) -> Form:
    """``text.format`` or ``response_format``: text, json_object, json_schema. ``flat``: the schema is next to the
    type, as in Responses, not in an object of its own. Raises FaultError 400."""
    if given is None:
        return TEXT
    match fields.required_string(given, "type", path=path):
        case "text":
            return TEXT
        case "json_object":
            return JSON_MODE
        case "json_schema":
            inner = given if flat else fields.obj(given, "json_schema", path=path)
            if inner is None or (flat and inner.get("schema") is None):
                raise fields.missing(f"{path}.schema" if flat else f"{path}.json_schema")
            return json_schema(inner, family, path=path if flat else f"{path}.json_schema")
        case kind:
            raise fields.invalid_value(f"{path}.type", kind, ("text", "json_object", "json_schema"))


def json_schema(form: Mapping[str, Any], family: str, *, path: str) -> Form:
    """``{name, schema, strict, description}`` → the form. Raises FaultError 400."""
    fields.required_string(form, "name", path=path)
    fields.string(form, "description", path=path)
    fields.boolean(form, "strict", path=path)
    return schema_form(form.get("schema"), family, param=f"{path}.schema")
