"""Claude Agent SDK: ``claude_agent.py CASE URL`` runs one case and prints what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ResultMessage,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
    create_sdk_mcp_server,
    query,
    tool,
)
from claude_agent_sdk.types import StreamEvent

CASE, URL = sys.argv[1:]
QUIET = (
    "DISABLE_AUTOUPDATER",
    "DISABLE_TELEMETRY",
    "DISABLE_ERROR_REPORTING",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
)
called: list[str] = []


@tool("get_weather", "Weather of a city", {"city": str})
async def get_weather(given: dict[str, Any]) -> dict[str, Any]:
    called.append(given["city"])
    return {"content": [{"type": "text", "text": f"18 degrees in {given['city']}"}]}


def options(**more: Any) -> ClaudeAgentOptions:
    env = {"ANTHROPIC_BASE_URL": URL, "ANTHROPIC_API_KEY": "any", "IS_SANDBOX": "1", **dict.fromkeys(QUIET, "1")}
    return ClaudeAgentOptions(model="gemini-3-flash", permission_mode="bypassPermissions", env=env, **more)


class Told:
    """What one turn tells."""

    def __init__(self) -> None:
        self.thinking: list[str] = []
        self.calls: list[Any] = []
        self.results: list[Any] = []
        self.text = ""
        self.deltas = ""
        self.result: dict[str, Any] = {}

    def add(self, message: Any) -> None:
        match message:
            case StreamEvent(event={"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}):
                self.deltas += text
            case AssistantMessage(content=blocks) | UserMessage(content=list(blocks)):
                for block in blocks:
                    self._block(block)
            case ResultMessage():
                names = (
                    "subtype",
                    "is_error",
                    "result",
                    "structured_output",
                    "usage",
                    "stop_reason",
                    "terminal_reason",
                )
                self.result = {name: getattr(message, name) for name in names}
            case _:
                pass

    def _block(self, block: Any) -> None:
        match block:
            case TextBlock(text=text):
                self.text = text
            case ThinkingBlock(thinking=thinking):
                self.thinking.append(thinking)
            case ToolUseBlock(name=name, input=given):
                self.calls.append([name, given])
            case ToolResultBlock(content=content, is_error=is_error):
                self.results.append([content, bool(is_error)])
            case _:
                pass


async def turn(messages: AsyncIterator[Any]) -> dict[str, Any]:
    told = Told()
    async for message in messages:
        told.add(message)
    return vars(told)


async def weather() -> Any:
    """A tool of the program's own, over MCP, called twice in parallel."""
    server = create_sdk_mcp_server("clerk", tools=[get_weather])
    given = options(mcp_servers={"clerk": server}, tools=[], include_partial_messages=True)
    prompt = "What is the weather in Rome and Oslo? Use the tool."
    return {**await turn(query(prompt=prompt, options=given)), "called": called}


async def typed() -> Any:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    given = options(tools=[], output_format={"type": "json_schema", "schema": schema})
    return await turn(query(prompt="Use StructuredOutput for Rome", options=given))


async def turns() -> Any:
    """Several prompts to one session."""
    async with ClaudeSDKClient(options(tools=["Bash"])) as client:
        told = []
        for prompt in ("Create a file notes.txt that says 'bees'.", "sim:think", "sim:echo"):
            await client.query(prompt)
            told.append(await turn(client.receive_response()))
    return told


async def interrupted() -> Any:
    """The first turn is interrupted while it speaks; the session goes on."""
    async with ClaudeSDKClient(options(tools=["Bash"], include_partial_messages=True)) as client:
        await client.query("Tell me. sim:stall 60")
        first = Told()
        async for message in client.receive_response():
            first.add(message)
            if first.deltas and not first.result:
                await client.interrupt()
        await client.query("sim:echo")
        return [vars(first), await turn(client.receive_response())]


async def prompts(*given: str) -> Any:
    """Each of these keywords in a turn of its own, of one session with one tool."""
    told = []
    async with ClaudeSDKClient(options(tools=["Bash"])) as client:
        for prompt in given:
            await client.query(prompt)
            told.append(await turn(client.receive_response()))
    return told


case = prompts(*CASE.split("; ")) if CASE.startswith("sim:") else globals()[CASE]()
print(json.dumps(asyncio.run(case)))
