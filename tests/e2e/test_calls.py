"""Calls that nobody can run, through the whole path: the language server's own retry heals them, or they are told."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.e2e.support import SURFACES, Said, ask
from tests.reality.playing import Result
from zerogravity.testing.simulator.google import Scenario, call, event, think
from zerogravity.testing.simulator.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

# Google's parts of a call that cannot be run, each with how it says that the answer is over
BROKEN: dict[str, dict[str, Any]] = {
    "no name": {"functionCall": {"args": {"city": "Rome"}}},
    "an empty name": {"functionCall": {"name": "", "args": {"city": "Rome"}}},
    "a list": {"functionCall": {"name": "get_weather", "args": ["Rome"]}},
    "cut JSON": {"functionCall": {"name": "get_weather", "args": '{"city": "Ro'}},
}


def called(said: Said) -> list[tuple[str, str]]:
    """(name, arguments as text) of every call that the client was given."""
    result = Result(said.surface, said.status, {}, "", [], 0.0, said.body, said.events)
    return [(name, arguments) for name, arguments, _ in result.calls]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("surface", SURFACES)
async def test_the_language_server_s_retry_heals_a_broken_call(
    stack: Stack, http: aiohttp.ClientSession, surface: str, kind: str, stream
) -> None:
    word = f"{surface}-{stream}-{kind.replace(' ', '-')}"
    good = Scenario([*think("Hm."), (0, event(call("get_weather", {"city": "Oslo"}), finish="STOP"))])
    stack.google.script(Scenario([*think("Hm."), (0, event(BROKEN[kind], finish="STOP"))]), match=word)
    stack.google.script(good, match=word)
    said = await ask(stack, http, surface, f"about {word}", stream=stream, tools=True)
    assert said.status == 200, said.body
    assert said.error is None
    ((name, arguments),) = called(said)
    assert name == "get_weather"
    assert "Oslo" in arguments
    assert len(stack.google.agent_requests) == 2


def unusable(*parts: dict[str, Any], finish: str = "STOP") -> Scenario:
    return Scenario([*((0, event(part)) for part in parts), (0, event(finish=finish))])


NAMELESS: dict[str, Any] = {"functionCall": {"args": {"city": "kumquat"}}}
TEXT: dict[str, Any] = {"text": "kumquat"}
OPEN: dict[str, Any] = {
    "functionCall": {"name": "get_weather", "partialArgs": [{"jsonPath": "$[0]", "stringValue": "kumquat"}]}
}
FIRST = {
    "malformed": unusable(finish="MALFORMED_FUNCTION_CALL"),
    "not a number": unusable({"functionCall": {"name": "get_weather", "args": {"city": float("nan"), "x": "kumquat"}}}),
    "pieces that do not fit": unusable(OPEN),
    "a name that is no text": unusable({"functionCall": {"name": 5, "args": {"city": "kumquat"}}}),
    "then a call": unusable(NAMELESS, call("get_weather", {"city": "kumquat"})),
    "then text": unusable(NAMELESS, TEXT),
    "then thinking": unusable(NAMELESS, {**TEXT, "thought": True}),
    "then a picture": unusable(NAMELESS, {"inlineData": {"mimeType": "image/kumquat", "data": "eQ=="}}),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("first", [*FIRST, "sim:malformed-once", "sim:nameless-once"])
@pytest.mark.parametrize("surface", SURFACES)
async def test_nothing_of_the_broken_answer_is_seen(
    stack: Stack, http: aiohttp.ClientSession, surface: str, first: str, stream
) -> None:
    prompt = f"what is the weather? {surface} {stream} {first.replace(' ', '-')}"
    if first in FIRST:
        stack.google.script(FIRST[first], match=prompt)
    said = await ask(stack, http, surface, prompt, stream=stream, tools=True)
    assert (said.status, said.error, said.text) == (200, None, "")
    assert [name for name, _ in called(said)] == ["get_weather"]
    assert not any(word in said.raw for word in (b"kumquat", b"MALFORMED", b"Malformed"))
    one, other = [received.request["contents"] for received in stack.google.agent_requests]
    assert one == other


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("surface", SURFACES)
async def test_what_stays_broken_is_a_failure(stack: Stack, http: aiohttp.ClientSession, surface: str, stream) -> None:
    word = f"never-{surface}-{stream}"
    stack.google.script(Scenario([(0, event(BROKEN["no name"], finish="STOP"))]), match=word, times=2)
    said = await ask(stack, http, surface, f"about {word}", stream=stream, tools=True)
    assert called(said) == []
    assert len(stack.google.agent_requests) == 2
    if surface == "gemini":  # such a client handles Google's own word for it
        (last,) = (said.events or [said.body])[-1:]
        assert last["candidates"][0]["finishReason"] == "MALFORMED_FUNCTION_CALL"
    else:
        assert said.status == 502
        kind, word = ("type", "api_error") if surface == "messages" else ("code", "malformed_function_call")
        assert said.body["error"][kind] == word
