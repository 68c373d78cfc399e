"""OpenAI Agents SDK: ``agents.py CASE URL`` runs one case and prints what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from agents import (
    Agent,
    ApplyPatchTool,
    HostedMCPTool,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIConversationsSession,
    OpenAIResponsesModel,
    OpenAIResponsesWSModel,
    Runner,
    ShellTool,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI, NotFoundError
from openai.types.shared import Reasoning
from pydantic import BaseModel

CASE, URL = sys.argv[1:]
KIND, _, NAME = CASE.partition("-")
client = AsyncOpenAI(base_url=f"{URL}/v1", api_key="any", max_retries=0)
models = {"responses": OpenAIResponsesModel, "websocket": OpenAIResponsesWSModel, "chat": OpenAIChatCompletionsModel}
model = models[KIND]("gemini-3-flash", client)
called: list[Any] = []


@function_tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    called.append(city)
    return f"18 degrees in {city}"


class Report(BaseModel):
    city: str
    degrees: int
    tags: list[str]


def agent(name: str = "clerk", **more: Any) -> Agent[Any]:
    settings = ModelSettings(reasoning=Reasoning(effort="low", summary="auto"), include_usage=True)
    return Agent(name=name, instructions="Be brief.", model=model, model_settings=settings, **more)


def told(result: Any) -> dict[str, Any]:
    usage = result.context_wrapper.usage
    return {
        "text": result.final_output,
        "items": [item.type for item in result.new_items],
        "agent": result.last_agent.name,
        "called": called,
        "usage": [usage.requests, usage.input_tokens, usage.output_tokens, usage.total_tokens],
        "reasoning": usage.output_tokens_details.reasoning_tokens,
    }


async def tools() -> Any:
    return told(await Runner.run(agent(tools=[get_weather]), "What is the weather in Rome and Oslo? Use the tool."))


async def turns() -> Any:
    """The whole history, as the SDK keeps it, goes back for a second prompt."""
    one = agent(tools=[get_weather])
    first = await Runner.run(one, "What is the weather in Rome? Use the tool.")
    again = [*first.to_input_list(), {"role": "user", "content": "sim:echo"}]
    return {"first": told(first), "second": told(await Runner.run(one, again))}


async def previous() -> Any:
    one = agent(tools=[get_weather])
    first = await Runner.run(one, "What is the weather in Lima? Use the tool.", auto_previous_response_id=True)
    second = await Runner.run(one, "sim:echo", previous_response_id=first.last_response_id)
    return {"first": told(first), "second": told(second)}


async def session() -> Any:
    """The SDK keeps its items in a conversation, and sends them all each time."""
    kept = OpenAIConversationsSession(openai_client=client)
    one = agent(tools=[get_weather])
    first = await Runner.run(one, "What is the weather in Rome? Use the tool.", session=kept)
    stored = await kept.get_items()
    second = await Runner.run(one, "sim:echo", session=kept)
    popped = await kept.pop_item()
    items = [item.get("type", "message") for item in await kept.get_items()]
    last = await kept.get_items(limit=1)
    await kept.add_items([{"role": "user", "content": f"number {number}"} for number in range(23)])
    added = len(await kept.get_items())
    identity = kept.session_id
    await kept.clear_session()
    try:
        await client.conversations.retrieve(identity)
        gone = False
    except NotFoundError:
        gone = True
    return {
        "first": told(first), "second": told(second), "stored": [item.get("type", "message") for item in stored],
        "popped": popped, "items": items, "last": last, "added": added, "gone": gone,
    }  # fmt: skip


async def conversation() -> Any:
    """The server keeps it: both rounds and the second prompt send only what is new."""
    made = await client.conversations.create()
    one = agent(tools=[get_weather])
    first = await Runner.run(one, "What is the weather in Lima? Use the tool.", conversation_id=made.id)
    second = Runner.run_streamed(one, "sim:echo", conversation_id=made.id)
    async for _ in second.stream_events():
        pass
    items = [item.type async for item in client.conversations.items.list(made.id, order="asc")]
    return {"first": told(first), "second": told(second), "items": items}


async def handoff() -> Any:
    expert = agent("weather_expert", tools=[get_weather])
    return told(
        await Runner.run(agent("desk", handoffs=[expert]), "Please transfer_to_weather_expert sim:tool sim:text")
    )


async def streamed() -> Any:
    result = Runner.run_streamed(agent(tools=[get_weather]), "What is the weather in Rome? Use the tool.")
    raw, texts = [], []
    async for event in result.stream_events():
        if event.type == "raw_response_event":
            raw.append(event.data.type)
            if event.data.type == "response.output_text.delta":
                texts.append(event.data.delta)
    return {**told(result), "raw": sorted(set(raw)), "texts": texts}


async def typed() -> Any:
    result = await Runner.run(agent(output_type=Report), "A report on Rome, please")
    return {**told(result), "text": result.final_output.model_dump()}


async def forced() -> Any:
    one = agent(tools=[get_weather], tool_use_behavior="stop_on_first_tool")
    one.model_settings.tool_choice = "get_weather"
    return told(await Runner.run(one, "Hello in Rome"))


async def shell() -> Any:
    """A shell of the client's own; the whole history goes back for a second prompt."""

    async def run(request: Any) -> str:
        called.append(list(request.data.action.commands))
        return "three files"

    one = agent(tools=[ShellTool(executor=run)])
    first = await Runner.run(one, "How many files are there? Use the tool.")
    again = [*first.to_input_list(), {"role": "user", "content": "sim:echo"}]
    return {"first": told(first), "second": told(await Runner.run(one, again))}


class Editor:
    """Writes nothing down."""

    def create_file(self, operation: Any) -> str:
        return self.update_file(operation)

    def update_file(self, operation: Any) -> str:
        called.append([operation.type, operation.path, operation.diff])
        return "changed"

    def delete_file(self, operation: Any) -> str:
        return self.update_file(operation)


async def patch() -> Any:
    one = agent(tools=[ApplyPatchTool(editor=Editor())])
    result = Runner.run_streamed(one, "Write a file. Use the tool.")
    async for _ in result.stream_events():
        pass
    again = [*result.to_input_list(), {"role": "user", "content": "sim:echo"}]
    return {"first": told(result), "second": told(await Runner.run(one, again))}


def hosted(approval: Any, **more: Any) -> HostedMCPTool:
    """The server that the gateway's configuration calls ``real``."""
    config: Any = {"type": "mcp", "server_label": "real", "allowed_tools": ["add"], "require_approval": approval}
    return HostedMCPTool(tool_config=config, **more)


async def mcp() -> Any:
    """Its whole history goes back for a second prompt."""
    one = agent(tools=[hosted("never")])
    result = Runner.run_streamed(one, "sim:tool")
    raw = [event.data.type async for event in result.stream_events() if event.type == "raw_response_event"]
    again = [*result.to_input_list(), {"role": "user", "content": "sim:echo"}]
    return {**told(result), "raw": sorted(set(raw)), "second": told(await Runner.run(one, again))}


async def approvals() -> Any:
    def asked(request: Any) -> Any:
        called.append([request.data.name, request.data.server_label])
        return {"approve": len(called) == 1, "reason": "not twice"}

    one = agent(tools=[hosted("always", on_approval_request=asked)])
    return {"first": told(await Runner.run(one, "sim:tool")), "second": told(await Runner.run(one, "sim:tool"))}


set_tracing_disabled(True)
print(json.dumps(asyncio.run(globals()[NAME]())))
