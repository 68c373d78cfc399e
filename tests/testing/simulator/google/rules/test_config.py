"""Tools, schemas and generationConfig without sense."""

from __future__ import annotations

import pytest

from tests.testing.simulator.google.bodies import (
    PICTURE,
    REQUEST,
    Json,
    call,
    json_schema,
    model,
    refused,
    request,
    result,
    schema,
    thinking,
    user,
)
from tests.testing.simulator.support import WEATHER
from zerogravity.testing.simulator.google.rules.config import ALLOWED, MIXED, MOST_TOKENS, SERVER_SIDE, WITHOUT
from zerogravity.testing.simulator.google.rules.contents import (
    RESOLUTION,
)

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


@pytest.mark.parametrize(("name", "body", "message"), BY_MODEL)
def test_models_differ(name: str, body: Json, message: str | None) -> None:
    error = refused(body, name)
    assert (error and error["message"]) == message


SENSE: dict[str, tuple[Json, str]] = {
    "513 functions": (
        request(tools=[{"functionDeclarations": [{"name": f"f{number}"}]} for number in range(513)]),
        "The GenerateContentRequest proto is invalid:\n"
        "  * tools[0].function_declarations: [FIELD_INVALID] At most 512 function declarations can be specified.",
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
