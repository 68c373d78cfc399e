"""What the headers of an answer say of its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.server.support import Serve, say
from zerogravity.core.channel import ChannelWriter
from zerogravity.core.events import AttemptOpened, Event, Failed, Finished, Terminal, TextDelta, Usage
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, internal, upstream
from zerogravity.server.turn_headers import notes_header, timing_headers, turn_headers
from zerogravity.surfaces import REGISTRY
from zerogravity.testing import builders
from zerogravity.testing.builders import FakeClock

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**HELLO, "stream": True}
MARKED = "x-zerogravity-tokens"
ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {"max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]},
}
BUSY = upstream(429, "rate_limit_exceeded", "slow down", retry_after=3.2)


def test_timing_tells_the_phases_that_have_been(make_turn: Callable[..., Turn], clock: FakeClock) -> None:
    writer = ChannelWriter(make_turn(), clock)
    channel = writer.channel
    assert timing_headers(channel) == {"openai-processing-ms": "0"}
    for phase in ("queued", "admitted", "told", "matched"):
        clock.advance(0.25)
        writer.mark(phase)
    say(writer, AttemptOpened())
    clock.advance(1.5)
    say(writer, TextDelta("x"))
    assert timing_headers(channel) == {
        "Server-Timing": "queue;dur=500.0, ls;dur=250.0, match;dur=250.0, upstream;dur=0.0, text;dur=2500.0",
        "openai-processing-ms": "2500",
    }
    clock.advance(1)
    writer.close(Finished("stop"))
    assert timing_headers(channel)["openai-processing-ms"] == "3500"
    assert timing_headers(channel)["Server-Timing"].endswith("turn;dur=3500.0")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {**HELLO, "prediction": {"type": "content", "content": "x"}, "store": True}),
        (CHAT, {**STREAM, "prediction": {"type": "content", "content": "x"}, "store": True}),
        ("/v1/responses", {"model": "gemini-3-flash", "input": "hi", "prediction": 1, "store": True, "odd\nné": 1}),
        ("/v1/responses", {"model": "gemini-3-flash", "input": "hi", "prediction": 1, "background": True}),
    ],
)
async def test_the_client_gets_notes_on_what_was_left_out(serve: Serve, path: str, body: dict[str, Any]) -> None:
    served = await serve()
    async with served.http.post(served.url + path, json=body) as answer:
        await answer.read()
        assert answer.status == 200
        notes = answer.headers["x-zerogravity-notes"].split("; ")
    assert "prediction: ignored, it has no effect here" in notes
    if "odd\nné" in body:
        assert "odd\\nn\\xe9: ignored, it has no effect here" in notes


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_has_the_notes_and_the_times_too_streamed_or_not(serve: Serve, stream: bool) -> None:
    served = await serve()

    async def breaks(running: RunningTurn) -> None:
        running.close(Failed(BUSY))

    served.engine.script = breaks
    status, told, body = await served.post(CHAT, {**HELLO, "stream": stream, "prediction": {"type": "content"}})
    assert (status, body["error"]["code"]) == (BUSY.status, BUSY.code)
    assert told["x-zerogravity-notes"].startswith("prediction: ignored")
    assert "turn;dur=" in told["server-timing"]
    assert told["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "asked", "named"), [
    (BUSY, True, "gemini-3-flash"), (BUSY, False, None), (internal(), True, None),
])  # fmt: skip
async def test_a_failure_names_the_model_whose_refusal_it_is(
    serve: Serve, stream: bool, fault: Fault, asked: bool, named: str | None
) -> None:
    """Not one that was not asked, and not where Google has said nothing."""
    served = await serve()

    async def breaks(running: RunningTurn) -> None:
        if asked:
            running.mark("told")
        running.close(Failed(fault))

    served.engine.script = breaks
    status, told, _ = await served.post(CHAT, {**HELLO, "stream": stream})
    assert (status, told.get("x-zerogravity-model")) == (fault.status, named)


async def test_no_notes_when_nothing_was_left_out(serve: Serve) -> None:
    served = await serve()
    _, told, _ = await served.post(CHAT, HELLO)
    assert "x-zerogravity-notes" not in told


def test_many_notes_are_cut(make_turn: Callable[..., Turn]) -> None:
    told = notes_header(make_turn(notes=tuple(f"note {n} {'x' * 90}" for n in range(30))))["x-zerogravity-notes"]
    assert told.startswith("note 0 xxx")
    assert told.endswith("; 20 more in the trace")
    assert len(notes_header(make_turn(notes=("x" * 5000,)))["x-zerogravity-notes"]) <= 1100


@pytest.mark.parametrize(
    ("events", "end", "marked"),
    [
        ((Usage(7, source="estimate"),), Finished("stop"), True),
        ((Usage(7, source="ls"),), Finished("stop"), False),
        ((Usage(7),), Finished("stop"), False),
        ((), Finished("stop"), False),
        ((Usage(7, source="estimate"),), None, False),
        ((Usage(7, source="estimate"),), Failed(internal()), False),
    ],
)
def test_estimated_figures_are_marked_once_they_are_told(
    events: tuple[Event, ...], end: Terminal | None, marked: bool
) -> None:
    channel = builders.channel(None, TextDelta("hi"), *events, end=end)
    assert (turn_headers(REGISTRY["responses"], channel).get(MARKED) == "estimate") is marked


@pytest.mark.parametrize("path", ASKED)
async def test_a_whole_answer_marks_an_estimate(serve: Serve, path: str) -> None:
    served = await serve()
    status, told, body = await served.post(path, {"model": "gemini-3-flash", **ASKED[path]})
    assert (status, told[MARKED]) == (200, "estimate")
    assert min(body["usage"].get(name, 1) for name in ("prompt_tokens", "input_tokens", "output_tokens")) > 0


@pytest.mark.parametrize("path", ASKED)
async def test_a_stream_begins_before_it_is_known(serve: Serve, path: str) -> None:
    served = await serve()
    begun = asyncio.Event()

    async def script(running: RunningTurn) -> None:
        say(running, AttemptOpened())
        say(running, TextDelta("Hello"))
        await begun.wait()
        running.close(Finished("stop"))

    served.engine.script = script
    body = {"model": "gemini-3-flash", "stream": True, **ASKED[path]}
    async with served.http.post(served.url + path, json=body) as answer:
        begun.set()
        await answer.read()
        assert (answer.status, MARKED in answer.headers) == (200, False)
