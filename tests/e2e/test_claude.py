"""Claude through the whole path: the Google stand-in refuses what Anthropic refuses, and no client gets to see that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.support import quick, ready
from zerogravity.testing.simulator.google import Scenario, event, stop
from zerogravity.testing.simulator.google.default_answers import claude_thoughts
from zerogravity.testing.simulator.language_server.google_requests import STOP_SEQUENCES, agent_body
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

Json = dict[str, Any]
MODEL = "claude-opus-4-6-thinking"
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ASKED = "What is the weather in Rome and Oslo?"
OFF = {"includeThoughts": False, "thinkingBudget": 0}


class Client:
    """An agent with one tool on one surface; ``keeps``: what of an answer it sends back."""

    def __init__(self, stack: Stack, http: aiohttp.ClientSession, keeps: str) -> None:
        self.surface, _, self.keeps = keeps.partition(": ")
        self.stack, self.http = stack, http
        self.history: list[Json] = []
        self.notes = ""
        self.previous: str | None = None

    async def post(self, path: str, body: Json) -> Json:
        async with self.http.post(self.stack.url + path, json=body) as answer:
            said = await answer.json()
            assert answer.status == 200, said
            self.notes = answer.headers.get("x-zerogravity-notes", "")
            return said

    async def say(self, text: str, **more: Any) -> int:
        self.history.append(
            {"role": "user", "parts": [{"text": text}]}
            if self.surface == "gemini"
            else {"role": "user", "content": text}
        )
        return await self.go_on(**more)

    async def go_on(self, **more: Any) -> int:
        """One request. Calls are answered in the history; returns how many there were."""
        return await {"chat": self.chat, "responses": self.responses, "gemini": self.gemini}[self.surface](more)

    async def chat(self, more: Json) -> int:
        tool = {"type": "function", "function": {"name": "get_weather", "parameters": TOOL}}
        body = {"model": MODEL, "messages": self.history, "tools": [tool], **more}
        message = (await self.post("/v1/chat/completions", body))["choices"][0]["message"]
        calls = message.get("tool_calls") or []
        kept = [{name: call[name] for name in ("id", "type", "function")} for call in calls]
        self.history.append(message if self.keeps == "all" else {"role": "assistant", "tool_calls": kept})
        self.history += [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in calls]
        return len(calls)

    async def responses(self, more: Json) -> int:
        tool = {"type": "function", "name": "get_weather", "parameters": TOOL}
        body = {"model": MODEL, "input": self.history, "tools": [tool], "store": False, **more}
        if self.keeps == "include":
            body["include"] = ["reasoning.encrypted_content"]
        if self.keeps == "previous":
            body |= {"store": True, "previous_response_id": self.previous}
        answer = await self.post("/v1/responses", body)
        self.previous = answer["id"]
        calls = [item for item in answer["output"] if item["type"] == "function_call"]
        if self.keeps == "previous":
            self.history = []
        else:
            self.history += calls if self.keeps == "calls" else answer["output"]
        results = [{"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"} for call in calls]
        self.history += results
        return len(calls)

    async def gemini(self, more: Json) -> int:
        tool = {"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": TOOL}]}
        config = {"thinkingConfig": {"includeThoughts": True}}
        body = {"contents": self.history, "tools": [tool], "generationConfig": config, **more}
        answer = await self.post(f"/v1beta/models/{MODEL}:generateContent", body)
        content = answer["candidates"][0]["content"]
        if self.keeps == "calls":
            content = {**content, "parts": [part for part in content["parts"] if "functionCall" in part]}
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        results = [
            {"functionResponse": {"id": call["id"], "name": call["name"], "response": {"output": "sunny"}}}
            for call in calls
        ]
        self.history += [content, {"role": "user", "parts": results}]
        return len(calls)

    @property
    def sent(self) -> Json:
        """What reached Google last."""
        return self.stack.google.agent_requests[-1].request

    @property
    def steps(self) -> list[list[str]]:
        """Of each content of the model's, what its parts are."""
        return [
            ["thought" if part.get("thought") else next(iter(part)) for part in content["parts"]]
            for content in self.sent["contents"]
            if content["role"] == "model"
        ]


WAYS = (
    "chat: all", "chat: calls", "responses: all", "responses: calls", "responses: include", "responses: previous",
    "gemini: all", "gemini: calls",
)  # fmt: skip


def one_more(stack: Stack) -> None:
    """The next answer thinks and calls again, whatever is there already."""
    part = {"functionCall": {"name": "get_weather", "args": {"city": "Lima"}, "id": "toolu_vrtx_more"}}
    stack.google.script(lambda ask: Scenario([*claude_thoughts(ask, ["And Lima."]), (0, event(part)), *stop(None)]))


@pytest.mark.parametrize("keeps", WAYS)
async def test_thoughts_come_back_before_their_calls_in_every_step(stack: Stack, http: Any, keeps: str) -> None:
    client = Client(stack, http, keeps)
    assert await client.say(ASKED) == 2
    one_more(stack)
    assert await client.go_on() == 1
    assert client.steps == [["thought", "functionCall", "functionCall"]]
    assert await client.go_on() == 0
    assert client.steps == [["thought", "functionCall", "functionCall"], ["thought", "functionCall"]]
    assert client.sent["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 1024
    assert client.notes == ""


async def test_after_a_restart_it_comes_back_with_the_client_or_nothing_is_thought(http: Any, tmp_path: Path) -> None:
    settings = {"store": str(tmp_path / "responses.sqlite")}
    async with Stack(StackOptions(ls=quick(), settings=settings)) as stack:
        clients = {keeps: Client(stack, http, keeps) for keeps in WAYS}
        for keeps, client in clients.items():
            assert await client.say(ASKED) == 2, keeps
        await stack.kill()
        await stack.start_again()
        await ready(http, stack.url)
        for keeps, client in clients.items():
            assert await client.go_on() == 0, keeps
            if keeps in ("responses: include", "responses: previous", "gemini: all"):
                assert (client.steps, client.notes) == ([["thought", "functionCall", "functionCall"]], ""), keeps
            else:
                assert client.steps == [["functionCall", "functionCall"]], keeps
                assert client.sent["generationConfig"]["thinkingConfig"] == OFF, keeps
                assert "thinking switched off for this request: the thoughts before" in client.notes, keeps


@pytest.mark.parametrize("keeps", ["chat: all", "responses: include", "responses: previous", "gemini: all"])
async def test_a_history_of_gemini_goes_to_claude_without_its_signatures(stack: Stack, http: Any, keeps: str) -> None:
    client = Client(stack, http, keeps)
    other: Json = {"model": "gemini-3-flash"}
    if keeps.startswith("gemini"):
        client.post = through(client, "gemini-3-flash")  # type: ignore[method-assign]
        other = {}
    assert await client.say(ASKED, **other) == 2
    client.__dict__.pop("post", None)
    assert await client.go_on() == 0
    assert client.steps == [["functionCall", "functionCall"]]
    assert client.sent["generationConfig"]["thinkingConfig"] == OFF


def through(client: Client, model: str) -> Callable[[str, Json], Any]:
    return lambda path, body: Client.post(client, path.replace(MODEL, model), body)


LIMITS: dict[str, Callable[[int], Json]] = {
    "chat": lambda limit: {"max_tokens": limit},
    "responses": lambda limit: {"max_output_tokens": limit},
    "gemini": lambda limit: {"generationConfig": {"maxOutputTokens": limit}},
}


@pytest.mark.parametrize("surface", LIMITS)
@pytest.mark.parametrize(("limit", "sent", "budget"), [(128000, 64000, 1024), (1025, 1025, 1024), (1024, 1024, 0)])
async def test_any_limit(stack: Stack, http: Any, surface: str, limit: int, sent: int, budget: int) -> None:
    client = Client(stack, http, f"{surface}: all")
    await client.say("Hello.", **LIMITS[surface](limit))
    config = client.sent["generationConfig"]
    assert (config["maxOutputTokens"], config["thinkingConfig"]["thinkingBudget"]) == (sent, budget)


FORCED: dict[str, Json] = {
    "chat": {"tool_choice": "required"},
    "responses": {"tool_choice": "required"},
    "gemini": {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
}


@pytest.mark.parametrize("surface", FORCED)
async def test_a_forced_call(stack: Stack, http: Any, surface: str) -> None:
    client = Client(stack, http, f"{surface}: all")
    assert await client.say("Hello.", **FORCED[surface]) == 1
    assert client.sent["generationConfig"]["thinkingConfig"] == OFF
    assert "cannot be forced" in client.notes


@pytest.mark.parametrize("surface", FORCED)
async def test_none_of_the_language_servers_own_config_stays(stack: Stack, http: Any, surface: str) -> None:
    client = Client(stack, http, f"{surface}: all")
    await client.say("Write a tokenizer that knows <|endoftext|>.", **LIMITS[surface](4000))
    cascade = next(iter(stack.ls.cascades.values()))
    left = agent_body(cascade, "MODEL_PLACEHOLDER_M26", stack.options.ls)["request"]["generationConfig"]
    assert left["stopSequences"] == STOP_SEQUENCES
    assert {"temperature", "topP", "topK", "candidateCount"} <= left.keys()
    assert client.sent["generationConfig"].keys() == {"maxOutputTokens", "thinkingConfig"}
