"""Agents of Google's SDK, run by the Python that has it, one after the other: a line of JSON says what one does, a line
of JSON tells what it got.

``say``: what its user says, turn by turn; a text, or a list of texts and ``{"png": BASE64}``.
``tools``: names of TOOLS. ``schema``: of a structured answer. ``config``: further members of its configuration.
``retry_ms``: the first pause before a call is tried again. ``builtin``: keep the SDK's own tools. ``options``: of
the model. ``chat``: the base URL of a server that speaks OpenAI's Chat Completions, in place of Google's API.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys

from google.antigravity import Agent, LocalAgentConfig, LocalOpenAIAgentConfig, types
from google.antigravity.hooks import policy


def get_weather(city: str) -> dict[str, str]:
    """Tell the weather of a city."""
    return {"weather": f"sunny in {city}"}


def get_time(city: str) -> dict[str, str]:
    """Tell the time in a city."""
    return {"time": f"noon in {city}"}


TOOLS = {"get_weather": get_weather, "get_time": get_time}


def configuration(given):
    model = given.get("model", "gemini-3-flash")
    more = {**given.get("config", {})}
    if not given.get("builtin"):
        more["capabilities"] = types.CapabilitiesConfig(enabled_tools=[])
    if schema := given.get("schema"):
        more["response_schema"] = schema
    if (pause := given.get("retry_ms")) is not None:
        retry = types.ModelAPIRetryConfig(max_retries=2, initial_sleep_duration_ms=pause)
        more["retry_config"] = types.RetryConfig(api_retry=retry)
    if options := given.get("options"):
        endpoint = types.GeminiAPIEndpoint(options=types.GeminiModelOptions(**options))
        model = types.ModelTarget(name=model, endpoint=endpoint)
    kind = LocalAgentConfig
    if base := given.get("chat"):
        kind, more["base_url"] = LocalOpenAIAgentConfig, base
    return kind(
        model=model, tools=[TOOLS[name] for name in given.get("tools", ())], policies=[policy.allow_all()],
        workspaces=[], **more,
    )  # fmt: skip


def content(said):
    if isinstance(said, str):
        return said
    return [
        types.Image(data=base64.b64decode(one["png"]), mime_type="image/png") if isinstance(one, dict) else one
        for one in said
    ]


async def answer(agent, said):
    """What came back for one turn of the user's."""
    told = {"text": "", "thoughts": "", "calls": [], "error": None}
    try:
        reply = await agent.chat(content(said))
        for chunk in await reply.resolve():
            match chunk:
                case types.Text():
                    told["text"] += chunk.text
                case types.Thought():
                    told["thoughts"] += chunk.text
                case types.ToolCall():
                    told["calls"].append([str(chunk.name), chunk.args])
        told["structured"] = await reply.structured_output()
        usage = reply.usage_metadata
        told["usage"] = None if usage is None else usage.model_dump(exclude_none=True)
        told["stop"] = str(reply.stop_reason)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test wants to see it
        told["error"] = f"{type(error).__name__}: {error}"
    return told


async def main(given):
    async with Agent(configuration(given)) as agent:
        answers = [await answer(agent, said) for said in given["say"]]
        print(json.dumps(answers, default=str), flush=True)


for line in sys.stdin:
    asyncio.run(main(json.loads(line)))
