"""Anthropic's SDK for Python: ``anthropic.py CASE URL`` runs one case and prints what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import anthropic
from anthropic import AsyncAnthropic, beta_async_tool
from pydantic import BaseModel

NAME, URL = sys.argv[1:]
client = AsyncAnthropic(base_url=URL, api_key="any")  # with its own two retries
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
MODEL = "gemini-3-flash"
QUESTION = "What is the weather in Rome and Oslo? Use the tool."
ADAPTIVE: Any = {"type": "adaptive"}
WEATHER: Any = {
    "name": "get_weather",
    "description": "Weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
called: list[str] = []


class Place(BaseModel):
    city: str
    country: str | None
    tags: list[str]


@beta_async_tool
async def get_weather(city: str) -> str:
    """Weather of a city."""
    called.append(city)
    return f"18 degrees in {city}"


def asked(prompt: Any, **more: Any) -> Any:
    return {"model": MODEL, "max_tokens": 4096, "messages": [{"role": "user", "content": prompt}], **more}


def told(message: Any) -> dict[str, Any]:
    return {
        "id": message.id,
        "model": message.model,
        "request": getattr(message, "_request_id", None),  # not that of a stream
        "kinds": [block.type for block in message.content],
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "thinking": [block.thinking for block in message.content if block.type == "thinking"],
        "signed": [bool(block.signature) for block in message.content if block.type == "thinking"],
        "calls": [[block.name, block.input] for block in message.content if block.type == "tool_use"],
        "stop": [message.stop_reason, message.stop_sequence],
        "usage": message.usage.model_dump(exclude_none=True),
    }


async def streamed(**more: Any) -> tuple[Any, dict[str, list[str]]]:
    """A stream through the SDK's helper: what it made of it, and what it saw on the way."""
    seen: dict[str, list[str]] = {"text": [], "thinking": [], "input_json": [], "signature": []}
    async with client.messages.stream(**more) as stream:
        async for event in stream:
            match event.type:
                case "text":
                    seen["text"].append(event.text)
                case "thinking":
                    seen["thinking"].append(event.thinking)
                case "input_json":
                    seen["input_json"].append(event.partial_json)
                case "signature":
                    seen["signature"].append(event.signature)
        return await stream.get_final_message(), seen


async def accumulated(**more: Any) -> dict[str, Any]:
    message, seen = await streamed(**more)
    return {**told(message), "seen": seen}


async def create() -> Any:
    return told(await client.messages.create(**asked("Why is the sky blue?", system="Be brief.", thinking=ADAPTIVE)))


async def stream() -> Any:
    return await accumulated(**asked("sim:think", thinking=ADAPTIVE))


async def unicode() -> Any:
    return await accumulated(**asked("sim:unicode"))


async def parallel() -> Any:
    return await accumulated(**asked("sim:parallel", tools=[WEATHER], thinking=ADAPTIVE))


async def no_arguments() -> Any:
    tool = {"name": "now", "input_schema": {"type": "object", "properties": {}}}
    return await accumulated(**asked("sim:tool-noargs", tools=[tool]))


async def history(model: str = MODEL, **more: Any) -> Any:
    """Two rounds, the blocks of the first sent back as they came: what reached Google."""
    first = asked("What is the weather in Lima? Use the tool.", tools=[WEATHER], **more) | {"model": model}
    one, _ = await streamed(**first)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "18 degrees"}
        for block in one.content
        if block.type == "tool_use"
    ]
    messages = [
        *first["messages"],
        {"role": "assistant", "content": one.content},
        {"role": "user", "content": [*results, {"type": "text", "text": "sim:echo"}]},
    ]
    return {**told(await client.messages.create(**first | {"messages": messages})), "first": told(one)}


async def history_of_thoughts() -> Any:
    return await history(thinking=ADAPTIVE)


async def history_of_omitted_thoughts() -> Any:
    return await history(thinking={**ADAPTIVE, "display": "omitted"})


async def history_of_claude() -> Any:
    return await history("claude-sonnet-4-6", thinking={"type": "enabled", "budget_tokens": 2048})


async def runner() -> Any:
    run = client.beta.messages.tool_runner(**asked(QUESTION, thinking=ADAPTIVE), tools=[get_weather])
    messages = [told(message) async for message in run]
    return {"kinds": [one["kinds"] for one in messages], "text": messages[-1]["text"], "called": called}


async def runner_streamed() -> Any:
    run = client.beta.messages.tool_runner(**asked(QUESTION, thinking=ADAPTIVE), tools=[get_weather], stream=True)
    messages = []
    async for stream in run:
        messages.append(told(await stream.get_final_message()))
    return {"kinds": [one["kinds"] for one in messages], "text": messages[-1]["text"], "called": called}


async def parse() -> Any:
    message = await client.messages.parse(**asked("A place: Rome"), output_format=Place)
    assert message.parsed_output is not None
    return {"parsed": message.parsed_output.model_dump(), "stop": message.stop_reason}


async def parse_streamed() -> Any:
    async with client.messages.stream(**asked("A place: Rome"), output_format=Place) as stream:
        message = await stream.get_final_message()
    assert message.parsed_output is not None
    return {"parsed": message.parsed_output.model_dump(), "stop": message.stop_reason}


async def forced() -> Any:
    choice: Any = {"type": "tool", "name": "get_weather"}
    return told(await client.messages.create(**asked("Hello in Rome", tools=[WEATHER], tool_choice=choice)))


async def one_call() -> Any:
    choice: Any = {"type": "auto", "disable_parallel_tool_use": True}
    return told(await client.messages.create(**asked("sim:parallel", tools=[WEATHER], tool_choice=choice)))


async def stop_sequence() -> Any:
    return await accumulated(**asked("sim:text", stop_sequences=["never", "several "]))


async def max_tokens() -> Any:
    return await accumulated(**asked("sim:max-tokens"))


async def warm_up() -> Any:
    return told(await client.messages.create(**asked("sim:500") | {"max_tokens": 0}))


async def refusal() -> Any:
    return await accumulated(**asked("sim:safety"))


async def client_tools() -> Any:
    """A tool whose schema only the client and the server know."""
    tool: Any = {"type": "bash_20250124", "name": "bash"}
    return await accumulated(**asked("sim:tool", tools=[tool]))


async def search() -> Any:
    """Search results with citations, and both sent back."""
    tool: Any = {"type": "web_search_20250305", "name": "web_search"}
    one, _ = await streamed(**asked("sim:grounding", tools=[tool]))
    texts = [block for block in one.content if block.type == "text"]
    found = [block.content for block in one.content if block.type == "web_search_tool_result"]
    messages = [{"role": "assistant", "content": one.content}, {"role": "user", "content": "sim:echo"}]
    again = asked("sim:grounding", tools=[tool])
    again["messages"] += messages
    return {
        "kinds": [block.type for block in one.content],
        "found": [result.url for result in found[0]],
        "cited": [[cite.url, cite.cited_text] for block in texts for cite in block.citations or []],
        "texts": [block.text for block in texts],
        "text": told(await client.messages.create(**again))["text"],
        "usage": one.usage.model_dump(exclude_none=True),
    }


async def media() -> Any:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DOT}}
    paper = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}}
    return told(await client.messages.create(**asked([picture, paper, {"type": "text", "text": "sim:echo"}])))


async def count() -> Any:
    """Twenty-five at once, as a client shows where its context goes."""
    plain: Any = {"model": MODEL, "messages": asked("Why is the sky blue?")["messages"]}
    more = {**plain, "system": "Be brief. " * 50, "tools": [WEATHER]}
    counts = await asyncio.gather(*(client.messages.count_tokens(**(more if at else plain)) for at in range(25)))
    return [one.input_tokens for one in counts]


async def models() -> Any:
    names = [model.id async for model in client.models.list(limit=3)]
    one = await client.models.retrieve(MODEL)
    return {
        "names": names,
        "one": [one.id, one.type, one.display_name],
        "unknown": await failed(client.models.retrieve("x")),
    }


async def batches() -> Any:
    request: Any = {"custom_id": "one", "params": asked("hi")}
    return await failed(client.messages.batches.create(requests=[request]))


async def failed(call: Any) -> Any:
    """How a call fails."""
    try:
        await call
    except anthropic.APIStatusError as error:
        name, kind = type(error).__name__, (error.body or {}).get("error", {})
        return {
            "name": name,
            "status": error.status_code,
            "type": kind.get("type"),
            "message": kind.get("message"),
            "request": error.request_id,
        }


async def failing() -> Any:
    """A stream that fails on its way."""
    texts = []
    try:
        async with client.messages.stream(**asked("sim:503-mid")) as stream:
            async for text in stream.text_stream:
                texts.append(text)
    except anthropic.APIStatusError as error:
        return {"texts": texts, "name": type(error).__name__, "message": str(error)}


case = failed(client.messages.create(**asked(NAME))) if NAME.startswith("sim:") else globals()[NAME]()
print(json.dumps(asyncio.run(case)))
