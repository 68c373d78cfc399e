"""The answer's wanted form → Google's generationConfig: JSON, with or without a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.models import rules
from zerogravity.surfaces.common.schema import convert_schema

JSON_MODE: Mapping[str, Any] = {"responseMimeType": "application/json"}


def json_schema(form: Mapping[str, Any], *, path: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """``{name, schema, strict, description}`` → generationConfig members, and what was lost. Raises FaultError 400."""
    fields.required_string(form, "name", path=path)
    fields.string(form, "description", path=path)
    fields.boolean(form, "strict", path=path)
    converted = convert_schema(form.get("schema"), ordering=True, param=f"{path}.schema")
    formed = dict(JSON_MODE)
    if converted.schema is not None:
        formed["responseSchema"] = converted.schema
    return formed, tuple(f"{path.partition('.')[0]}: {loss}" for loss in converted.lost)


def refuse_beside_functions(generate: Mapping[str, Any], family: str, *, param: str) -> None:
    """Gemini 2 answers a JSON form beside functions with a 400 that names neither. Raises FaultError 400."""
    wanted = "responseMimeType" in generate.get("generationConfig", {})
    if (
        wanted
        and not rules(family).json_with_functions
        and any("functionDeclarations" in tool for tool in generate.get("tools", ()))
    ):
        raise fields.unsupported(param, "can not be used beside functions with this model")
