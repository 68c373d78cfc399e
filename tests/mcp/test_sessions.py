"""Sessions of turns: one of each server, opened when it is wanted, closed with the turn."""

from __future__ import annotations

import sys

import pytest

from tests.mcp.serving import Fakes
from zerogravity.config import Limits
from zerogravity.core.events import Finished
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target, Turn
from zerogravity.mcp.connection import Connection
from zerogravity.mcp.failures import ServerError
from zerogravity.mcp.servers import Endpoint
from zerogravity.mcp.sessions import ServerSessions
from zerogravity.testing.builders import FakeClock

A, B = Endpoint("a", "https://a.example"), Endpoint("b", "https://b.example")


@pytest.fixture
def store() -> MitmStore:
    return MitmStore(FakeClock())


async def test_a_turn_has_one_session_of_each_server(store: MitmStore) -> None:
    fakes = Fakes()
    sessions = ServerSessions(Limits(), fakes.connect)
    store.on_closed.append(sessions.turn_closed)
    running = [store.open(Turn(f"t{number}", "responses", "m", Target("m", "m"), {})) for number in range(2)]
    made = [await sessions.of(turn.channel, endpoint) for turn in running for endpoint in (A, B, A)]
    assert made[0] is made[2] is not made[3]
    assert len(fakes.made) == 4
    running[0].end(Finished("stop"))
    await sessions.close()
    assert [session.closed for session in fakes.made] == [True, True, False, False]
    with pytest.raises(ServerError, match="the turn is over"):
        await sessions.of(running[0].channel, A)
    running[1].end(Finished("stop"))
    await sessions.close()
    assert all(session.closed for session in fakes.made)


async def test_sessions_are_the_sdk_s_own(store: MitmStore) -> None:
    sessions = ServerSessions(Limits())
    running = store.open(Turn("t", "responses", "m", Target("m", "m"), {}))
    assert isinstance(await sessions.of(running.channel, A), Connection)
    assert "mcp.client" in sys.modules
    sessions.turn_closed(running.channel)
    await sessions.close()
