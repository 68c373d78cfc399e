"""Servers for the tests: made by hand (``FakeSession``), or the SDK's own, on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

import uvicorn
from mcp.server.mcpserver import Image, MCPServer
from mcp.types import ToolAnnotations
from pydantic import Field

from zerogravity.config import Limits
from zerogravity.mcp.failures import ServerError
from zerogravity.mcp.servers import Endpoint

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
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


# -- real ones -------------------------------------------------------------------------------------------------------


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are the test run's


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """An ASGI application on a free port of loopback; its base URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = _Uvicorn(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1))
        running = asyncio.create_task(server.serve([listening]))
        while not server.started:
            await asyncio.sleep(0.01)
            assert not running.done()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


class Witness:
    """What a real server has seen: ``headers`` of requests; the tool ``wait`` that has begun, and been cancelled."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()


def sdk_server(witness: Witness) -> MCPServer:
    """The SDK's server with a tool of each kind."""
    server = MCPServer("real")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def add(a: int, b: int) -> int:
        """Adds two numbers"""
        return a + b

    @server.tool()
    def ship(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
        return f"to {region}"

    @server.tool()
    def fail() -> str:
        raise ValueError("it did not work")

    @server.tool()
    def picture() -> Image:
        return Image(data=PNG, format="png")

    @server.tool()
    def huge(size: int) -> str:
        return "x" * size

    @server.tool()
    async def wait() -> str:
        witness.waiting.set()
        try:
            await asyncio.sleep(600)
        finally:
            witness.cancelled.set()
        return "never"

    return server


def recording(app: Any, witness: Witness) -> Any:
    """The application, with each request's headers noted."""

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            witness.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await app(scope, receive, send)

    return noted
