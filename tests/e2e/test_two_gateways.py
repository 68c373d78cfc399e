"""Two gateways on one Redis, each with its own language server: what one runs the other shows, follows and ends; what
becomes of it when one of the three dies; and both behind one address."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.support import MODEL, at_rest, quick
from tests.ports import free_port
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
    address: str  # of both, where a balancer listens
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

    def hold(self, *before: str, by: Stack | None = None) -> asyncio.Event:
        """The next answer, by default A's, says that and then waits; then it says the rest."""
        self.held.append(go := asyncio.Event())
        google = (by or self.a).google
        assert google is not None
        google.script(Scenario([*say(*before), (0.0, go), *say(*PIECES), *stop()]))
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
    with RedisServer(tmp_path_factory.mktemp("redis"), durable=True) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(redis: RedisServer) -> AsyncIterator[Two]:
    limits = {"TURNS": TURNS, "WAITING": RESPONSES, "PEER_CONNECTIONS": 2 * RESPONSES, "MATCH_SECONDS": 100}
    env = {f"ZEROGRAVITY_LIMITS_{name}": str(value) for name, value in limits.items()}
    address = f"127.0.0.1:{free_port()}"
    env |= {"ZEROGRAVITY_STORE": redis.url, "ZEROGRAVITY_TRACE": "false", "ZEROGRAVITY_ALLOWED_HOSTS": address}
    options = [StackOptions(ls=quick(), env={**env, "ZEROGRAVITY_INSTANCE": name}) for name in ("a", "b")]
    connector = aiohttp.TCPConnector(limit=0)
    async with Stack(options[0]) as a, Stack(options[1]) as b, aiohttp.ClientSession(connector=connector) as http:
        yield Two(a, b, redis, http, address)


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


@pytest.mark.parametrize("asked", ["own", "other"])
async def test_a_chain_goes_from_one_to_the_other_as_soon_as_each_response_is_over(two: Two, asked: str) -> None:
    """By polling, which no stream precedes; with the conversation that each has let go."""
    async with two.http.post(f"{two.a.url}/v1/conversations", json={}) as made:
        conversation = (await made.json())["id"]
    before: dict[str, str] = {}
    for number in range(6):
        at, other = (two.a, two.b) if number % 2 else (two.b, two.a)
        for link in (before, {"conversation": conversation}):
            body = {**BEHIND, "input": f"sim:echo number {number}", **link}
            async with two.http.post(f"{at.url}/v1/responses", json=body) as answer:
                assert answer.status == 200, await answer.text()
                identity = (await answer.json())["id"]
            while (status := await two.status(at if asked == "own" else other, identity)) != "completed":
                assert status in ("queued", "in_progress")
            assert await two.status(other, identity) == "completed"
            if link is before:
                before = {"previous_response_id": identity}


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


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_what_a_gateway_runs_that_is_stopped_has_failed_at_once(two: Two, how: signal.Signals) -> None:
    """It says so itself; nobody has to wait for its lease to run out."""
    two.hold("It begins.")
    identity = await two.begin()
    async with two.follow(two.b, identity) as stream:
        seen = await up_to(stream, "output_text.delta")
        assert two.a.process is not None
        two.a.process.send_signal(how)
        whole = b"".join(seen) + b"".join(frames_of(await stream.read()))
    events = check_responses(whole)
    failed = events[-1]["response"]
    assert (events[-1]["type"], failed["status"]) == ("response.failed", "failed")
    assert await two.ask(two.b, identity) == (200, failed)
    await two.a.kill()
    await two.a.start_again()
    for at in (two.b, two.a):
        assert await two.ask(at, identity) == (200, failed)
        assert await two.read(at, identity) == whole


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


# -- behind one address --------------------------------------------------------------------------------------------

EXAMPLE = Path(__file__).resolve().parents[2] / "scripts" / "several" / "haproxy.cfg"


@pytest_asyncio.fixture(loop_scope="module")
async def balanced(two: Two, tmp_path: Path) -> AsyncIterator[Two]:
    """With the example of a balancer in front, for the addresses of these two."""
    if (program := shutil.which("haproxy")) is None:
        if os.environ.get("REQUIRE_HAPROXY") == "1":
            pytest.fail("there is no haproxy")
        pytest.skip("there is no haproxy: install the Debian package haproxy")
    text = EXAMPLE.read_text()
    for told, real in {
        "127.0.0.1:8740": two.address, "127.0.0.1:8741": two.a.url.removeprefix("http://"),
        "127.0.0.1:8743": two.b.url.removeprefix("http://"),
    }.items():  # fmt: skip
        assert told in text
        text = text.replace(told, real)
    (tmp_path / "haproxy.cfg").write_text(text)
    process = await asyncio.create_subprocess_exec(program, "-db", "-f", str(tmp_path / "haproxy.cfg"))
    try:
        await until_so(lambda: answers(two), 20)
        yield two
    finally:
        process.terminate()
        await process.wait()


async def answers(two: Two) -> bool:
    try:
        async with two.http.get(f"http://{two.address}/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def test_both_are_asked_in_turn_and_know_what_the_other_has_stored(balanced: Two) -> None:
    two, url, before = balanced, f"http://{balanced.address}/v1/responses", ""
    calls = [len(stack.google.agent_requests) for stack in (two.a, two.b)]
    for number in range(6):
        body = {"model": MODEL, "input": f"sim:echo number {number}", "include": ["reasoning.encrypted_content"]}
        async with two.http.post(url, json={**body, **({"previous_response_id": before} if before else {})}) as answer:
            assert answer.status == 200, await answer.text()
            before = (await answer.json())["id"]
        for _ in range(2):
            async with two.http.get(f"{url}/{before}") as answer:
                assert answer.status == 200
    asked = [len(stack.google.agent_requests) for stack in (two.a, two.b)]
    assert [after - at_first for after, at_first in zip(asked, calls, strict=True)] == [3, 3]
    named = set[str]()
    for _ in range(2):
        async with two.http.get(f"http://{two.address}/metrics") as answer:
            named |= {name for name in ("a", "b") if f'zg_turns_active{{instance="{name}"}}' in await answer.text()}
    assert named == {"a", "b"}


async def test_what_one_has_sealed_the_other_opens(balanced: Two) -> None:
    """Thought signatures go back to Google, whichever gateway the client meets next."""
    two, url, history = balanced, f"http://{balanced.address}/v1/responses", list[dict[str, Any]]()
    seen = [len(stack.google.agent_requests) for stack in (two.a, two.b)]
    for number in range(2):
        history.append({"role": "user", "content": f"sim:think {number}"})
        body = {"model": MODEL, "input": history, "store": False, "include": ["reasoning.encrypted_content"]}
        async with two.http.post(url, json=body) as answer:
            assert answer.status == 200, await answer.text()
            history += (await answer.json())["output"]
    new = [stack.google.agent_requests[count:] for stack, count in zip((two.a, two.b), seen, strict=True)]
    assert [len(each) for each in new] == [1, 1]
    second = next(each[0] for each in new if "sim:think 1" in json.dumps(each[0].body))
    assert "thoughtSignature" in json.dumps(second.body)


async def test_frames_pass_the_balancer_as_they_come(balanced: Two) -> None:
    goes = [balanced.hold("It begins.", by=stack) for stack in (balanced.a, balanced.b)]
    body = {"model": MODEL, "input": "Hello.", "stream": True}
    for _ in goes:  # each is asked once
        async with balanced.http.post(f"http://{balanced.address}/v1/responses", json=body) as answer:
            seen = await up_to(answer, "output_text.delta")
            for go in goes:
                go.set()
            check_responses(b"".join(seen) + await answer.read())


async def test_one_gateway_is_enough(balanced: Two) -> None:
    await balanced.a.kill()
    try:
        for number in range(4):
            body = {"model": MODEL, "input": f"sim:echo number {number}"}
            async with balanced.http.post(f"http://{balanced.address}/v1/responses", json=body) as answer:
                assert answer.status == 200, await answer.text()
    finally:
        await balanced.a.start_again()
