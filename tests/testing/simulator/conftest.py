"""The simulators' fixtures: a running Google stand-in, language servers in front of it, and the leak check."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.server.support import open_sockets
from tests.testing.simulator.ls_support import Ls
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions


@pytest.fixture(autouse=True)
async def no_leaks() -> AsyncIterator[None]:
    """After each test: no task and no socket more than before."""
    tasks, sockets = asyncio.all_tasks(), open_sockets()
    yield
    own = asyncio.current_task()
    for _ in range(200):
        left = asyncio.all_tasks() - tasks - {own}
        if not left and open_sockets() <= sockets:
            return
        await asyncio.sleep(0.005)
    assert not left, left
    assert open_sockets() <= sockets


@pytest.fixture
async def google() -> AsyncIterator[GoogleSimulator]:
    async with GoogleSimulator(pace=0.0) as running:
        yield running


@pytest.fixture
async def make_ls(google: GoogleSimulator, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Ls]]]:
    """``await make_ls(**options)`` → a running language server that talks to the Google stand-in."""
    authority = tmp_path / "google.pem"
    authority.write_bytes(google.ca_pem)
    async with contextlib.AsyncExitStack() as stack:

        async def make(**options: Any) -> Ls:
            defaults = {"endpoint": google.url, "proxy_ca": authority, "retry_s": 0.0, "background": False}
            simulator = LanguageServerSimulator(LsOptions(**{**defaults, **options}))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Ls(await stack.enter_async_context(simulator), google, session)

        yield make
