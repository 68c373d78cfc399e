"""The body reaches Google as it is, in one spelling; wrong JSON types are refused in Google's form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_objects
from tests.surfaces.playing import SURFACES, parse, refused
from zerogravity.surfaces.gemini.proto_json import PART, REQUEST, normalise, snake

HI = [{"role": "user", "parts": [{"text": "hi"}]}]


def image(data: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/png", "data": data}}


def generate(**body: Any) -> dict[str, Any]:
    return dict(parse("gemini", **{"contents": HI, **body}).google_request)


EVERYTHING: dict[str, Any] = {
    "contents": [
        {"role": "user", "parts": [{"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
        {"role": "model", "parts": [
            {"text": "hm", "thought": True},
            {"functionCall": {"id": "x", "name": "f", "args": {"snake_case": {"mime_type": [1]}}},
             "thoughtSignature": "skip_thought_signature_validator"},
            {"executableCode": {"language": "PYTHON", "code": "1"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
            {"toolCall": {"id": "t", "toolType": "GOOGLE_SEARCH_WEB", "args": {"a_b": 1}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "x", "name": "f", "response": {"out_put": {"inline_data": 1}},
                                  "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}},
            {"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.com/v"},
             "videoMetadata": {"startOffset": "1s", "fps": 2}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
        ]},
    ],
    "systemInstruction": {"parts": [{"text": "be brief"}]},
    "tools": [{"functionDeclarations": [
        {"name": "f", "parameters": {"type": "OBJECT", "properties": {"any_of": {"type": "STRING"}}}},
        {"name": "g", "parametersJsonSchema": {"type": "object", "properties": {"a_b": {"any_of": []}}}},
    ]}, {"googleSearch": {}}, {"urlContext": {}}, {"codeExecution": {}}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {
        "temperature": 0, "topK": 4.0, "stopSequences": [], "candidateCount": 1, "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"items": {"type": "ARRAY", "items": {"type": "STRING"}}}},
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 0},
        "futureThing": {"deep_snake": {"x_y": 1}},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    "cachedContent": "cachedContents/1",
    "labels": {"a_b": "c"},
    "aFieldOfTomorrow": {"some_thing": [1]},
}  # fmt: skip


def test_a_body_in_one_spelling_is_not_touched() -> None:
    made = parse("gemini", **EVERYTHING)
    assert {**made.google_request, "labels": EVERYTHING["labels"]} == EVERYTHING
    assert made.notes == ("labels: the language server's own is kept",)


def test_the_clients_own_body_is_not_changed() -> None:
    body = {"contents": [{"parts": [{"inline_data": {"mime_type": "image/png", "data": "_-8"}}]}]}
    parse("gemini", **body)
    assert body == {"contents": [{"parts": [{"inline_data": {"mime_type": "image/png", "data": "_-8"}}]}]}


@pytest.mark.parametrize(
    ("given_part", "made"),
    [
        ({"inline_data": {"mime_type": "image/png", "data": "AAAA"}}, image("AAAA")),
        (image("-_8"), image("+/8=")),
        (image("-_8="), image("+/8=")),
        (image("AA\n AA"), image("AAAA")),
        ({"file_data": {"mime_type": "a/b", "file_uri": "u"}}, {"fileData": {"mimeType": "a/b", "fileUri": "u"}}),
        ({"function_call": {"name": "f", "args": {"inline_data": {"mime_type": 1}}}, "thought_signature": "a_b-c"},
         {"functionCall": {"name": "f", "args": {"inline_data": {"mime_type": 1}}}, "thoughtSignature": "a_b-c"}),
        ({"function_response": {"name": "f", "response": {"mime_type": 1}, "parts": [{"inline_data": {"data": "_w"}}]}},
         {"functionResponse": {"name": "f", "response": {"mime_type": 1},
                               "parts": [{"inlineData": {"data": "/w=="}}]}}),
        ({"code_execution_result": {"outcome": "OUTCOME_OK"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK"}}),
        ({"text": "a", "video_metadata": {"start_offset": "1"}}, {"text": "a", "videoMetadata": {"startOffset": "1"}}),
        ({"text": "a", "inlineData": None, "thought": None}, {"text": "a"}),
        ({"text": "a", "unknown_thing": {"mime_type": None}}, {"text": "a", "unknown_thing": {"mime_type": None}}),
    ],
)  # fmt: skip
def test_parts(given_part: dict[str, Any], made: dict[str, Any]) -> None:
    assert generate(contents=[{"role": "user", "parts": [given_part]}])["contents"][0]["parts"] == [made]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"system_instruction": {"parts": [{"text": "s"}]}}, {"systemInstruction": {"parts": [{"text": "s"}]}}),
        ({"systemInstruction": {"parts": {"text": "s"}}}, {"systemInstruction": {"parts": [{"text": "s"}]}}),
        ({"systemInstruction": None, "tools": None}, {}),
        ({"generation_config": {"max_output_tokens": 0, "top_p": 0.0, "thinking_config": {"include_thoughts": True}}},
         {"generationConfig": {"maxOutputTokens": 0, "topP": 0.0, "thinkingConfig": {"includeThoughts": True}}}),
        ({"generationConfig": {}}, {"generationConfig": {}}),
        ({"generationConfig": {"response_schema": {"any_of": [{"min_items": 1, "properties": {"min_items": {}}}]}}},
         {"generationConfig": {"responseSchema": {"anyOf": [{"minItems": 1, "properties": {"min_items": {}}}]}}}),
        ({"generationConfig": {"response_json_schema": {"any_of": [], "min_items": 1}}},
         {"generationConfig": {"responseJsonSchema": {"any_of": [], "min_items": 1}}}),
        ({"generationConfig": {"responseSchema": {"type": "OBJECT", "default": {"any_of": 1}, "enum": ["any_of"]}}},
         {"generationConfig": {"responseSchema": {"type": "OBJECT", "default": {"any_of": 1}, "enum": ["any_of"]}}}),
        ({"generationConfig": {"speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "K"}}}}},
         {"generationConfig": {"speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "K"}}}}}),
        ({"tools": {"function_declarations": {"name": "f", "parameters_json_schema": {"a_b": 1}}}},
         {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"a_b": 1}}]}]}),
        ({"tools": [{"google_search": {"time_range_filter": {"start_time": "x"}}}]},
         {"tools": [{"googleSearch": {"timeRangeFilter": {"startTime": "x"}}}]}),
        ({"tool_config": {"function_calling_config": {"allowed_function_names": ["a_b"]}}},
         {"toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["a_b"]}}}),
        ({"safety_settings": [{"category": "C", "threshold": "OFF"}]},
         {"safetySettings": [{"category": "C", "threshold": "OFF"}]}),
        ({"cached_content": "x"}, {"cachedContent": "x"}),
    ],
)  # fmt: skip
def test_the_rest_of_the_body(given: dict[str, Any], made: dict[str, Any]) -> None:
    assert generate(**given) == {"contents": HI, **made}


@pytest.mark.parametrize(
    ("contents", "made"),
    [
        ([{"parts": [{"text": "hi"}]}], HI),
        ([{"role": "", "parts": [{"text": "hi"}]}], HI),
        ([{"role": None, "parts": [{"text": "hi"}]}], HI),
        ({"parts": {"text": "hi"}}, HI),
        ([{"role": "model", "parts": [{"text": "hi"}]}], [{"role": "model", "parts": [{"text": "hi"}]}]),
        ([{"role": "function", "parts": [{"text": "hi"}]}], [{"role": "function", "parts": [{"text": "hi"}]}]),
    ],
)
def test_roles_and_single_objects(contents: Any, made: Any) -> None:
    assert generate(contents=contents)["contents"] == made


def one_part(value: Any) -> dict[str, Any]:
    return {"contents": [{"parts": [{"text": "a"}, value]}]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"contents": None}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": "hi"}, "contents[0]"),
        ({"contents": ["hi"]}, "contents[0]"),
        ({"contents": [{"role": "user"}]}, "contents[0].parts"),
        ({"contents": [{"role": "user", "parts": []}]}, "contents[0].parts"),
        ({"contents": [{"role": 1, "parts": [{"text": "a"}]}]}, "contents[0].role"),
        (one_part("b"), "contents[0].parts[1]"),
        (one_part({"text": 7}), "contents[0].parts[1].text"),
        (one_part({"thought": "yes"}), "contents[0].parts[1].thought"),
        (one_part({"thoughtSignature": 1}), "contents[0].parts[1].thoughtSignature"),
        (one_part({"inlineData": "x"}), "contents[0].parts[1].inlineData"),
        (one_part({"inline_data": {"data": "%%"}}), "contents[0].parts[1].inlineData.data"),
        (one_part({"inline_data": {"data": "AAAAA"}}), "contents[0].parts[1].inlineData.data"),
        (one_part({"inline_data": {"data": 1}}), "contents[0].parts[1].inlineData.data"),
        (one_part({"functionCall": {"name": 1}}), "contents[0].parts[1].functionCall.name"),
        (one_part({"functionCall": {"name": "f", "args": "{}"}}), "contents[0].parts[1].functionCall.args"),
        (one_part({"functionResponse": {"response": "ok"}}), "contents[0].parts[1].functionResponse.response"),
        (one_part({"functionResponse": {"response": [1]}}), "contents[0].parts[1].functionResponse.response"),
        (one_part({"functionResponse": {"parts": [1]}}), "contents[0].parts[1].functionResponse.parts[0]"),
        ({"systemInstruction": "be brief"}, "systemInstruction"),
        ({"generationConfig": 1}, "generationConfig"),
        ({"generationConfig": {"thinkingConfig": 1}}, "generationConfig.thinkingConfig"),
        ({"generationConfig": {"responseSchema": {"properties": [1]}}}, "generationConfig.responseSchema.properties"),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{"functionDeclarations": ["f"]}]}, "tools[0].functionDeclarations[0]"),
        ({"toolConfig": []}, "toolConfig"),
    ],
)  # fmt: skip
def test_wrong_types_are_refused_in_googles_form(body: dict[str, Any], field: str) -> None:
    answer = SURFACES["gemini"].error(refused("gemini", **{"contents": HI, **body}))
    error = answer.body["error"]
    assert (answer.status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    violations = error["details"][0]["fieldViolations"]
    assert error["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert [violation["field"] for violation in violations] == [field]


@given(json_objects, json_objects)
def test_what_is_the_clients_own_is_never_touched(args: dict[str, Any], response: dict[str, Any]) -> None:
    parts = [
        {"functionCall": {"name": "f", "args": args}},
        {"functionResponse": {"name": "f", "response": response}},
    ]
    made = generate(
        contents=[{"parts": parts}], tools=[{"functionDeclarations": [{"name": "f", "parametersJsonSchema": args}]}]
    )
    assert made["contents"][0]["parts"] == parts
    assert made["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == args


@given(st.sampled_from(sorted(PART.members) + sorted(REQUEST.members)))
def test_snake_case_is_the_inverse_of_googles_camel_case(name: str) -> None:
    head, *rest = snake(name).split("_")
    assert head + "".join(word.capitalize() for word in rest) == name


def test_normalising_twice_changes_nothing() -> None:
    once = normalise(EVERYTHING, REQUEST)
    assert normalise(once, REQUEST) == once
