"""The whole path with the official SDKs as clients: front server, LS stand-in, real mitmdump, Google stand-in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
import pytest_asyncio
from google import genai
from google.genai import types

from tests.e2e.support import MODEL, SURFACES, ask
from zerogravity.testing.simulator.language_server import LsOptions
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["reverse", "proxy"])
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Stack]:
    async with Stack(StackOptions(mode=request.param, ls=LsOptions())) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def client(stack: Stack) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="any", max_retries=0) as made:
        yield made


@pytest.fixture
def gemini(stack: Stack) -> genai.Client:
    return genai.Client(api_key="any", http_options=types.HttpOptions(base_url=stack.url))


async def test_responses_text_and_thinking_stream(stack: Stack, client: openai.AsyncOpenAI) -> None:
    kinds: list[str] = []
    async with client.responses.stream(
        model=MODEL, input="Why is the sky blue?", reasoning={"summary": "auto"}
    ) as stream:
        async for event in stream:
            kinds.append(event.type)
        final = await stream.get_final_response()
    assert final.status == "completed"
    assert final.output_text
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.reasoning_summary_text.delta" in kinds
    assert final.usage is not None
    assert final.usage.output_tokens_details.reasoning_tokens > 0


async def test_responses_tool_round_returns_the_signature(stack: Stack, client: openai.AsyncOpenAI) -> None:
    tools = [{"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}]
    first = await client.responses.create(model=MODEL, input="What is the weather in Rome? Use the tool.", tools=tools)
    call = next(item for item in first.output if item.type == "function_call")
    assert json.loads(call.arguments)["city"]
    history = [
        {"role": "user", "content": "What is the weather in Rome? Use the tool."},
        {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
        {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees and sunny"},
    ]
    second = await client.responses.create(model=MODEL, input=history, tools=tools)
    assert "18 degrees" in second.output_text
    assert stack.google is not None
    sent = stack.google.requests[-1].body["request"]["contents"]
    call_part = next(part for content in sent for part in content["parts"] if "functionCall" in part)
    assert call_part["thoughtSignature"]
    assert call_part["thoughtSignature"] != "skip_thought_signature_validator"


@pytest.mark.parametrize("memory", ["of calls", "of responses"])
async def test_what_google_searched_before_a_call_goes_back(
    stack: Stack, client: openai.AsyncOpenAI, memory: str
) -> None:
    """The stand-in refuses the second request when a part of the search is missing."""
    asked = [{"role": "user", "content": "sim:search-tool what is the weather"}]
    tools = [{"type": "function", "name": "get_weather", "parameters": WEATHER}, {"type": "web_search"}]
    first = await client.responses.create(model=MODEL, input=asked, tools=tools)
    call = next(item for item in first.output if item.type == "function_call").model_dump(exclude_none=True)
    answer = {"type": "function_call_output", "call_id": call["call_id"], "output": "18 degrees"}
    if memory == "of calls":
        given = {"input": [*asked, call, answer]}
    else:
        given = {"input": [answer], "previous_response_id": first.id}
    second = await client.responses.create(model=MODEL, tools=tools, **given)
    assert "18 degrees" in second.output_text
    assert stack.google is not None
    sent = stack.google.requests[-1].body["request"]["contents"]
    (step,) = (content for content in sent if any("functionCall" in part for part in content["parts"]))
    assert [next(iter(part)) for part in step["parts"]] == ["toolCall", "toolResponse", "functionCall"]


async def test_previous_response_id_continues(client: openai.AsyncOpenAI) -> None:
    first = await client.responses.create(model=MODEL, input="Remember the word kumquat.")
    second = await client.responses.create(model=MODEL, input="sim:echo", previous_response_id=first.id)
    assert "kumquat" in second.output_text


async def test_chat_stream_and_tools(client: openai.AsyncOpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}]
    messages = [{"role": "user", "content": "What is the weather in Rome? Use the tool."}]
    async with client.chat.completions.stream(model=MODEL, messages=messages, tools=tools) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
    choice = final.choices[0]
    assert choice.finish_reason == "tool_calls"
    call = choice.message.tool_calls[0]
    messages += [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [call.model_dump(include={"id": True, "type": True, "function": {"name", "arguments"}})],
        },
        {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"},
    ]
    answer = await client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
    assert answer.choices[0].finish_reason == "stop"
    assert "18 degrees" in (answer.choices[0].message.content or "")


async def test_chat_returns_what_google_searched_before_a_call(client: openai.AsyncOpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}]
    messages = [{"role": "user", "content": "sim:search-tool what is the weather"}]
    more = {"model": MODEL, "tools": tools, "extra_body": {"web_search_options": {}}}
    first = await client.chat.completions.create(messages=messages, **more)
    (call,) = first.choices[0].message.tool_calls
    bare = call.model_dump(include={"id": True, "type": True, "function": {"name", "arguments"}})
    messages += [
        {"role": "assistant", "content": None, "tool_calls": [bare]},
        {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"},
    ]
    answer = await client.chat.completions.create(messages=messages, **more)
    assert "18 degrees" in (answer.choices[0].message.content or "")


async def test_gemini_stream_chunks_and_functions(gemini: genai.Client) -> None:
    texts: list[str] = []
    async for chunk in await gemini.aio.models.generate_content_stream(model=MODEL, contents="Tell me about bees"):
        texts.append(chunk.text or "")
    assert "".join(texts)

    def get_weather(city: str) -> str:
        """Weather of a city."""
        return f"sunny in {city}"

    answer = await gemini.aio.models.generate_content(
        model=MODEL,
        contents="What is the weather in Rome? Use the get_weather tool.",
        config=types.GenerateContentConfig(tools=[get_weather]),
    )
    assert "sunny in" in (answer.text or "")


@pytest.mark.parametrize("surface", SURFACES)
async def test_h37_every_stream_passes_its_grammar(stack: Stack, http: aiohttp.ClientSession, surface: str) -> None:
    said = await ask(stack, http, surface, "sim:think")
    assert said.status == 200
    assert said.headers["x-request-id"]


async def test_h15_fifty_turns_at_once_each_get_their_own(stack: Stack, http: aiohttp.ClientSession) -> None:

    async def one(number: int) -> None:
        word, surface = f"kumquat{number:03d}", SURFACES[number % len(SURFACES)]
        said = await ask(stack, http, surface, f"sim:echo sim:split 7 {word}", stream=bool(number % 2))
        assert said.text.count(word) >= 1
        assert sum(f"kumquat{other:03d}" in said.text for other in range(50)) == 1

    await asyncio.gather(*(one(number) for number in range(50)))


async def test_tokens_are_counted_by_google_with_a_bearer_of_the_users_own(stack: Stack) -> None:
    path, hello = f"/v1beta/models/{MODEL}:countTokens", {"contents": [{"parts": [{"text": "How long is this?"}]}]}
    assert stack.google is not None
    async with aiohttp.ClientSession(stack.url) as http:

        async def count(body: dict[str, Any]) -> tuple[int, bool]:
            async with http.post(path, json=body) as answer:
                return (await answer.json())["totalTokens"], "x-zerogravity-tokens" in answer.headers

        estimated = await count(hello)
        assert estimated[1], "without a bearer it is an estimate, and says so"
        await http.post("/v1/token", json={"token": "ya29.of-my-own"})
        try:
            told = await count(hello)
            assert told[0] > 0
            assert not told[1]
            asked = [call for call in stack.google.requests if call.kind == "count"]
            assert [call.headers["authorization"] for call in asked] == ["Bearer ya29.of-my-own"]
            assert (await count({"generateContentRequest": {**hello, "tools": [{"googleSearch": {}}]}}))[1]
        finally:
            await http.post("/v1/token", json={"token": None})
