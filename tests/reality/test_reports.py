"""Inputs of public bug reports, each through the whole path, against what the report's own source calls right."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests import cases
from tests.e2e.support import at_rest, quick
from tests.reality.playing import HELPERS, Result, filled, scenario, send
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, cases.needed, pytest.mark.asyncio(loop_scope="module")]
REPORTS = cases.lines("reports.jsonl")
CASES = [pytest.param(one, id=one["id"]) for one in REPORTS]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Stack(StackOptions(ls=quick())) as running:
        yield running


@pytest.mark.parametrize("case", CASES)
async def test_report(stack: Stack, case: dict[str, Any]) -> None:
    stack.output.clear()
    key = f"k{secrets.token_hex(6)}"
    reports: list[Result] = []
    names: dict[str, Any] = {**HELPERS, "KEY": key, "T": reports}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        for turn in case.get("turns") or [case]:
            if "script" in turn:
                stack.google.script(scenario(filled(turn["script"], names)), match=key, times=100)
            result = await send(stack, http, filled(turn["send"], names), key)
            reports.append(result)
            names |= result.names()
            stack.google.unscript()
            for expected in turn["expect"]:
                assert eval(expected, names), f"{expected}\n{result.status} {result.text[:2000]}\n{names['up']}"
    await at_rest(stack)
