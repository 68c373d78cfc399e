"""Turns that end before Google does: at a stop sequence, which ends the call to Google as well; and those that need no
call at all."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.e2e.support import MODEL, both_response_paths, quick
from tests.reading import to_the_end
from tests.waiting import until
from zerogravity.testing.simulator.google.scenarios import Scenario, event, say, stop, think
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
response_path = both_response_paths


def options() -> StackOptions:
    """This LS knows no cancel: what ends a call is our doing, not its own."""
    return StackOptions(ls=quick(missing=frozenset({"CancelCascadeInvocation"}), checkpoint="none"))


async def message(stack: Stack, http: aiohttp.ClientSession, *, stream: bool = False, **more: Any) -> dict[str, Any]:
    """The ``content``, ``stop_reason`` and ``stop_sequence`` of an answer."""
    body = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    async with http.post(f"{stack.url}/v1/messages", json={**body, **more}) as response:
        assert response.status == 200
        raw, _ = await to_the_end(response)
    if not stream:
        made = json.loads(raw)
        texts = [block["text"] for block in made["content"] if block["type"] == "text"]
    else:
        events = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith(b"data: ")]
        texts = [each["delta"]["text"] for each in events if each.get("delta", {}).get("type") == "text_delta"]
        (made,) = (each["delta"] for each in events if each["type"] == "message_delta")
    return {"text": "".join(texts), "stop_reason": made["stop_reason"], "stop_sequence": made["stop_sequence"]}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_stop_sequence_ends_the_call_to_google(stack: Stack, http, stream: bool) -> None:
    """Google would wait for ever."""
    stack.google.script(Scenario([*think("An END."), *say("one E", "ND two"), (0.0, asyncio.Event()), *stop()]))
    made = await message(stack, http, stream=stream, stop_sequences=["never", "END"])
    assert made == {"text": "one ", "stop_reason": "stop_sequence", "stop_sequence": "END"}
    (call,) = stack.google.agent_requests
    assert "stopSequences" not in str(call.body)
    await until(call.done.is_set)
    assert call.ended == "client_gone"


async def test_a_stop_sequence_in_a_follow_up(stack: Stack, http) -> None:
    stack.google.script(Scenario([*think("An END."), *stop()]))
    stack.google.script(Scenario([*say("one END"), (0.0, asyncio.Event()), *stop()]))
    made = await message(stack, http, stop_sequences=["END"])
    assert made == {"text": "one ", "stop_reason": "stop_sequence", "stop_sequence": "END"}
    first, second = stack.google.agent_requests
    await until(second.done.is_set)
    assert (first.ended, second.ended) == ("end", "client_gone")


async def test_a_stop_sequence_in_the_last_event(stack: Stack, http) -> None:
    stack.google.script(Scenario([*say("one E"), (0.0, event({"text": "ND two"}, finish="STOP"))]))
    made = await message(stack, http, stop_sequences=["END"])
    assert made == {"text": "one ", "stop_reason": "stop_sequence", "stop_sequence": "END"}


async def test_what_only_looks_like_a_stop_sequence(stack: Stack, http) -> None:
    stack.google.script(Scenario([*say("one EN", "d, and EN"), *stop()]))
    made = await message(stack, http, stream=True, stop_sequences=["END"])
    assert made == {"text": "one ENd, and EN", "stop_reason": "end_turn", "stop_sequence": None}
    assert [call.ended for call in stack.google.agent_requests] == ["end"]


async def test_a_turn_that_may_say_nothing_asks_nobody(stack: Stack, http) -> None:
    cascades = len(stack.ls.cascades)
    for stream in (True, False):
        made = await message(stack, http, stream=stream, max_tokens=0)
        assert made == {"text": "", "stop_reason": "max_tokens", "stop_sequence": None}
    assert stack.google.agent_requests == []
    assert len(stack.ls.cascades) == cascades


async def test_the_language_server_is_told(http) -> None:
    """While it waits to try again."""
    async with Stack(StackOptions(ls=quick(retry_s=60.0))) as path:
        path.google.script(Scenario([*say("one END"), (0.0, asyncio.Event()), *stop()]))
        assert (await message(path, http, stop_sequences=["END"]))["stop_sequence"] == "END"
        (cascade,) = path.ls.cascades.values()
        await until(lambda: cascade.task is not None and cascade.task.cancelled())
