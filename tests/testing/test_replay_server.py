from __future__ import annotations

import asyncio
import json
import urllib.request

import aiohttp
import pytest

from tests.recording import PLAIN
from zerogravity.core.events import AttemptOpened, Finished, TextDelta
from zerogravity.testing.cassette import Library
from zerogravity.testing.replay import Pace
from zerogravity.testing.replay_server import in_thread, serve

SERVICES = {"surfaces": {"chat": PLAIN}}
FAST = Pace(float("inf"))


@pytest.fixture
def library(recording, make_turn):
    """One recorded question."""
    made = recording()
    running = made.store.open(make_turn(google_request={"contents": [{"role": "user", "parts": [{"text": "1+1?"}]}]}))
    running.append(0, b"", (AttemptOpened(),))
    chunk = b'{"candidates":[{"content":{"parts":[{"text":"It is 2."}]}}]}'
    running.append(0, chunk, (TextDelta("It is 2."),))
    running.close(Finished("stop"))
    made.flush()
    return Library(made.root)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_recordings_are_served(library, path):
    async with (
        serve(library.pick, pace=FAST, services=SERVICES) as server,
        aiohttp.ClientSession(server.url) as http,
    ):
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


async def test_a_taken_port_is_reported(library):
    async with serve(library.pick, services=SERVICES) as server:
        with pytest.raises(OSError, match=r"."):
            async with serve(library.pick, listen=server.url.removeprefix("http://"), services=SERVICES):
                pass
    await asyncio.sleep(0)
