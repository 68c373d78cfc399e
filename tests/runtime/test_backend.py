"""Google's runtime as our back end, the real program: turns, and whatever may happen to it meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.backends.served import proxy, served
from tests.e2e.support import SURFACES, Said, ask, ready, request
from tests.waiting import until
from zerogravity.backends.base import Route
from zerogravity.backends.runtime.backend import Runtime
from zerogravity.backends.runtime.folders import PREFIX
from zerogravity.backends.runtime.settings import Settings, Vertex
from zerogravity.core.events import Failed
from zerogravity.errors import Origin
from zerogravity.testing.simulator.google import GoogleSimulator

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-like-no-other-0123456789"
TEXT = "Here is an answer in several pieces, as the real one would come."
Ask = Callable[..., Awaitable[Said]]


class World:
    """``runtime`` serves ``gateway``; its calls reach ``google``."""

    def __init__(self, google: GoogleSimulator, runtime: Runtime, data: Path) -> None:
        self.google = google
        self.runtime = runtime
        self.data = data
        self.gateway: Any = None
        self.http: Any = None

    async def ask(self, prompt: str, surface: str = "responses", **options: Any) -> Said:
        return await ask(self.gateway, self.http, surface, prompt, **options)

    @property
    def pid(self) -> int:
        assert self.runtime.pid is not None
        return self.runtime.pid

    @property
    def at_rest(self) -> bool:
        return not self.runtime.conversations and all(one.done.is_set() for one in self.google.requests)


Start = Callable[..., Awaitable[World]]


def folders() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]


@pytest_asyncio.fixture
async def start(binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """At the end nothing is left: no process, no folder, no task."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    before = children()
    async with AsyncExitStack() as stack:

        async def started(pace: float = 0.001, settings: Settings | None = None, **options: Any) -> World:
            google = await stack.enter_async_context(GoogleSimulator(tls=False, http2=False, pace=pace))
            endpoint, addons = await stack.enter_async_context(proxy(google))
            route = Route(endpoint=endpoint, google=google.url)
            world = World(google, Runtime(settings or Settings(binary, KEY), route, **options), tmp_path / "data")
            world.gateway = await stack.enter_async_context(
                served(world.runtime, route, addons, world.data, trace=True)
            )
            world.http = await stack.enter_async_context(aiohttp.ClientSession())
            await ready(world.http, world.gateway.url)
            return world

        yield started
    assert folders() == []
    await until(lambda: children() == before)
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


# -- turns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_turn(surface: str, start: Start) -> None:
    world = await start()
    said = await world.ask("sim:text", surface)
    assert (said.status, said.error, said.text) == (200, None, TEXT)
    (call,) = world.google.agent_requests
    assert call.headers["x-goog-api-key"] == KEY
    assert call.path.startswith("/v1beta/models/")
    await until(lambda: world.at_rest)


async def test_a_turn_of_a_project_of_google_cloud(start: Start, binary: Path, tmp_path: Path) -> None:
    """The runtime gets its token itself, by the login of a file."""
    asked: list[str] = []

    async def token(request: web.Request) -> web.Response:
        asked.append(str((await request.post()).get("grant_type")))
        return web.json_response({"access_token": "ya29.made-up", "expires_in": 3600, "token_type": "Bearer"})

    app = web.Application()
    app.router.add_post("/token", token)
    async with TestServer(app) as server:
        login = tmp_path / "login.json"
        login.write_text(json.dumps(service_account(str(server.make_url("/token")))))
        world = await start(settings=Settings(binary, vertex=Vertex("p", "us-central1", login)))
        said = [await world.ask("sim:text") for _ in range(2)]
        assert [(one.status, one.error, one.text) for one in said] == [(200, None, TEXT)] * 2
        calls = world.google.agent_requests
        assert {one.headers["authorization"] for one in calls} == {"Bearer ya29.made-up"}
        assert {one.path.partition("/publishers/")[0] for one in calls} == {"/v1beta1/projects/p/locations/us-central1"}
        assert asked[:1] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        await until(lambda: world.at_rest)


def service_account(token_uri: str) -> dict[str, str]:
    """A login of Google Cloud, as its console makes one."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "type": "service_account", "project_id": "p", "private_key_id": "id", "private_key": pem.decode(),
        "client_email": "agent@p.iam.gserviceaccount.com", "client_id": "1", "token_uri": token_uri,
    }  # fmt: skip


# -- its end in the middle ---------------------------------------------------------------------------------------


async def begun(world: World, prompt: str = "sim:long 100000") -> tuple[aiohttp.ClientResponse, Any]:
    """A turn whose answer has begun: the client's answer, and its channel."""
    path, body = request("chat", prompt, stream=True)
    answer = await world.http.post(world.gateway.url + path, json=body)
    assert answer.status == 200
    await answer.content.readany()
    (channel,) = (one for one in world.gateway.services.store if one.termination is None)
    return answer, channel


async def test_a_cancelled_turns_call_to_google_ends_at_once(start: Start) -> None:
    world = await start()
    answer, channel = await begun(world)
    (call,) = world.google.agent_requests
    assert not call.done.is_set()
    assert world.gateway.services.engine.cancel(channel)
    async with asyncio.timeout(10):
        await call.done.wait()
    assert call.ended == "client_gone"
    answer.close()
    await until(lambda: world.at_rest)
    assert len(world.google.agent_requests) == 1


async def test_killed_in_a_turn(start: Start) -> None:
    """The turn ends with a fault at once, and the next one is served by another process."""
    world = await start()
    answer, channel = await begun(world)
    first = world.pid
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(10):
        await channel.wait_closed()
    answer.close()
    assert isinstance(channel.terminal, Failed)
    assert channel.terminal.fault.origin is Origin.LS
    said = await world.ask("sim:text")
    assert (said.status, said.error, said.text) == (200, None, TEXT)
    assert world.pid != first
    await until(lambda: world.at_rest)
    assert len(folders()) == 1


async def test_killed_while_nothing_runs(start: Start) -> None:
    world = await start()
    for _ in range(2):
        os.kill(world.pid, signal.SIGKILL)
        said = await world.ask("sim:text")
        assert (said.status, said.error, said.text) == (200, None, TEXT)


# -- it is replaced ----------------------------------------------------------------------------------------------


async def test_it_is_replaced_after_many_turns_and_no_turn_notices(start: Start) -> None:
    world = await start(pace=0.02, max_turns=5)
    first = world.pid
    answer, channel = await begun(world, "sim:long 200")
    for _ in range(3):
        said = await asyncio.gather(*(world.ask("sim:text", "chat") for _ in range(4)))
        assert [(one.status, one.text) for one in said] == [(200, TEXT)] * 4
    await until(lambda: world.runtime.pid not in (None, first))
    assert channel.termination is not None or psutil.pid_exists(first)
    await answer.content.read()
    await channel.wait_closed()
    assert not isinstance(channel.terminal, Failed)
    await until(lambda: not psutil.pid_exists(first) and len(folders()) == 1)
    await until(lambda: world.at_rest)


async def test_it_is_replaced_when_it_has_become_big(start: Start) -> None:
    world = await start(max_rss=1)
    first = world.pid
    said = await asyncio.gather(*(world.ask("sim:text", "chat") for _ in range(16)))
    assert [(one.status, one.text) for one in said] == [(200, TEXT)] * 16
    await until(lambda: world.runtime.pid not in (None, first))
    await until(lambda: not psutil.pid_exists(first) and len(folders()) == 1)


# -- what it leaves ----------------------------------------------------------------------------------------------


def holding(word: str, *places: Path) -> list[Path]:
    """The files that hold a word."""
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    assert files
    found: list[Path] = []
    for file in files:
        with suppress(FileNotFoundError):  # a journal of SQLite
            found += [file] if word.encode() in file.read_bytes() else []
    return found


async def test_nothing_that_was_said_stays_on_the_disk(start: Start) -> None:
    world = await start()
    for _ in range(3):
        await world.ask("sim:echo persimmon", "chat")
    await until(lambda: world.at_rest)
    (folder,) = folders()
    await until(lambda: list((folder / "app" / "brain").glob("*")) == [])  # it may write when it has hung up
    assert holding("persimmon", folder) == []
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_the_key_is_nowhere(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = await start()
    running = psutil.Process(world.pid)
    said = [await world.ask(prompt, "chat", stream=False) for prompt in ("sim:text", "sim:429", "sim:400", "sim:drop")]
    await until(lambda: world.at_rest)
    shown = [repr(vars(world.runtime)), str(running.cmdline()), str(running.environ())]
    for name in ("metrics", "health", "ready"):
        async with world.http.get(f"{world.gateway.url}/{name}") as answer:
            shown.append(await answer.text())
    shown += [caplog.text, *(one.raw.decode() for one in said), *(str(one.headers) for one in said)]
    assert [text for text in shown if KEY in text] == []
    assert holding(KEY, *folders(), world.data) == []


@pytest.mark.parametrize("how", ["at rest", "in a turn", "cancelled", "twice"])
async def test_closing_it_leaves_nothing(how: str, start: Start) -> None:
    world = await start()
    before, answer = world.pid, None
    if how != "at rest":
        answer, _ = await begun(world)
    closing = asyncio.create_task(world.runtime.close())
    if how == "cancelled":
        await asyncio.sleep(0)
        closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    if how == "twice":
        await world.runtime.close()
    await until(lambda: not psutil.pid_exists(before))
    assert folders() == []
    assert world.runtime.conversations == 0
    if answer is not None:
        answer.close()


async def test_it_ends_when_the_gateway_is_killed(binary: Path, tmp_path: Path) -> None:
    gateway = f"""
import asyncio
from pathlib import Path
from zerogravity.backends.base import Route
from zerogravity.backends.runtime.backend import Runtime
from zerogravity.backends.runtime.settings import Settings

async def main():
    runtime = Runtime(Settings(Path({str(binary)!r}), "key"), Route("http://127.0.0.1:9"))
    await runtime.start()
    await runtime.start_cascade("gemini-3-flash")
    print(runtime.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", gateway, cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert process.stdout is not None
    runtime = int(await process.stdout.readline())
    assert psutil.pid_exists(runtime)
    process.kill()
    await process.communicate()
    await until(lambda: not psutil.pid_exists(runtime))
