"""The whole path with a language server that behaves as Google's Antigravity runtime: public API, summary call."""

from __future__ import annotations

import aiohttp
import pytest

from tests.e2e.support import SURFACES, ask, at_rest
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import build
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]


@pytest.mark.parametrize("compaction", [False, True])
async def test_turns_of_the_runtime(compaction: bool) -> None:
    async with GoogleSimulator(tls=False) as google:
        ls = build("runtime", compaction=compaction, retry_s=0.02)
        async with (
            Stack(StackOptions(upstream=google.url, api="public", ls=ls)) as stack,
            aiohttp.ClientSession() as http,
        ):
            for surface in SURFACES:
                said = await ask(stack, http, surface, f"sim:echo a {surface} quince")
                assert f"a {surface} quince" in said.text
                failed = await ask(stack, http, surface, "sim:429", stream=False)
                assert failed.status == 429
            await at_rest(stack)
        assert all(str(one.body).count("<cid:") == 0 for one in google.requests if one.method == "POST")
