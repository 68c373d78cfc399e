"""One truth about the path: what a turn has met is said by /ready, /health, /metrics, ``status`` and ``doctor`` alike,
and is over when it is over."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from tests.e2e.support import NO_COOLDOWN, ask, quick, ready
from tests.ports import free_port
from tests.running import URL, Command, command
from tests.waiting import until
from zerogravity import certs
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import LanguageServerSimulator
from zerogravity.testing.simulator.stack import GOOGLE

pytestmark = pytest.mark.e2e
CSRF = "the-token-of-this-ls"


@dataclass
class Scene:
    """``zerogravity serve`` between stand-ins of this process."""

    serving: Command
    url: str
    ls: LanguageServerSimulator
    http: aiohttp.ClientSession
    folder: Path

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(self.url + path) as answer:
            return answer.status, await (answer.json() if "json" in answer.content_type else answer.text())

    async def turn(self, prompt: str = "hello") -> int:
        return (await ask(SimpleNamespace(url=self.url), self.http, "chat", prompt, stream=False)).status

    async def told(self, *arguments: str, **variables: str) -> tuple[int, Any]:
        """(exit code, what a command says with --json)"""
        listen = self.url.removeprefix("http://")
        async with command(self.folder, *arguments, "--json", ZEROGRAVITY_LISTEN=listen, **variables) as asked:
            code = await asked.ended()
        begin = re.search(r"^[\[{]", asked.output, re.MULTILINE)
        assert begin is not None, asked.output
        before = asked.output[: begin.start()]  # one line of aiohttp's is known, at a connection that is refused
        assert not before or before.startswith("Task exception was never retrieved"), before
        return code, json.loads(asked.output[begin.start() :])


@asynccontextmanager
async def serving(folder: Path, upstream: str, *arguments: str, **variables: str) -> AsyncIterator[Scene]:
    proxy = free_port()
    options = quick(csrf=CSRF, endpoint=f"http://127.0.0.1:{proxy}", retries=0)
    given = ["--proxy-port", str(proxy), "--google", upstream, *arguments]
    async with LanguageServerSimulator(options) as ls, aiohttp.ClientSession() as http:
        settings = {
            "ZEROGRAVITY_LISTEN": "127.0.0.1:0", "ZEROGRAVITY_LS_URL": ls.url, "ZEROGRAVITY_LS_CSRF": CSRF,
            **NO_COOLDOWN, **variables,
        }  # fmt: skip
        async with command(folder, "serve", *given, **settings) as running:
            yield Scene(running, (await running.until(URL))[1], ls, http, folder)


async def broken(scene: Scene, hop: str, text: str, fix: str) -> dict[str, Any]:
    """Every teller says that this hop is broken, and nothing says that all is well."""
    status, ready = await scene.get("/ready")
    (check,) = [check for check in ready["checks"] if not check["ok"]]
    assert (status, check["name"]) == (503, hop)
    assert text in check["text"]
    assert fix in check["fix"]
    assert check["since"] <= check["last_failure"]["at"]
    assert lasting((await scene.get("/health"))[1]["broken"]) == lasting([check])
    assert f'zg_hop_up{{hop="{hop}"}} 0.0' in (await scene.get("/metrics"))[1]
    code, status = await scene.told("status")
    assert (code, lasting(status["checks"])) == (1, lasting(ready["checks"]))
    return check


def lasting(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what each further look at a broken hop changes."""
    return [{name: value for name, value in check.items() if name != "last_failure"} for check in checks]


async def works(scene: Scene) -> None:
    await ready(scene.http, scene.url)
    assert [check for check in (await scene.get("/ready"))[1]["checks"] if not check["ok"]] == []


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"ZEROGRAVITY_LS_CSRF": "another"}, "refused our CSRF token"),
        ({"ZEROGRAVITY_LS_URL": "http://127.0.0.1:1"}, "nothing answers at http://127.0.0.1:1"),
    ],
    ids=["wrong token", "dead URL"],
)
async def test_a_language_server_that_cannot_serve(tmp_path: Path, variables: dict[str, str], text: str) -> None:
    async with GoogleSimulator(tls=False) as google, serving(tmp_path, google.url, **variables) as scene:
        assert await scene.turn() >= 500
        await broken(scene, "language_server", text, "")
        settings = {"ZEROGRAVITY_LS_URL": scene.ls.url, "ZEROGRAVITY_LS_CSRF": CSRF, **variables}
        code, told = await scene.told("doctor", "--google", google.url, **settings)
        checks = {check["name"]: check for check in told["checks"]}
        assert (code, told["first_broken"]) == (1, "running.language_server")
        for name in ("running.language_server", "language_server"):
            assert text in checks[name]["text"]
            assert checks[name]["fix"]
        assert checks["google"]["ok"]
        assert checks["path.chat"]["ok"], "what is installed works"


@pytest.mark.parametrize("tls", [False, True], ids=["nobody there", "a stranger's certificate"])
async def test_a_google_out_of_reach_until_it_is_back(tmp_path: Path, tls: bool) -> None:
    port = free_port()
    async with serving(tmp_path, f"http{'s' if tls else ''}://127.0.0.1:{port}") as scene:
        await works(scene)
        text, fix = "cannot be reached", "network"
        if tls:
            async with GoogleSimulator(tls=True, port=port):
                assert await scene.turn() == 502
            text, fix = "ertificate", "authority"
        else:
            assert await scene.turn() == 502
        await broken(scene, "google", text, fix)
        if not tls:
            async with GoogleSimulator(tls=False, port=port):
                await works(scene)  # no turn has to show it
                assert await scene.turn() == 200


async def test_a_cut_of_our_own_is_no_fault_of_google(tmp_path: Path) -> None:
    """A client that leaves before the first byte: the call to Google is cut, which looks like a broken connection."""
    async with GoogleSimulator(tls=False) as google, serving(tmp_path, google.url) as scene:
        await works(scene)
        asked = asyncio.create_task(scene.turn("sim:stall-before 60"))
        await google.wait_for(1)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await until(lambda: not any(cascade.running for cascade in scene.ls.cascades.values()))
        assert (await scene.turn()) == 200
        status, told = await scene.get("/ready")
        assert status == 200
        assert "last_failure" not in told["checks"][-1]


async def test_a_login_that_google_refuses_until_it_is_taken(tmp_path: Path) -> None:
    async with GoogleSimulator(tls=False) as google, serving(tmp_path, google.url) as scene:
        assert await scene.turn() == 200
        await works(scene)
        assert await scene.turn("sim:401") == 502
        check = await broken(scene, "google", "login", "og in")
        assert check["last_failure"]["times"] == 1
        assert await scene.turn("sim:429") == 429
        await broken(scene, "google", "login", "og in")
        assert await scene.turn() == 200
        await works(scene)
        assert await scene.turn("sim:429") == 429
        await works(scene)
        assert (await scene.get("/ready"))[1]["checks"][-1]["last_failure"]["code"]


@pytest.mark.parametrize(
    ("knows_proxy", "text", "fix"),
    [
        (True, "does not trust zerogravity's certificate", "SSL_CERT_FILE"),
        (False, "a reverse-mode call arrived", "without --mode proxy"),
    ],
    ids=["does not trust us", "takes the proxy for an endpoint"],
)
async def test_a_language_server_that_does_not_go_through_the_proxy(
    tmp_path: Path, knows_proxy: bool, text: str, fix: str
) -> None:
    """Proxy mode, and it was started without our authority, or knows of no proxy."""
    now, proxy = dt.datetime.now(dt.UTC), free_port()
    certs.create(tmp_path / "ca", now=now)
    address = f"http://127.0.0.1:{proxy}"
    if knows_proxy:
        stranger = certs.create(tmp_path / "another", now=now).bundle
        options = quick(csrf=CSRF, endpoint=GOOGLE, proxy_url=address, proxy_ca=stranger, retries=0)
    else:
        options = quick(csrf=CSRF, endpoint=address, retries=0)
    settings = {
        "ZEROGRAVITY_LISTEN": "127.0.0.1:0", "ZEROGRAVITY_LS_CSRF": CSRF, "ZEROGRAVITY_LIMITS_MATCH_SECONDS": "2",
    }  # fmt: skip
    arguments = ["--mode", "proxy", "--proxy-port", str(proxy), "--certs-dir", str(tmp_path / "ca")]
    async with (
        LanguageServerSimulator(options) as ls,
        aiohttp.ClientSession() as http,
        command(tmp_path, "serve", *arguments, ZEROGRAVITY_LS_URL=ls.url, **settings) as running,
    ):
        scene = Scene(running, (await running.until(URL))[1], ls, http, tmp_path)
        said = await ask(SimpleNamespace(url=scene.url), http, "chat", "hello", stream=False)
        assert (said.status, text in said.error["message"]) == (504, True)
        await broken(scene, "path", text, fix)


async def test_calls_that_go_another_way(tmp_path: Path) -> None:
    match = {"ZEROGRAVITY_LIMITS_MATCH_SECONDS": "1"}
    async with GoogleSimulator(tls=False) as google, serving(tmp_path, google.url, **match) as scene:
        here, scene.ls.options.endpoint = scene.ls.options.endpoint, google.url
        assert await scene.turn() == 504
        await broken(scene, "path", "made no call to Google", "proxy port")
        scene.ls.options.endpoint = here
        assert await scene.turn() == 200
        await works(scene)
