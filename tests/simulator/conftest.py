"""The simulators' fixtures: a running Google stand-in, and the leak check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.server.support import open_sockets
from zerogravity.simulator.google import GoogleSimulator


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
