"""The README's lines for other programs, run as they are printed but for the ports, with programs of Google's."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.ports import free_port
from tests.running import URL, program
from tests.runtime.driving import KEY, clean, output
from tests.test_readme import section
from tests.waiting import until
from zerogravity.cli.serve import serve
from zerogravity.observe import trace_reader
from zerogravity.testing.simulator.google import GoogleSimulator

pytestmark = pytest.mark.e2e
PROXY_PORT = "8742"
SERVE, RUN, LOOK = (
    line.partition("    #")[0]
    for line in section("Any other program that calls Google").split("```")[1].split("\n")[1:4]
)
AGENTS = {
    "google.antigravity": """
import asyncio
from google.antigravity import Agent, LocalAgentConfig

async def main():
    async with Agent(LocalAgentConfig(model="gemini-3-flash")) as agent:
        for said in ("sim:think one", "sim:text two"):
            print(await (await agent.chat(said)).text())

asyncio.run(main())
""",
    "google-genai": """
from google import genai

client = genai.Client()
chat = client.chats.create(model="gemini-3-flash")
for said in ("sim:think one", "sim:text two"):
    print(chat.send_message(said).text)
""",
}


@dataclass(frozen=True)
class Served:
    """``run``: the second line, for the port that the first one got; ``environment`` of both."""

    url: str
    run: str
    environment: dict[str, str]


@pytest.fixture
async def served(environment: Path, tmp_path: Path) -> AsyncIterator[Served]:
    """The first line runs, in front of our stand-in instead of Google, on ports that nobody else has."""
    port = str(free_port())
    (tmp_path / "none.toml").touch()
    ours = {
        "ZEROGRAVITY_CONFIG": str(tmp_path / "none.toml"),
        "ZEROGRAVITY_DATA_DIR": str(tmp_path / "data"),
        "ZEROGRAVITY_LISTEN": "127.0.0.1:0",
        "ZEROGRAVITY_LS_URL": "http://127.0.0.1:1",  # or else that of another test would be found
    }
    path = f"{environment / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    async with GoogleSimulator(tls=False) as google:
        line = program(tmp_path, "bash", "-c", f"{SERVE} --proxy-port {port}", PATH=path.partition(":")[2],
                       ZEROGRAVITY_UPSTREAM=google.url, PYTHONUNBUFFERED="", **ours)  # fmt: skip
        async with line as serving:
            url = (await serving.until(URL))[1]
            assert f"other programs: GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:{port}\n" in serving.output
            yield Served(url, RUN.replace(PROXY_PORT, port), clean(tmp_path, PATH=path, **ours))
            await serving.stop(signal.SIGTERM)
        assert "Traceback" not in serving.output
        assert KEY not in serving.output


def test_the_port_in_the_lines_is_the_one_that_serve_takes() -> None:
    (option,) = (one for one in serve.params if one.name == "proxy_port")
    assert str(option.default) == PROXY_PORT
    assert f"=http://127.0.0.1:{PROXY_PORT} " in RUN


@pytest.mark.parametrize("name", AGENTS)
async def test_the_lines_as_they_are_printed(served: Served, tmp_path: Path, name: str) -> None:
    (tmp_path / "agent.py").write_text(AGENTS[name])
    said = await output("bash", "-c", served.run, env=served.environment, cwd=tmp_path)
    assert said == "Here is an answer in several pieces, as the real one would come.\n" * 2
    root = tmp_path / "data" / "traces"
    await until(lambda: [trace.closed for trace in trace_reader.scan(root)] == [True, True])
    env = {**served.environment, "COLUMNS": "160"}
    heading, *rows = (await output("bash", "-c", LOOK, env=env)).splitlines()
    assert [len(rows), "passive" in rows[0], "passive" in rows[1]] == [2, True, True]
    conversations = {trace.conversation for trace in trace_reader.scan(root)}
    assert len(conversations) == 1
    if name == "google.antigravity":
        assert "conversation" in heading
        assert "" not in conversations
    else:
        assert conversations == {""}
    async with aiohttp.ClientSession() as http, http.get(f"{served.url}/ready") as answer:
        checks = {check["name"]: check["ok"] for check in json.loads(await answer.read())["checks"]}
    assert checks == {"server": True, "language_server": False, "path": True, "google": True}
