"""The whole path with whole builds of the language server: an older one, and one by the schema inside of Google's
binary that is told how often it may call Google."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.support import ASKED_ONCE, NO_COOLDOWN, SURFACES, ask, at_rest
from zerogravity.testing.simulator.language_server import build
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

# prompt → what the client gets, and how often Google is called at most, of which our policy waits for each
ENDS: dict[str, tuple[int, int]] = {
    "sim:text": (200, 1),
    "sim:tool": (200, 1),
    "sim:max-tokens": (200, 1),
    "sim:429": (429, 1),
    "sim:503": (503, 1),
    "sim:drop": (502, 1),
    "sim:thinking-once": (200, 2),
    "sim:malformed-once": (200, 2),
    "sim:nameless-once": (200, 2),
    "sim:thinking-only": (502, 3),
    "sim:empty": (502, 2),
    "sim:empty-body": (502, 2),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["2026-03", "2026-09"])
async def built(request: pytest.FixtureRequest) -> AsyncIterator[Stack]:
    ls = build(request.param, retry_s=0.02, background=False)
    async with Stack(StackOptions(ls=ls, env={**NO_COOLDOWN, **ASKED_ONCE})) as stack:
        yield stack


@pytest.mark.parametrize("prompt", ENDS)
async def test_what_the_policy_waits_for_comes_and_nothing_else(built: Stack, prompt: str) -> None:
    """Of the newer build by its knobs; an older one without them has the rest of its calls answered here."""
    assert built.google is not None
    before = len(built.google.agent_requests)
    status, calls = ENDS[prompt]
    async with aiohttp.ClientSession() as http:
        said = await ask(built, http, "chat", f"{prompt} quince", stream=False, tools=prompt == "sim:tool")
    assert said.status == status, said.body
    await at_rest(built)
    assert len(built.google.agent_requests) - before == calls


@pytest.mark.parametrize("surface", SURFACES)
async def test_every_surface(built: Stack, surface: str) -> None:
    async with aiohttp.ClientSession() as http:
        said: Any = await ask(built, http, surface, f"sim:echo a {surface} quince")
    assert f"a {surface} quince" in said.text
    await at_rest(built)


async def test_the_newer_build_calls_no_oftener_than_it_is_told(built: Stack) -> None:
    """Counted at the language server, whose further calls we would answer ourselves."""
    assert built.ls is not None
    async with aiohttp.ClientSession() as http:
        for prompt, most in (("sim:503", 1), ("sim:malformed", 2), ("sim:thinking-only", 3)):
            before = len([one for one in built.ls.calls if one.kind == "agent"])
            await ask(built, http, "chat", f"{prompt} medlar", stream=False)
            await at_rest(built)
            made = len([one for one in built.ls.calls if one.kind == "agent"]) - before
            assert made <= most or not built.ls.options.honours_knobs
