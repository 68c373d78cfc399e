"""What the Google stand-in answers without a keyword: values that fit their schemas, tools that fit the prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.testing.simulator.support import INTERNAL, Stream, contents, envelope, fetch, inner
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.google.default_answers import GROUNDED


async def ask(google: GoogleSimulator, prompt: str, model: str = "gemini-3-flash", **more: Any) -> Stream:
    return (await fetch(google, INTERNAL, envelope(inner(prompt, **more), model))).stream


def declared(*names: str, **properties: Any) -> list[dict[str, Any]]:
    schema = {"type": "OBJECT", "properties": properties or {"x": {"type": "STRING"}}}
    return [{"functionDeclarations": [{"name": name, "parameters": schema} for name in names]}]


def calling(mode: str, *names: str) -> dict[str, Any]:
    return {"functionCallingConfig": {"mode": mode, **({"allowedFunctionNames": list(names)} if names else {})}}


async def test_a_prompt_that_needs_no_tool_is_answered_with_text(google: GoogleSimulator) -> None:
    stream = await ask(google, "Why is the sky blue?")
    assert "Why is the sky blue?" in stream.text
    assert stream.thoughts.startswith("**Considering**")
    assert stream.calls == []


@pytest.mark.parametrize(
    ("mode", "prompt", "names"),
    [
        (calling("AUTO"), "What is the weather in Rome?", ["get_weather"]),
        (calling("VALIDATED"), "What is the weather in Rome?", ["get_weather"]),
        (calling("NONE"), "What is the weather in Rome?", []),
        (calling("ANY"), "Hello", ["get_time"]),
        (calling("ANY", "get_weather"), "Hello", ["get_weather"]),
        (calling("AUTO"), "Please call get_time now", ["get_time"]),
    ],
)
async def test_the_mode_decides_about_calls(
    google: GoogleSimulator, mode: dict[str, Any], prompt: str, names: list[str]
) -> None:
    stream = await ask(google, prompt, tools=declared("get_time", "get_weather"), toolConfig=mode)
    assert [call["name"] for call in stream.calls] == names


@pytest.mark.parametrize(
    ("name", "properties", "args"),
    [
        ("write_file", {"path": {"type": "STRING"}, "content": {"type": "STRING"}},
         {"path": "notes.txt", "content": "good morning"}),
        ("exec_command", {"command": {"type": "ARRAY", "items": {"type": "STRING"}}},
         {"command": ["bash", "-lc", "printf '%s\\n' 'good morning' > notes.txt"]}),
    ],
)  # fmt: skip
async def test_files_are_written_with_the_tool_at_hand(
    google: GoogleSimulator, name: str, properties: Any, args: Any
) -> None:
    prompt = 'Create a file notes.txt with the text "good morning".'
    stream = await ask(google, prompt, tools=declared("read_file", name, **properties))
    assert [(call["name"], call["args"]) for call in stream.calls] == [(name, args)]


async def test_json_as_asked_for(google: GoogleSimulator) -> None:
    schema = {
        "type": "OBJECT",
        "properties": {"n": {"type": "INTEGER"}, "s": {"type": "STRING"}},
        "required": ["n", "s"],
    }
    config = {"responseMimeType": "application/json", "responseSchema": schema}
    stream = await ask(google, "Numbers, please", tools=[], generationConfig=config)
    assert set(json.loads(stream.text)) == {"n", "s"}
    config = {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["yes", "no"]}}
    assert (await ask(google, "Is it?", tools=[], generationConfig=config)).text == "yes"


MAP = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"responseSchema": {"type": "OBJECT"}}, {}),
        ({"responseSchema": {"type": "OBJECT", "properties": {"m": {"type": "OBJECT", "description": "m: {}"}}}},
         {"m": {}}),
        ({"responseJsonSchema": {"type": "object"}}, {}),
        ({"responseJsonSchema": {"type": "object", "additionalProperties": False}}, {}),
        ({"responseJsonSchema": {"type": "object", "additionalProperties": True}}, {"key": "value"}),
        ({"responseJsonSchema": MAP}, {"key": [1, 1]}),
        ({"responseJsonSchema": {**MAP, "properties": {"n": {"type": "integer"}}}}, {"n": 1, "extra": [1, 1]}),
    ],
)  # fmt: skip
async def test_a_schema_is_all_that_the_decoder_can_make(google: GoogleSimulator, schema: Any, answer: Any) -> None:
    config = {"responseMimeType": "application/json", **schema}
    assert json.loads((await ask(google, "Hi", tools=[], generationConfig=config)).text) == answer


@pytest.mark.parametrize(
    ("about", "args"),
    [
        ("Sets headers.", {}),
        ("Arguments: May hold members of any name (additionalProperties: true).", {"key": "value"}),
    ],
)
async def test_arguments_that_only_descriptions_mention(google: GoogleSimulator, about: str, args: Any) -> None:
    tools = [{"functionDeclarations": [{"name": "set_headers", "description": about}]}]
    stream = await ask(google, "Please call set_headers", tools=tools)
    assert [call["args"] for call in stream.calls] == [args]


@pytest.mark.parametrize("place", ["instructions", "prompt"])
async def test_json_as_described_in_words(google: GoogleSimulator, place: str) -> None:
    instruction = 'Answer with {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]} only.'
    more = {"systemInstruction": {"parts": [{"text": instruction}]}} if place == "instructions" else {}
    prompt = instruction if place == "prompt" else "A number {please}"
    json_mode = {"responseMimeType": "application/json"}
    assert json.loads((await ask(google, prompt, tools=[], generationConfig=json_mode, **more)).text) == {"n": 1}


async def test_thoughts_only_when_asked_for(google: GoogleSimulator) -> None:
    assert (await ask(google, "hello", generationConfig={})).thoughts == ""
    assert (await ask(google, "hello", "gemini-2.0-flash", generationConfig={})).thoughts == ""
    usage = (await ask(google, "hello")).usages[-1]
    assert usage["thoughtsTokenCount"] > 0


async def test_searching_grounds_the_answer(google: GoogleSimulator) -> None:
    stream = await ask(google, "What is new?", tools=[{"googleSearch": {}}])
    assert stream.text == GROUNDED
    assert stream.inner[-1]["candidates"][0]["groundingMetadata"]["webSearchQueries"]


@pytest.mark.parametrize(("prompt", "grounded"), [("Why is the sky blue?", False), ("Search the web for bees", True)])
async def test_search_beside_functions_is_used_when_wanted(
    google: GoogleSimulator, prompt: str, grounded: bool
) -> None:
    tools = [*declared("get_time"), {"googleSearch": {}}]
    both = {"includeServerSideToolInvocations": True}
    assert ((await ask(google, prompt, tools=tools, toolConfig=both)).text == GROUNDED) == grounded


async def test_a_tool_result_is_repeated_with_search_too(google: GoogleSimulator) -> None:
    """Agents declare search in every request."""
    called = {"role": "model", "parts": [{"functionCall": {"name": "get_time", "args": {}}}]}
    answered = {"role": "user", "parts": [{"functionResponse": {"name": "get_time", "response": {"output": "noon"}}}]}
    history = [*contents("What is new?"), called, answered]
    stream = await ask(google, "", "gemini-2.5-flash", contents=history, tools=[{"googleSearch": {}}])
    assert "get_time answered: noon" in stream.text


async def test_a_tool_for_programs_gets_a_program(google: GoogleSimulator) -> None:
    tools = declared("wait", "exec", input={"type": "STRING"})
    tools[0]["functionDeclarations"][1]["description"] = "Run JavaScript code to orchestrate tool calls"
    stream = await ask(google, "Create a file notes.txt", tools=tools)
    (call,) = stream.calls
    assert call["name"] == "exec"
    assert call["args"]["input"].startswith('text(await tools.exec_command({"cmd": "printf')
