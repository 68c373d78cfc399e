"""The members of a request, and what Claude Code really sends."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cases import claude_code_requests, needed
from tests.golden.cases import sent
from tests.judging import complaint
from tests.surfaces.messages.support import HELLO, assistant, context, image, parse, refused, result, text, use, user
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError
from zerogravity.surfaces.messages import request, surface
from zerogravity.surfaces.messages.details import MessagesDetails
from zerogravity.surfaces.messages.request import PARAMETERS

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
FORM = {"type": "json_schema", "schema": SCHEMA}
FUNCTION = {"name": "f", "input_schema": SCHEMA}


def config(**body: Any) -> dict[str, Any]:
    made: dict[str, Any] = dict(parse(**body).google_request["generationConfig"])
    made.pop("thinkingConfig")
    return made


def test_the_docstring_says_what_becomes_of_each() -> None:
    told: dict[str, set[str]] = {}
    for line in (request.__doc__ or "").splitlines():
        if line.startswith("| "):
            _, kind, names = line.split("|")
            kind = kind.strip() or [*told][-1]
            told.setdefault(kind, set()).update(re.findall(r"\w+", names))
    made: dict[str, set[str]] = {"served": set(), "accepted": set(), "refused": set()}
    for row in PARAMETERS:
        kind = "accepted" if row.accepted else "refused" if row.refused else "served"
        made[kind].add(row.name.rpartition(".")[2])
    assert told == made


def test_the_turn() -> None:
    turn = parse(stream=True, max_tokens=1000)
    assert (turn.surface, turn.model, turn.stream, turn.owner) == ("messages", "gemini-3-flash", True, "someone")
    assert turn.google_request["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]
    assert turn.stops == ()
    assert not turn.at_once
    assert turn.notes == ()


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ({"max_tokens": 100}, {"maxOutputTokens": 100}),
        ({"max_tokens": 100.0}, {"maxOutputTokens": 100}),
        ({"max_tokens": 128_000}, {"maxOutputTokens": 65_536}),
        ({"max_tokens": 128_000, "model": "claude-sonnet-4-6"}, {"maxOutputTokens": 64_000}),
        ({"max_tokens": 9, "temperature": 0, "top_p": 0, "top_k": 3},
         {"maxOutputTokens": 9, "temperature": 0, "topP": 0, "topK": 3}),
        ({"max_tokens": 9, "stop_sequences": ["END"]}, {"maxOutputTokens": 9}),  # ours to watch
        ({"max_tokens": 9, "output_config": {"format": FORM}},
         {"maxOutputTokens": 9, "responseMimeType": "application/json"}),
        ({"max_tokens": 9, "output_format": FORM}, {"maxOutputTokens": 9, "responseMimeType": "application/json"}),
    ],
)  # fmt: skip
def test_generation_config(body: dict[str, Any], made: dict[str, Any]) -> None:
    found = config(**body)
    assert (found.pop("responseSchema", None) is not None) == ("responseMimeType" in made)
    assert found == made


def test_the_new_name_of_a_form_comes_first() -> None:
    other = {"type": "json_schema", "schema": {"type": "object", "properties": {"old": {"type": "string"}}}}
    found = config(output_config={"format": FORM}, output_format=other)
    assert list(found["responseSchema"]["properties"]) == ["title"]


def test_no_token_at_all() -> None:
    turn = parse(max_tokens=0)
    assert turn.at_once
    assert "maxOutputTokens" not in turn.google_request["generationConfig"]


def test_stop_sequences() -> None:
    turn = parse(stop_sequences=["a", "b", "c", "d", "e", "f"])
    assert turn.stops == ("a", "b", "c", "d", "e", "f")
    assert "stopSequences" not in turn.google_request["generationConfig"]


# -- the table -------------------------------------------------------------------------------------------------------

NULLS = {row.name: None for row in PARAMETERS if "." not in row.name} | {"betas": None, "new_in_2027": None}
REQUIRED = ("model", "messages", "max_tokens")
CACHED = {"type": "ephemeral", "ttl": "1h"}
ACCEPTED: dict[str, Any] = {
    "cache_control": CACHED,
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "metadata": {"user_id": '{"device_id":"0"}'},
    "service_tier": "auto", "speed": "fast", "inference_geo": "eu", "diagnostics": {}, "user_profile_id": "u",
    "workspace_id": "w", "fallbacks": [], "billing_policy": "x", "safeguards": [{"type": "dangerous_tool_use"}],
    "mcp_servers": [],
}  # fmt: skip


def same(turn: Turn) -> bool:
    return turn.google_request == parse().google_request and turn.notes == ()


@pytest.mark.parametrize("name", [name for name in NULLS if name not in REQUIRED])
def test_null_is_not_set(name: str) -> None:
    assert same(parse(**{name: None}))


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_accepted_changes_nothing(name: str) -> None:
    assert same(parse(**{name: ACCEPTED[name]}))


def test_what_the_table_does_not_have_is_taken_and_noted() -> None:
    turn = parse(new_in_2027={"x": 1})
    assert turn.google_request == parse().google_request
    assert turn.notes == ("new_in_2027: ignored, it has no effect here",)


def test_so_is_what_output_config_does_not_have() -> None:
    turn = parse(output_config={"effort": "high", "task_budget": {"type": "tokens", "total": 9}})
    assert turn.google_request == parse(output_config={"effort": "high"}).google_request
    assert turn.notes == ("output_config.task_budget: ignored, it has no effect here",)


@pytest.mark.parametrize("name", ["system", "tools", "messages"])
def test_cache_control_is_taken_anywhere(name: str) -> None:
    body: dict[str, Any] = {
        "system": [text("be kind", cache_control=CACHED)],
        "tools": [{"name": "f", "input_schema": SCHEMA, "cache_control": CACHED}],
        "messages": [user({**image(), "cache_control": CACHED}), assistant({**use(), "cache_control": CACHED}),
                     user(result(cache_control=CACHED, content=[text("a", cache_control=CACHED)]))],
    }  # fmt: skip
    assert "ephemeral" not in str(parse(**{name: body[name]}).google_request)


SPOILT: list[tuple[dict[str, Any], str, str]] = [
    ({"model": None}, "model", "missing_required_parameter"),
    ({"model": 5}, "model", "invalid_type"),
    ({"messages": None}, "messages", "missing_required_parameter"),
    ({"messages": []}, "messages", "empty_array"),
    ({"messages": "Hi"}, "messages", "invalid_type"),
    ({"max_tokens": None}, "max_tokens", "missing_required_parameter"),
    ({"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
    ({"max_tokens": "9"}, "max_tokens", "invalid_type"),
    ({"max_tokens": 2**31}, "max_tokens", "integer_above_max_value"),
    ({"system": 5}, "system", "invalid_type"),
    ({"system": [{"type": "text"}]}, "system[0].text", "missing_required_parameter"),
    ({"stream": "yes"}, "stream", "invalid_type"),
    ({"temperature": 1.5}, "temperature", "decimal_above_max_value"),
    ({"temperature": "1"}, "temperature", "invalid_type"),
    ({"top_p": -1}, "top_p", "decimal_below_min_value"),
    ({"top_k": 0}, "top_k", "integer_below_min_value"),
    ({"stop_sequences": "END"}, "stop_sequences", "invalid_type"),
    ({"stop_sequences": ["a", 5]}, "stop_sequences[1]", "invalid_type"),
    ({"stop_sequences": ["a", " \n"]}, "stop_sequences[1]", "invalid_value"),
    ({"output_config": "high"}, "output_config", "invalid_type"),
    ({"output_config": {"effort": 5}}, "output_config.effort", "invalid_type"),
    ({"output_config": {"effort": "most"}}, "output_config.effort", "invalid_value"),
    ({"output_config": {"format": "json"}}, "output_config.format", "invalid_type"),
    ({"output_config": {"format": {}}}, "output_config.format.type", "missing_required_parameter"),
    ({"output_config": {"format": {"type": "text"}}}, "output_config.format.type", "invalid_value"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema",
     "missing_required_parameter"),
    ({"output_format": {"type": "json_schema", "schema": 5}}, "output_format.schema", "invalid_type"),
    ({"metadata": "me"}, "metadata", "invalid_type"),
    ({"metadata": {"user_id": 5}}, "metadata.user_id", "invalid_type"),
    ({"cache_control": True}, "cache_control", "invalid_type"),
    ({"context_management": []}, "context_management", "invalid_type"),
    ({"service_tier": 5}, "service_tier", "invalid_type"),
    ({"container": "c_1"}, "container", "unsupported_parameter"),
    ({"container": {}}, "container", "unsupported_parameter"),
    ({"mcp_servers": [{"type": "url"}]}, "mcp_servers", "unsupported_parameter"),
    ({"mcp_servers": "x"}, "mcp_servers", "invalid_type"),
    ({"thread": "t"}, "thread", "unsupported_parameter"),
    ({"compaction": {}}, "compaction", "unsupported_parameter"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param", "code"), SPOILT, ids=[str(row[0]) for row in SPOILT])
def test_a_spoilt_member_is_refused_by_name(body: dict[str, Any], param: str, code: str) -> None:
    fault = refused(**body)
    assert (fault.param, fault.code) == (param, code)


def test_every_row_is_printed() -> None:
    rows = {name: outcome for name, _, outcome in surface.table()}
    assert rows.keys() == {row.name for row in PARAMETERS}
    assert rows["container"].startswith("refused: ")
    assert rows["safeguards"] == "no effect; validated"
    assert rows["temperature"] == "generationConfig.temperature"


def test_a_form_beside_functions_where_the_family_refuses_the_pair() -> None:
    tools = [FUNCTION]
    fault = refused(model="gemini-2.5-flash", tools=tools, output_format=FORM)
    assert (fault.param, fault.code) == ("output_format", "unsupported_parameter")
    assert fault.message.endswith("unless 'tool_choice' is 'any' or 'none'.")
    turn = parse(model="gemini-2.5-flash", tools=tools, output_format=FORM, tool_choice={"type": "any"})
    assert "responseSchema" not in turn.google_request["generationConfig"]


@pytest.mark.parametrize(
    ("model", "others", "choice", "search"),
    [
        ("gemini-3-flash", [], None, "alone"),
        ("gemini-3-flash", [FUNCTION], None, "beside"),
        ("gemini-3-flash", [FUNCTION], {"type": "tool", "name": "web_search"}, "alone"),
        ("gemini-3-flash", [], {"type": "none"}, "none"),
        ("gemini-3-flash", [FUNCTION], {"type": "none"}, "none"),
        ("gemini-2.5-flash", [FUNCTION], None, "none"),  # this family cannot combine them
    ],
)
def test_the_answer_is_shaped_by_the_search_that_google_is_asked_for(
    model: str, others: list[dict[str, Any]], choice: dict[str, Any] | None, search: str
) -> None:
    tools = [{"type": "web_search_20250305", "name": "web_search"}, *others]
    assert parse(model=model, tools=tools, tool_choice=choice).details_as(MessagesDetails).search == search


def test_an_unknown_model() -> None:
    with pytest.raises(FaultError) as caught:
        parse(model="claude-of-tomorrow")
    assert (caught.value.fault.status, caught.value.fault.param) == (404, "model")


# -- the estimate ----------------------------------------------------------------------------------------------------


def estimate(**body: Any) -> int:
    return parse(**body).details_as(MessagesDetails).input_tokens


@pytest.mark.parametrize(
    "more",
    [
        {"system": "be brief"}, {"tools": [{"name": "f", "input_schema": SCHEMA}]}, {"output_format": FORM},
        {"messages": [user(text("Hello"), image())]},
        {"messages": [*HELLO, assistant(use()), user(result(content="x" * 100))]},
    ],
)  # fmt: skip
def test_everything_that_is_sent_counts(more: dict[str, Any]) -> None:
    """wire-anthropic 7.9, 7.11."""
    assert estimate(**more) > estimate() > 0


def test_what_is_not_sent_does_not_count() -> None:
    assert estimate(system=[text("x-anthropic-billing-header: " + "x" * 1000)]) == estimate()


# -- Claude Code -----------------------------------------------------------------------------------------------------

MODELS = ("gemini-3-flash", "gemini-3.1-pro", "gemini-2.5-pro", "claude-sonnet-4-6")
CAPTURES = [pytest.param(body, id=f"{name}-{number}") for name, number, body in claude_code_requests()]


@needed
@pytest.mark.parametrize("body", CAPTURES)
def test_what_claude_code_sends_is_what_google_takes(body: dict[str, Any]) -> None:
    for model in MODELS:
        turn = surface.parse({"max_tokens": 1, **body, "model": model}, context())
        assert complaint(sent(turn)) is None
        assert turn.details_as(MessagesDetails).input_tokens > 0
        shown = str(turn.google_request)
        for word in ("x-anthropic-billing-header", "cache_control", "DeferredToolPlaceholder", "tool_reference"):
            assert word not in shown


@needed
def test_a_second_request_begins_as_the_first_did() -> None:
    """What Google has cached of a round is not paid for again."""
    bodies = [body for name, _, body in claude_code_requests() if name == "parallel-error-round"]
    first, second = (
        surface.parse({**body, "model": "gemini-3-flash"}, context()).google_request for body in bodies
    )  # fmt: skip
    assert second["contents"][: len(first["contents"])] == first["contents"]
    assert [second.get(name) for name in ("systemInstruction", "tools")] == [
        first.get(name) for name in ("systemInstruction", "tools")
    ]
