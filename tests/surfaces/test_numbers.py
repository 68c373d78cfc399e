"""The text of a number survives in every direction, on every surface (threats T14)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import expire
from tests.golden.cases import ls_body
from tests.surfaces.playing import SECRET, SURFACES, ask, context, frames, play
from zerogravity import redact
from zerogravity.capture.rewrite import rewrite
from zerogravity.capture.tap import Tap
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError
from zerogravity.server.response_writer import entry_of, stored_of
from zerogravity.store.responses import open_store
from zerogravity.surfaces import gemini
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.responses.stored import stored_at_end
from zerogravity.wire import jsonio

NUMBERS = ["1.10", "1E5", "1e400", "-0", "0.1000000000000000055", "18446744073709551617", "0.5", "7"]

CHAT = """{"model": "gemini-3-flash", "temperature": 1.10, "top_p": 0.50, "messages": [
  {"role": "user", "content": "Hi"},
  {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function",
    "function": {"name": "f", "arguments": "{\\"in args\\": %N, \\"deep\\": [{\\"x\\": %N}]}"}}]},
  {"role": "tool", "tool_call_id": "c1", "content": "{\\"in result\\": %N}"}],
 "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {
   "a": {"type": "number", "default": %B, "minimum": %B, "enum": [%N, 2.50]}}}}}]}"""
RESPONSES = """{"model": "gemini-3-flash", "temperature": 1.10, "top_p": 0.50, "input": [
  {"role": "user", "content": "Hi"},
  {"type": "function_call", "call_id": "c1", "name": "f",
   "arguments": "{\\"in args\\": %N, \\"deep\\": [{\\"x\\": %N}]}"},
  {"type": "function_call_output", "call_id": "c1", "output": "{\\"in result\\": %N}"}],
 "tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {
   "a": {"type": "number", "default": %B, "minimum": %B, "enum": [%N, 2.50]}}}}]}"""
GEMINI = """{"contents": [
  {"role": "user", "parts": [{"text": "Hi"}]},
  {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"in args": %N, "deep": [{"x": %N}]}}}]},
  {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"in result": %N}}}]}],
 "generationConfig": {"temperature": 1.10, "topP": 0.50, "seed": %N,
   "responseJsonSchema": {"minimum": %N}},
 "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "object", "properties": {
   "a": {"type": "number", "default": %N, "minimum": %N}}}}]}], "unknown": {"member": %N}}"""
REQUESTS = {"chat": CHAT, "responses": RESPONSES, "gemini": GEMINI}


class Spelled(str):
    """A number's own text, unlike any string."""

    __slots__ = ()


def spelled(data: str | bytes) -> Any:
    return json.loads(data, parse_float=Spelled, parse_int=Spelled)


def numbers(value: Any) -> Iterator[str]:
    match value:
        case Spelled():
            yield str(value)
        case dict():
            for item in value.values():
                yield from numbers(item)
        case list():
            for item in value:
                yield from numbers(item)
        case _:
            pass


def parsed(name: str, text: str, of: Context | None = None) -> Turn:
    body = jsonio.loads(text.encode())
    if name == "gemini":
        return gemini.parse_request(body, of or context(), model="gemini-3-flash", stream=True)
    return SURFACES[name].parse(body, of or context())


def to_google(turn: Turn) -> Any:
    own = jsonio.dumps(ls_body(turn)).replace(b'"maxOutputTokens":65536', b'"maxOutputTokens":6.5e4')
    return spelled(rewrite(jsonio.loads(own), turn).body)["request"]


# -- to Google -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", REQUESTS)
def test_requests(name: str, number: str) -> None:
    bound = number if number != "1e400" else "2.50"  # beyond a double there is no bound
    request = to_google(parsed(name, REQUESTS[name].replace("%N", number).replace("%B", bound)))
    _, model, user = request["contents"]
    assert model["parts"][0]["functionCall"]["args"] == {"in args": number, "deep": [{"x": number}]}
    assert user["parts"][0]["functionResponse"]["response"] == {"in result": number}
    config = request["generationConfig"]
    assert (config["temperature"], config["topP"]) == ("1.10", "0.50")
    assert config["maxOutputTokens"] == "6.5e4"  # the language server's own
    declared = request["tools"][0]["functionDeclarations"][0]["parameters"]["properties"]["a"]
    assert list(numbers(declared)) == [number if name == "gemini" else bound] * 2
    if name == "gemini":
        assert (config["seed"], request["unknown"]) == (number, {"member": number})
        assert config["responseJsonSchema"] == {"minimum": number}
    else:
        assert f"{number}, 2.50" in declared["description"]


WRONG = [
    ("chat", "temperature", "1e400"), ("chat", "temperature", "-1e400"), ("chat", "top_p", "1e400"),
    ("chat", "max_tokens", "1e400"), ("chat", "max_tokens", "1e300"), ("chat", "max_completion_tokens", "1.10"),
    ("chat", "max_tokens", "1.000000000000000000001"), ("chat", "seed", "1e400"), ("chat", "n", "1e400"),
    ("chat", "presence_penalty", "1e400"), ("chat", "stop", "1.10"), ("chat", "stream", "1.0"),
    ("responses", "temperature", "1e400"), ("responses", "max_output_tokens", "1e400"),
    ("responses", "max_output_tokens", "-0"), ("responses", "max_tool_calls", "1e400"), ("responses", "top_p", "1.10"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "param", "number"), WRONG)
def test_a_number_out_of_bounds_is_refused_by_name(name: str, param: str, number: str) -> None:
    asked = {"chat": '"messages": [{"role": "user", "content": "Hi"}]', "responses": '"input": "Hi"'}[name]
    with pytest.raises(FaultError) as caught:
        parsed(name, f'{{"model": "gemini-3-flash", {asked}, "{param}": {number}}}')
    assert (caught.value.fault.status, caught.value.fault.param) == (400, param)
    assert not re.search(r"\binf|something else", caught.value.fault.message)


@pytest.mark.parametrize(("number", "whole"), [("1e3", 1000), ("1000.0", 1000), ("1.0E+3", 1000), ("100e1", 1000)])
def test_a_whole_number_is_an_integer_however_it_is_spelled(number: str, whole: int) -> None:
    text = f'{{"model": "gemini-3-flash", "input": "Hi", "max_output_tokens": {number}}}'
    assert to_google(parsed("responses", text))["generationConfig"]["maxOutputTokens"] == str(whole)


def test_a_whole_number_is_exact() -> None:
    assert fields.integer(jsonio.loads(b'{"n": 9007199254740993.0}'), "n") == 9007199254740993


# -- from Google ---------------------------------------------------------------------------------------------------

FIRST = """{"response": {"candidates": [{"content": {"role": "model", "parts": [
  {"functionCall": {"name": "f", "args": {"a": %N, "b": [%N]}}, "thoughtSignature": "s"}, {"other": %N}]},
  "index": 0, "groundingMetadata": {"score": %N}, "avgLogprobs": %N, "logprobsResult": {"x": [%N]},
  "citationMetadata": {"sources": [{"at": %N}]}}], "unknown": {"n": %N}},
  "usageMetadata": {"promptTokenCount": 3, "odd": %N}}"""
LAST = """{"response": {"candidates": [{"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP",
  "index": 0, "citationMetadata": {"sources": [{"at": %N}]}}]}}"""


def answered(name: str, number: str) -> CascadeChannel:
    return play(ask(name), *(text.replace("%N", number).encode() for text in (FIRST, LAST)))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_gemini_stream(number: str) -> None:
    chunks = [spelled(frame.removeprefix(b"data: ")) for frame in frames("gemini", answered("gemini", number))]
    found = [one for chunk in chunks for one in numbers(chunk) if one not in ("0", "3")]
    assert found == [number] * 10


@pytest.mark.parametrize("number", NUMBERS)
def test_a_whole_gemini_answer(number: str) -> None:
    whole = spelled(jsonio.dumps(SURFACES["gemini"].answer(answered("gemini", number), SECRET).body))
    (candidate,) = whole["candidates"]
    assert candidate["content"]["parts"][0]["functionCall"]["args"] == {"a": number, "b": [number]}
    assert candidate["content"]["parts"][1] == {"other": number}
    assert candidate["citationMetadata"] == {"sources": [{"at": number}, {"at": number}]}
    assert (candidate["avgLogprobs"], candidate["groundingMetadata"]) == (number, {"score": number})
    assert (whole["unknown"], whole["usageMetadata"]["odd"]) == ({"n": number}, number)


@pytest.mark.parametrize("number", NUMBERS)
def test_grounding_outlives_its_records(number: str) -> None:
    channel = answered("gemini", number)
    expire(channel)
    (candidate,) = spelled(jsonio.dumps(SURFACES["gemini"].answer(channel, SECRET).body))["candidates"]
    assert candidate["groundingMetadata"] == {"score": number}
    assert candidate["content"]["parts"][0]["functionCall"]["args"] == {"a": number, "b": [number]}


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", ["chat", "responses"])
def test_arguments_on_the_openai_surfaces(name: str, number: str) -> None:
    channel = answered(name, number)
    wanted = json.dumps(f'{{"a": {number}, "b": [{number}]}}').encode()
    assert wanted in jsonio.dumps(SURFACES[name].answer(channel, SECRET).body)
    assert wanted in b"".join(frames(name, channel))


@pytest.mark.parametrize("number", NUMBERS)
def test_arguments_on_the_messages_surface(number: str) -> None:
    """As they came in the stream, as an object in the whole answer."""
    channel = answered("messages", number)
    wanted = f'{{"a": {number}, "b": [{number}]}}'
    assert json.dumps(wanted).encode() in b"".join(frames("messages", channel))
    (_, call) = spelled(jsonio.dumps(SURFACES["messages"].answer(channel, SECRET).body))["content"]
    assert call["input"] == {"a": number, "b": [number]}


@pytest.mark.parametrize("number", NUMBERS)
def test_what_the_language_server_gets(number: str) -> None:
    tap = Tap(RunningTurn(ask("chat"), lambda: 0), 0)
    out = b"".join(tap.feed(b"data: %b\r\n\r\n" % FIRST.replace("\n", "").replace("%N", number).encode()))
    shown = spelled(out.removeprefix(b"data: ").strip())
    assert [one for one in numbers(shown) if one not in ("0", "3")] == [number] * 7
    assert "functionCall" not in str(shown)


# -- kept ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["memory", "file"])
@pytest.mark.parametrize("number", NUMBERS)
async def test_a_stored_history(number: str, place: str, tmp_path: Path) -> None:
    asked = parsed("responses", RESPONSES.replace("%N", number).replace("%B", "1.10"))
    channel = play(asked, *(text.replace("%N", number).encode() for text in (FIRST, LAST)))
    store = await open_store(
        str(tmp_path / "r.db") if place == "file" else "memory", limit=9, now=lambda: float(asked.created)
    )
    try:
        made = stored_at_end(channel, SECRET)
        await store.put(entry_of(made))
        kept = stored_of(await store.get(made.id, made.owner))
    finally:
        await store.close()
    (call,) = (item for item in kept.response["output"] if item["type"] == "function_call")
    known = replace(context("turn_" + "8" * 32), stored=lambda _: kept.turn)
    output = json.dumps(f'{{"in result": {number}}}')
    text = f"""{{"model": "gemini-3-flash", "previous_response_id": "{kept.id}", "input": [
      {{"type": "function_call_output", "call_id": "{call["call_id"]}", "output": {output}}}]}}"""
    parts = [part for one in to_google(parsed("responses", text, known))["contents"] for part in one["parts"]]
    args = [part["functionCall"]["args"] for part in parts if "functionCall" in part]
    assert args == [{"in args": number, "deep": [{"x": number}]}, {"a": number, "b": [number]}]
    results = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    assert results == [{"in result": number}] * 2


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_redacted(number: str) -> None:
    data = f'{{"token": "ya29.{"x" * 40}", "a": [{number}], "b": {{"n":{number}}}}}'.encode()
    shown = redact.json_bytes(data)
    assert b"ya29" not in shown
    assert list(numbers(spelled(shown))) == [number] * 2
