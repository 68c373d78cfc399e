from __future__ import annotations

import asyncio
import json
import urllib.request

import aiohttp
import pytest

from tests.recording import PlainSurface
from zerogravity.core.events import AttemptOpened, Finished, TextDelta
from zerogravity.core.turn import Turn
from zerogravity.testing.cassette import Library
from zerogravity.testing.replay import Pace
from zerogravity.testing.replay_server import in_thread, start


class AskableSurface(PlainSurface):
    def parse(self, body, context):
        contents = [{"role": "user", "parts": [{"text": body["ask"]}]}]
        stream = body.get("stream", False)
        target = context.target("gemini-3-flash")
        return Turn(context.turn_id, "chat", "gemini-3-flash", target, {"contents": contents}, stream=stream)


SERVICES = {"surfaces": dict.fromkeys(("responses", "chat", "gemini"), AskableSurface())}
FAST = Pace(float("inf"))


@pytest.fixture
def library(recording, make_turn):
    """One recorded question."""
    made = recording()
    channel = made.store.open(make_turn(google_request={"contents": [{"role": "user", "parts": [{"text": "1+1?"}]}]}))
    channel.append(0, b"", (AttemptOpened(),))
    chunk = b'{"candidates":[{"content":{"parts":[{"text":"It is 2."}]}}]}'
    channel.append(0, chunk, (TextDelta("It is 2."),))
    channel.close(Finished("stop"))
    made.flush()
    return Library(made.root)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_recordings_are_served(library, path):
    server = await start(library.pick, pace=FAST, services=SERVICES)
    try:
        async with aiohttp.ClientSession(server.url) as http:
            async with http.post(path, json={"ask": "1+1?", "stream": True}) as answer:
                assert answer.status == 200
                assert 'data: {"delta": "It is 2."}' in await answer.text()
            async with http.post(path, json={"ask": "1+1?"}) as answer:
                assert (await answer.json())["text"] == "It is 2."
            async with http.post(path, json={"ask": "2+2?", "stream": True}) as answer:
                assert answer.status == 400
                assert '+     "text": "2+2?"' in (await answer.json())["error"]
            async with http.get("/ready") as answer:
                assert answer.status == 200
    finally:
        await server.stop()
    assert server.engine.active == 0


def test_programs_without_a_loop(library):
    with in_thread(library.pick, pace=FAST, services=SERVICES) as url:
        request = urllib.request.Request(
            f"{url}/v1/chat/completions", json.dumps({"ask": "1+1?"}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            assert json.loads(answer.read())["text"] == "It is 2."
    with pytest.raises(OSError, match=r"."):
        urllib.request.urlopen(url)


async def test_a_taken_port_is_told(library):
    server = await start(library.pick, services=SERVICES)
    try:
        with pytest.raises(OSError, match=r"."):
            await start(library.pick, listen=server.url.removeprefix("http://"), services=SERVICES)
    finally:
        await server.stop()
    await asyncio.sleep(0)
