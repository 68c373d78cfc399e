"""A real ``zerogravity serve``: one line for each turn, none for anything else."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.support import NO_COOLDOWN, TOOL, ready
from tests.ports import free_port
from tests.running import URL, Command, command
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions

pytestmark = pytest.mark.e2e
TOOLS = [{"type": "function", "name": "get_weather", "parameters": TOOL}]
TURNS = (  # prompt, model, the client's user-agent
    ("hello", "gpt-5", "codex_cli_rs/0.99.0"),
    ("sim:tool", "gemini-3-flash", "x"),
    ("sim:429", "gemini-3-flash", "x"),
)
LINES = (
    r"codex gpt-5→gemini-3\.1-pro ok \d+ ms \d+→\d+ \$0\.\d+",
    r"responses gemini-3-flash tool \d+ ms \d+→\d+ get_weather \$0\.\d+",
    r"responses gemini-3-flash 429 RESOURCE_EXHAUSTED \d+ ms You have exhausted your capacity .*",
    r"responses gemini-3-flash client_gone \d+(\.\d)? m?s( \d+→\d+)?( (≥ )?<?\$0(\.\d+)?)?",
)


@asynccontextmanager
async def served(folder: Path, *arguments: str) -> AsyncIterator[tuple[Command, str, aiohttp.ClientSession]]:
    port = free_port()
    options = LsOptions(endpoint=f"http://127.0.0.1:{port}", background=False, retry_s=0.02)
    async with (
        GoogleSimulator(tls=False) as google,
        LanguageServerSimulator(options) as ls,
        aiohttp.ClientSession() as http,
        command(
            folder, "serve", "--proxy-port", str(port), "--google", google.url, "--listen", "127.0.0.1:0",
            "--ls-url", ls.url, *arguments, ZEROGRAVITY_LS_CSRF=ls.csrf, **NO_COOLDOWN,
        ) as running,
    ):  # fmt: skip
        yield running, (await running.until(URL))[1].rstrip('"}'), http


async def turns(url: str, http: aiohttp.ClientSession) -> None:
    """Four that end in four ways, one after another; and what becomes no turn."""
    await ready(http, url)
    for prompt, model, agent in TURNS:
        body: dict[str, Any] = {"model": model, "input": prompt, "tools": TOOLS}
        async with http.post(f"{url}/v1/responses", json=body, headers={"user-agent": agent}) as answer:
            await answer.read()
    for path in ("/health", "/ready", "/v1/models", "/metrics", "/nowhere"):
        async with http.get(url + path) as answer:
            await answer.read()
    counted = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    async with http.post(f"{url}/v1beta/models/gemini-3-flash:countTokens", json=counted) as answer:
        await answer.read()
    body = {"model": "gemini-3-flash", "input": "sim:stall 20", "stream": True}
    async with http.post(f"{url}/v1/responses", json=body) as answer:
        await answer.content.readline()


async def test_one_line_for_each_turn_and_no_other(tmp_path: Path) -> None:
    async with served(tmp_path) as (running, url, http):
        await turns(url, http)
        await running.until(re.compile(r"client_gone .*\n"))
        assert await running.stop(2) == 0
    _, _, said = running.output.partition("inspector: ")
    lines = said.splitlines()[1:]
    assert [line for line in lines if not re.match(r"\d\d:\d\d:\d\d ", line)] == []
    assert len(lines) == len(LINES), running.output
    for line, wanted in zip(lines, LINES, strict=True):
        assert re.fullmatch(wanted, line[9:]), line


async def test_for_machines_each_line_is_an_object(tmp_path: Path) -> None:
    async with served(tmp_path, "--log", "json") as (running, url, http):
        await turns(url, http)
        await running.until(re.compile(r"client_gone.*\n"))
        await running.stop(2)
    lines = [line for line in running.output.splitlines() if not line.startswith(("language server: ", "inspector: "))]
    objects = [json.loads(line) for line in lines]
    assert [one["code"] for one in objects if one["event"] == "turn"] == [
        "ok",
        "tool",
        "upstream_status",
        "client_gone",
    ]
    logged = [one["message"] for one in objects if one["event"] == "log"]
    assert logged[0].startswith("each turn is kept in ")
    assert logged[1:] == [f"zerogravity answers agents on {url}"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one["time"]) for one in objects)


async def test_quiet_prints_warnings_only(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    port = free_port()
    async with command(
        tmp_path, "serve", "-q", "--no-mitm", "--ls-url", "http://127.0.0.1:9", "--listen", f"127.0.0.1:{port}",
        ZEROGRAVITY_READY_FILE=str(file), ZEROGRAVITY_LS_CSRF="x",
    ) as running:  # fmt: skip
        async with asyncio.timeout(60):
            while not file.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await running.stop(2)
    assert "answers agents" not in running.output
    assert "inspector" not in running.output


async def test_the_demo_that_stays_prints_them_too(tmp_path: Path) -> None:
    async with (
        command(tmp_path, "demo", "--serve", "--port", "0", FORCE_COLOR="1") as running,
        aiohttp.ClientSession() as http,
    ):
        url = (await running.until(re.compile(r"ready on (http://\S+)")))[1]
        await running.until(re.compile("a line for each turn follows"))
        async with http.post(f"{url}/v1/responses", json={"model": "gpt-5", "input": "hello"}) as answer:
            assert answer.status == 200
        line = (await running.until(re.compile(r".*gemini-3\.1-pro.*ms.*\n")))[0]
        assert "gpt-5→gemini-3.1-pro \x1b[32mok\x1b[0m" in line
        assert await running.stop(2) == 0
