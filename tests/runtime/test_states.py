"""What a gateway and ``zerogravity ls`` say of the real runtime while it serves."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import psutil

from zerogravity.backends.runtime import discover
from zerogravity.testing.simulator.stack import Stack, StackOptions


async def checks(url: str) -> dict[str, str]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/ready") as response:
        return {check["name"]: check["text"] for check in (await response.json())["checks"]}


async def test_what_runs_and_where_its_calls_come(binary: Path) -> None:
    async with Stack(StackOptions(runtime=binary)) as stack, aiohttp.ClientSession() as http:
        told = re.fullmatch(r"the runtime runs \(pid (\d+)\)", (await checks(stack.url))["language_server"])
        assert told is not None
        assert psutil.Process(int(told[1])).exe() == str(binary.resolve())
        (found,) = [one for one in discover.running() if one.pid == int(told[1])]
        assert stack.process is not None
        assert found.ours
        assert found.parent.endswith(f"(pid {stack.process.pid})")
        body = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "hello"}]}
        async with http.post(f"{stack.url}/v1/chat/completions", json=body) as response:
            assert response.status == 200
        assert (await checks(stack.url))["path"] == "calls to Google come through the proxy"
