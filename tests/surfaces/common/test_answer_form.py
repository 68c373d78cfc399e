"""The wanted form of the answer → Google's: every schema can still be answered by what it admits."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given

from tests.judging import about, complaint
from tests.surfaces.common.strict import complaints, json_complaints
from tests.surfaces.json_schema.support import FREE
from tests.surfaces.json_schema.test_walk import schemas
from zerogravity.core.turn import Target
from zerogravity.errors import FaultError
from zerogravity.surfaces.common.answer_form import JSON_MODE, TEXT, Form, apply_form, schema_form
from zerogravity.surfaces.common.claude import for_model
from zerogravity.testing.simulator.google.synthesise import Synthesiser

S, J, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}
MODELS = {
    "gemini-3-flash": "gemini-3-flash", "gemini-2.5-flash": "gemini-2.5-flash", "gemini-2.0": "gemini-2.0-flash",
    "claude": "claude-sonnet-4-6", "gpt-oss": "gpt-oss-120b-medium",
}  # fmt: skip


def form(schema: Any, family: str = "gemini-3-flash") -> Form:
    return schema_form(schema, family, param="response_format.json_schema.schema")


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "propertyOrdering": list(properties)}


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False, "required": list(properties)}


NODE = of(v=S, kids={"type": "array", "items": {"$ref": "#/$defs/node"}})
CHAIN = of(v=J, next={"anyOf": [{"$ref": "#/$defs/node"}, NULL]})
LOOSE = {"additionalProperties": False, "required": ["v"]}
SCALARS = [S, {"type": "number"}, {"type": "boolean"}]
OPEN = {"type": "object", "additionalProperties": True}
ANY = {"anyOf": [*SCALARS, OPEN, {"type": "array", "items": {"anyOf": [*SCALARS, OPEN]}}, NULL]}


def cyclic(**properties: Any) -> dict[str, Any]:
    _, told = properties
    return {**obj(**properties), **LOOSE, "description": f'required: ["{told}"].'}


KIDS = cyclic(v=S, kids={"type": "array", "items": {"$ref": "#/$defs/node"}})
NEXT = cyclic(v=J, next={"anyOf": [{"$ref": "#/$defs/node"}, NULL]})


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        # what proto Schema says
        (of(a=S), {**obj(a=S), "required": ["a"]}),
        ({"type": "object", "properties": {}, "additionalProperties": False}, {"type": "object"}),
        (of(a={"type": "object", "properties": {}, "additionalProperties": False}),
         {**obj(a={"type": "object"}), "required": ["a"]}),
        ({"type": "array", "items": of(a=S)}, {"type": "array", "items": {**obj(a=S), "required": ["a"]}}),
        ({"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": J}, obj(a=J, b=J)),
    ],
)  # fmt: skip
def test_what_proto_schema_says(schema: Any, made: Any) -> None:
    assert form(schema).config == {"responseMimeType": "application/json", "responseSchema": made}
    assert form(schema, "gemini-2.0").config == form(schema).config


MAP = {"type": "object", "additionalProperties": {"type": "array", "items": S}}


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        # maps
        (MAP, MAP),
        (of(m=MAP), {**obj(m=MAP), "required": ["m"], "additionalProperties": False}),
        ({"type": "array", "items": MAP}, {"type": "array", "items": MAP}),
        ({"anyOf": [S, MAP]}, {"anyOf": [S, MAP]}),
        ({"anyOf": [MAP, NULL]}, {"anyOf": [MAP, NULL]}),
        ({"type": "object", "additionalProperties": MAP}, {"type": "object", "additionalProperties": MAP}),
        ({"type": "object", "additionalProperties": {"$ref": "#/$defs/x"}, "$defs": {"x": of(a=J)}},
         {"type": "object", "additionalProperties": {**obj(a=J), "required": ["a"], "additionalProperties": False}}),
        ({"type": "object", "properties": {"a": S}, "additionalProperties": J},
         {**obj(a=S), "additionalProperties": J}),
        ({"type": "object", "properties": {"a": S}, "additionalProperties": True},
         {**obj(a=S), "additionalProperties": True}),
        ({"type": "object", "patternProperties": {"^x": J}, "additionalProperties": False},
         {"type": "object", "additionalProperties": J,
          "description": 'May hold members by their names (patternProperties: {"^x": {"type":"integer"}}).'}),
        ({"type": "object", "unevaluatedProperties": J}, {"type": "object", "additionalProperties": J}),
        ({"type": "dict[str, int]"}, {"type": "object", "additionalProperties": J}),
        # free objects and any value
        ({"type": "object"}, OPEN),
        ({"type": "object", "properties": {}}, OPEN),
        ({"type": ["object", "null"]}, {"anyOf": [OPEN, NULL]}),
        (of(o={"type": "object", "description": "d"}),
         {**obj(o={**OPEN, "description": "d"}), "required": ["o"], "additionalProperties": False}),
        (of(o={}), {**obj(o=ANY), "required": ["o"], "additionalProperties": False}),
        ({"type": "array"}, {"type": "array", "items": ANY}),
        # recursion
        ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, {**KIDS, "$defs": {"node": KIDS}}),
        ({"$ref": "#/$defs/node", "$defs": {"node": CHAIN}}, {**NEXT, "$defs": {"node": NEXT}}),
        ({"type": "object", "properties": {"v": S, "up": {"$ref": "#"}}},
         {**obj(v=S, up=obj(v=S, up={"$ref": "#/$defs/root"})),
          "$defs": {"root": obj(v=S, up={"$ref": "#/$defs/root"})}}),
        # a cycle without a property has no end that Google would see
        ({"type": "array", "items": {"$ref": "#"}},
         {"type": "array", "items": {"type": "array", "items": {
             "type": "array", "description": 'Like "root" above.', "items": ANY}}}),
        # numbers and null as they are
        (of(m=MAP, e={"enum": [1, 2, None]}),
         {**obj(m=MAP, e={"anyOf": [{**J, "enum": [1, 2]}, NULL]}), "required": ["m", "e"],
          "additionalProperties": False}),
        (of(m=MAP, s={"type": "string", "pattern": "^a", "default": "x", "format": "date"}),
         {**obj(m=MAP, s={**S, "format": "date", "description": 'pattern: "^a". default: "x".'}),
          "required": ["m", "s"], "additionalProperties": False}),
    ],
)  # fmt: skip
def test_what_only_json_schema_says(schema: Any, made: Any) -> None:
    assert form(schema).config == {"responseMimeType": "application/json", "responseJsonSchema": made}
    assert list(json_complaints(made)) == []
    assert complaint(about(generationConfig=form(schema).config)) is None


def test_mutual_recursion() -> None:
    a, b = of(b={"anyOf": [{"$ref": "#/$defs/b"}, NULL]}), of(a={"type": "array", "items": {"$ref": "#/$defs/a"}})
    config = form({"$ref": "#/$defs/a", "$defs": {"a": a, "b": b}}).config
    assert list(config["responseJsonSchema"]["$defs"]) == ["a"]
    assert complaint(about(generationConfig=config)) is None


@pytest.mark.parametrize("family", ["gemini-2.0", "claude", "gpt-oss"])
def test_a_family_without_json_schema_gets_the_schema_in_words(family: str) -> None:
    made = form(of(m=MAP), family)
    assert made.config == JSON_MODE.config
    assert made.notes == ("response_format.json_schema.schema sent as an instruction: this model cannot enforce it",)
    generate: dict[str, Any] = {"systemInstruction": {"role": "user", "parts": [{"text": "Be kind."}]}}
    apply_form(made, generate, family, param="response_format")
    kind, told = generate["systemInstruction"]["parts"]
    assert kind == {"text": "Be kind."}
    assert told["text"].startswith("Answer with JSON that is valid under this JSON schema:\n{")
    assert complaint(about(MODELS[family], **generate)) is None


def test_losses_are_noted_once() -> None:
    schema = of(a={"not": {"x": 1}, "type": "string"}, b={"not": {"x": 1}, "type": "string"})
    assert form(schema).notes == (
        "response_format: not in Google's schemas: not (/a, /b)",
        "response_format: not in Google's schemas: additionalProperties (the root)",
    )


@pytest.mark.parametrize("schema", [None, {}, True])
def test_no_schema_is_json(schema: Any) -> None:
    assert form(schema) == JSON_MODE


@pytest.mark.parametrize("schema", [[], 7, "x", False])
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(FaultError) as caught:
        form(schema)
    assert caught.value.fault.param == "response_format.json_schema.schema"


@given(schemas.filter(lambda schema: isinstance(schema, dict)))
def test_any_schema_can_be_answered(schema: dict[str, Any]) -> None:
    try:
        made = form(schema)
    except FaultError as error:
        assert error.fault.code == "invalid_function_parameters"
        return
    assert complaint(about(generationConfig=made.config)) is None
    if "responseJsonSchema" in made.config:
        own = made.config["responseJsonSchema"]
        assert list(json_complaints(own)) == []
        jsonschema.Draft202012Validator.check_schema(own)
    elif "responseSchema" in made.config:
        assert list(complaints(made.config["responseSchema"])) == []
        assert FREE["description"] not in str(made.config)


@pytest.mark.parametrize(
    "schema",
    [MAP, of(m=MAP), {"$ref": "#/$defs/node", "$defs": {"node": NODE}}, of(o={"type": "object"}), of(o={}), of(a=S),
     {"$ref": "#/$defs/node", "$defs": {"node": CHAIN}}, {"type": "array", "items": MAP}],
)  # fmt: skip
def test_what_a_decoder_makes_of_it_fits_the_original(schema: Any) -> None:
    config = form(schema).config
    own = config.get("responseJsonSchema") or config["responseSchema"]
    value = Synthesiser("hi").value(own, own)
    assert value not in ({}, {"m": {}}, {"o": {}})
    if "$ref" in schema:  # Google wants cycles to be optional
        schema = {**schema, "$defs": {"node": {**schema["$defs"]["node"], "required": ["v"]}}}
    jsonschema.Draft202012Validator(schema).validate(value)


# -- functions beside it ---------------------------------------------------------------------------------------

CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTIONS = {"tools": [{"functionDeclarations": [{"name": "f", "parameters": CITY}]}]}
TWO = ["gemini-2.5-pro", "gemini-2.0"]


def mode(word: Any) -> dict[str, Any]:
    return {**FUNCTIONS, "toolConfig": {"functionCallingConfig": {"mode": word}}}


def applied(request: dict[str, Any], family: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    generate = {**request, "generationConfig": {"topP": 0.5}}
    return generate, apply_form(JSON_MODE, generate, family, param="text.format")


@pytest.mark.parametrize("family", TWO)
def test_a_forced_function_wins_over_the_form(family: str) -> None:
    generate, notes = applied(mode("ANY"), family)
    assert generate == {**mode("ANY"), "generationConfig": {"topP": 0.5}}
    assert notes == ("text.format left out: this model does not support it with functions, and one must be called",)
    lone = mode("ANY")
    apply_form(form(of(m=MAP), family), lone, family, param="text.format")
    assert lone == mode("ANY")


@pytest.mark.parametrize("family", TWO)
def test_a_form_wins_over_functions_that_may_not_be_called(family: str) -> None:
    generate, notes = applied({**mode("NONE"), "tools": [*FUNCTIONS["tools"], {"googleSearch": {}}]}, family)
    assert generate == {
        "generationConfig": {"topP": 0.5, "responseMimeType": "application/json"}, "tools": [{"googleSearch": {}}],
    }  # fmt: skip
    assert notes == ("functions left out: this model does not support them with text.format, and none may be called",)
    generate, _ = applied(mode("NONE"), family)
    assert generate.keys() == {"generationConfig"}


@pytest.mark.parametrize("family", TWO)
@pytest.mark.parametrize("request_", [FUNCTIONS, mode("AUTO"), mode("VALIDATED")])
def test_a_real_conflict_is_refused(request_: dict[str, Any], family: str) -> None:
    with pytest.raises(FaultError) as caught:
        applied(request_, family)
    assert caught.value.fault.param == "text.format"
    assert "tool_choice" in caught.value.fault.message


@pytest.mark.parametrize("family", ["gemini-3-flash", "claude", "gpt-oss"])
@pytest.mark.parametrize("word", ["ANY", "NONE", "AUTO", "VALIDATED"])
def test_families_that_take_the_pair_get_it(family: str, word: str) -> None:
    generate, notes = applied(mode(word), family)
    assert generate == {**mode(word), "generationConfig": {"topP": 0.5, "responseMimeType": "application/json"}}
    assert notes == ()
    asked = {**generate, "contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    suited, _ = for_model(asked, Target(MODELS[family], "M", None, family), lambda _: None)
    assert complaint(about(MODELS[family], **suited)) is None


def test_without_a_form_or_functions_there_is_no_conflict() -> None:
    assert apply_form(TEXT, mode("AUTO"), "gemini-2.5-pro", param="p") == ()
    assert apply_form(JSON_MODE, {"tools": [{"googleSearch": {}}]}, "gemini-2.5-pro", param="p") == ()
