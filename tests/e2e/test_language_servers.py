"""Language servers as processes of their own beside ``zerogravity serve``: found, lost, found again, started by us."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import psutil
import pytest

from tests.e2e.support import SURFACES, ask, ready
from tests.ports import free_port
from tests.running import URL, Command, command
from zerogravity import certs
from zerogravity.testing.simulator.google import GoogleSimulator

pytestmark = pytest.mark.e2e

ENDED = re.compile("the language server ended with code")
SITE = ":".join([str(Path(__file__).resolve().parents[2]), *(path for path in sys.path if "site-packages" in path)])


@asynccontextmanager
async def language_server(
    folder: Path, token: str, endpoint: str, *more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The stand-in under the real one's name, with the real one's flags; up when the block begins."""
    process = await asyncio.create_subprocess_exec(
        str(folder / "language_server_linux_x64"), "-m", "zerogravity", "simulate", "ls", "--csrf_token", token,
        "--random_port", "--cloud_code_endpoint", endpoint, *more,
        executable=sys.executable, env={**os.environ, "PYTHONPATH": SITE},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert (await process.stdout.readline()).startswith(b"https://")
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def told(http: aiohttp.ClientSession, url: str, word: str) -> None:
    """Every surface is answered, streamed and whole."""
    for surface in SURFACES:
        for stream in (True, False):
            said = await ask(SimpleNamespace(url=url), http, surface, f"sim:echo {word}", stream=stream)
            assert said.error is None
            assert word in said.text


async def test_found_by_itself_and_again_after_a_restart_elsewhere(tmp_path: Path) -> None:
    """Another port, another token, beside a workspace's process that is none of ours; we are not restarted."""
    proxy = free_port()
    endpoint = f"http://127.0.0.1:{proxy}"
    arguments = ["serve", "--proxy-port", str(proxy)]
    async with (
        GoogleSimulator(tls=False) as google,
        aiohttp.ClientSession() as http,
        language_server(tmp_path, "token-of-a-workspace", "http://127.0.0.1:9", "--workspace_id", "file_home_me"),
        AsyncExitStack() as others,
    ):
        async with language_server(tmp_path, "token-before", endpoint):
            serving = await others.enter_async_context(
                command(tmp_path, *arguments, "--google", google.url, ZEROGRAVITY_LISTEN="127.0.0.1:0")
            )
            url = (await serving.until(URL))[1]
            await ready(http, url)
            await told(http, url, "kumquat")
        async with language_server(tmp_path, "token-after", endpoint):
            await told(http, url, "quince")
        assert await serving.stop(signal.SIGTERM) == 0
    assert not any(token in serving.output for token in ("token-before", "token-after", "token-of-a-workspace"))
    assert "Traceback" not in serving.output


@pytest.mark.parametrize("mode", ["reverse", "proxy"])
async def test_one_of_our_own(tmp_path: Path, mode: str) -> None:
    """Started with the way to us, served, started again when it dies, gone with us."""
    line = [sys.executable, "-m", "zerogravity", "simulate", "ls", "--stdin", "--csrf_token", "{csrf}", "--random_port"]
    async with GoogleSimulator(tls=False) as google, aiohttp.ClientSession() as http:
        if mode == "reverse":
            given = ["--google", google.url]
            line += ["--cloud_code_endpoint", "{endpoint}"]
        else:
            certs.create(tmp_path / "ca", now=dt.datetime.now(dt.UTC))
            given = ["--mode", "proxy", "--certs-dir", str(tmp_path / "ca"), "--set", f"zg_upstream={google.url}"]
        arguments = ["--proxy-port", str(free_port()), "--ls-command", shlex.join(line), *given]
        async with command(tmp_path, "serve", *arguments, ZEROGRAVITY_LISTEN="127.0.0.1:0") as serving:
            url = (await serving.until(URL))[1]
            await told(http, url, "kumquat")
            (child,) = children(serving)
            child.kill()
            await serving.until(ENDED)
            await ready(http, url)
            await told(http, url, "quince")
            (second,) = children(serving)
            assert second.pid != child.pid
            assert await serving.stop(signal.SIGTERM) == 0
        assert not second.is_running()
    assert "Traceback" not in serving.output


def children(serving: Command) -> list[psutil.Process]:
    """Without what watches over them."""
    return [one for one in psutil.Process(serving.process.pid).children() if "simulate" in one.cmdline()]
