"""Every parameter of a Responses request: served, echoed, or refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response

from tests.strategies import TURN_ID
from tests.surfaces.responses.asking import context, function, parse, refused
from zerogravity.surfaces.base import StoredTurn
from zerogravity.surfaces.responses import surface
from zerogravity.surfaces.responses.request import Lookups, lookups
from zerogravity.surfaces.responses.response import unfinished

PRO = "gemini-3-pro"
# the members of a Response that do not depend on the answer, and what the API shows for those not asked for
DEFAULTS: dict[str, Any] = {
    "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto",
    "tools": [], "top_p": 1.0, "previous_response_id": None, "truncation": "disabled",
    "text": {"format": {"type": "text"}, "verbosity": "medium"}, "presence_penalty": 0.0, "frequency_penalty": 0.0,
    "top_logprobs": 0, "reasoning": {"effort": None, "summary": None}, "user": None, "max_output_tokens": None,
    "max_tool_calls": None, "store": True, "background": False, "service_tier": "default", "safety_identifier": None,
    "prompt_cache_key": None,
}  # fmt: skip
SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}, "required": ["b"]}
NAMED = {"type": "json_schema", "name": "n", "schema": SCHEMA}


def config(**body: Any) -> dict[str, Any]:
    return dict(parse(**body).google_request.get("generationConfig", {}))


# -- the turn ----------------------------------------------------------------------------------------------------


def test_the_smallest_request() -> None:
    turn = parse()
    assert turn.google_request == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    assert turn.details.echo == DEFAULTS
    assert (turn.id, turn.surface, turn.model, turn.owner) == (TURN_ID, "responses", "gemini-3-flash", "someone")
    assert (turn.stream, turn.store, turn.background, turn.previous_id) == (False, True, False, None)
    assert turn.notes == ()


def test_null_means_unset() -> None:
    names = set(DEFAULTS) | {
        "include", "stream", "stream_options", "conversation", "prompt", "context_management", "moderation",
        "client_metadata", "prompt_cache_retention",
    }  # fmt: skip
    assert parse(**dict.fromkeys(names)) == parse()


def test_an_alias_is_echoed_as_asked() -> None:
    turn = parse(model="gpt-5")
    assert turn.model == "gpt-5"
    assert turn.target.name == "gemini-3.1-pro"


def test_what_the_turn_holds_is_plain_json() -> None:
    turn = parse(
        tools=[function("f"), {"type": "namespace", "name": "n", "tools": [function("g")]}],
        input=[{"role": "developer", "content": "D"}, {"role": "user", "content": "x"}],
        include=["reasoning.encrypted_content"], metadata={"a": "b"},
    )  # fmt: skip
    for value in (turn.details.as_json(), turn.tool_kinds, turn.google_request):
        assert json.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": []}, "input", "empty_array"),
        ({"input": 3}, "input", "invalid_type"),
        ({"input": ["x"]}, "input[0]", "invalid_type"),
        ({"input": ""}, "input", "invalid_value"),
        ({"instructions": ["x"]}, "instructions", "invalid_type"),
        ({"context_management": [{"type": "compaction"}]}, "context_management", "unsupported_parameter"),
        ({"max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value"),
        ({"max_output_tokens": "20"}, "max_output_tokens", "invalid_type"),
        ({"max_tool_calls": 0}, "max_tool_calls", "integer_below_min_value"),
        ({"background": True, "store": False}, "background", "invalid_value"),
        ({"truncation": "some"}, "truncation", "invalid_value"),
        ({"include": ["everything"]}, "include[0]", "invalid_value"),
        ({"include": "reasoning.encrypted_content"}, "include", "invalid_type"),
        ({"include": [1]}, "include[0]", "invalid_type"),
        ({"text": {"format": {}}}, "text.format.type", "missing_required_parameter"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type", "invalid_value"),
        ({"text": {"format": {**NAMED, "name": None}}}, "text.format.name", "missing_required_parameter"),
        ({"text": {"format": {**NAMED, "schema": None}}}, "text.format.schema", "missing_required_parameter"),
        ({"text": {"format": {**NAMED, "schema": []}}}, "text.format.schema", "invalid_type"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity", "invalid_value"),
        ({"previous_response_id": "resp_gone"}, "previous_response_id", "previous_response_not_found"),
    ],
)  # fmt: skip
def test_refused_by_name(body: dict[str, Any], param: str, code: str) -> None:
    fault = refused(**body)
    assert (fault.param, fault.code, fault.retryable) == (param, code, False)
    assert surface.error(fault).body["error"]["type"] == "invalid_request_error"
    assert surface.error(fault).headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("messages", [{"role": "user", "content": "Hi"}], "'input'"),
        ("response_format", {"type": "json_object"}, "'text.format'"), ("max_tokens", 9, "'max_output_tokens'"),
        ("max_completion_tokens", 9, "'max_output_tokens'"), ("reasoning_effort", "low", "'reasoning.effort'"),
        ("functions", [{"name": "f"}], "'tools'"),
        ("function_call", "auto", "'tool_choice'"),
        ("web_search_options", {"search_context_size": "low"}, "'web_search'"),
        ("stop", ["x"], "/v1/chat/completions"), ("stop", "x", "/v1/chat/completions"), ("logprobs", True, "available"),
        ("logit_bias", {"5": 1}, "upstream"), ("n", 2, "must be 1"),
    ],
)  # fmt: skip
def test_names_of_the_chat_api_are_refused_with_the_right_one(name: str, value: Any, right: str) -> None:
    fault = refused(**{name: value})
    assert (fault.param, fault.code) == (name, "unsupported_parameter")
    assert right in fault.message


def test_chats_messages_without_input_are_told_so() -> None:
    assert refused(input=None, messages=[{"role": "user", "content": "Hi"}]).param == "messages"
    assert parse(messages=[]).google_request == parse().google_request


# -- generationConfig --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"max_output_tokens": 16}, {"maxOutputTokens": 16}),
        ({"reasoning": {"effort": "low"}}, {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": False}}),
        ({"reasoning": {"effort": "xhigh", "summary": "auto"}, "model": PRO},
         {"thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": True}}),
        ({"reasoning": {"summary": "detailed"}}, {"thinkingConfig": {"includeThoughts": True}}),
        ({"reasoning": {"generate_summary": "concise"}}, {"thinkingConfig": {"includeThoughts": True}}),
        ({"reasoning": {"summary": "none"}}, {}),
        ({"reasoning": {}}, {}),
        ({"reasoning": {"effort": "none", "summary": "auto"}, "model": "gemini-2.5-flash"},
         {"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": False}}),
        ({"text": {"format": {"type": "text"}}}, {}),
        ({"text": {"format": {"type": "json_object"}}}, {"responseMimeType": "application/json"}),
        ({"text": {"format": NAMED}},
         {"responseMimeType": "application/json", "responseSchema": {**SCHEMA, "propertyOrdering": ["b", "a"]}}),
    ],
)  # fmt: skip
def test_served(body: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert config(**body) == wanted


def test_what_is_left_out_is_noted() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    turn = parse(
        presence_penalty=1, client_metadata={"a": 1}, prompt_cache_retention="24h", surprise=True,
        include=["message.output_text.logprobs"], text={"format": {**NAMED, "schema": schema}},
    )  # fmt: skip
    assert turn.notes == (
        "presencePenalty left out: this model does not support it",
        "text: not in Google's schemas: additionalProperties (the root)",
        "client_metadata: ignored, it has no effect here",
        "prompt_cache_retention: ignored, it has no effect here",
        "surprise: ignored, it has no effect here",
        "include message.output_text.logprobs: ignored, there is nothing to include",
    )


# -- the echo ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"instructions": "Be brief."}, {"instructions": "Be brief."}),
        ({"metadata": {"k": "v"}}, {"metadata": {"k": "v"}}),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"temperature": 0, "top_p": 0.5}, {"temperature": 0, "top_p": 0.5}),
        ({"truncation": "auto"}, {"truncation": "auto"}),
        ({"presence_penalty": 1, "frequency_penalty": 1}, {}),  # this model does not know them
        ({"model": "gemini-2.5-pro", "presence_penalty": 1, "frequency_penalty": 1},
         {"presence_penalty": 1, "frequency_penalty": 1}),
        ({"max_output_tokens": 99, "max_tool_calls": 3}, {"max_output_tokens": 99, "max_tool_calls": 3}),
        ({"store": False}, {"store": False}),
        ({"background": True}, {"background": True}),
        ({"service_tier": "priority"}, {"service_tier": "default"}),
        ({"user": "u", "safety_identifier": "s", "prompt_cache_key": "p"},
         {"user": "u", "safety_identifier": "s", "prompt_cache_key": "p"}),
        ({"reasoning": {"effort": "low", "context": "all_turns"}},
         {"reasoning": {"effort": "low", "summary": None, "context": "all_turns"}}),
        ({"text": {"verbosity": "low"}}, {"text": {"format": {"type": "text"}, "verbosity": "low"}}),
        ({"text": {"format": NAMED}},
         {"text": {"format": {**NAMED, "description": None, "strict": False}, "verbosity": "medium"}}),
        ({"text": {"format": {**NAMED, "strict": True, "description": "d"}}},
         {"text": {"format": {**NAMED, "strict": True, "description": "d"}, "verbosity": "medium"}}),
    ],
)  # fmt: skip
def test_echoed(body: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert parse(**body).details.echo == {**DEFAULTS, **wanted}


def test_store_background_and_stream_reach_the_turn() -> None:
    turn = parse(background=True, stream=True, stream_options={"include_obfuscation": False})
    assert (turn.stream, turn.store, turn.background) == (True, True, True)
    assert not parse(store=False).store


def test_include_reaches_the_emitter() -> None:
    assert parse(include=["reasoning.encrypted_content"]).details.include == ("reasoning.encrypted_content",)


def test_the_sdk_knows_every_echoed_tool_and_choice() -> None:
    tools = [
        function("f"),
        {"type": "custom", "name": "x", "format": {"type": "grammar", "syntax": "lark", "definition": "s"}},
        {"type": "namespace", "name": "n", "description": "d", "tools": [function("g")]}, {"type": "web_search"},
        {"type": "tool_search", "execution": "client"}, {"type": "local_shell"},
    ]  # fmt: skip
    turn = parse(
        tools=tools, tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [function("f")]},
        text={"format": NAMED, "verbosity": "low"}, reasoning={"effort": "xhigh", "summary": "auto"},
    )  # fmt: skip
    body = unfinished(turn, "in_progress")
    known = Response.model_validate(body)
    assert [tool.type for tool in known.tools] == [tool["type"] for tool in tools]
    assert known.text is not None
    assert known.text.format is not None
    assert known.text.format.type == "json_schema"


# -- what went before --------------------------------------------------------------------------------------------

BEFORE = StoredTurn(
    ({"role": "user", "parts": [{"text": "one"}]}, {"role": "model", "parts": [{"text": "two"}]}),
    family="gemini-3-flash", system=("S",), tools=(function("g"),),
)  # fmt: skip


def test_a_turn_goes_on_where_the_stored_one_ended() -> None:
    turn = parse(
        context(stored={"resp_1": BEFORE}), previous_response_id="resp_1", instructions="I",
        input=[{"role": "system", "content": "T"}, {"role": "user", "content": "three"}],
    )  # fmt: skip
    assert turn.google_request["contents"] == [*BEFORE.contents, {"role": "user", "parts": [{"text": "three"}]}]
    assert [part["text"] for part in turn.google_request["systemInstruction"]["parts"]] == ["I", "S", "T"]
    assert turn.google_request["tools"] == [{"functionDeclarations": [{"name": "g"}]}]
    assert turn.details.system == ("S", "T")  # not the instructions: they do not carry over
    assert turn.details.tools == (function("g"),)
    assert [item["content"][0]["text"] for item in turn.details.input] == ["T", "three"]
    assert turn.previous_id == turn.details.echo["previous_response_id"] == "resp_1"


def test_a_turn_may_go_on_without_new_input() -> None:
    turn = parse(context(stored={"resp_1": BEFORE}), previous_response_id="resp_1", input=None)
    assert turn.google_request["contents"][:2] == list(BEFORE.contents)
    assert turn.google_request["contents"][-1]["role"] == "user"


def test_branches_do_not_touch_their_parent() -> None:
    parts = ({"functionCall": {"name": "f", "args": {}, "id": "u"}, "zgCallId": "c", "thoughtSignature": "s"},)
    parent = StoredTurn(({"role": "user", "parts": [{"text": "x"}]}, {"role": "model", "parts": [*parts]}),
                        family="gemini-3-flash")  # fmt: skip
    answer = [{"type": "function_call_output", "call_id": "c", "output": "r"}]
    made = [parse(context(stored={"p": parent}), previous_response_id="p", input=answer) for _ in range(2)]
    assert made[0].google_request == made[1].google_request
    assert parent.contents[1]["parts"] == [*parts]
    assert made[0].google_request["contents"][1]["parts"] == [{k: v for k, v in parts[0].items() if k != "zgCallId"}]


def test_a_stored_call_needs_its_output() -> None:
    calls = [{"functionCall": {"name": "f", "args": {}, "id": "u"}, "zgCallId": "c"}]
    parent = StoredTurn(({"role": "user", "parts": [{"text": "x"}]}, {"role": "model", "parts": calls}),
                        family="gemini-3-flash")  # fmt: skip
    fault = refused(context(stored={"p": parent}), previous_response_id="p", input="go on")
    assert (fault.param, fault.message) == ("input", "No tool output found for function call c.")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({}, Lookups(None, ())),
        ({"previous_response_id": "r", "input": "x"}, Lookups("r", ())),
        ({"input": [{"type": "item_reference", "id": "a"}, {"id": "b"}, {"type": None, "id": "c"}]},
         Lookups(None, (("input[0]", "a"), ("input[1]", "b"), ("input[2]", "c")))),
        ({"input": [{"id": "a"}, {"id": "a"}, {"role": "user", "id": "m", "content": "x"}, 3, {"id": 4}]},
         Lookups(None, (("input[0]", "a"), ("input[1]", "a")))),
        ({"previous_response_id": 3, "input": {"id": "a"}}, Lookups(None, ())),
    ],
)  # fmt: skip
def test_lookups_of_a_request(body: dict[str, Any], wanted: Lookups) -> None:
    assert lookups(body) == wanted


@pytest.mark.parametrize("model", ["gemini-3-flash", "gemini-2.5-pro", "claude-sonnet-4-6", "gpt-oss"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"temperature": None},
        {"temperature": 0, "top_p": 0.1},
        {"presence_penalty": -2, "frequency_penalty": 0.5},
        {"input": [{"role": "user", "content": "x"}, {"type": "compaction_trigger"}], "temperature": 0.3},
    ],
)
def test_the_answer_repeats_the_sampling_that_was_sent(model: str, body: dict[str, Any]) -> None:
    turn = parse(model=model, **body)
    sent, echo = turn.google_request.get("generationConfig", {}), turn.details.echo
    assert {name: echo[name] for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty")} == {
        "temperature": sent.get("temperature", 1.0), "top_p": sent.get("topP", 1.0),
        "presence_penalty": sent.get("presencePenalty", 0.0), "frequency_penalty": sent.get("frequencyPenalty", 0.0),
    }  # fmt: skip
