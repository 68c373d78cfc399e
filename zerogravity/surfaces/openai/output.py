"""The form that the answer is to have → Google's generationConfig: JSON, with or without a schema.

Google enforces a schema, so an answer could silently lose what proto Schema cannot express (unlisted members, cycles,
any value). Such a schema goes as ``responseJsonSchema``; where the family does not take that, the model is given the
client's schema in the system instruction instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zerogravity.core.family import rules
from zerogravity.surfaces.common.functions import form_with_functions
from zerogravity.surfaces.json_schema import JSON, convert, noted
from zerogravity.surfaces.openai import fields
from zerogravity.wire import jsonio


@dataclass(frozen=True, slots=True)
class Form:
    """``config``: members of generationConfig. ``instruction``: for the model, in words."""

    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    instruction: str = ""
    notes: tuple[str, ...] = ()


TEXT = Form()
JSON_MODE = Form({"responseMimeType": "application/json"})


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
    param, schema, of = f"{path}.schema", form.get("schema"), path.partition(".")[0]
    converted = convert(schema, ordering=True, param=param)
    if converted.schema is None:
        return JSON_MODE
    if not converted.closed:
        lost = noted(of, (("", loss) for loss in converted.lost))
        return Form({**JSON_MODE.config, "responseSchema": converted.schema}, notes=lost)
    if rules(family).json_schema:
        converted = convert(schema, ordering=True, param=param, dialect=JSON)
        lost = noted(of, (("", loss) for loss in converted.lost))
        return Form({**JSON_MODE.config, "responseJsonSchema": converted.schema}, notes=lost)
    instruction = f"Answer with JSON that is valid under this JSON schema:\n{jsonio.text(schema)}"
    return Form(JSON_MODE.config, instruction, (f"{param} sent as an instruction: this model cannot enforce it",))


def apply_form(form: Form, generate: dict[str, Any], family: str, *, param: str) -> tuple[str, ...]:
    """Puts the form into a request that is complete otherwise; returns notes. Raises FaultError 400."""
    if not form.config:
        return ()
    generate["generationConfig"] = {**generate.get("generationConfig", {}), **form.config}
    notes = form_with_functions(generate, family, param=param)
    if notes is None:
        raise fields.unsupported(
            param, "cannot be combined with functions on this model unless 'tool_choice' is 'required' or 'none'"
        )
    if "responseMimeType" not in generate.get("generationConfig", {}):
        return notes
    if form.instruction:
        system: Mapping[str, Any] = generate.get("systemInstruction", {"role": "user"})
        generate["systemInstruction"] = {**system, "parts": [*system.get("parts", ()), {"text": form.instruction}]}
    return (*form.notes, *notes)
