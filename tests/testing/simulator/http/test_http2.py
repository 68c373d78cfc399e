"""HTTP/2: streams side by side, resets, windows."""

from __future__ import annotations

import asyncio

from tests.testing.simulator.support import (
    INTERNAL,
    TEXT,
    Http2Client,
    envelope,
    inner,
)
from zerogravity.testing.simulator.google import (
    GoogleSimulator,
    Scenario,
    say,
    scenarios,
)


async def test_http2_streams_run_at_once_on_one_connection(google: GoogleSimulator) -> None:
    release = asyncio.Event()
    google.script(Scenario([(0, release), *say("late"), *scenarios.stop()]), match="first")
    async with Http2Client(google.port, google.ca_pem) as client:
        first = asyncio.create_task(client.fetch(INTERNAL, envelope(inner("first"))))
        await google.wait_for(1)
        second = await client.fetch(INTERNAL, envelope(inner("sim:text")))
        assert second.stream.text == TEXT
        assert not first.done()
        release.set()
        assert (await first).stream.text == "late"
    assert google.connections == 1


async def test_http2_reset_is_of_the_stream_alone(google: GoogleSimulator) -> None:
    async with Http2Client(google.port, google.ca_pem) as client:
        assert (await client.fetch(INTERNAL, envelope(inner("sim:reset")))).end == "reset"
        assert (await client.fetch(INTERNAL, envelope(inner("sim:text")))).stream.text == TEXT
    assert google.connections == 1


async def test_an_answer_larger_than_the_windows_arrives_whole(google: GoogleSimulator) -> None:
    async with Http2Client(google.port, google.ca_pem) as client:
        reply = await client.fetch(INTERNAL, envelope(inner("sim:big 3000")))
    assert reply.stream.text == "x" * (3000 << 10)
