"""Two gateways on one Redis, each with its own language server: what one runs the other shows, follows and ends; and
what becomes of it when one of the three dies."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.support import MODEL, at_rest, quick
from tests.redis_server import RedisServer
from tests.waiting import until_so
from zerogravity.testing.check import check_responses
from zerogravity.testing.simulator.google.scenarios import Scenario, say, stop
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
RESPONSES, TURNS = 500, 50  # at once; of these, at each language server
BEHIND = {"model": MODEL, "background": True, "reasoning": {"summary": "auto"}}
PIECES = [f"piece {number} " for number in range(20)]


@dataclass
class Two:
    """``a`` is asked first."""

    a: Stack
    b: Stack
    redis: RedisServer
    http: aiohttp.ClientSession
    held: list[asyncio.Event] = field(default_factory=list[asyncio.Event])

    async def begin(self, prompt: str = "Hello.", *, at: Stack | None = None) -> str:
        """The id of a new background response."""
        async with self.http.post(f"{(at or self.a).url}/v1/responses", json={**BEHIND, "input": prompt}) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["id"]

    async def ask(self, at: Stack, identity: str, method: str = "GET", end: str = "") -> tuple[int, Any]:
        async with self.http.request(method, f"{at.url}/v1/responses/{identity}{end}") as answer:
            return answer.status, await answer.json()

    async def status(self, at: Stack, identity: str) -> str:
        return (await self.ask(at, identity))[1]["status"]

    def follow(self, at: Stack, identity: str, after: int | None = None) -> Any:
        """The answer to a request for its stream, as a context."""
        query = "" if after is None else f"&starting_after={after}"
        return self.http.get(f"{at.url}/v1/responses/{identity}?stream=true{query}")

    async def read(self, at: Stack, identity: str, after: int | None = None) -> bytes:
        async with self.follow(at, identity, after) as answer:
            assert answer.status == 200, await answer.text()
            return b"".join(frames_of(await answer.read()))

    def hold(self, *before: str) -> asyncio.Event:
        """A's next answer says that and then waits; then it says the rest."""
        self.held.append(go := asyncio.Event())
        assert self.a.google is not None
        self.a.google.script(Scenario([*say(*before), (0.0, go), *say(*PIECES), *stop()]))
        return go


def frames_of(data: bytes) -> list[bytes]:
    """Without heartbeats."""
    return [frame + b"\n\n" for frame in data.split(b"\n\n")[:-1] if not frame.startswith(b":")]


async def up_to(answer: aiohttp.ClientResponse, event: str) -> list[bytes]:
    """The frames up to the first of that name."""
    frames: list[bytes] = []
    async with asyncio.timeout(30):
        while not frames or not frames[-1].startswith(f"event: response.{event}\n".encode()):
            frames += frames_of(await answer.content.readuntil(b"\n\n"))
    return frames


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), durable=True)
    server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(redis: RedisServer) -> AsyncIterator[Two]:
    limits = {"TURNS": TURNS, "WAITING": RESPONSES, "PEER_CONNECTIONS": 2 * RESPONSES, "MATCH_SECONDS": 100}
    env = {f"ZEROGRAVITY_LIMITS_{name}": str(value) for name, value in limits.items()}
    env |= {"ZEROGRAVITY_STORE": redis.url, "ZEROGRAVITY_TRACE": "false"}
    options = [StackOptions(ls=quick(), env=env) for _ in range(2)]
    connector = aiohttp.TCPConnector(limit=0)
    async with Stack(options[0]) as a, Stack(options[1]) as b, aiohttp.ClientSession(connector=connector) as http:
        yield Two(a, b, redis, http)


@pytest_asyncio.fixture(loop_scope="module")
async def two(running: Two) -> AsyncIterator[Two]:
    yield running
    for go in running.held:
        go.set()
    for stack in (running.a, running.b):
        await at_rest(stack)


async def test_a_stream_that_began_at_one_goes_on_at_the_other(two: Two) -> None:
    go = two.hold("It begins.")
    body = {**BEHIND, "input": "Hello.", "stream": True}
    async with two.http.post(f"{two.a.url}/v1/responses", json=body) as own:
        seen = await up_to(own, "output_text.delta")
        identity = json.loads(seen[0].partition(b"data: ")[2])["response"]["id"]
        async with two.follow(two.b, identity, 2) as other:
            assert await up_to(other, "output_text.delta") == seen[3:]
            assert await two.status(two.b, identity) == "in_progress"
            go.set()
            rest = frames_of(await other.read())
        whole = seen + frames_of(await own.read())
    assert len(rest) > len(PIECES) // 2
    assert [*seen, *rest] == whole
    check_responses(b"".join(whole))
    for stack in (two.a, two.b):
        assert await two.read(stack, identity, 5) == b"".join(whole[6:])
    assert await two.ask(two.a, identity) == await two.ask(two.b, identity)


async def test_the_other_cancels_and_deletes(two: Two) -> None:
    two.hold("It begins.")
    cancelled = await two.begin()
    async with two.follow(two.b, cancelled) as stream:
        await up_to(stream, "output_text.delta")
        for at in (two.b, two.a):
            status, answer = await two.ask(at, cancelled, "POST", "/cancel")
            assert (status, answer["status"]) == (200, "cancelled")
        last = frames_of(await stream.read())[-1]
        assert json.loads(last.partition(b"data: ")[2])["response"] == answer
    two.hold("It begins.")
    deleted = await two.begin()
    assert await two.ask(two.b, deleted, "DELETE") == (200, {"id": deleted, "object": "response", "deleted": True})
    for at in (two.a, two.b):
        assert (await two.ask(at, deleted))[0] == 404


async def test_redis_is_restarted_in_the_middle(two: Two) -> None:
    go = two.hold("It begins.")
    identity = await two.begin()
    async with two.follow(two.b, identity) as stream, two.follow(two.a, identity) as own:
        seen = await up_to(stream, "output_text.delta")
        await asyncio.to_thread(two.redis.kill)
        go.set()
        assert (await two.ask(two.b, identity))[0] == 503
        await asyncio.to_thread(two.redis.start)
        whole = frames_of(await own.read())
        assert seen + frames_of(await stream.read()) == whole
    check_responses(b"".join(whole))
    assert await two.status(two.b, identity) == "completed"


async def test_many_at_once_over_both_end_and_are_read_at_both(two: Two) -> None:
    """A busy gateway may say that a response is stored soon; then the other does not know it yet."""
    at = [(two.a, two.b), (two.b, two.a)]
    begun = [two.begin(f"sim:text turn-{number}", at=at[number % 2][0]) for number in range(RESPONSES)]
    identities = await asyncio.gather(*begun)
    few = asyncio.Semaphore(20)

    async def read_at_the_other(number: int) -> bytes:
        other, identity = at[number % 2][1], identities[number]

        async def is_known() -> bool:
            return (await two.ask(other, identity))[0] == 200

        async with few:
            await until_so(is_known, 100)
            return await two.read(other, identity)

    streams = await asyncio.gather(*map(read_at_the_other, range(RESPONSES)))
    assert [b"event: response.completed\n" in stream for stream in streams] == [True] * RESPONSES
    for stack in (two.a, two.b):
        assert {await two.status(stack, identity) for identity in identities[:: RESPONSES // 50]} == {"completed"}


async def test_a_gateway_stops_while_it_shows_the_stream_of_another(two: Two) -> None:
    go = two.hold("It begins.")
    identity = await two.begin()
    async with two.follow(two.b, identity) as stream:
        seen = await up_to(stream, "output_text.delta")
        assert two.b.process is not None
        two.b.process.send_signal(signal.SIGTERM)
        with pytest.raises(aiohttp.ClientError):
            await stream.read()
    await two.b.kill()
    go.set()
    rest = await two.read(two.a, identity, len(seen) - 1)
    check_responses(b"".join(seen) + rest)
    await two.b.start_again()
    assert await two.read(two.b, identity, len(seen) - 1) == rest


async def test_what_a_gateway_ran_that_was_killed_has_failed(two: Two) -> None:
    two.hold("It begins.")
    identity = await two.begin()
    async with two.follow(two.b, identity) as stream:
        seen = await up_to(stream, "output_text.delta")
        await two.a.kill()
        whole = b"".join(seen) + b"".join(frames_of(await stream.read()))
    events = check_responses(whole)
    failed = events[-1]["response"]
    assert (events[-1]["type"], failed["error"]["code"]) == ("response.failed", "server_error")
    await two.a.start_again()
    for at in (two.b, two.a):
        assert await two.ask(at, identity) == (200, failed)
        assert await two.read(at, identity) == whole
        assert (await two.ask(at, identity, "POST", "/cancel"))[1] == failed
