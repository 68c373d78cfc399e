"""A client of the language-server stand-in, and a proxy, as small as they can be."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp

from zerogravity.testing.simulator.google import GoogleSimulator, Received
from zerogravity.testing.simulator.language_server import LanguageServerSimulator

SERVICE = "/exa.language_server_pb.LanguageServerService/"
FLASH = "MODEL_PLACEHOLDER_M18"
Json = dict[str, Any]


class RpcFailed(Exception):
    """Not 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status, self.text = status, text

    @property
    def code(self) -> str:
        return json.loads(self.text)["code"]


class Ls:
    """One running stand-in, its Google, and a session."""

    def __init__(self, simulator: LanguageServerSimulator, google: GoogleSimulator, session: aiohttp.ClientSession):
        self.simulator, self.google, self.session = simulator, google, session

    async def post(
        self, path: str, data: bytes = b"{}", *, method: str = "POST", base: str | None = None, **headers: str
    ) -> tuple[int, str]:
        lines = {"Content-Type": "application/json", "X-Codeium-Csrf-Token": self.simulator.csrf}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = (base or self.simulator.url) + path
        async with self.session.request(method, url, data=data, headers=lines, ssl=False) as response:
            return response.status, await response.text()

    async def call(self, method: str, **body: Any) -> Json:
        status, text = await self.post(SERVICE + method, json.dumps(body).encode())
        if status != 200:
            raise RpcFailed(status, text)
        return json.loads(text)

    async def start(self) -> str:
        return (await self.call("StartCascade"))["cascadeId"]

    async def send(
        self, cascade: str, text: str, *, blocking: bool = True, config: Json | None = None, **more: Any
    ) -> Json:
        planner = {"plannerConfig": {"requestedModel": {"model": FLASH}, **(config or {}).pop("plannerConfig", {})}}
        body = {"cascadeId": cascade, "items": [{"text": text}], "cascadeConfig": {**planner, **(config or {})}}
        return await self.call("SendUserCascadeMessage", **body, blocking=blocking, **more)

    async def turn(self, text: str, **more: Any) -> str:
        """A cascade of its own, sent the marker and the text, run to its end."""
        cascade = await self.start()
        await self.send(cascade, f"{marker(cascade)} {text}".strip(), **more)
        return cascade

    async def steps(self, cascade: str, offset: int = 0) -> list[Json]:
        return (await self.call("GetCascadeTrajectorySteps", cascadeId=cascade, stepOffset=offset)).get("steps", [])

    async def planners(self, cascade: str) -> list[Json]:
        return [one for one in await self.steps(cascade) if kind(one) == "PLANNER_RESPONSE"]

    async def status(self, cascade: str) -> str:
        answer = await self.call("GetCascadeTrajectory", cascadeId=cascade)
        return answer["status"].removeprefix("CASCADE_RUN_STATUS_")

    async def ended(self, cascade: str) -> str:
        """Why the turn ended."""
        trajectory = (await self.call("GetCascadeTrajectory", cascadeId=cascade))["trajectory"]
        return trajectory["executorMetadatas"][-1]["terminationReason"].removeprefix("EXECUTOR_TERMINATION_REASON_")

    async def stream(self, method: str, **body: Any) -> AsyncIterator[tuple[int, Json]]:
        """(flags, message) of each frame."""
        payload = json.dumps(body).encode()
        headers = {"Content-Type": "application/connect+json", "X-Codeium-Csrf-Token": self.simulator.csrf}
        async with self.session.post(
            self.simulator.url + SERVICE + method,
            data=b"\x00" + len(payload).to_bytes(4, "big") + payload,
            headers=headers,
            ssl=False,
        ) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "application/connect+json"
            while not response.content.at_eof():
                try:
                    head = await response.content.readexactly(5)
                except asyncio.IncompleteReadError as error:
                    assert error.partial == b""
                    return
                yield head[0], json.loads(await response.content.readexactly(int.from_bytes(head[1:], "big")))

    @property
    def kinds(self) -> list[str]:
        """The generate calls that reached Google, in order."""
        return [one.kind for one in self.google.requests if one.kind in ("agent", "checkpoint")]

    @property
    def agent_calls(self) -> list[Received]:
        return self.google.agent_requests


MakeLs = Callable[..., Awaitable[Ls]]


async def until(ls: Ls, cascade: str, ready: Callable[[list[Any]], bool]) -> list[Any]:
    """The steps, as soon as they are as wanted."""
    while True:
        seen = ls.simulator.cascades[cascade].version
        if (steps := await ls.steps(cascade)) and ready(steps):
            return steps
        await asyncio.wait_for(ls.simulator.cascades[cascade].changed(seen), 10)


async def until_idle(ls: Ls, cascade: str) -> None:
    """As soon as the turn is over."""
    while (one := ls.simulator.cascades[cascade]).status != "IDLE":
        await asyncio.wait_for(one.changed(one.version), 10)


def marker(cascade: str) -> str:
    return f".<cid:{cascade}>"


def kind(step: Json) -> str:
    return step["type"].removeprefix("CORTEX_STEP_TYPE_")


def state(step: Json) -> str:
    return step["status"].removeprefix("CORTEX_STEP_STATUS_")


def texts(received: Received) -> list[str]:
    """Every text of a request's contents."""
    return [part["text"] for content in received.request["contents"] for part in content["parts"] if "text" in part]


@contextlib.asynccontextmanager
async def connect_proxy(target: int, seen: list[str]) -> AsyncIterator[int]:
    """A proxy that sends every CONNECT to the port ``target``; ``seen`` gets what was asked for."""
    tasks: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head.decode().split(" ")[1])
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", target)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        both = [asyncio.create_task(pump(reader, to_writer)), asyncio.create_task(pump(to_reader, writer))]
        tasks.update(both)
        writers.update((writer, to_writer))
        await asyncio.gather(*both, return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
