"""Pydantic AI: ``pydantic_ai.py KIND-CASE URL`` runs one case and prints what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, NativeOutput, ToolOutput
from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPartDelta
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.models.google import GoogleModel, GoogleModelSettings
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

KIND, _, NAME = sys.argv[1].partition("-")
URL = sys.argv[2]
called: list[Any] = []


class Place(BaseModel):
    city: str
    country: str | None
    tags: list[str]


def agent(name: str = "gemini-3-flash", *, stateless: bool = False, **more: Any) -> Agent[Any, Any]:
    settings: Any = None
    if KIND == "google":
        model: Any = GoogleModel(name, provider=GoogleProvider(api_key="any", base_url=URL))
        settings = GoogleModelSettings(google_thinking_config={"include_thoughts": True})
    elif KIND == "anthropic":
        provider = AnthropicProvider(api_key="any", base_url=URL)
        model = AnthropicModel(name, provider=provider, profile=ModelProfile(supports_json_schema_output=True))
        # it forbids thoughts beside a tool that is forced
        settings = AnthropicModelSettings(anthropic_thinking={"type": "adaptive"}) if NAME != "by_tool" else None
    elif KIND == "chat":
        model = OpenAIChatModel(name, provider=OpenAIProvider(base_url=f"{URL}/v1", api_key="any"))
    else:
        model = OpenAIResponsesModel(name, provider=OpenAIProvider(base_url=f"{URL}/v1", api_key="any"))
        settings = OpenAIResponsesModelSettings(openai_reasoning_summary="auto", openai_reasoning_effort="low")
        settings |= {"openai_store": False} if stateless else {}
    return Agent(model, instructions="Be brief.", model_settings=settings, **more)


def get_weather(city: str) -> str:
    """Weather of a city."""
    called.append(city)
    return f"18 degrees in {city}"


def told(result: Any) -> dict[str, Any]:
    usage = result.usage() if callable(result.usage) else result.usage
    output = result.output.model_dump() if isinstance(result.output, BaseModel) else result.output
    return {
        "output": output,
        "parts": [[part.part_kind for part in message.parts] for message in result.all_messages()],
        "called": called,
        "usage": [usage.requests, usage.input_tokens, usage.output_tokens],
    }


async def tools() -> Any:
    return told(await agent(tools=[get_weather]).run("What is the weather in Rome and Oslo? Use the tool."))


async def retry() -> Any:
    """A tool that complains: the model is told and tries again."""

    def get_weather(city: str) -> str:
        called.append(city)
        if len(called) == 1:
            raise ModelRetry("say it again")
        return f"18 degrees in {city}"

    return told(await agent(tools=[get_weather]).run("What is the weather in Rome? sim:tool sim:tool sim:text"))


async def history() -> Any:
    one = agent(tools=[get_weather])
    first = await one.run("What is the weather in Lima? Use the tool.")
    return told(await one.run("sim:echo", message_history=first.all_messages()))


async def stateless() -> Any:
    """As with OpenAI's reasoning models: encrypted thoughts go back and forth, nothing is stored."""
    one = agent("gpt-5", stateless=True, tools=[get_weather])
    first = await one.run("What is the weather in Lima? Use the tool.")
    return told(await one.run("sim:echo", message_history=first.all_messages()))


async def stream() -> Any:
    texts: list[str] = []
    async with agent(tools=[get_weather]).run_stream("What is the weather in Rome? Use the tool.") as result:
        async for text in result.stream_text(delta=True, debounce_by=None):
            texts.append(text)
        return {**told_stream(result), "texts": texts, "output": await result.get_output()}


def told_stream(result: Any) -> dict[str, Any]:
    usage = result.usage() if callable(result.usage) else result.usage
    return {"called": called, "usage": [usage.requests, usage.input_tokens, usage.output_tokens]}


async def events() -> Any:
    seen: list[str] = []
    texts: list[str] = []
    one = agent(tools=[get_weather])
    async with one.iter("What is the weather in Rome? Use the tool.") as run:
        async for node in run:
            if Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as stream:
                    async for event in stream:
                        if isinstance(event, PartStartEvent):
                            seen.append(event.part.part_kind)
                            texts.append(event.part.content if event.part.part_kind == "text" else "")
                        elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                            texts.append(event.delta.content_delta)
    return {**told(run.result), "seen": seen, "texts": texts}


async def native() -> Any:
    return told(await agent(output_type=NativeOutput(Place)).run("A place: Rome"))


async def by_tool() -> Any:
    return told(await agent(output_type=ToolOutput(Place)).run("A place: Rome"))


print(json.dumps(asyncio.run(globals()[NAME]())))
