"""Whole turns against real servers: the engine, the rule and the SDK, over HTTP and by command."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.mcp.serving import Witness, recording, sdk_server, served
from tests.mcp.test_rule import Turns, call, events, over
from zerogravity.config import Limits
from zerogravity.core.events import CallReturned, TextDelta, ToolsListed
from zerogravity.core.turn import ToolServer
from zerogravity.errors import Termination
from zerogravity.mcp.sessions import ServerSessions

LIMITS = Limits(mcp_seconds=30)
SERVER = ToolServer("s", approval="never")


@asynccontextmanager
async def turns(server: dict[str, Any], limits: Limits = LIMITS) -> AsyncIterator[Turns]:
    bench = Turns(limits, sessions=ServerSessions(limits), mcp_servers={"s": server})
    yield bench
    await over(bench)


@asynccontextmanager
async def over_http(witness: Witness, way: str) -> AsyncIterator[dict[str, Any]]:
    real = sdk_server(witness)
    app = real.sse_app() if way == "sse" else real.streamable_http_app()
    async with served(recording(app, witness)) as base:
        yield {"url": f"{base}/{way}", "authorization": "t0ken"}


@pytest.mark.parametrize("way", ["mcp", "sse"])
async def test_a_turn_over_http(way: str) -> None:
    witness = Witness()
    async with over_http(witness, way) as server, turns(server) as bench:
        channel = await bench.begun(SERVER)
        assert events(channel, ToolsListed)[0].names == ("s.add", "s.ship", "s.fail", "s.picture", "s.huge", "s.wait")
        await bench.answers(
            channel, call(1, "s.add", '{"a": 2, "b": 3}'), call(2, "s.fail", "{}"), call(3, "s.picture", "{}")
        )
        returned = {one.call_id: one for one in events(channel, CallReturned)}
        assert returned["call_1"] == CallReturned("call_1", "5")
        assert (returned["call_2"].error or {}).get("type") == "mcp_tool_execution_error"
        assert returned["call_3"].media
        await bench.answers(channel, TextDelta("five"), end="stop")
        assert (channel.termination, channel.state.rounds) == (Termination.OK, 2)
    assert {headers["authorization"] for headers in witness.headers} == {"Bearer t0ken"}
    assert sorted(bench.counted) == [("s", "mcp_tool_execution_error"), ("s", "ok"), ("s", "ok")]


async def test_a_turn_by_command() -> None:
    command = {"command": sys.executable, "args": [str(Path(__file__).with_name("stdio_server.py"))]}
    async with turns(command) as bench:
        channel = await bench.begun(SERVER)
        await bench.answers(channel, call(1, "s.greet", '{"name": "Ada"}'), call(2, "s.greet", '{"name": 7}'))
        returned = {one.call_id: one for one in events(channel, CallReturned)}
        assert returned["call_1"].output == "hello Ada"
        assert returned["call_2"].error is not None
        await bench.answers(channel, TextDelta("done"), end="stop")


async def test_a_client_that_goes_stops_the_call() -> None:
    witness = Witness()
    async with over_http(witness, "mcp") as server, turns(server) as bench:
        channel = await bench.begun(SERVER)
        await bench.ends(channel, call(1, "s.wait", "{}"))
        await witness.waiting.wait()
        assert bench.engine.cancel(channel)
        await witness.cancelled.wait()
        assert channel.termination is Termination.CANCELLED


async def test_a_result_that_is_too_large() -> None:
    limits = Limits(mcp_seconds=30, mcp_bytes=1 << 16)
    async with over_http(Witness(), "mcp") as server, turns(server, limits) as bench:
        channel = await bench.begun(SERVER)
        await bench.answers(channel, call(1, "s.huge", '{"size": 10485760}'))
        [returned] = events(channel, CallReturned)
        assert returned.error is not None
        assert len(returned.output) < 200


async def test_a_server_that_is_not_there_ends_the_turn() -> None:
    async with over_http(Witness(), "mcp") as server:
        pass
    async with turns(server) as bench:
        channel = await bench.begun(SERVER)
        [listing] = channel.state.listings
        assert (channel.termination, listing.error) == (Termination.REJECTED, "it cannot be reached")
