"""Streams read again, from every place, while they run and when they are over (H18, H19)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import FakeClock, evict
from tests.server.support import Serve, Served, forever, say
from tests.strategies import record_lists
from zerogravity.core.channel import ChannelWriter
from zerogravity.core.events import (
    AttemptOpened,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Record,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import Termination, upstream
from zerogravity.server.respond import Pump
from zerogravity.server.watchdog import Watchdog
from zerogravity.surfaces import responses
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.responses.request import parse
from zerogravity.testing.builders import replay
from zerogravity.testing.check import check_responses

PATH = "/v1/responses"
BEHIND: dict[str, Any] = {"model": "gemini-3-flash", "input": "hi", "background": True}
SECRET = bytes(32)
STORY: list[tuple[Event, ...]] = [
    (AttemptOpened(),),
    (ThinkingDelta("Let me "),),
    (ThinkingDelta("see.\n\u2028"),),
    (TextDelta("Hel"),),
    (TextDelta("lo"), Usage(prompt=3, candidates=2, thoughts=1, total=6)),
    (FunctionCall("call_1", "look", '{"at": 1}'), FunctionCall("call_2", "look", "{}")),
]
BROKEN = upstream(502, "upstream_drop", "the connection broke", Termination.UPSTREAM_DROP)
ENDS: dict[str, Any] = {
    "completed": lambda running, _: running.close(Finished("tool")),
    "incomplete": lambda running, _: running.close(Finished("length", "MAX_TOKENS")),
    "failed": lambda running, _: running.close(
        Failed(upstream(502, "upstream_drop", "broke", Termination.UPSTREAM_DROP))
    ),
    "cancelled": lambda running, served: served.engine.cancel(running.channel),
}


def split(data: bytes) -> list[bytes]:
    """Frames; heartbeats are no part of the stream."""
    frames = [frame + b"\n\n" for frame in data.split(b"\n\n")[:-1]]
    assert b"".join(frames) == data
    return [frame for frame in frames if not frame.startswith(b":")]


async def read(served: Served, identity: str, after: int | None = None) -> bytes:
    query = "" if after is None else f"&starting_after={after}"
    async with served.http.get(f"{served.url}{PATH}/{identity}?stream=true{query}") as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        return await answer.read()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("stream", [True, False])
async def test_h19_every_suffix_of_a_finished_stream(serve: Serve, end: str, stream: bool) -> None:
    served = await serve()

    async def script(running: RunningTurn) -> None:
        for events in STORY:
            say(running, *events)
        ENDS[end](running, served)

    served.engine.script = script
    async with served.http.post(served.url + PATH, json={**BEHIND, "stream": stream}) as answer:
        live = await answer.read()
    channel = served.engine.channels[0]
    await channel.wait_closed()
    identity = "resp_" + channel.id.removeprefix("turn_")
    whole = await read(served, identity)
    check_responses(whole)
    if stream:
        assert whole == live
    frames = split(whole)
    assert json.loads(frames[-1].partition(b"data: ")[2])["response"]["status"] == end
    for after in range(len(frames) + 2):
        assert await read(served, identity, after) == b"".join(frames[after + 1 :]), after


async def test_h19_every_suffix_of_a_running_stream(serve: Serve) -> None:
    """A reader from every n at every moment; all of them see the same stream."""
    served = await serve(limits={"readers": 100})
    served.engine.script = forever
    _, _, queued = await served.post(PATH, BEHIND)
    channel = served.engine.channels[0]
    running = served.engine.inside(channel)
    readers: list[tuple[int, asyncio.Task[bytes]]] = []
    reached = 0
    for events in (*STORY, None):
        for after in (-1, *range(0, 24, 3)):
            start = None if after < 0 else after
            readers.append((after, asyncio.create_task(read(served, queued["id"], start))))
        while channel.readers < len(readers):
            await served.get("/health")
        reached += 1
        if events is None:
            running.close(Finished("tool"))
        else:
            say(running, *events)
    assert reached == len(STORY) + 1
    whole = await read(served, queued["id"])
    check_responses(whole)
    frames = split(whole)
    for after, task in readers:
        assert await task == b"".join(frames[after + 1 :]), after


async def test_streams_go_on_when_the_records_are_gone(serve: Serve) -> None:
    served = await serve()
    async with served.http.post(served.url + PATH, json={**BEHIND, "stream": True}) as answer:
        live = await answer.read()
    channel = served.engine.channels[0]
    identity = "resp_" + channel.id.removeprefix("turn_")
    await served.get(f"{PATH}/{identity}")  # stored for certain
    evict(served.services.store, channel.id)
    assert await read(served, identity) == live
    assert await read(served, identity, 5) == b"".join(split(live)[6:])


@pytest.mark.parametrize("over", [True, False])
@pytest.mark.parametrize("query", ["", "&starting_after=1"])
async def test_head_of_a_stream_has_no_body_that_the_next_answer_would_begin_with(
    serve: Serve, over: bool, query: str
) -> None:
    served = await serve()
    served.engine.script = forever
    _, _, made = await served.post(PATH, BEHIND | {"stream": False})
    if over:
        served.engine.turns[0].close(Finished("stop"))
    line = f"{PATH}/{made['id']}?stream=true{query}"
    data = await served.raw(served.head(f"HEAD {line}") + served.head("GET /health", "Connection: close"))
    head, _, rest = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    served.engine.turns[0].close(Finished("stop"))


async def test_foreground_streams_are_not_read_again_while_they_run(serve: Serve) -> None:
    served = await serve(limits={"grace_seconds": 0.01})
    served.engine.script = forever
    foreground = {**BEHIND, "background": False, "stream": True}
    async with served.http.post(served.url + PATH, json=foreground) as answer:
        channel = served.engine.channels[0]
        running = served.engine.inside(channel)
        identity = "resp_" + channel.id.removeprefix("turn_")
        status, _, body = await served.get(f"{PATH}/{identity}?stream=true")
        assert (status, body["error"]["param"]) == (400, "stream")
        assert (await served.get(f"{PATH}/{identity}"))[2]["status"] == "queued"
        assert not channel.closed, "and whoever asks ends nothing"
        running.close(Finished("stop"))
        check_responses(await answer.read())


async def test_h18_one_reader_stalls_and_no_other_notices(serve: Serve) -> None:
    served = await serve(limits={"write_stall_seconds": 3})
    gate = asyncio.Event()

    async def flood(running: RunningTurn) -> None:
        await gate.wait()
        say(running, AttemptOpened())
        for _ in range(100):
            say(running, TextDelta("x" * 40_000))
            await asyncio.sleep(0)
        running.close(Finished("stop"))

    served.engine.script = flood
    _, _, queued = await served.post(PATH, BEHIND)
    channel = served.engine.channels[0]
    _, writer = await asyncio.open_connection("127.0.0.1", served.running.port, limit=1)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(served.head(f"GET {PATH}/{queued['id']}?stream=true"))
    other = asyncio.create_task(read(served, queued["id"]))
    while channel.readers < 2:
        await served.get("/health")
    gate.set()
    data = await other
    check_responses(data)
    assert channel.termination is Termination.OK
    while channel.readers:
        await served.get("/health")
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_too_many_readers(serve: Serve) -> None:
    served = await serve(limits={"readers": 3})
    served.engine.script = forever
    _, _, queued = await served.post(PATH, BEHIND)
    channel = served.engine.channels[0]
    cursors = [channel.cursor() for _ in range(3)]
    status, _, body = await served.get(f"{PATH}/{queued['id']}?stream=true")
    assert (status, body["error"]["code"]) == (429, "too_many_readers")
    for cursor in cursors:
        cursor.close()


# -- any records ---------------------------------------------------------------------------------------------------


class Sink:
    def __init__(self) -> None:
        self.data = b""

    def __call__(self, frames: list[bytes]) -> None:
        self.data += b"".join(frames)


def background_turn() -> Turn:
    target = Target("gemini-3-flash", "MODEL_PLACEHOLDER_M18")
    body = {**BEHIND, "include": ["reasoning.encrypted_content"]}
    return parse(body, Context("turn_" + "7" * 32, 1_770_000_000, lambda _: target, secret=SECRET))


async def resumed(records: list[Record], skip: int, arrived: int) -> bytes:
    """What a reader gets that comes when ``arrived`` records are there and leaves out ``skip`` frames."""
    writer, sink = ChannelWriter(background_turn(), FakeClock()), Sink()
    channel = writer.channel
    replay(records[:arrived], writer)
    with channel.cursor() as cursor:
        emitter = responses.surface.emitter(channel, SECRET)
        pump = asyncio.create_task(Pump(cursor, emitter, sink, Watchdog(60), skip=skip).run())
        for record in records[arrived:]:
            await asyncio.sleep(0)
            replay([record], writer)
        await pump
    return sink.data


@given(records=record_lists(), data=st.data())
@settings(max_examples=40)
def test_suffixes_of_any_stream(records: list[Record], data: st.DataObject) -> None:
    whole = asyncio.run(resumed(records, 0, len(records)))
    check_responses(whole)
    frames = split(whole)
    choices: Callable[[int], st.SearchStrategy[int]] = lambda most: st.integers(0, most)  # noqa: E731
    for _ in range(3):
        skip, arrived = data.draw(choices(len(frames))), data.draw(choices(len(records)))
        assert asyncio.run(resumed(records, skip, arrived)) == b"".join(frames[skip:])
