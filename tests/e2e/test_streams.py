"""Calls that share one HTTP/2 connection from the language server, and to Google as well where mitmproxy carries them:
each ends alone."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.e2e.support import SURFACES, ask, both_response_paths, quick, request
from tests.waiting import until
from zerogravity.testing.simulator.google import Received
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
response_path = both_response_paths
# This LS knows no cancel: what ends a call is our doing, not its own.
DEAF = frozenset({"CancelCascadeInvocation"})


def options() -> StackOptions:
    return StackOptions(mode="proxy", ls=quick(one_connection=True, missing=DEAF, checkpoint="none"))


def about(stack: Stack, word: str) -> list[Received]:
    """The calls to Google of the turn whose prompt holds ``word``."""
    return [one for one in stack.google.agent_requests if word in str(one.body)]


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("silence", ["sim:stall 60", "sim:stall-before 60"])
async def test_a_cancelled_turn_leaves_its_neighbours_on_the_connection(
    stack: Stack, surface: str, silence: str
) -> None:
    word = f"quince{abs(hash((surface, silence)))}"
    async with aiohttp.ClientSession() as http:
        path, body = request(surface, f"{silence} first{word}", stream=True)
        other, neighbour = request("chat", f"sim:slow 0.3 second{word}", stream=True)
        async with http.post(stack.url + other, json=neighbour) as going:
            await until(lambda: about(stack, f"second{word}"))
            async with aiohttp.ClientSession() as leaving:
                asked = asyncio.create_task(leaving.post(stack.url + path, json=body).__aenter__())
                await until(lambda: about(stack, f"first{word}"))
                asked.cancel()
                await asyncio.wait([asked])
                if not asked.cancelled():  # its first word was there just before
                    asked.result().close()
            (stopped,) = about(stack, f"first{word}")
            (running,) = about(stack, f"second{word}")
            await until(lambda: stopped.done.is_set())
            assert stopped.ended == "client_gone"
            assert not running.done.is_set()
            told = (await going.read()).decode()
        assert told.endswith("data: [DONE]\n\n")
        assert '"error"' not in told
        assert running.ended == "end"
        assert "lime" in (await ask(stack, http, surface, f"sim:echo a lime of {word}")).text
    assert {one.http for one in stack.google.agent_requests} == {"2"}


async def test_many_are_cancelled_at_once(stack: Stack) -> None:
    async with aiohttp.ClientSession() as http:
        path, slow = request("chat", "sim:slow 0.3 stayer", stream=True)
        async with http.post(stack.url + path, json=slow) as going:
            await until(lambda: about(stack, "stayer"))
            held = []
            for number in range(3):
                path, body = request("gemini", f"sim:stall 60 leaver{number}", stream=True)
                held.append(await http.post(stack.url + path, json=body))
            for answer in held:
                answer.close()
            for number in range(3):
                (one,) = about(stack, f"leaver{number}")
                await until(one.done.is_set)
                assert one.ended == "client_gone"
            assert '"finish_reason":"stop"' in (await going.read()).decode()
