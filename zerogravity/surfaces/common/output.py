"""The answer's wanted form → Google's generationConfig: JSON, with or without a schema.

A schema is a constraint: what it can not say, the answer can not hold, and nobody is told. So what proto Schema can
not say (members that are not listed, cycles, any value) goes as ``responseJsonSchema``; where the family does not know
that, no schema is sent, and the model is told the client's own in words.

| functions beside a form, in families that refuse the pair | here                                    |
|------------------------------------------------------------|-----------------------------------------|
| a call is forced                                           | the form is moot: left out              |
| none may be called                                         | the functions are: left out             |
| otherwise                                                  | 400                                     |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from zerogravity.core.family import rules
from zerogravity.surfaces.json_schema import JSON, convert, noted
from zerogravity.surfaces.openai import fields
from zerogravity.surfaces.openai.tools import calling_mode
from zerogravity.wire import jsonio

MEMBERS = ("responseMimeType", "responseSchema", "responseJsonSchema")


@dataclass(frozen=True, slots=True)
class Form:
    """``config``: members of generationConfig. ``told``: for the model, in words."""

    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    told: str = ""
    notes: tuple[str, ...] = ()


TEXT = Form()
JSON_MODE = Form({"responseMimeType": "application/json"})


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
    told = f"Answer with JSON that is valid under this JSON schema:\n{jsonio.text(schema)}"
    return Form(JSON_MODE.config, told, (f"{param} told in words: this model's own can not say it",))


def apply_form(form: Form, generate: dict[str, Any], family: str, *, param: str) -> tuple[str, ...]:
    """Puts the form into a request that is complete otherwise; returns notes. Raises FaultError 400."""
    if not form.config:
        return ()
    generate["generationConfig"] = {**generate.get("generationConfig", {}), **form.config}
    notes = beside_functions(generate, family, param=param)
    if notes is None:
        raise fields.unsupported(
            param, "can not be used beside functions with this model, unless 'tool_choice' is 'required' or 'none'"
        )
    if "responseMimeType" not in generate.get("generationConfig", {}):
        return notes
    if form.told:
        system: Mapping[str, Any] = generate.get("systemInstruction", {"role": "user"})
        generate["systemInstruction"] = {**system, "parts": [*system.get("parts", ()), {"text": form.told}]}
    return (*form.notes, *notes)


def beside_functions(generate: dict[str, Any], family: str, *, param: str) -> tuple[str, ...] | None:
    """A form and functions in one request, where the family refuses the pair: what the tool mode makes moot is taken
    out and noted. None: nothing is moot."""
    config = cast("Mapping[str, Any]", generate.get("generationConfig") or {})
    tools = cast("list[Any]", generate.get("tools") or [])
    declaring = [tool for tool in tools if "functionDeclarations" in tool]
    wanted = config.get("responseMimeType") not in (None, "text/plain")
    if rules(family).json_with_functions or not wanted or not declaring:
        return ()
    match calling_mode(generate):
        case "ANY":
            generate["generationConfig"] = {name: config[name] for name in config if name not in MEMBERS}
            if not generate["generationConfig"]:
                del generate["generationConfig"]
            return (f"{param} left out: this model takes none beside functions, and one must be called",)
        case "NONE":
            generate["tools"] = [tool for tool in tools if tool not in declaring]
            generate.pop("toolConfig")
            if not generate["tools"]:
                del generate["tools"]
            return (f"functions left out: this model takes none beside {param}, and none may be called",)
        case _:
            return None
