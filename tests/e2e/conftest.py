"""What end-to-end tests share: a whole path for a module's tests, found clean and left at rest by each, and a client.

A module that wants other options for its path has a function ``options``; one whose tests run on both response paths,
``response_path = both_response_paths``. The language server's habits (``stack.ls.options``) are a test's to change;
they are restored behind it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import fields

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.support import NO_COOLDOWN, ResponsePath, at_rest, on, quick
from zerogravity.testing.simulator.stack import Stack, StackOptions


@pytest.fixture(scope="module")
def response_path() -> ResponsePath:
    """How the answers of turns' calls come; by default past mitmproxy."""
    return "relay"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(request: pytest.FixtureRequest, response_path: ResponsePath) -> AsyncIterator[Stack]:
    options = getattr(request.module, "options", lambda: StackOptions(ls=quick(), env=NO_COOLDOWN))
    async with Stack(on(response_path, options())) as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impatient_running(response_path: ResponsePath) -> AsyncIterator[Stack]:
    options = StackOptions(ls=quick(), env={"ZEROGRAVITY_LIMITS_MATCH_SECONDS": "0.5"})
    async with Stack(on(response_path, options)) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="module")
async def stack(running: Stack) -> AsyncIterator[Stack]:
    """The module's path, with nothing in it of earlier tests."""
    async for clean in _clean(running):
        yield clean


@pytest_asyncio.fixture(loop_scope="module")
async def impatient(impatient_running: Stack) -> AsyncIterator[Stack]:
    """A path that waits half a second for the language server's call."""
    async for clean in _clean(impatient_running):
        yield clean


async def _clean(stack: Stack) -> AsyncIterator[Stack]:
    stack.ls.cascades.clear()
    stack.ls.calls.clear()
    stack.google.requests.clear()
    stack.output.clear()
    habits = {field.name: getattr(stack.ls.options, field.name) for field in fields(stack.ls.options)}
    yield stack
    for name, value in habits.items():
        setattr(stack.ls.options, name, value)
    await at_rest(stack)
