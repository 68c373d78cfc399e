"""Many turns at once, and a gateway that had no time: nobody fails, each gets its own answer, and the language server
is not blamed for what was ours."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from itertools import cycle

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.support import SURFACES, ask, quick
from tests.waiting import until
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
TURNS = 256
MATCH_S = 2  # for the language server's call; not in the burst, where the stand-ins are as busy as we are
OWN = re.compile(rb"turn-(\d+)-of-the-burst")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Stack]:
    limits = {"ZEROGRAVITY_LIMITS_TURNS": str(TURNS), "ZEROGRAVITY_LIMITS_MATCH_SECONDS": "100"}
    async with Stack(StackOptions(ls=quick(), env=limits)) as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impatient_running() -> AsyncIterator[Stack]:
    limits = {"ZEROGRAVITY_LIMITS_MATCH_SECONDS": str(MATCH_S)}
    async with Stack(StackOptions(ls=quick(), env=limits)) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def patient() -> AsyncIterator[aiohttp.ClientSession]:
    """As many connections as there are turns."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@pytest.mark.parametrize("delay", [0, 0.5], ids=["at once", "slowly"])
async def test_s5_of_many_turns_at_once_none_fails_and_each_gets_its_own_answer(
    stack: Stack, patient: aiohttp.ClientSession, delay: float
) -> None:
    """``delay``: after which the language server makes its call."""
    stack.ls.options.delay_s = delay
    surfaces = cycle(SURFACES)
    asked = [ask(stack, patient, next(surfaces), f"turn-{number}-of-the-burst") for number in range(TURNS)]
    said = await asyncio.gather(*asked)
    assert [one.status for one in said] == [200] * TURNS
    assert [one.error for one in said if one.error] == []
    for number, one in enumerate(said):
        assert set(OWN.findall(one.raw)) == {str(number).encode()}
    assert len(stack.google.requests) == TURNS, "each went to Google once"


async def test_a_gateway_that_stood_still_does_not_blame_the_language_server(
    impatient: Stack, http: aiohttp.ClientSession
) -> None:
    """Its call has come meanwhile, and lies unread when the time for it seems to be over."""
    impatient.ls.options.delay_s = MATCH_S / 4
    assert impatient.process is not None
    asking = asyncio.create_task(ask(impatient, http, "chat", "turn-1-of-the-burst"))
    await until(lambda: any(cascade.running for cascade in impatient.ls.cascades.values()))
    os.kill(impatient.process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > 2 * MATCH_S)  # the language server calls meanwhile
    finally:
        os.kill(impatient.process.pid, signal.SIGCONT)
    said = await asking
    assert (said.status, said.error) == (200, None)
    assert OWN.search(said.raw)
