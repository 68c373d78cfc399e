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
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.functions import form_with_functions
from zerogravity.surfaces.json_schema import JSON, convert, noted
from zerogravity.wire import jsonio


@dataclass(frozen=True, slots=True)
class Form:
    """``config``: members of generationConfig. ``instruction``: for the model, in words."""

    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    instruction: str = ""
    notes: tuple[str, ...] = ()


TEXT = Form()
JSON_MODE = Form({"responseMimeType": "application/json"})


def schema_form(schema: object, family: str, *, param: str) -> Form:
    """JSON by a schema. Raises FaultError 400 naming ``param``."""
    of = param.partition(".")[0]
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


def apply_form(
    form: Form, generate: dict[str, Any], family: str, *, param: str, forced: str = "required"
) -> tuple[str, ...]:
    """Puts the form into a request that is complete otherwise; returns notes. ``forced``: the API's word for a choice
    that a function must be called. Raises FaultError 400."""
    if not form.config:
        return ()
    generate["generationConfig"] = {**generate.get("generationConfig", {}), **form.config}
    notes = form_with_functions(generate, family, param=param)
    if notes is None:
        raise fields.unsupported(
            param, f"cannot be combined with functions on this model unless 'tool_choice' is '{forced}' or 'none'"
        )
    if "responseMimeType" not in generate.get("generationConfig", {}):
        return notes
    if form.instruction:
        system: Mapping[str, Any] = generate.get("systemInstruction", {"role": "user"})
        generate["systemInstruction"] = {**system, "parts": [*system.get("parts", ()), {"text": form.instruction}]}
    return (*form.notes, *notes)
