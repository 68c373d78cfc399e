"""Servers for the tests: made by hand (``FakeSession``), or the SDK's own, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from zerogravity.config import Limits
from zerogravity.mcp.failures import ServerError
from zerogravity.mcp.servers import Endpoint

ECHO = {
    "name": "echo",
    "description": "Says it again",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}
LOOK = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": value}], **more}


class FakeSession:
    """``answers``: tool → its result, or what is raised, or a function of its arguments. ``hold``: tools that wait."""

    def __init__(self, endpoint: Endpoint, tools: list[dict[str, Any]] | ServerError, answers: dict[str, Any]) -> None:
        self.endpoint = endpoint
        self.tools = tools
        self.answers = answers
        self.hold: dict[str, asyncio.Event] = {}
        self.listed = 0
        self.called: list[tuple[str, dict[str, Any]]] = []
        self.running = self.most = 0
        self.closed = False

    async def list_tools(self, cursor: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
        self.listed += 1
        if isinstance(self.tools, ServerError):
            raise self.tools
        return self.tools, None

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.called.append((name, arguments))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if name in self.hold:
                await self.hold[name].wait()
        finally:
            self.running -= 1
        answer = self.answers.get(name, text(f"{name}: {arguments}"))
        if isinstance(answer, ServerError):
            raise answer
        return answer(arguments) if callable(answer) else answer

    async def close(self) -> None:
        self.closed = True


class Fakes:
    """Makes sessions: ``tools`` and ``answers`` by label."""

    def __init__(self) -> None:
        self.tools: dict[str, list[dict[str, Any]] | ServerError] = {}
        self.answers: dict[str, Any] = {}
        self.hold: dict[str, asyncio.Event] = {}
        self.made: list[FakeSession] = []

    def connect(self, endpoint: Endpoint, limits: Limits) -> FakeSession:
        made = FakeSession(endpoint, self.tools.get(endpoint.label, [ECHO, LOOK]), self.answers)
        made.hold = self.hold
        self.made.append(made)
        return made

    @property
    def called(self) -> list[tuple[str, dict[str, Any]]]:
        return [call for session in self.made for call in session.called]


Answer = Callable[[dict[str, Any]], dict[str, Any]]
