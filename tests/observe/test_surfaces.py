"""One recording, all real surfaces, streamed and not."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("zerogravity.surfaces.chat.emit")
pytest.importorskip("zerogravity.surfaces.gemini.emit")

import aiohttp

from tests.reading import to_the_end
from zerogravity.core.events import AttemptClosed, AttemptOpened, Finished, TextDelta, ThinkingDelta
from zerogravity.core.turn import Target
from zerogravity.observe import trace_reader
from zerogravity.testing.cassette import Library
from zerogravity.testing.replay import Pace, parse_mishap
from zerogravity.testing.replay_server import serve

FAST = Pace(float("inf"))
MODEL = "gemini-3-flash"
ASKED = [
    ("/v1/responses", {"model": MODEL, "input": "hi"}, {"stream": True}),
    ("/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}, {"stream": True}),
    ("/v1/messages", {"model": MODEL, "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]},
     {"stream": True}),
    (f"/v1beta/models/{MODEL}:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}, None),
]  # fmt: skip


@pytest.fixture
def trace(record):
    return record()


@pytest.fixture
def record(recording, make_turn):
    """ "Bonjour le monde" in three pieces, after a thought."""
    return lambda **turn: _recorded(recording, make_turn(surface="chat", stream=True, **turn))


def _recorded(recording, turn):
    made = recording()
    running = made.store.open(turn)
    running.append(0, b"", (AttemptOpened(),))
    for text, thought in (("Greeting.", True), ("Bon", False), ("jour le ", False), ("monde", False)):
        part = {"text": text, "thought": True} if thought else {"text": text}
        data = json.dumps({"response": {"candidates": [{"content": {"role": "model", "parts": [part]}}]}}).encode()
        running.append(0, data, (ThinkingDelta(text) if thought else TextDelta(text),))
    stop = b'{"response":{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3}}}'
    running.append(0, stop, ())
    running.append(0, b"", (AttemptClosed("STOP"),))
    running.close(Finished("stop"))
    made.flush()
    return trace_reader.find(made.root)


def test_what_the_client_saw_was_written(trace):
    assert "trouble" not in trace.info
    assert "monde" in "".join(frame.frame for frame in trace.emitted)
    assert trace.emitted[-1].frame == "data: [DONE]\n\n"


@pytest.mark.parametrize(("path", "body", "streamed"), ASKED)
async def test_replayed(trace, path, body, streamed):
    async with serve(lambda _: trace, pace=FAST) as server, aiohttp.ClientSession(server.url) as http:
        async with http.post(path, json=body) as answer:
            assert answer.status == 200
            assert "Bonjour le monde" in json.dumps(await answer.json())
        stream_path = path.replace(":generate", ":streamGenerate") + ("?alt=sse" if streamed is None else "")
        async with http.post(stream_path, json={**body, **(streamed or {})}) as answer:
            assert answer.status == 200
            text = await answer.text()
            assert all(json.dumps(piece) in text for piece in ("Bon", "jour le ", "monde"))


@pytest.mark.parametrize(("path", "body", "streamed"), ASKED[:3])
async def test_replayed_with_a_cut(trace, path, body, streamed):
    pace = Pace(float("inf"), mishaps=(parse_mishap("cut@2"),))
    async with serve(lambda _: trace, pace=pace) as server, aiohttp.ClientSession(server.url) as http:
        async with http.post(path, json=body) as answer:
            assert answer.status == 502
        async with http.post(path, json={**body, **streamed}) as answer:
            text = (await to_the_end(answer))[0].decode()
            # the Responses and Messages APIs have closed lists of codes
            told = {"/v1/responses": "server_error", "/v1/messages": "api_error"}
            assert told.get(path, "upstream_drop") in text
            assert "monde" not in text


# -- models that only the recording knows ------------------------------------------------------------------------------

OWN = Target("claude-of-next-year", "MODEL_PLACEHOLDER_M900", None, "claude")
HI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


async def asked(server, model, *, path="/v1/chat/completions"):
    async with aiohttp.ClientSession(server.url) as http:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        async with http.post(path, json=body) as answer:
            return answer.status, await answer.json()


@pytest.mark.parametrize("model", ["house-alias", "claude-of-next-year"])
async def test_a_cassette_knows_the_models_of_its_recordings(record, model):
    """What the language server offered and what the configuration called it when it was recorded."""
    library = Library(record(model="house-alias", target=OWN, google_request=HI).folder)
    async with serve(library.pick, recorded=library, pace=FAST) as server:
        status, answer = await asked(server, model)
        assert (status, answer["model"]) == (200, model)
        assert (await asked(server, "somebody-elses"))[0] == 404
        async with aiohttp.ClientSession(server.url) as http, http.get("/v1/models") as listed:
            assert "claude-of-next-year" in [entry["id"] for entry in (await listed.json())["data"]]


async def test_a_recorded_name_means_what_it_meant(record):
    """An alias of the configuration comes before the built-in ones, at the replay as well."""
    library = Library(record(model="gpt-5", target=OWN, google_request=HI).folder)
    async with serve(library.pick, recorded=library, pace=FAST) as server:
        assert (await asked(server, "gpt-5"))[0] == 200


@pytest.mark.parametrize("model", ["gemini-3-flash", "house-alias", "no-model-at-all"])
async def test_a_replay_answers_whatever_the_model(record, model):
    trace = record(model="house-alias", target=OWN, google_request=HI)
    async with serve(lambda _: trace, always=trace, pace=FAST) as server:
        status, answer = await asked(server, model)
        assert (status, answer["model"]) == (200, model)
