"""The whole path with a language server that behaves as Google's Antigravity runtime: public API, summary call."""

from __future__ import annotations

import aiohttp
import pytest

from tests.e2e.support import ASKED_ONCE, NO_COOLDOWN, SURFACES, ask, at_rest, quick
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import build
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]


@pytest.mark.parametrize("compaction", [False, True])
async def test_turns_of_the_runtime(compaction: bool) -> None:
    async with GoogleSimulator(tls=False) as google:
        ls = build("runtime", compaction=compaction, retry_s=0.02)
        async with (
            Stack(StackOptions(upstream=google.url, api="public", ls=ls, env=NO_COOLDOWN)) as stack,
            aiohttp.ClientSession() as http,
        ):
            for surface in SURFACES:
                said = await ask(stack, http, surface, f"sim:echo a {surface} quince")
                assert f"a {surface} quince" in said.text
                failed = await ask(stack, http, surface, "sim:429", stream=False)
                assert failed.status == 429
            await at_rest(stack)
        assert all(str(one.body).count("<cid:") == 0 for one in google.requests if one.method == "POST")


REFUSED = {
    "sim:400-key": (502, "Check the API key (GEMINI_API_KEY"),
    "sim:400-billing": (400, "Set up billing for the API key's project"),
    "sim:400-region": (400, "reach Google from a country that is served"),
    "sim:429-day": (429, "See https://ai.google.dev/gemini-api/docs/rate-limits for plans with a higher limit."),
    "sim:429-plan": (429, "This model is not part of the free tier"),
    "sim:503": (503, "Google has no room for this model just now"),
}


async def test_h40_the_public_apis_refusals_say_what_a_key_holder_can_do() -> None:
    """On every surface, before the answer and in a stream; nobody is told to log in to an editor."""
    async with GoogleSimulator(tls=False) as google:
        options = StackOptions(upstream=google.url, api="public", ls=quick(), env={**NO_COOLDOWN, **ASKED_ONCE})
        async with Stack(options) as stack, aiohttp.ClientSession() as http:
            for surface in SURFACES:
                for prompt, (status, remedy) in REFUSED.items():
                    for stream in (False, True):
                        said = await ask(stack, http, surface, f"{prompt} {surface}", stream=stream)
                        refused = 403 if (surface, status) == ("messages", 502) else status
                        assert said.status == refused, (surface, prompt, said.raw)
                        assert remedy in said.error["message"]
                        assert "editor" not in said.error["message"]
                said = await ask(stack, http, surface, f"sim:429-mid {surface}")
                assert "get a plan with a higher limit" in said.error["message"]
            await at_rest(stack)
