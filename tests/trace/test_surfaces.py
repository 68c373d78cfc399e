"""One recording, all three real surfaces, streamed and not."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("zerogravity.surfaces.chat.emit")
pytest.importorskip("zerogravity.surfaces.gemini.emit")

import aiohttp

from zerogravity.core.events import CallClosed, CallOpened, Finished, TextDelta, ThinkingDelta
from zerogravity.surfaces import chat, gemini, responses
from zerogravity.trace import read
from zerogravity.trace.replay import Pace, parse_mishap
from zerogravity.trace.server import start

FAST = Pace(float("inf"))
MODEL = "gemini-3-flash"
ASKED = [
    ("/v1/responses", {"model": MODEL, "input": "hi"}, {"stream": True}),
    ("/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}, {"stream": True}),
    (f"/v1beta/models/{MODEL}:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}, None),
]


@pytest.fixture
def trace(recording, make_turn):
    """ "Bonjour le monde" in three pieces, after a thought."""
    made = recording(surfaces={"responses": responses.surface, "chat": chat.surface, "gemini": gemini.surface})
    channel = made.store.open(make_turn(surface="chat", stream=True))
    channel.append(0, b"", (CallOpened(),))
    for text, thought in (("Greeting.", True), ("Bon", False), ("jour le ", False), ("monde", False)):
        part = {"text": text, "thought": True} if thought else {"text": text}
        data = json.dumps({"response": {"candidates": [{"content": {"role": "model", "parts": [part]}}]}}).encode()
        channel.append(0, data, (ThinkingDelta(text) if thought else TextDelta(text),))
    stop = b'{"response":{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3}}}'
    channel.append(0, stop, ())
    channel.append(0, b"", (CallClosed("STOP"),))
    channel.close(Finished("stop"))
    made.flush()
    return read.find(made.root)


def test_what_the_client_saw_was_written(trace):
    assert "trouble" not in trace.info
    assert "monde" in "".join(frame.frame for frame in trace.emitted)
    assert trace.emitted[-1].frame == "data: [DONE]\n\n"


@pytest.mark.parametrize(("path", "body", "streamed"), ASKED)
async def test_replayed(trace, path, body, streamed):
    server = await start(lambda _: trace, pace=FAST)
    try:
        async with aiohttp.ClientSession(server.url) as http:
            async with http.post(path, json=body) as answer:
                assert answer.status == 200
                assert "Bonjour le monde" in json.dumps(await answer.json())
            stream_path = path.replace(":generate", ":streamGenerate") + ("?alt=sse" if streamed is None else "")
            async with http.post(stream_path, json={**body, **(streamed or {})}) as answer:
                assert answer.status == 200
                text = await answer.text()
                assert all(json.dumps(piece) in text for piece in ("Bon", "jour le ", "monde"))
    finally:
        await server.stop()


@pytest.mark.parametrize(("path", "body", "streamed"), ASKED[:2])
async def test_replayed_with_a_cut(trace, path, body, streamed):
    server = await start(lambda _: trace, pace=Pace(float("inf"), mishaps=(parse_mishap("cut@2"),)))
    try:
        async with aiohttp.ClientSession(server.url) as http:
            async with http.post(path, json=body) as answer:
                assert answer.status == 502
            async with http.post(path, json={**body, **streamed}) as answer:
                text = await answer.text()
                # the Responses API has a closed list of codes
                assert ("server_error" if path == "/v1/responses" else "upstream_drop") in text
                assert "monde" not in text
    finally:
        await server.stop()
