"""The tools that Chat and Responses share, on both; the text of a custom tool's call."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.surfaces.playing import OPENAI, parse, refused
from zerogravity.surfaces.openai.tools import custom_input


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input":"a"}', "a"), ('{"patch":"*** Begin Patch\\n"}', "*** Begin Patch\n"), ('{"":"a"}', "a"),
        ('{"input":""}', ""), ("{}", ""), ("", ""), ("null", ""), ('{"input":null}', ""), ('"a"', "a"),
        ('{"code":"a","timeout":5}', "a"), ('{"path":"x","input":"a"}', "a"), ('{"patch":"a","input":null}', "a"),
        ('{"input":"{\\"a\\":1}"}', '{"a":1}'),
        ('{"path":"x","patch":"a"}', '{"path":"x","patch":"a"}'), ('{"other":1}', '{"other":1}'), ("[1]", "[1]"),
        ("{", "{"), ("5", "5"), ('{"input":["a"]}', '{"input":["a"]}'), ("\ud800", "\ud800"),
    ],
)  # fmt: skip
def test_the_text_of_a_custom_tools_call(arguments: str, text: str) -> None:
    assert custom_input(arguments) == text


@given(st.text(), st.text())
def test_a_lone_text_is_a_custom_tools_input_whatever_its_name(name: str, text: str) -> None:
    assert custom_input(json.dumps({name: text})) == text


# -- on both surfaces --------------------------------------------------------------------------------------------

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
F, SEARCH = {"type": "function", "name": "f"}, {"type": "web_search"}
WITH_CITY = {"name": "f", "description": "d", "parameters": CITY}


@pytest.mark.parametrize("name", OPENAI)
@pytest.mark.parametrize(
    ("given", "made"),
    [
        ([{"type": "function", **WITH_CITY}], [{"functionDeclarations": [WITH_CITY]}]),
        ([{"type": "function", "function": {**WITH_CITY, "strict": None}}], [{"functionDeclarations": [WITH_CITY]}]),
        ([{"type": "function", "function": {"name": "f"}}], [{"functionDeclarations": [{"name": "f"}]}]),
        ([F, {"type": "function", "name": "g"}, {**F, "description": "new"}],
         [{"functionDeclarations": [{"name": "f", "description": "new"}, {"name": "g"}]}]),
        ([{"type": "custom", "name": "f"}, {**F, "description": "new"}],
         [{"functionDeclarations": [{"name": "f", "description": "new"}]}]),
        ([{"type": "web_search"}], [{"googleSearch": {}}]),
        ([{"type": "web_search_2025_08_26"}], [{"googleSearch": {}}]),
        ([{"type": "web_search_preview"}], [{"googleSearch": {}}]),
        ([{"type": "web_search_preview_2025_03_11"}], [{"googleSearch": {}}]),
    ],
)  # fmt: skip
def test_what_is_declared(name: str, given: list[Any], made: list[Any]) -> None:
    turn = parse(name, tools=given)
    assert turn.google_request["tools"] == made
    assert turn.tool_kinds == {}


@pytest.mark.parametrize("name", OPENAI)
@pytest.mark.parametrize("grammar", [{"syntax": "lark", "definition": "start: WORD"}])
@pytest.mark.parametrize("flat", [True, False])
def test_a_custom_tool_is_a_function_with_one_string(name: str, grammar: dict[str, Any], flat: bool) -> None:
    form = {"type": "grammar", **(grammar if flat else {"grammar": grammar})}
    turn = parse(name, tools=[{"type": "custom", "name": "patch", "description": "Edits files.", "format": form}])
    (entry,) = turn.google_request["tools"][0]["functionDeclarations"]
    assert entry["parameters"]["required"] == ["input"]
    assert entry["parameters"]["properties"]["input"]["type"] == "string"
    assert entry["description"].startswith("Edits files.\n")
    assert "lark grammar:\nstart: WORD" in entry["description"]
    assert turn.tool_kinds == {"patch": "custom"}


HOSTED = [
    {"type": "file_search", "vector_store_ids": ["vs_1"]}, {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "computer"},
    {"type": "computer_use_preview"}, {"type": "shell", "environment": {"type": "container_auto"}},
    {"type": "programmatic_tool_calling"}, {"type": "something_new"}, {"type": "image_generation"},
]  # fmt: skip


@pytest.mark.parametrize("name", OPENAI)
@pytest.mark.parametrize("hosted", HOSTED, ids=[tool["type"] for tool in HOSTED])
def test_a_hosted_tool_is_left_out_beside_others_and_refused_alone_or_forced(name: str, hosted: dict[str, Any]) -> None:
    kind = hosted["type"]
    for others in ([F], [SEARCH], [{"type": "custom", "name": "patch"}], [F, SEARCH]):
        turn = parse(name, tools=[hosted, *others], tool_choice="auto")
        without = parse(name, tools=others, tool_choice="auto")
        assert turn.google_request == without.google_request
        assert turn.notes == (f"tools[0]: {kind} left out: it cannot be run here", *without.notes)
    alone = refused(name, tools=[hosted])
    assert (alone.param, alone.code) == (
        "tools[0].environment" if (name, kind) == ("responses", "shell") else "tools[0].type", "invalid_value",
    )  # fmt: skip
    forced = refused(name, tools=[hosted, F], tool_choice={"type": kind})
    assert (forced.param, forced.code, kind in forced.message) == ("tool_choice", "invalid_value", True)


@pytest.mark.parametrize("name", OPENAI)
@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({}, "tools", "invalid_type"),
        (["f"], "tools[0]", "invalid_type"),
        ([{}], "tools[0].type", "missing_required_parameter"),
        ([{"name": "f"}], "tools[0].type", "missing_required_parameter"),
        ([{"type": "old"}, {"type": "new"}], "tools[0].type", "invalid_value"),
        ([{"type": "mcp"}], "tools[0].server_label", "missing_required_parameter"),
        ([{"type": "function", "function": {}}], "tools[0].function.name", "missing_required_parameter"),
        ([{"type": "function", "function": {"name": ""}}], "tools[0].function.name", "invalid_value"),
        ([{**F, "name": ""}], "tools[0].name", "invalid_value"),
        ([{**F, "parameters": []}], "tools[0].parameters", "invalid_type"),
        ([{"type": "function", "function": {"name": "f", "parameters": []}}], "tools[0].function.parameters",
         "invalid_type"),
        ([{**F, "parameters": {"type": "string"}}], "tools[0].parameters", "invalid_function_parameters"),
        ([{**F, "strict": "yes"}], "tools[0].strict", "invalid_type"),
        ([{"type": "function", "function": {"name": "f", "strict": "yes"}}], "tools[0].function.strict",
         "invalid_type"),
        ([{"type": "custom", "name": "x", "format": {"type": "xml"}}], "tools[0].format.type", "invalid_value"),
        ([{"type": "custom", "custom": {"name": "x", "format": {"type": "xml"}}}], "tools[0].custom.format.type",
         "invalid_value"),
        ([{"type": "custom", "name": "x", "format": {"type": "grammar", "syntax": "ebnf"}}], "tools[0].format.syntax",
         "invalid_value"),
    ],
)  # fmt: skip
def test_tools_that_are_refused(name: str, given: Any, param: str, code: str) -> None:
    fault = refused(name, tools=given)
    assert (fault.param, fault.code) == (param, code)


@pytest.mark.parametrize("name", OPENAI)
def test_a_renamed_function_is_chosen_and_replayed_by_its_new_name(name: str) -> None:
    call, result = {"name": "my tool", "arguments": "{}"}, {"output": "ok"}
    history: dict[str, dict[str, Any]] = {
        "chat": {"messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": call}]},
            {"role": "tool", "tool_call_id": "c", "content": "ok"}]},
        "responses": {"input": [
            {"role": "user", "content": "x"}, {"type": "function_call", "call_id": "c", **call},
            {"type": "function_call_output", "call_id": "c", **result}]},
    }  # fmt: skip
    tool = {"type": "function", "name": "my tool"}
    turn = parse(name, **history[name], tools=[tool], tool_choice=tool)
    made = turn.google_request
    (declared,) = (entry["name"] for entry in made["tools"][0]["functionDeclarations"])
    assert declared != "my tool"
    assert turn.client_name(declared) == "my tool"
    assert made["contents"][1]["parts"][0]["functionCall"]["name"] == declared
    assert made["contents"][2]["parts"][0]["functionResponse"]["name"] == declared
    assert made["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": [declared]}


@pytest.mark.parametrize("name", OPENAI)
def test_what_the_schemas_lose_is_noted(name: str) -> None:
    turn = parse(name, tools=[{**F, "parameters": {**CITY, "additionalProperties": False}}])
    assert turn.notes == ("tools: not in Google's schemas: additionalProperties (f)",)
