"""What the JSON codec says of members that do not fit."""

from __future__ import annotations

import pytest

from tests.testing.simulator.google.bodies import (
    PICTURE,
    UNKNOWN,
    Json,
    call,
    model,
    refused,
    request,
    result,
    schema,
    thinking,
    user,
)

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
