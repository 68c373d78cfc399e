"""The path of ``chaos.py``: with a relay at each hop, clients that remember what they were told, and what must hold."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from rig import crowd

from zerogravity.hosts import free_port
from zerogravity.testing.check import (
    GrammarError,
    check_chat,
    check_gemini,
    check_message,
    check_messages,
    check_response,
    check_responses,
)
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import LsOptions
from zerogravity.testing.simulator.relay import Relay
from zerogravity.testing.simulator.stack import Stack, StackOptions

MODEL = "gemini-3-flash"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
PROMPTS = ("sim:text", "sim:think", "sim:tool", "sim:unicode", "sim:long 300", "sim:slow 0.02", "sim:grounding")
CHECK: dict[str, Callable[[bytes], Any]] = {
    "responses": check_responses, "chat": check_chat, "gemini": check_gemini, "messages": check_messages,
}  # fmt: skip
RUNNING = ("queued", "in_progress")
TURN_S, REST_S = 60, 30
SPARE = 6  # connections, files and threads that are kept for the next turn come and go
TRACES = 4 << 20


@dataclass(slots=True)
class Told:
    """What a client was told. ``broken``: how its connection ended before its time."""

    surface: str
    stream: bool
    behind: bool = False
    status: int = 0
    raw: bytes = b""
    broken: str = ""

    @property
    def response(self) -> dict[str, Any] | None:
        """The last Response object of an answer that is one."""
        if self.surface != "responses" or self.status != 200 or self.broken:
            return None
        if not self.stream:
            return json.loads(self.raw)
        lines = [line[6:] for line in self.raw.splitlines() if line.startswith(b"data: ")]
        return json.loads(lines[-1]).get("response")

    @property
    def ended(self) -> str:
        """One word for the count."""
        if self.broken:
            return "broken"
        if self.status != 200:
            return str(self.status)
        if self.response is not None:
            return str(self.response["status"])
        return "failed" if self.stream and b'"error"' in self.raw.rstrip().rpartition(b"\n")[2] else "ok"

    def complaint(self, *, may_break: bool) -> str | None:
        """What is wrong with it, if anything is."""
        if self.broken:
            return None if may_break else f"{self.surface}: the connection broke: {self.broken}"
        try:
            if self.status == 200 and self.stream:
                CHECK[self.surface](self.raw)
            else:
                body = json.loads(self.raw)
                if self.status == 200 and self.surface == "responses":
                    check_response(body)
                elif self.status == 200 and self.surface == "messages":
                    check_message(body)
                elif self.status != 200 and "message" not in body["error"]:
                    return f"{self.surface}: {self.status} without a message"
        except (GrammarError, ValueError, KeyError, TypeError) as error:
            return f"{self.surface}, {self.status}: {type(error).__name__}: {error}"
        return None


def asked(surface: str, prompt: str, *, stream: bool, behind: bool) -> tuple[str, dict[str, Any]]:
    """(path, body)"""
    function = {"name": "get_weather", "parameters": PARAMETERS}
    match surface:
        case "responses":
            body: dict[str, Any] = {"model": MODEL, "input": prompt, "stream": stream, "background": behind}
            return "/v1/responses", {**body, "tools": [{"type": "function", **function}]}
        case "chat":
            tools: list[dict[str, Any]] = [{"type": "function", "function": function}]
            messages = [{"role": "user", "content": prompt}]
            return "/v1/chat/completions", {"model": MODEL, "messages": messages, "stream": stream, "tools": tools}
        case "messages":
            tools = [{"name": function["name"], "input_schema": PARAMETERS}]
            body = {"model": MODEL, "max_tokens": 9999, "messages": [{"role": "user", "content": prompt}]}
            return "/v1/messages", {**body, "stream": stream, "tools": tools}
        case _:
            method = "streamGenerateContent?alt=sse" if stream else "generateContent"
            contents = [{"role": "user", "parts": [{"text": prompt}]}]
            tools = [{"functionDeclarations": [function]}]
            return f"/v1beta/models/{MODEL}:{method}", {"contents": contents, "tools": tools}


@dataclass(slots=True)
class Held:
    """What mitmdump's process holds."""

    files: int
    sockets: int
    threads: int


class Chaos:
    """A running path, and everybody who has been told something. Made by ``running``."""

    def __init__(self, stack: Stack, http: aiohttp.ClientSession, relays: dict[str, Relay], folder: Path,
                 chance: random.Random, turns: int) -> None:  # fmt: skip
        self.stack, self.http, self.relays, self.folder = stack, http, relays, folder
        self.chance, self.turns = chance, turns
        self.stored: dict[str, dict[str, Any]] = {}  # what was answered as stored: id → response
        self.behind: set[str] = set()  # responses that run without a client
        self.tmpfs = False
        self.done = 0  # turns of this round

    @property
    def url(self) -> str:
        """Agents come through a relay as well."""
        return f"http://127.0.0.1:{self.relays['client'].port}"

    @property
    def pid(self) -> int:
        assert self.stack.process is not None
        return self.stack.process.pid

    async def turn(self, prompt: str | None = None) -> Told:
        """One turn of any kind, to its end."""
        chance = self.chance
        surface, stream = chance.choice(tuple(CHECK)), chance.random() < 0.7
        behind = surface == "responses" and prompt is None and chance.random() < 0.3
        told = Told(surface, stream, behind)
        words = f"{prompt or chance.choice(PROMPTS)} number {chance.randrange(1 << 30)}"
        path, body = asked(surface, words, stream=stream, behind=behind)
        try:
            async with asyncio.timeout(TURN_S), self.http.post(self.url + path, json=body) as answer:
                told.status = answer.status
                async for data in answer.content.iter_any():
                    told.raw += data
        except TimeoutError:
            told.broken = f"hangs: nothing more came within {TURN_S} s"
        except aiohttp.ClientError as error:
            if told.ended != "failed" or told.surface == "responses":  # a body that failed may lack its end
                told.broken = f"{type(error).__name__}: {error}"
        self._remember(told)
        self.done += 1
        return told

    def _remember(self, told: Told) -> None:
        """What the client may count on from now on."""
        if told.behind and told.status == 200 and (found := _identity(told.raw)):
            self.behind.add(found)
        if (response := told.response) is not None and response["status"] == "completed":
            self.stored[response["id"]] = response

    async def many(self) -> list[Told]:
        """Turns beside one another."""
        self.done = 0
        return list(await asyncio.gather(*(self.turn() for _ in range(self.turns))))

    async def midway(self) -> None:
        """Until some of these turns are over, and a little longer."""
        some = self.chance.randrange(self.turns // 2)
        while self.done < some:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(self.chance.uniform(0, 0.3))

    # -- what must hold afterwards -------------------------------------------------------------------------------

    async def kept(self, *, may_tell: bool) -> list[str]:
        """Stored responses are whole, what runs behind has an end. ``may_tell``: or its GET says why not."""
        found = [await self._whole(identity, response, may_tell) for identity, response in self.stored.items()]
        found += [await self._over(identity, may_tell) for identity in sorted(self.behind)]
        self.stored.clear()
        self.behind.clear()
        return [one for one in found if one]

    async def _whole(self, identity: str, response: dict[str, Any], may_tell: bool) -> str | None:
        status, body = await self._get(identity)
        if status == 200:
            return None if body == response else f"{identity} is stored, but not as it was answered"
        if may_tell and status != 404:
            return None
        return f"{identity} was answered as stored and is {status}: {body.get('error', {}).get('message')}"

    async def _over(self, identity: str, may_tell: bool) -> str | None:
        deadline = time.monotonic() + REST_S
        while True:
            status, body = await self._get(identity)
            if status != 200:
                return None if may_tell and status != 404 else f"{identity} ran in the background and is {status}"
            if body["status"] not in RUNNING:
                return None
            if time.monotonic() > deadline:
                return f"{identity} is still {body['status']}"
            await asyncio.sleep(0.1)

    async def _get(self, identity: str) -> tuple[int, dict[str, Any]]:
        async with asyncio.timeout(TURN_S), self.http.get(f"{self.url}/v1/responses/{identity}") as answer:
            return answer.status, await answer.json(content_type=None)

    async def rest(self, before: Held | None) -> list[str]:
        """Nothing runs any more, and nothing stays."""
        deadline = time.monotonic() + REST_S
        while True:
            busy = {name: value for name, value in (await crowd.gauges(self.http, self.url)).items() if value}
            if not busy:  # connections that are kept for the next turn would count as left behind
                for hop in ("google", "ls"):
                    await self.relays[hop].drop()
            now = await self.held()
            grown = [
                f"{name} stayed: {getattr(now, name)}, before {getattr(before, name)}"
                for name in Held.__slots__
                if before is not None and getattr(now, name) > getattr(before, name) + SPARE
            ]
            found = [f"{name} is {value:g} at rest" for name, value in busy.items()] + grown
            if not found or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        return found + [f"logged: {line}" for line in self.stack.output if "Traceback" in line]

    async def held(self) -> Held:
        """Idle connections of the language server's are its own affair."""
        assert self.stack.ls is not None
        await self.stack.ls.google.close()
        process = psutil.Process(self.pid)
        return Held(process.num_fds(), len(process.net_connections()), process.num_threads())

    async def works(self) -> list[str]:
        """The next turn is answered."""
        told = await self.turn("sim:text")
        wrong = told.complaint(may_break=False)
        if wrong is None and told.ended not in ("ok", "completed"):
            wrong = f"{told.surface}: {told.ended}: {told.raw[-200:].decode(errors='replace')}"
        return [f"the next turn: {wrong}"] if wrong else []


def _identity(raw: bytes) -> str | None:
    """The id of a response whose answer may have broken off."""
    position = raw.find(b'"id":"resp_')
    return raw[position + 6 :].split(b'"', 1)[0].decode() if position >= 0 and b'"' in raw[position + 6 :] else None


# -- all of it -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(chance: random.Random, turns: int) -> AsyncIterator[Chaos]:
    """The whole path, with a relay at each hop."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zerogravity-chaos-")))
        tmpfs = small(folder / "traces", stack)
        google = await stack.enter_async_context(GoogleSimulator())
        (folder / "google.pem").write_bytes(google.ca_pem)
        front, ls_port, proxy = free_port(), free_port(), free_port()
        ports = {"client": front, "ls": ls_port, "proxy": proxy, "google": google.port}
        relays = {name: Relay(port, chance) for name, port in ports.items()}
        for relay in relays.values():
            await relay.start()
            stack.push_async_callback(relay.stop)
        options = StackOptions(
            port=front, proxy_port=proxy, api="v1internal", upstream_ca=folder / "google.pem",
            upstream=f"https://127.0.0.1:{relays['google'].port}",
            settings={"store": str(folder / "responses.sqlite"), "trace": "true",
                      "trace_dir": str(folder / "traces"), "ls_url": f"https://127.0.0.1:{relays['ls'].port}"},
            env={"ZEROGRAVITY_LIMITS_TURNS": "8", "ZEROGRAVITY_LIMITS_MATCH_SECONDS": "10",
                 "ZEROGRAVITY_TRACE_BYTES": str(TRACES // 2)},
            ls=LsOptions(port=ls_port, retry_s=0.05),
        )  # fmt: skip
        path = await stack.enter_async_context(Stack(options))
        assert path.ls is not None
        path.ls.options.endpoint = f"http://127.0.0.1:{relays['proxy'].port}"
        connector, named = aiohttp.TCPConnector(limit=0, force_close=True), {"Host": f"127.0.0.1:{front}"}
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, headers=named))
        chaos = Chaos(path, http, relays, folder, chance, turns)
        chaos.tmpfs = tmpfs
        try:
            yield chaos
        finally:  # idle connections of both ends would wait for one another
            for relay in relays.values():
                await relay.drop()


def small(folder: Path, stack: AsyncExitStack) -> bool:
    """A folder that a few megabytes fill, where we may mount one."""
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    mount = ["mount", "-t", "tmpfs", "-o", f"size={TRACES},mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, timeout=10, check=False).returncode != 0:
        return False
    stack.callback(partial(subprocess.run, ["umount", str(folder)], capture_output=True, timeout=10, check=False))
    return True
