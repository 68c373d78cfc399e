"""Stored responses outlive the process: the whole path twice over one SQLite file, with the official SDK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.support import MODEL, TOOL, quick
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = pytest.mark.e2e
TOOLS: list[Any] = [{"type": "function", "name": "get_weather", "parameters": TOOL}]


def again(folder: Path) -> Stack:
    return Stack(StackOptions(ls=quick(), settings={"store": str(folder / "responses.sqlite")}))


def client(stack: Stack) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="any", max_retries=0)


async def told(stream: Any) -> list[dict[str, Any]]:
    return [event.model_dump() async for event in stream]


async def test_stored_responses_outlive_the_process(tmp_path: Path) -> None:
    async with again(tmp_path) as stack, client(stack) as agent:
        called = await agent.responses.create(model=MODEL, input="sim:tool", tools=TOOLS)
        call = called.output[-1]
        assert call.type == "function_call"
        gone = await agent.responses.create(model=MODEL, input="Hello.")
        await agent.responses.delete(gone.id)
        behind = {"model": MODEL, "background": True, "stream": True}
        ends = [await told(await agent.responses.create(input=f"sim:{end}", **behind)) for end in ("text", "drop")]
        running = await agent.responses.create(model=MODEL, input="sim:stall 60", background=True)

    async with again(tmp_path) as stack, client(stack) as agent:
        assert (await agent.responses.retrieve(called.id)).model_dump() == called.model_dump()
        with pytest.raises(openai.NotFoundError):
            await agent.responses.retrieve(gone.id)
        for events in ends:
            identity = events[0]["response"]["id"]
            assert await told(await agent.responses.retrieve(identity, stream=True)) == events
            behind_4 = await agent.responses.retrieve(identity, stream=True, starting_after=4)
            assert await told(behind_4) == events[5:]
        assert [events[-1]["type"] for events in ends] == ["response.completed", "response.failed"]
        cut = await agent.responses.retrieve(running.id)
        assert (cut.status, cut.error and cut.error.code) == ("failed", "server_error")

        result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        asked = [result, {"role": "user", "content": "sim:echo"}]
        echoed = await agent.responses.create(model=MODEL, input=asked, previous_response_id=called.id, tools=TOOLS)
        parts = [part for content in json.loads(echoed.output_text)["request"]["contents"] for part in content["parts"]]
        assert parts[0] == {"text": "sim:tool"}
        assert parts[1]["functionCall"]["name"] == "get_weather"
        assert parts[1]["thoughtSignature"].startswith("Ej8K")  # Google's own, not the stand-in for a lost one
        assert parts[2]["functionResponse"]["response"] == {"output": "sunny"}


async def test_what_was_running_when_the_process_was_killed(tmp_path: Path) -> None:
    behind = {"model": MODEL, "background": True, "input": "sim:stall 60"}
    async with again(tmp_path) as stack, client(stack) as agent:
        whole = await agent.responses.create(model=MODEL, input="Hello.")
        kept = await agent.responses.retrieve(whole.id)
        running = [await agent.responses.create(**behind) for _ in range(2)]
        streaming = await agent.responses.create(**behind, stream=True)
        first = await anext(aiter(streaming))
        assert stack.process is not None
        stack.process.kill()
        await stack.process.wait()
        await streaming.close()

    async with again(tmp_path) as stack, client(stack) as agent:
        assert (await agent.responses.retrieve(whole.id)).model_dump() == kept.model_dump()
        for identity in (*(response.id for response in running), first.response.id):
            cut = await agent.responses.retrieve(identity)
            assert (cut.status, cut.error and cut.error.code) == ("failed", "server_error")
            assert "zerogravity stopped while this response was running" in ((cut.error and cut.error.message) or "")
            events = await told(await agent.responses.retrieve(identity, stream=True))
            assert events[-1]["type"] == "response.failed"
            assert [item.id async for item in await agent.responses.input_items.list(identity)]
            assert (await agent.responses.cancel(identity)).status == "failed"
            await agent.responses.delete(identity)
            with pytest.raises(openai.NotFoundError):
                await agent.responses.retrieve(identity)


async def test_a_conversation_outlives_a_kill_in_the_middle_of_its_turn(tmp_path: Path) -> None:
    """Whole turns are part of it, what was running is not, and nothing holds it."""
    async with again(tmp_path) as stack, client(stack) as agent:
        made = await agent.conversations.create(items=[{"role": "user", "content": "I like quinces."}])
        called = await agent.responses.create(model=MODEL, input="sim:tool", tools=TOOLS, conversation=made.id)
        call = called.output[-1]
        assert call.type == "function_call"
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        behind: Any = {"model": MODEL, "tools": TOOLS, "conversation": made.id, "background": True}
        await agent.responses.create(input=[result, {"role": "user", "content": "sim:stall 60"}], **behind)
        with pytest.raises(openai.BadRequestError, match="Another process is currently operating"):
            await agent.responses.create(input=[result], **behind)
        items = [item.to_dict() async for item in agent.conversations.items.list(made.id, order="asc")]
        assert stack.process is not None
        stack.process.kill()
        await stack.process.wait()

    async with again(tmp_path) as stack, client(stack) as agent:
        assert await agent.conversations.retrieve(made.id) == made
        assert [item.to_dict() async for item in agent.conversations.items.list(made.id, order="asc")] == items
        assert [item["type"] for item in items] == ["message", "message", "function_call"]
        echoed = await agent.responses.create(
            model=MODEL, input=[result, {"role": "user", "content": "sim:echo"}], conversation=made.id, tools=TOOLS
        )
        parts = [part for content in json.loads(echoed.output_text)["request"]["contents"] for part in content["parts"]]
        assert [part["text"] for part in parts if "text" in part] == ["I like quinces.", "sim:tool", "sim:echo"]
        assert parts[2]["thoughtSignature"].startswith("Ej8K")  # Google's own, not the stand-in for a lost one
        assert len([item async for item in agent.conversations.items.list(made.id)]) == 6
