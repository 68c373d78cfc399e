"""``zerogravity serve`` on either event loop, in either mode, with a language server that it starts itself: turns of
every surface, streamed and whole, at once, left and stopped."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator

import aiohttp
import psutil
import pytest
import pytest_asyncio

from tests.e2e.support import NO_COOLDOWN, SURFACES, ask, at_rest, request
from tests.reading import to_the_end
from tests.waiting import until
from zerogravity.testing.simulator.stack import Mode, Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
LIBRARY = "uvloop/loop."  # what is mapped of uvloop
KINDS: list[tuple[str, Mode]] = [(loop, mode) for loop in ("uvloop", "asyncio") for mode in ("reverse", "proxy")]


def options(loop: str, mode: Mode) -> StackOptions:
    return StackOptions(serve=True, apart=True, mode=mode, settings={"loop": loop}, env=NO_COOLDOWN)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS, ids=" ".join)
async def served(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Stack]]:
    loop, mode = request.param
    async with Stack(options(loop, mode)) as stack:
        yield loop, stack


async def test_turns(served: tuple[str, Stack], http: aiohttp.ClientSession) -> None:
    loop, stack = served
    assert stack.process is not None
    if sys.platform == "linux":
        mapped = {one.path for one in psutil.Process(stack.process.pid).memory_maps()}
        assert any(LIBRARY in path for path in mapped) == (loop == "uvloop")
    asked = [(surface, stream) for surface in SURFACES for stream in (True, False)]
    several = [ask(stack, http, surface, f"sim:echo {surface}-{stream}", stream=stream) for surface, stream in asked]
    for (surface, stream), said in zip(asked, await asyncio.gather(*several), strict=True):
        assert f"{surface}-{stream}" in said.text
    await at_rest(stack)


async def test_a_client_that_leaves_ends_its_call(served: tuple[str, Stack], http: aiohttp.ClientSession) -> None:
    _, stack = served
    assert stack.google is not None
    path, body = request("chat", "sim:slow 60 left", stream=True)
    async with http.post(stack.url + path, json=body) as response:
        await response.content.readany()
    await until(lambda: all(one.done.is_set() for one in stack.google.requests))
    await at_rest(stack)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_sigterm_ends_open_streams_and_what_it_has_started(loop: str, http: aiohttp.ClientSession) -> None:
    async with Stack(options(loop, "reverse")) as stack:
        assert stack.process is not None
        language_server = stack.ls_process
        path, body = request("chat", "sim:slow 60 cut", stream=True)
        async with http.post(stack.url + path, json=body) as response:
            await response.content.readany()
            stack.process.send_signal(signal.SIGTERM)
            said, _ = await asyncio.wait_for(to_the_end(response), 20)
        assert json.loads(said.splitlines()[-2].removeprefix(b"data: "))["error"]
        assert await asyncio.wait_for(stack.process.wait(), 20) == 0
        assert not language_server.is_running()
