"""A language server that runs, and calls Google, re-pointed to us and put back: by ``zerogravity serve`` and by a real
mitmdump, at every kind of end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.support import ready
from tests.e2e.test_language_servers import language_server, told
from tests.ports import free_port
from tests.running import URL, Command, command, mitmdump
from tests.waiting import until
from zerogravity.backends.antigravity import discover
from zerogravity.backends.antigravity.client import LsClient
from zerogravity.backends.antigravity.repointed import FILE
from zerogravity.testing.simulator.google import GoogleSimulator

pytestmark = pytest.mark.e2e

TOKEN = "token-of-the-editors"


@dataclass
class Scene:
    """``former``: Google as the language server's command line has it; ``google``: behind our proxy."""

    folder: Path
    former: GoogleSimulator
    google: GoogleSimulator
    http: aiohttp.ClientSession
    port: int

    @property
    def here(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, program: str, *more: str, **variables: str) -> AbstractAsyncContextManager[Command]:
        """``zerogravity serve`` or mitmdump, re-pointing or not."""
        variables = {"ZEROGRAVITY_LISTEN": "127.0.0.1:0", "ZEROGRAVITY_LS_CSRF": TOKEN, **variables}
        if program == "serve":
            options = ["--proxy-port", str(self.port), "--google", self.google.url, *more]
            return command(self.folder, "serve", *options, **variables)
        mode = f"reverse:{self.google.url}@127.0.0.1:{self.port}"
        options = ["--set", "zg_repoint=true"] if more == ("--repoint",) else []
        return mitmdump(self.folder, "--mode", mode, *options, **variables)

    async def calls(self) -> list[str]:
        """Where a call of the language server goes now: ``former`` or ``here``."""
        self.former.requests.clear()
        self.google.requests.clear()
        endpoint = await discover.discover(csrf=TOKEN)
        assert endpoint is not None
        client = LsClient(endpoint)
        try:
            await client.call("GetLoadCodeAssist", {"forceRefresh": True})
        finally:
            await client.close()
        return ["former"] * len(self.former.requests) + ["here"] * len(self.google.requests)

    async def asked(self, url: str, path: str) -> Any:
        async with self.http.get(url + path) as answer:
            return await answer.json()

    async def lists(self) -> tuple[str, str]:
        """The route that ``zerogravity ls`` shows, and what it says besides."""
        async with command(self.folder, "ls", ZEROGRAVITY_LS_CSRF=TOKEN) as listing:
            assert await listing.ended() == 0
        (route,) = [
            line.split("route")[1].strip() for line in listing.output.splitlines() if line.startswith("  route")
        ]
        return route, "".join(line for line in listing.output.splitlines() if line.startswith("zerogravity: "))

    def kept(self) -> list[Any]:
        """What the file of re-pointed servers holds."""
        file = self.folder / "data" / "zerogravity" / FILE
        return json.loads(file.read_bytes()) if file.exists() else []


@pytest.fixture
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    habits = getattr(request, "param", ())
    async with (
        GoogleSimulator(tls=False) as former,
        GoogleSimulator(tls=False) as google,
        aiohttp.ClientSession() as http,
        language_server(tmp_path, TOKEN, former.url, "--habit", "background=false", *habits),
    ):
        yield Scene(tmp_path, former, google, http, free_port())


@pytest.mark.parametrize(
    ("program", "end"), [("serve", signal.SIGTERM), ("serve", signal.SIGINT), ("mitmdump", signal.SIGTERM)]
)
async def test_re_pointed_while_we_run(scene: Scene, program: str, end: signal.Signals) -> None:
    assert await scene.calls() == ["former"]
    async with scene.serve(program, "--repoint") as serving:
        url = (await serving.until(URL))[1]
        await ready(scene.http, url)
        path = next(one for one in (await scene.asked(url, "/ready"))["checks"] if one["name"] == "path")
        note = f"re-pointed to {scene.here}, and its call came through"
        assert path["text"] == f"calls to Google come through the proxy; {note}"
        assert "degraded" not in await scene.asked(url, "/health")
        scene.former.requests.clear()
        await told(scene.http, url, "kumquat")
        assert scene.former.requests == []
        assert await scene.calls() == ["here"]
        assert await scene.lists() == (f"re-pointed to {scene.here} by zerogravity", "")
        assert len(scene.kept()) == 1
        await serving.stop(end)
    assert await scene.calls() == ["former"]
    assert scene.kept() == []
    assert "Traceback" not in serving.output
    assert TOKEN not in serving.output


@pytest.mark.parametrize("program", ["serve", "mitmdump"])
async def test_never_unless_it_is_asked_for(scene: Scene, program: str) -> None:
    async with scene.serve(program) as serving:
        await ready(scene.http, (await serving.until(URL))[1])
        assert await scene.calls() == ["former"]
        await serving.stop(signal.SIGTERM)
    assert not (scene.folder / "data" / "zerogravity" / FILE).exists()


@pytest.mark.parametrize(("again", "where"), [("--repoint", "here"), ("--no-mitm", "former")])
async def test_killed_and_then_started_again(scene: Scene, again: str, where: str) -> None:
    """Whatever the mode, the next start puts it back; one that re-points goes on."""
    async with scene.serve("serve", "--repoint") as serving:
        await ready(scene.http, (await serving.until(URL))[1])
        serving.process.kill()
    (left,) = scene.kept()
    assert (left["former"], left["to"]) == (scene.former.url, scene.here)
    polling = command(scene.folder, "serve", "--no-mitm", ZEROGRAVITY_LISTEN="127.0.0.1:0", ZEROGRAVITY_LS_CSRF=TOKEN)
    async with polling if again == "--no-mitm" else scene.serve("serve", again) as serving:
        url = (await serving.until(URL))[1]
        await ready(scene.http, url)
        assert f"had pointed it; it was put back to {scene.former.url}" in serving.output
        assert await scene.calls() == [where]
        if where == "here":
            await told(scene.http, url, "quince")
        await serving.stop(signal.SIGTERM)
    assert await scene.calls() == ["former"]
    assert scene.kept() == []


async def test_killed_and_put_back_by_who_looks(scene: Scene) -> None:
    async with scene.serve("serve", "--repoint") as serving:
        await ready(scene.http, (await serving.until(URL))[1])
        serving.process.kill()
    route, said = await scene.lists()
    assert route == f"endpoint {scene.former.url}"
    assert f"it was put back to {scene.former.url}" in said
    assert await scene.calls() == ["former"]
    assert scene.kept() == []


MISSING = ("--habit", "missing=SetCloudCodeURL")
IDLE = ("--habit", "repointable=false")


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        (MISSING, "this build of the language server cannot be re-pointed"),
        (IDLE, "but its call did not come through here, so it was put back"),
    ],
    indirect=["scene"],
)
async def test_a_build_that_cannot(scene: Scene, said: str) -> None:
    async with scene.serve("serve", "--repoint", ZEROGRAVITY_LIMITS_MATCH_SECONDS="0.5") as serving:
        url = (await serving.until(URL))[1]
        await ready(scene.http, url)
        remedy = f"Start it with --cloud_code_endpoint {scene.here}, or use proxy mode: zerogravity serve --mode proxy."
        path = next(one for one in (await scene.asked(url, "/ready"))["checks"] if one["name"] == "path")
        assert said in path["text"]
        assert path["fix"] == remedy
        health = await scene.asked(url, "/health")
        assert health["status"] == "degraded"
        assert said in health["degraded"]["path"]
        async with command(scene.folder, "status", "--url", url) as status:
            await status.ended()
        assert said in " ".join(status.output.split())
        async with scene.http.post(f"{url}/v1/responses", json={"model": "gemini-3-flash", "input": "x"}) as answer:
            assert answer.status == 502  # at once: Google would answer it elsewhere, to nobody
            assert said in (await answer.json())["error"]["message"]
        assert not scene.former.agent_requests
        assert await scene.calls() == ["former"]
        await serving.stop(signal.SIGTERM)
    assert scene.kept() == []


async def test_two_gateways(scene: Scene) -> None:
    """The second one leaves it to the first, and takes it over when that has gone."""
    async with scene.serve("serve", "--repoint") as first:
        await ready(scene.http, (await first.until(URL))[1])
        scene.port, port = free_port(), scene.port
        async with scene.serve("serve", "--repoint") as second:
            url = (await second.until(URL))[1]
            await ready(scene.http, url)
            degraded = (await scene.asked(url, "/health"))["degraded"]
            assert f"re-pointed to http://127.0.0.1:{port} by another zerogravity" in degraded["path"]
            assert await scene.lists() == (f"re-pointed to http://127.0.0.1:{port} by zerogravity", "")
            await first.stop(signal.SIGTERM)
            await told(scene.http, url, "kumquat")
            assert await scene.lists() == (f"re-pointed to {scene.here} by zerogravity", "")
            await second.stop(signal.SIGTERM)
    assert await scene.calls() == ["former"]


async def test_the_next_language_server_is_re_pointed_before_its_first_turn(tmp_path: Path) -> None:
    """The editor restarts: another port, another token, another pid. A turn finds that out."""
    proxy = free_port()
    async with (
        GoogleSimulator(tls=False) as former,
        GoogleSimulator(tls=False) as google,
        aiohttp.ClientSession() as http,
        command(
            tmp_path, "serve", "--repoint", "--proxy-port", str(proxy), "--google", google.url,
            ZEROGRAVITY_LISTEN="127.0.0.1:0",
        ) as serving,
    ):  # fmt: skip
        url = (await serving.until(URL))[1]
        for word in ("kumquat", "quince"):
            async with language_server(tmp_path, f"token-{word}", former.url):
                if word == "kumquat":
                    await ready(http, url)
                former.requests.clear()
                await told(http, url, word)
                assert former.agent_requests == []
        assert await serving.stop(signal.SIGTERM) == 0
    assert "Traceback" not in serving.output


async def test_without_a_reverse_mode_mitmdump_does_not_start(tmp_path: Path) -> None:
    options = ["--listen-port", str(free_port()), "--set", "zg_repoint=true"]
    async with mitmdump(tmp_path, *options, ZEROGRAVITY_LISTEN="127.0.0.1:0") as serving:
        assert await serving.ended() != 0
    assert "repoint needs a reverse mode" in serving.output
    assert "Traceback" not in serving.output


async def test_gone_while_it_held_it(scene: Scene) -> None:
    """The editor has ended before us: nothing to put back, and the end is quiet."""
    async with scene.serve("serve", "--repoint") as serving:
        await ready(scene.http, (await serving.until(URL))[1])
        endpoint = await discover.discover(csrf=TOKEN)
        assert endpoint is not None
        assert endpoint.pid is not None
        os.kill(endpoint.pid, signal.SIGKILL)
        await until(lambda: discover.processes() == [])
        assert await serving.stop(signal.SIGTERM) == 0
    assert scene.kept() == []
    assert "still calls" not in serving.output
