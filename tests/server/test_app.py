"""The server as a whole: many turns, and an end that ends everything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.reading import to_the_end
from tests.server.support import Serve, hello, say
from zerogravity.core.events import AttemptOpened, TextDelta
from zerogravity.core.running import RunningTurn
from zerogravity.testing.check import check_chat

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**HELLO, "stream": True}


async def test_stop_ends_every_open_stream_properly(serve: Serve) -> None:
    served = await serve(limits={"grace_seconds": 0.01})

    async def script(running: RunningTurn) -> None:
        say(running, AttemptOpened(), TextDelta("Hel"))
        await running.channel.wait_closed()

    served.engine.script = script
    answers = [await served.http.post(served.url + CHAT, json=STREAM) for _ in range(3)]
    begun = [await answer.content.readline() for answer in answers]
    idle = await asyncio.open_connection("127.0.0.1", served.running.port)
    rests = [asyncio.create_task(to_the_end(answer)) for answer in answers]
    await served.engine.close()
    await served.running.stop()
    for first, (rest, ended) in zip(begun, await asyncio.gather(*rests), strict=True):
        data = first + rest
        check_chat(data)
        assert not ended
        assert b'"code":"shutdown"' in data
    assert await idle[0].read() == b""
    idle[1].close()
    await idle[1].wait_closed()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection("127.0.0.1", served.running.port)


async def test_h39_many_turns_leave_nothing(serve: Serve) -> None:
    served = await serve()
    served.engine.script = hello
    found = await asyncio.gather(*(served.post(CHAT, {**HELLO, "stream": bool(n % 2)}) for n in range(40)))
    assert {status for status, _, _ in found} == {200}
    assert all(channel.readers == 0 for channel in served.engine.channels)
