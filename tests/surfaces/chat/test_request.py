"""Chat parameters → Google's request: what is served, echoed, refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.chat.support import HELLO, call, context, function, parse
from zerogravity.errors import FaultError
from zerogravity.surfaces.chat import surface

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CITY_SCHEMA = {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "propertyOrdering": ["city"],
}  # fmt: skip


def config_of(**body: Any) -> dict[str, Any]:
    return dict(parse(**body).google_request.get("generationConfig", {}))


@pytest.mark.parametrize(
    ("body", "config"),
    [
        ({}, {}),
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_completion_tokens": 6, "max_tokens": 5}, {"maxOutputTokens": 6}),
        ({"max_completion_tokens": None, "max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"stop": "END"}, {"stopSequences": ["END"]}),
        ({"stop": ["a", "b", "c", "d"]}, {"stopSequences": ["a", "b", "c", "d"]}),
        ({"stop": []}, {}),
        ({"stop": None, "seed": None, "temperature": None, "n": None, "response_format": None}, {}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": CITY}}},
         {"responseMimeType": "application/json", "responseSchema": CITY_SCHEMA}),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
         {"responseMimeType": "application/json"}),
        ({"modalities": ["text"]}, {}),
        ({"modalities": ["image", "text"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
    ],
)  # fmt: skip
def test_what_goes_into_the_generation_config(body: dict[str, Any], config: dict[str, Any]) -> None:
    assert config_of(**body) == config


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"messages": []}, "messages", "empty_array"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage", "invalid_type"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens", "invalid_type"),
        ({"max_tokens": 2**31}, "max_tokens", "integer_above_max_value"),
        ({"stop": 7}, "stop", "invalid_type"),
        ({"stop": ["a", 1]}, "stop[1]", "invalid_type"),
        ({"stop": ["a", ""]}, "stop[1]", "string_below_min_length"),
        ({"stop": list("abcde")}, "stop", "array_above_max_length"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"logit_bias": [1]}, "logit_bias", "invalid_type"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio", "unsupported_parameter"),
        ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
        ({"modalities": ["smell"]}, "modalities[0]", "invalid_value"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {}}, "response_format.type", "missing_required_parameter"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.name",
         "missing_required_parameter"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": "x"}}},
         "response_format.json_schema.schema", "invalid_type"),
        ({"prediction": "x"}, "prediction", "invalid_type"),
        ({"verbosity": "loud"}, "verbosity", "invalid_value"),
        ({"web_search_options": True}, "web_search_options", "invalid_type"),
        ({"web_search_options": {"search_context_size": "huge"}}, "web_search_options.search_context_size",
         "invalid_value"),
    ],
)  # fmt: skip
def test_what_is_refused_and_how(body: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse(**body)
    fault = caught.value.fault
    assert (fault.status, fault.param, fault.code) == (400, param, code)
    answer = surface.error(fault)
    assert answer.body["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("input", "Hi", "'messages'"), ("instructions", "Be brief.", "'system'"), ("prompt", "Hi", "'messages'"),
        ("max_output_tokens", 100, "'max_completion_tokens'"),
        ("previous_response_id", "resp_1", "/v1/responses"), ("conversation", "conv_1", "'messages'"),
        ("background", True, "/v1/responses"),
    ],
)  # fmt: skip
def test_names_of_the_responses_api_are_refused_with_the_right_one(name: str, value: Any, right: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse(**{name: value})
    fault = caught.value.fault
    assert (fault.status, fault.param, fault.code) == (400, name, "unsupported_parameter")
    assert right in fault.message
    nothing: dict[str, Any] = {name: None}
    assert parse(**nothing).notes == ()


def test_text_format_is_refused_but_other_members_of_text_are_noted() -> None:
    """Cursor sends its Responses members here, too."""
    with pytest.raises(FaultError) as caught:
        parse(text={"format": {"type": "json_object"}})
    assert (caught.value.fault.status, caught.value.fault.param) == (400, "text.format")
    assert "'response_format'" in caught.value.fault.message
    turn = parse(text={"verbosity": "low", "format": {"type": "text"}})
    assert turn.notes == ("text: ignored, it has no effect here",)


@pytest.mark.parametrize("name", ["user", "verbosity", "prediction", "store", "something_new"])
def test_what_means_nothing_upstream_is_noted(name: str) -> None:
    values: dict[str, Any] = {"verbosity": "low", "prediction": {"type": "content"}, "store": True}
    turn = parse(**{name: values.get(name, "x")})
    assert any(note.startswith(f"{name}:") for note in turn.notes)
    assert turn.google_request == parse().google_request


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({}, {"include_usage": False, "reasoning": ("reasoning_content",), "one_call": False, "service_tier": None}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"include_usage": True}),
        ({"stream": True, "stream_options": {"include_obfuscation": False}}, {"include_usage": False}),
        ({"include_reasoning": True}, {"reasoning": ("reasoning_content", "reasoning")}),
        ({"include_reasoning": False}, {"reasoning": ()}),
        ({"reasoning_effort": "none"}, {"reasoning": ()}),
        ({"parallel_tool_calls": False}, {"one_call": True, "legacy": False}),
        ({"functions": [{"name": "f"}]}, {"one_call": True, "legacy": True}),
        ({"service_tier": "flex"}, {"service_tier": "default"}),
        ({"service_tier": "fast"}, {"service_tier": "default"}),
    ],
)
def test_what_the_answers_form_depends_on(body: dict[str, Any], wanted: dict[str, Any]) -> None:
    turn = parse(**body)
    assert {name: getattr(turn.details, name) for name in wanted} == wanted


def test_the_turn_itself() -> None:
    turn = parse(model="models/gemini-3-flash", stream=True, metadata={"k": "v"})
    assert (turn.id, turn.surface, turn.model, turn.target.name) == (
        context().turn_id, "chat", "models/gemini-3-flash", "gemini-3-flash",
    )  # fmt: skip
    assert turn.stream
    assert turn.details.metadata == {"k": "v"}
    assert turn.owner == "someone"
    assert turn.created == 1_770_000_000
    assert turn.google_request == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_cached_content_of_googles_bridge() -> None:
    turn = parse(extra_body={"google": {"cached_content": "cachedContents/1"}})
    assert turn.google_request["cachedContent"] == "cachedContents/1"


def test_web_search_options_become_googles_search() -> None:
    turn = parse(web_search_options={"search_context_size": "low", "user_location": {"type": "approximate"}})
    assert turn.google_request["tools"] == [{"googleSearch": {}}]
    assert parse(messages=HELLO, web_search_options={}).google_request["tools"] == [{"googleSearch": {}}]


RETURNED = "Created At: 2026-11-29T11:18:21Z\nTool response for get_weather:\n```json\n{}\n```"


def test_a_request_of_googles_runtime() -> None:
    """It hands the signature back in ``extra_content``, and names the tool beside its result."""
    signed = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    turn = parse(
        messages=[
            {"role": "system", "content": "<System>\nPlain.\n</System>"},
            {"role": "user", "content": "<USER_REQUEST>\nweather?\n</USER_REQUEST>"},
            {"role": "assistant", "tool_calls": [call("call_1", "get_weather", '{"city":"Rome"}', **signed)]},
            {"role": "tool", "content": RETURNED, "name": "get_weather", "tool_call_id": "call_1"},
        ],
        stream=True, stream_options={"include_usage": True}, tools=[function("get_weather")], tool_choice="auto",
        max_completion_tokens=65535,
    )  # fmt: skip
    asked, called, returned = turn.google_request["contents"]
    assert asked["parts"] == [{"text": "<USER_REQUEST>\nweather?\n</USER_REQUEST>"}]
    assert called["parts"] == [
        {"functionCall": {"id": "call_1", "name": "get_weather", "args": {"city": "Rome"}}, "thoughtSignature": "c2ln"}
    ]
    assert [part["functionResponse"]["response"] for part in returned["parts"]] == [{"output": RETURNED}]
    assert turn.google_request["generationConfig"] == {"maxOutputTokens": 65535}
    assert turn.notes == ()
