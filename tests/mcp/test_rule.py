"""Turns whose model calls MCP tools: what is listed, run, asked and sent next, and how such turns end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.mcp.serving import Fakes
from tests.test_engine import Bench, matched, settled
from zerogravity.config import Config, Limits
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Finished,
    FunctionCall,
    TextDelta,
    ThinkingDelta,
    ToolsListed,
)
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Target, ToolServer, Turn
from zerogravity.errors import Termination
from zerogravity.mcp.rule import ServerTools
from zerogravity.mcp.sessions import ServerSessions

NEVER = ToolServer("s", "https://s.example/mcp", approval="never")
ASKS = ToolServer("s", "https://s.example/mcp")
ASKED = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
SKIP = "skip_thought_signature_validator"


class Turns(Bench):
    """The engine with the rule, and servers made by hand."""

    def __init__(self, limits: Limits | None = None, **config: Any) -> None:
        self.fakes = Fakes()
        self.counted: list[tuple[str, str]] = []
        self.sessions = ServerSessions(limits or Limits(), self.fakes.connect)
        settings = Config(mcp=True, limits=limits or Limits(), **config)
        rule = ServerTools(settings, self.sessions, lambda *call: self.counted.append(call))
        super().__init__(rules=[rule], limits=limits)
        self.store.on_closed.append(self.sessions.turn_closed)

    def begin(
        self, family: str = "gemini-3-flash", request: dict[str, Any] | None = None, **fields: Any
    ) -> CascadeChannel:
        number = len(self.channels)
        target = Target("gemini-3-flash", "MODEL_PLACEHOLDER_M18", family=family)
        turn = Turn(f"turn_{number:032x}", "responses", "gemini-3-flash", target, request or ASKED, **fields)
        channel = self.engine.run(turn)
        self.channels.append(channel)
        return channel

    async def begun(self, *servers: ToolServer, **fields: Any) -> CascadeChannel:
        channel = self.begin(servers=servers or (NEVER,), **fields)
        await self.until(lambda: self.ls.sent or channel.closed)
        return channel

    async def until(self, condition: Any) -> None:
        """Threads take their time."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0)
        await settled()

    async def answers(self, channel: CascadeChannel, *events: Any, end: str = "tool") -> None:
        """Google's answer in the newest round; then what follows."""
        running: RunningTurn = self.inside(channel)
        sent = len(self.ls.sent)
        matched(running)
        running.append(0, b"{}", (AttemptOpened(), *events, AttemptClosed("STOP")))
        running.close(Finished(end))  # pyright: ignore[reportArgumentType]
        if end == "tool":
            await self.until(lambda: channel.closed or len(self.ls.sent) > sent)
        await settled()

    def request(self) -> dict[str, Any]:
        """The newest that was sent."""
        return dict(self.ls.sent[-1].google_request)


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Turns]:
    made = Turns()
    yield made
    await over(made)


async def over(bench: Turns) -> None:
    await bench.engine.close(timeout=1)
    await bench.sessions.close()
    assert not bench.tasks
    assert not bench.sessions._open
    assert all(session.closed for session in bench.fakes.made)


def call(number: int = 1, name: str = "s.echo", args: str = '{"text": "x"}', **more: Any) -> FunctionCall:
    return FunctionCall(f"call_{number}", name, args, **more)


def events(channel: CascadeChannel, *kinds: type) -> list[Any]:
    return [event for record in channel.records for event in record.events if isinstance(event, kinds)]


# -- the loop --------------------------------------------------------------------------------------------------------


async def test_tools_are_listed_offered_called_and_answered(bench: Turns) -> None:
    channel = await bench.begun()
    assert events(channel, ToolsListed)[0].names == ("s.echo", "s.look")
    [tool] = bench.request()["tools"]
    assert [declared["name"] for declared in tool["functionDeclarations"]] == ["s.echo", "s.look"]
    assert tool["functionDeclarations"][0]["parameters"]["properties"] == {"text": {"type": "string"}}
    await bench.answers(channel, ThinkingDelta("hm"), call(signature="sig", upstream_id="up"))
    assert bench.fakes.called == [("echo", {"text": "x"})]
    assert bench.request()["contents"] == [
        *ASKED["contents"],
        {"role": "model", "parts": [
            {"functionCall": {"name": "s.echo", "args": {"text": "x"}, "id": "up"}, "thoughtSignature": "sig"}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "s.echo", "response": {"output": "echo: {'text': 'x'}"}, "id": "up"}}]},
    ]  # fmt: skip
    await bench.answers(channel, TextDelta("done"), end="stop")
    assert (channel.termination, channel.state.text, channel.state.rounds) == (Termination.OK, "done", 2)
    assert events(channel, CallReturned) == [CallReturned("call_1", "echo: {'text': 'x'}")]
    assert bench.counted == [("request", "ok")]
    assert [session.endpoint.label for session in bench.fakes.made] == ["s"]


async def test_a_turn_without_servers_is_as_ever(bench: Turns) -> None:
    channel, running = await bench.turn()
    matched(running)
    running.append(0, b"{}", (AttemptOpened(), FunctionCall("c", "mine", "{}"), AttemptClosed("STOP")))
    running.close(Finished("tool"))
    await settled()
    assert (channel.termination, len(bench.ls.sent)) == (Termination.TOOL, 1)
    assert bench.fakes.made == []
