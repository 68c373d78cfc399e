"""What the Google stand-in refuses: bad request → the exact message; and what it must not refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.testing.simulator.support import INTERNAL, WEATHER, envelope, fetch
from zerogravity.testing.simulator.google import GoogleSimulator, Received, validation
from zerogravity.testing.simulator.google.rules import claude as rules_claude
from zerogravity.testing.simulator.google.rules.config import ALLOWED, MIXED, MOST_TOKENS, SERVER_SIDE, WITHOUT
from zerogravity.testing.simulator.google.rules.contents import (
    CALL_TURN,
    CORRUPTED,
    COUNT,
    FIRST_TURN,
    INVALID,
    LAST_TURN,
    RESOLUTION,
    RESPONSE_TURN,
)
from zerogravity.testing.simulator.google.signatures import STAND_INS, Signer, call_binding

SIGNER = Signer()
Json = dict[str, Any]
UNKNOWN = "Invalid JSON payload received. Unknown name "
REQUEST = "* GenerateContentRequest."


def user(*parts: Json | str) -> Json:
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def model(*parts: Json) -> Json:
    return {"role": "model", "parts": list(parts)}


def call(name: str = "get_weather", signature: str | None = "", **more: Any) -> Json:
    """A call, signed well unless told otherwise."""
    part: Json = {"functionCall": {"name": name, "args": {"city": "Rome"}, **more}}
    if signature == "":
        signature = SIGNER.mint("gemini-3-flash", "call", name)
    return {**part, "thoughtSignature": signature} if signature else part


def result(name: str = "get_weather", response: Any = None, **more: Any) -> Json:
    return {"functionResponse": {"name": name, "response": {"output": "18C"} if response is None else response, **more}}


def request(*contents: Json, **more: Any) -> Json:
    return {
        "contents": list(contents or [user("hi")]),
        "tools": [{"functionDeclarations": [copy.deepcopy(WEATHER)]}],
        **more,
    }


def thinking(**config: Any) -> Json:
    return request(generationConfig={"thinkingConfig": config})


def json_schema(schema: Json) -> Json:
    config = {"responseMimeType": "application/json", "responseJsonSchema": schema}
    return {"contents": [user("hi")], "generationConfig": config}


def schema(**parameters: Any) -> Json:
    declared = {"name": "f", "parameters": {"type": "OBJECT", "properties": parameters}}
    return {"contents": [user("hi")], "tools": [{"functionDeclarations": [declared]}]}


def refused(body: Any, name: str = "gemini-3-flash", *, internal: bool = True, strict: bool = True) -> Json | None:
    """The error object of a refusal."""
    path = INTERNAL.partition("?")[0] if internal else f"/v1beta/models/{name}:generateContent"
    received = Received(
        "POST",
        path,
        {},
        {"authorization": "Bearer t"},
        envelope(body, name) if internal else body,
        "1.1",
        model=name,
    )
    scenario = validation.refusal(received, SIGNER, internal=internal, auth=True, strict=strict)
    return None if scenario is None else scenario.body["error"]


def step(kind: str, number: str = "s1", **more: Any) -> Json:
    """A step of Google's own search, signed well."""
    inner = {"id": number, "toolType": "GOOGLE_SEARCH_WEB", **more}
    return {kind: inner, "thoughtSignature": SIGNER.mint("gemini-3-flash", "server", f"{kind} {number}")}


SEARCH = (step("toolCall"), step("toolResponse"))
AFTER_SEARCH = call(
    signature=SIGNER.mint("gemini-3-flash", "call", call_binding("get_weather", ("toolCall s1", "toolResponse s1")))
)
PICTURE: Json = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
ROUND = (user("hi"), model(call()), user(result()))
GOOD: dict[str, Json] = {
    "the smallest": {"contents": [{"parts": [{"text": "hi"}]}]},
    "single values for lists": {"contents": {"parts": {"text": "hi"}}},
    "snake case": {"contents": [user("hi")], "generation_config": {"max_output_tokens": 5, "stop_sequences": ["x"]}},
    "numbers as text": request(generationConfig={"maxOutputTokens": "5", "seed": "-3", "temperature": "0.5"}),
    "512 functions": request(tools=[{"functionDeclarations": [{"name": f"f{number}"} for number in range(512)]}]),
    "nulls": request(generationConfig=None, safetySettings=None),
    "a round": request(*ROUND),
    "a round with ids": request(user("hi"), model(call(id="a")), user(result(id="a"))),
    "an answer without the call's id": request(user("hi"), model(call(id="a")), user(result())),
    "two rounds": request(*ROUND, model(call()), user(result())),
    "parallel, the first signed": request(user("hi"), model(call(), call(signature=None)), user(result(), result())),
    "responses in a model content": request(user("hi"), model(call()), {"role": "model", "parts": [result()]}),
    "unsigned in an older turn": request(
        user("hi"), model(call(signature=None)), user(result()), model({"text": "ok"}), user("and now?")
    ),
    "stand-in": request(user("hi"), model(call(signature=STAND_INS[0])), user(result())),
    "a search before a call": request(user("hi"), model(*SEARCH, AFTER_SEARCH), user(result())),
    "a search behind a call": request(user("hi"), model(call(), *SEARCH), user(result())),
    "signature in a part of its own": request(
        user("hi"),
        model({"thoughtSignature": SIGNER.mint("gemini-3-flash", "call", "get_weather")}, call(signature=None)),
        user(result()),
    ),
    "empty text that is signed": request(
        user("hi"), model({"text": "", "thoughtSignature": SIGNER.mint("gemini-3-flash", "text")}), user("go on")
    ),
    "users in a row": request(user("a"), user("b")),
    "a picture": request(user("see", {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}})),
    "a picture to look at closely": request(
        user({**PICTURE, "mediaResolution": {"level": "MEDIA_RESOLUTION_ULTRA_HIGH"}})
    ),
    "url-safe base64 without padding": request(user({"inline_data": {"mime_type": "image/png", "data": "_-8"}})),
    "level": thinking(includeThoughts=True, thinkingLevel="low"),
    "budget": thinking(thinkingBudget=10000),
    "budget off": thinking(thinkingBudget=0),
    "dynamic": thinking(thinkingBudget=-1),
    "types in lower case": schema(
        a={"type": "string", "enum": ["x"]}, b={"type": "array", "items": {"type": "integer"}}
    ),
    "anyOf": schema(a={"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}),
    "a property named like a keyword": schema(type={"type": "STRING"}, required={"type": "STRING"}),
    "JSON schema of an answer": json_schema(
        {
            "$ref": "#/$defs/n",
            "$defs": {
                "n": {
                    "type": "object",
                    "required": ["m"],
                    "additionalProperties": {"type": ["string", "null"]},
                    "properties": {
                        "m": {"$ref": "#/$defs/m"},
                        "kids": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                    },
                },
                "m": {"oneOf": [{"const": 1}, {"type": "object", "additionalProperties": True}]},
            },
        }
    ),
    "json schema": {
        "contents": [user("hi")],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "f", "parametersJsonSchema": {"type": ["object", "null"], "additionalProperties": False}}
                ]
            }
        ],
    },
    "one of the functions": request(
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}}
    ),
    "search with functions": request(
        tools=[{"functionDeclarations": [WEATHER]}, {"googleSearch": {}}],
        toolConfig={"includeServerSideToolInvocations": True},
    ),
    "json answer": {
        "contents": [user("hi")],
        "generationConfig": {
            "responseMimeType": "application/json",
            "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
        },
    },
    "labels and session": request(labels={"a": "b"}, sessionId="-3"),
    "five stop sequences": request(generationConfig={"stopSequences": list("abcde"), "temperature": 0}),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_requests_pass(name: str) -> None:
    assert refused(GOOD[name]) is None


# name → (request, the exact message)
CODEC: dict[str, tuple[Json, str]] = {
    "unknown member": (request(foo=1), UNKNOWN + "\"foo\" at 'request': Cannot find field."),
    "unknown in a part": (
        request({"parts": [{"text": "x", "type": "text"}]}),
        UNKNOWN + "\"type\" at 'request.contents[0].parts[0]': Cannot find field.",
    ),
    "additionalProperties": (
        schema(a={"type": "OBJECT", "additionalProperties": False}),
        UNKNOWN + '"additionalProperties" at '
        "'request.tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.",
    ),
    "type list": (
        schema(a={"type": ["STRING", "NULL"]}),
        UNKNOWN + "\"type\" at 'request.tools[0].function_declarations[0].parameters.properties[0].value': "
        "Proto field is not repeating, cannot start list.",
    ),
    "number in an enum": (
        schema(a={"type": "INTEGER", "enum": [1]}),
        "Invalid value at 'request.tools[0].function_declarations[0].parameters.properties[0].value.enum[0]' "
        "(TYPE_STRING), 1",
    ),
    "unknown type": (
        schema(a={"type": "date"}),
        "Invalid value at 'request.tools[0].function_declarations[0].parameters.properties[0].value.type' "
        '(type.googleapis.com/google.ai.generativelanguage.v1beta.Type), "date"',
    ),
    "text that is a number": (
        request({"parts": [{"text": 5}]}),
        "Invalid value at 'request.contents[0].parts[0].text' (TYPE_STRING), 5",
    ),
    "response that is a text": (
        request(user("hi"), model(call()), user(result(response="18C"))),
        "Invalid value at 'request.contents[2].parts[0].function_response.response' "
        '(type.googleapis.com/google.protobuf.Struct), "18C"',
    ),
    "response that is a list": (
        request(user("hi"), model(call()), user(result(response=[1]))),
        UNKNOWN + "\"response\" at 'request.contents[2].parts[0].function_response': "
        "Proto field is not repeating, cannot start list.",
    ),
    "a word for a resolution": (
        request(user({**PICTURE, "mediaResolution": "low"})),
        "Invalid value at 'request.contents[0].parts[0].media_resolution' "
        '(type.googleapis.com/google.ai.generativelanguage.v1beta.Message), "low"',
    ),
    "bad base64": (
        request(user({"inlineData": {"mimeType": "image/png", "data": "data:image/png;base64,xx"}})),
        "Invalid value at 'request.contents[0].parts[0].inline_data.data' (TYPE_BYTES), \"data:image/png;base64,xx\"",
    ),
    "two data fields": (
        request(user({"text": "x", "functionCall": {"name": "f"}})),
        "Invalid value at 'request.contents[0].parts[0]' (oneof), oneof field 'data' is already set. "
        "Cannot set 'functionCall'",
    ),
    "mode in lower case": (
        request(toolConfig={"functionCallingConfig": {"mode": "auto"}}),
        "Invalid value at 'request.tool_config.function_calling_config.mode' "
        '(type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode), "auto"',
    ),
    "true for a number": (
        request(generationConfig={"topK": True}),
        "Invalid value at 'request.generation_config.top_k' (TYPE_INT32), true",
    ),
    "text for a bool": (
        thinking(includeThoughts="yes"),
        "Invalid value at 'request.generation_config.thinking_config.include_thoughts' (TYPE_BOOL), \"yes\"",
    ),
    "text for a number": (
        request(generationConfig={"temperature": "hot"}),
        "Invalid value at 'request.generation_config.temperature' (TYPE_FLOAT), \"hot\"",
    ),
    "a content that is a text": (
        {"contents": ["hi"]},
        "Invalid value at 'request.contents[0]' "
        '(type.googleapis.com/google.ai.generativelanguage.v1beta.Message), "hi"',
    ),
}


@pytest.mark.parametrize("name", CODEC)
def test_the_codec_names_the_member(name: str) -> None:
    body, message = CODEC[name]
    error = refused(body)
    assert error is not None
    assert (error["code"], error["status"], error["message"]) == (400, "INVALID_ARGUMENT", message)
    (detail,) = error["details"]
    (violation,) = detail["fieldViolations"]
    assert violation["description"] == message


def test_the_codec_lists_everything_at_once() -> None:
    error = refused(request(foo=1, bar=2))
    assert error is not None
    assert error["message"].split("\n") == [
        UNKNOWN + f"\"{name}\" at 'request': Cannot find field." for name in ("foo", "bar")
    ]
    assert len(error["details"][0]["fieldViolations"]) == 2


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
ODD = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(name=st.sampled_from(sorted(GOOD)), choose=st.data())
def test_any_value_anywhere_is_answered_or_refused_properly(name: str, choose: st.DataObject) -> None:
    body = copy.deepcopy(GOOD[name])
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            places.append((node, key))
            walk(value)

    walk(body)
    node, key = choose.draw(st.sampled_from(places))
    node[key] = choose.draw(ODD)
    for internal in (True, False):
        error = refused(body, internal=internal)
        assert error is None or (error["code"] == 400 and error["message"])


def unsigned(name: str, position: int) -> str:
    return (
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
        "correctly, and missing thought_signature may lead to degraded model performance. Additional data, function "
        f"call `default_api:{name}`, position {position}. Please refer to "
        "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
    )


EMPTY_DATA = REQUEST + "contents[{}].parts[{}].data: required oneof field 'data' must have one initialized field\n"
SENSE: dict[str, tuple[Json, str]] = {
    "513 functions": (
        request(tools=[{"functionDeclarations": [{"name": f"f{number}"}]} for number in range(513)]),
        "The GenerateContentRequest proto is invalid:\n"
        "  * tools[0].function_declarations: [FIELD_INVALID] At most 512 function declarations can be specified.",
    ),
    "no contents": ({}, REQUEST + "contents: contents is not specified\n"),
    "empty contents": ({"contents": []}, REQUEST + "contents: contents is not specified\n"),
    "role": (request({"role": "assistant", "parts": [{"text": "x"}]}), "Please use a valid role: user, model."),
    "system role": (request({"role": "system", "parts": [{"text": "x"}]}), "Please use a valid role: user, model."),
    "no parts": (request({"role": "user"}), REQUEST + "contents[0].parts: contents.parts must not be empty.\n"),
    "empty parts": (
        request(user("x"), {"role": "user", "parts": []}),
        REQUEST + "contents[1].parts: contents.parts must not be empty.\n",
    ),
    "an empty part": (request(user({})), EMPTY_DATA.format(0, 0)),
    "an empty text": (request(user("x", "")), EMPTY_DATA.format(0, 1)),
    "an unsupported type": (
        request(user({"inlineData": {"mimeType": "application/octet-stream", "data": ""}})),
        "Unsupported MIME type: application/octet-stream",
    ),
    "picture in the system instruction": (
        request(systemInstruction={"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}),
        REQUEST + "system_instruction: only text parts are supported\n",
    ),
    "the model first": (request(model({"text": "x"}), user("hi")), FIRST_TURN),
    "a call first": (request(model(call()), user(result())), CALL_TURN),
    "a call after the model": (request(user("hi"), model({"text": "x"}), model(call()), user(result())), CALL_TURN),
    "the model last": (request(user("hi"), model({"text": "I will"})), LAST_TURN),
    "a call last": (request(user("hi"), model(call())), LAST_TURN),
    "a response without a call": (request(user("hi"), user(result())), RESPONSE_TURN),
    "a response missing": (request(user("hi"), model(call(), call(signature=None)), user(result())), COUNT),
    "a call unanswered": (request(user("hi"), model(call()), user("never mind")), COUNT),
    "one content per result": (
        request(user("hi"), model(call(), call(signature=None)), user(result()), user(result())),
        COUNT,
    ),
    "another name": (request(user("hi"), model(call()), user(result("get_time"))), INVALID),
    "another order": (
        request(user("hi"), model(call(id="a"), call(signature=None, id="b")), user(result(id="b"), result(id="a"))),
        INVALID,
    ),
    "an id of its own": (request(user("hi"), model(call(id="a")), user(result(id="b"))), INVALID),
    "an id without the call's": (request(user("hi"), model(call()), user(result(id="b"))), INVALID),
    "a call without a name": (
        request(user("hi"), model(call("")), user(result(""))),
        REQUEST + "contents[1].parts[0].function_call.name: Name cannot be empty.\n",
    ),
    "unsigned": (request(user("hi"), model(call(signature=None)), user(result())), unsigned("get_weather", 1)),
    "unsigned second step": (request(*ROUND, model(call(signature=None)), user(result())), unsigned("get_weather", 3)),
    "only the second is signed": (
        request(user("hi"), model(call(signature=None), call()), user(result(), result())),
        unsigned("get_weather", 1),
    ),
    "made up": (request(user("hi"), model(call(signature="EgQKAgEC")), user(result())), CORRUPTED),
    "of another function": (
        request(user("hi"), model(call(signature=SIGNER.mint("gemini-3-flash", "call", "other"))), user(result())),
        CORRUPTED,
    ),
    "of another model": (
        request(user("hi"), model(call(signature=SIGNER.mint("claude", "call", "get_weather"))), user(result())),
        CORRUPTED,
    ),
    "without the search it was made behind": (request(user("hi"), model(AFTER_SEARCH), user(result())), CORRUPTED),
    "with half of the search": (request(user("hi"), model(SEARCH[0], AFTER_SEARCH), user(result())), INVALID),
    "with half of the search, alone": (request(user("hi"), model(SEARCH[1]), user("go on")), INVALID),
    "another search": (
        request(user("hi"), model(step("toolCall", "s2"), step("toolResponse", "s2"), AFTER_SEARCH), user(result())),
        CORRUPTED,
    ),
    "a search in another place": (request(user("hi"), model(AFTER_SEARCH, *SEARCH), user(result())), CORRUPTED),
    "an unsigned search": (
        request(user("hi"), model({"toolCall": {"id": "s1"}}, SEARCH[1], AFTER_SEARCH), user(result())),
        CORRUPTED,
    ),
    "a text to look at closely": (request(user({"text": "x", "mediaResolution": {}})), RESOLUTION),
    "a search of the user's": (request(user("hi", *SEARCH)), INVALID),
    "made up, in an older turn": (
        request(user("hi"), model({"text": "x", "thoughtSignature": "EgQKAgEC"}), user("go on")),
        CORRUPTED,
    ),
    "signature on a response": (
        request(
            user("hi"), model(call()), user({**result(), "thoughtSignature": SIGNER.mint("gemini-3-flash", "text")})
        ),
        INVALID,
    ),
    "function name": (
        {"contents": [user("hi")], "tools": [{"functionDeclarations": [{"name": "1x"}]}]},
        REQUEST
        + "tools[0].function_declarations[0].name: [FIELD_INVALID] Invalid function name. Must start with a letter "
        "or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), "
        "with a maximum length of 64.\n",
    ),
    "declared twice": (
        request(tools=[{"functionDeclarations": [WEATHER]}, {"functionDeclarations": [WEATHER]}]),
        "Duplicate function declaration found: get_weather",
    ),
    "both schemas": (
        request(tools=[{"functionDeclarations": [{**WEATHER, "parametersJsonSchema": {}}]}]),
        REQUEST + "tools[0].function_declarations[0]: only one of parameters and parameters_json_schema may be set.\n",
    ),
    "array without items": (
        schema(a={"type": "ARRAY"}),
        REQUEST + "tools[0].function_declarations[0].parameters.properties[a].items: missing field.\n",
    ),
    "no type": (
        schema(a={"description": "x"}),
        REQUEST + "tools[0].function_declarations[0].parameters.properties[a].type: must be specified\n",
    ),
    "empty enum word": (
        schema(a={"type": "STRING", "enum": ["x", ""]}),
        REQUEST + "tools[0].function_declarations[0].parameters.properties[a].enum[1]: cannot be empty\n",
    ),
    "enum of numbers": (
        schema(a={"type": "NUMBER", "enum": ["1"]}),
        REQUEST + "tools[0].function_declarations[0].parameters.properties[a].enum: only allowed for STRING type\n",
    ),
    "required but unknown": (
        schema(a={"type": "OBJECT", "properties": {}, "required": ["b"]}),
        REQUEST + "tools[0].function_declarations[0].parameters.properties[a].required[0]: property is not defined\n",
    ),
    "deep inside": (
        schema(a={"type": "ARRAY", "items": {"anyOf": [{"type": "STRING"}, {"type": "ARRAY"}]}}),
        REQUEST + "tools[0].function_declarations[0].parameters.properties[a].items.any_of[1].items: missing field.\n",
    ),
    "names with AUTO": (
        request(toolConfig={"functionCallingConfig": {"allowedFunctionNames": ["get_weather"]}}),
        ALLOWED,
    ),
    "an undeclared name": (
        request(toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}),
        REQUEST + "tool_config.function_calling_config.allowed_function_names: unknown function f\n",
    ),
    "ANY without functions": (
        {"contents": [user("hi")], "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        WITHOUT,
    ),
    "search with functions": (request(tools=[{"functionDeclarations": [WEATHER], "googleSearch": {}}]), SERVER_SIDE),
    "level and budget": (
        thinking(thinkingLevel="LOW", thinkingBudget=5),
        "You can only set only one of thinking budget and thinking level.",
    ),
    "unknown level": (
        thinking(thinkingLevel="XHIGH"),
        "Thinking level XHIGH is not supported for this model. Please retry with other thinking level.",
    ),
    "temperature": (
        request(generationConfig={"temperature": 2.5}),
        REQUEST + "generation_config.temperature: temperature must be in the range [0.0, 2.0].\n",
    ),
    "six stop sequences": (
        request(generationConfig={"stopSequences": list("abcdef")}),
        REQUEST + "generation_config.stop_sequences: the number of stop sequences must be at most 5\n",
    ),
    "two candidates": (
        request(generationConfig={"candidateCount": 2}),
        "Multiple candidates is not enabled for this model",
    ),
    "penalties": (request(generationConfig={"presencePenalty": 1}), "Penalty is not enabled for models/gemini-3-flash"),
    "schema without a type of answer": (
        request(generationConfig={"responseSchema": {"type": "STRING"}}),
        REQUEST + "generation_config.response_schema: only allowed when response_mime_type is application/json or "
        "text/x.enum\n",
    ),
    "beside a reference": (
        json_schema({"$ref": "#/$defs/a", "description": "d", "$defs": {"a": {"type": "string"}}}),
        REQUEST + "generation_config.response_json_schema: no other properties may be set beside $ref: description\n",
    ),
    "a reference to nothing": (
        json_schema({"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}}),
        REQUEST + "generation_config.response_json_schema.properties[a]: $ref #/$defs/b cannot be resolved\n",
    ),
    "recursion without an end": (
        json_schema(
            {
                "$ref": "#/$defs/n",
                "$defs": {
                    "n": {
                        "type": "object",
                        "required": ["kids"],
                        "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
                    }
                },
            }
        ),
        REQUEST + "generation_config.response_json_schema: cyclic references may only be used within non-required "
        "properties: #/$defs/n\n",
    ),
    "a type of answer": (
        request(generationConfig={"responseMimeType": "text/html"}),
        REQUEST + "generation_config.response_mime_type: allowed mimetypes are `text/plain`, `application/json`, "
        "`application/xml`, `application/yaml` and `text/x.enum`.\n",
    ),
}


@pytest.mark.parametrize("name", SENSE)
def test_requests_without_sense_are_refused(name: str) -> None:
    body, message = SENSE[name]
    error = refused(body)
    assert error is not None
    assert (error["code"], error["status"], error["message"]) == (400, "INVALID_ARGUMENT", message)


JSON_ANSWER = {"responseMimeType": "application/json"}
# model, request, message or None
BY_MODEL: list[tuple[str, Json, str | None]] = [
    ("gemini-2.5-flash", thinking(thinkingLevel="LOW"), "Thinking level is not supported for this model."),
    ("gemini-2.5-flash", thinking(thinkingBudget=0), None),
    (
        "gemini-2.5-flash",
        thinking(thinkingBudget=30000),
        "The thinking budget 30000 is invalid. Please choose a value between 0 and 24576.",
    ),
    ("gemini-2.5-pro", thinking(thinkingBudget=0), "Budget 0 is invalid. This model only works in thinking mode."),
    (
        "gemini-2.5-pro",
        thinking(thinkingBudget=5),
        "The thinking budget 5 is invalid. Please choose a value between 128 and 32768.",
    ),
    ("gemini-2.5-pro", thinking(thinkingBudget=-1), None),
    (
        "gemini-2.5-flash-lite",
        thinking(thinkingBudget=100),
        "The thinking budget 100 is invalid. Please choose a value between 512 and 24576.",
    ),
    ("gemini-2.0-flash", thinking(includeThoughts=True), "Thinking is not enabled for models/gemini-2.0-flash"),
    (
        "gemini-3-pro-high",
        thinking(thinkingLevel="MEDIUM"),
        "Thinking level MEDIUM is not supported for this model. Please retry with other thinking level.",
    ),
    (
        "gemini-3.1-pro-high",
        thinking(thinkingLevel="minimal"),
        "Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.",
    ),
    ("gemini-3.1-pro-high", thinking(thinkingLevel="medium"), None),
    (
        "gemini-3.8-flash-low",
        thinking(thinkingLevel="MINIMAL"),
        "Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.",
    ),
    ("gemini-2.5-flash", request(user("hi"), model(call(signature=None)), user(result())), None),
    ("gemini-2.5-flash", request(user("hi"), model(call(signature="bm90IG91cnM=")), user(result())), None),
    ("gemini-2.5-flash", request(tools=[{"functionDeclarations": [WEATHER]}, {"googleSearch": {}}]), MIXED),
    (
        "gemini-2.5-flash",
        request(generationConfig=JSON_ANSWER),
        "Function calling with a response mime type: 'application/json' is unsupported",
    ),
    ("gemini-2.5-flash", request(generationConfig={"presencePenalty": 1}), None),
    ("gemini-3-flash", request(generationConfig=JSON_ANSWER), None),
    ("gemini-3-flash", request(generationConfig={"maxOutputTokens": 65536}), None),
    (
        "gemini-3-flash",
        request(generationConfig={"maxOutputTokens": 65537}),
        MOST_TOKENS.format(limit=65537, end=65537),
    ),
    ("gemini-2.5-flash", request(user({**PICTURE, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}})), RESOLUTION),
    ("gpt-oss-120b-medium", request(user("hi"), model(call(signature="bm90IG91cnM=")), user(result())), None),
]


def thought(text: str = "x", **more: Any) -> Json:
    return {"text": text, "thought": True, "thoughtSignature": SIGNER.mint("claude", "text", text), **more}


UNSIGNED_CALL = call(signature=None)
OFF = {"thinkingConfig": {"thinkingBudget": 0}}
ANY = {"functionCallingConfig": {"mode": "ANY"}}
LONE = rules_claude.NO_THINKING_FIRST.format(index=1, found="tool_use")
CLAUDE: dict[str, tuple[Json, str | None]] = {
    "a step behind its thought": (request(user("hi"), model(thought(), UNSIGNED_CALL), user(result())), None),
    "several thoughts": (request(user("hi"), model(thought(), thought("y"), UNSIGNED_CALL), user(result())), None),
    "thoughts of a turn that is over": (request(user("hi"), model(thought()), user("y")), None),
    "a step of a turn that is over": (
        request(user("hi"), model(UNSIGNED_CALL), user(result()), model({"text": "x"}), user("y")), None),
    "a step without thought": (request(user("hi"), model(UNSIGNED_CALL), user(result())), LONE),
    "the second of two steps": (
        request(user("hi"), model(thought(), UNSIGNED_CALL), user(result()), model(UNSIGNED_CALL), user(result())),
        rules_claude.NO_THINKING_FIRST.format(index=3, found="tool_use")),
    "the first of two steps": (
        request(user("hi"), model(UNSIGNED_CALL), user(result()), model(thought(), UNSIGNED_CALL), user(result())),
        LONE),
    "words beside the results": (request(user("hi"), model(UNSIGNED_CALL), user(result()), user("and?")), LONE),
    "text before the thought": (
        request(user("hi"), model({"text": "So"}, thought(), UNSIGNED_CALL), user(result())),
        rules_claude.NO_THINKING_FIRST.format(index=1, found="text")),
    "no thinking, no thought": (
        request(user("hi"), model(UNSIGNED_CALL), user(result()), generationConfig=OFF), None),
    "no thinking, but a thought": (
        request(user("hi"), model(thought(), UNSIGNED_CALL), user(result()), generationConfig=OFF),
        rules_claude.THINKING_WHILE_OFF.format(index=1, at=0)),
    "an unsigned thought": (
        request(user("hi"), model({"text": "x", "thought": True}), user("y")),
        rules_claude.UNSIGNED.format(index=1, at=0)),
    "another text under a signature": (
        request(user("hi"), model(thought(), UNSIGNED_CALL) | {"parts": [{**thought("y"), "text": "z"}, UNSIGNED_CALL]},
                user(result())),
        rules_claude.SIGNATURE.format(index=1, at=0)),
    "a stand-in": (
        request(user("hi"), model(thought(thoughtSignature=STAND_INS[0])), user("y")),
        rules_claude.SIGNATURE.format(index=1, at=0)),
    "Gemini's signature on a call": (
        request(user("hi"), model(thought(), call()), user(result())), rules_claude.MISPLACED.format(index=1, at=1)),
    "a forced call": (request(toolConfig=ANY), rules_claude.FORCED),
    "a forced call without thinking": (request(toolConfig=ANY, generationConfig=OFF), None),
    "a small limit": (
        request(generationConfig={"maxOutputTokens": 1024, "thinkingConfig": {"thinkingBudget": 1024}}),
        rules_claude.ABOVE),
    "a small budget": (request(generationConfig={"thinkingConfig": {"thinkingBudget": 512}}), rules_claude.BUDGET),
    "a dynamic budget": (request(generationConfig={"thinkingConfig": {"thinkingBudget": -1}}), rules_claude.BUDGET),
    "a large limit": (
        request(generationConfig={"maxOutputTokens": 65536}),
        rules_claude.MAX_TOKENS.format(limit=65536, most=64000)),
    "no schema": (
        request(tools=[{"functionDeclarations": [WEATHER, {"name": "now"}]}]),
        rules_claude.SCHEMA.format(index=1, member="")),
    "a schema without type": (
        request(tools=[{"functionDeclarations": [{"name": "now", "parametersJsonSchema": {}}]}]),
        rules_claude.SCHEMA.format(index=0, member=".type")),
    "no properties": (
        request(tools=[{"functionDeclarations": [
            {"name": "now", "parameters": {"type": "object", "properties": {}}}]}]), None),
    "a blank text": (request(user("hi", " \n")), rules_claude.BLANK.format(where="messages.0")),
    "a blank result": (
        request(user("hi"), model(thought(), UNSIGNED_CALL), user(result(response={"output": ""}))),
        rules_claude.BLANK.format(where="messages.2")),
    "a blank system text": (
        request(systemInstruction={"parts": [{"text": "\t"}]}), rules_claude.BLANK.format(where="system")),
    "a blank stop sequence": (request(generationConfig={"stopSequences": ["\n"]}), rules_claude.BLANK_STOP),
}  # fmt: skip


@pytest.mark.parametrize("case", CLAUDE)
def test_what_anthropic_says_through_google(case: str) -> None:
    body, message = CLAUDE[case]
    error = refused(body, "claude-sonnet-4-6")
    assert (error and error["message"]) == message


@pytest.mark.parametrize("case", CLAUDE)
def test_other_models_do_not_mind(case: str) -> None:
    body, _ = CLAUDE[case]
    if "budget" not in case and "thinking" not in case and "limit" not in case:
        assert refused(body, "gpt-oss-120b-medium") is None


@pytest.mark.parametrize(("name", "body", "message"), BY_MODEL)
def test_models_differ(name: str, body: Json, message: str | None) -> None:
    error = refused(body, name)
    assert (error and error["message"]) == message


PUBLIC: list[tuple[str, Json, str | None]] = [
    ("gemini-3-flash", request(*ROUND), None),
    ("gemini-3-flash", request(user("hi"), model(call(id="a")), user(result(id="a"))), None),
    (
        "gemini-2.5-flash",
        request(user("hi"), model(call(id="a")), user(result())),
        UNKNOWN + "\"id\" at 'contents[1].parts[0].function_call': Cannot find field.",
    ),
    (
        "gemini-2.5-flash",
        request(user("hi"), model(call()), user(result(id="a"))),
        UNKNOWN + "\"id\" at 'contents[2].parts[0].function_response': Cannot find field.",
    ),
    ("gemini-3-flash", request(labels={"a": "b"}), UNKNOWN + '"labels": Cannot find field.'),
    ("gemini-3-flash", request(sessionId="1"), UNKNOWN + '"sessionId": Cannot find field.'),
    (
        "gemini-3-flash",
        envelope(request()),
        "\n".join(
            UNKNOWN + f'"{name}": Cannot find field.' for name in ("project", "requestId", "requestType", "request")
        ),
    ),
    ("gemini-3-flash", request(model="models/gemini-3-flash"), None),
]


@pytest.mark.parametrize(("name", "body", "message"), PUBLIC)
def test_the_public_form_has_other_members(name: str, body: Json, message: str | None) -> None:
    error = refused(body, name, internal=False)
    assert (error and error["message"]) == message


def test_strict_off_refuses_nothing_but_what_cannot_be_read() -> None:
    assert refused(request(foo=1), strict=False) is None
    assert refused(request(), "no-such-model", strict=False) is not None


@pytest.mark.parametrize(
    ("headers", "path", "status", "reason"),
    [
        ({"Authorization": ""}, INTERNAL, 401, "CREDENTIALS_MISSING"),
        ({"Authorization": "Bearer expired"}, INTERNAL, 401, "ACCESS_TOKEN_EXPIRED"),
        (
            {"Authorization": "", "x_goog_api_key": "bad"},
            "/v1beta/models/gemini-3-flash:generateContent",
            400,
            "API_KEY_INVALID",
        ),
        ({"Authorization": ""}, "/v1beta/models/gemini-3-flash:generateContent", 403, None),
        ({"Authorization": ""}, "/v1/models/gemini-3-flash:generateContent?key=k", 200, None),
        ({"Authorization": "", "x_goog_api_key": "k"}, "/v1alpha/models/gemini-3-flash:generateContent", 200, None),
    ],
)
async def test_credentials(
    google: GoogleSimulator, headers: dict[str, str], path: str, status: int, reason: str | None
) -> None:
    body = request() if "/models/" in path else envelope(request())
    reply = await fetch(google, path, body, **headers)
    assert reply.status == status
    reasons = [one.get("reason") for one in reply.json.get("error", {}).get("details", [])]
    assert reasons == ([reason] if reason else [])


@pytest.mark.parametrize(("body", "text"), [(b"{", "Invalid JSON payload received. Unexpected token."), (b"", "empty")])
async def test_bodies_that_are_no_json(google: GoogleSimulator, body: bytes, text: str) -> None:
    reply = await fetch(google, INTERNAL, body)
    assert reply.status == 400
    assert text in reply.json["error"]["message"]


async def test_a_refusal_goes_over_the_wire_as_it_is(google: GoogleSimulator) -> None:
    reply = await fetch(google, INTERNAL, envelope(request({"role": "tool", "parts": [{"text": "x"}]})))
    assert reply.status == 400
    assert reply.json["error"]["message"] == "Please use a valid role: user, model."
    assert google.requests[-1].ended == "refused"


def roundtrips() -> list[tuple[str, Callable[[Json], list[Json]]]]:
    """How a client gives back what it got: as it was, and the ways that lose something."""
    return [
        ("as it was", lambda part: [part]),
        ("without signature", lambda part: [{"functionCall": part["functionCall"]}]),
    ]


@pytest.mark.parametrize(("how", "release"), roundtrips())
@pytest.mark.parametrize("scenario", ["tool", "parallel", "sig-before", "sig-after", "tool-apart"])
async def test_what_the_stand_in_signs_it_takes_back(
    google: GoogleSimulator, scenario: str, how: str, release: Callable[[Json], list[Json]]
) -> None:
    first = (await fetch(google, INTERNAL, envelope(request(user(f"sim:{scenario} sim:text"))))).stream
    said = [part for part in first.parts if not part.get("thought") and part.get("text") != ""]
    if how == "without signature":
        said = [one for part in said if "functionCall" in part for one in release(part)]
    answers = [result(one["name"], id=one["id"]) for one in first.calls]
    history = request(user(f"sim:{scenario} sim:text"), model(*said), user(*answers))
    reply = await fetch(google, INTERNAL, envelope(history))
    assert reply.status == (200 if how == "as it was" else 400)
