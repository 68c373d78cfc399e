"""Any gateway on one Redis shows, follows and ends what another one runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.redis_server import RedisServer
from tests.server.gateways import BEHIND, PATH, STORY, Gateways, Reader, gateways, read, split
from tests.server.support import Serve, say
from tests.store.conftest import redis_server
from tests.waiting import until, until_so
from zerogravity.core.events import Failed, Finished, TextDelta
from zerogravity.core.running import RunningTurn
from zerogravity.errors import Termination, upstream
from zerogravity.server import elsewhere, sharing
from zerogravity.store.redis import connection, keys, news
from zerogravity.testing.check import check_response, check_responses

__all__ = ["redis_server"]
LIMITS = {"readers": 100}
BROKEN = Failed(upstream(502, "upstream_drop", "the connection broke", Termination.UPSTREAM_DROP))
ENDS: dict[str, Callable[[RunningTurn], object]] = {
    "completed": lambda running: running.close(Finished("stop")),
    "incomplete": lambda running: running.close(Finished("length", "MAX_TOKENS")),
    "refused": lambda running: running.close(Finished("filtered", "SAFETY")),
    "failed": lambda running: running.close(BROKEN),
}


@pytest.fixture
async def two(serve: Serve, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Gateways:
    monkeypatch.setattr(elsewhere, "LOOK_S", 0.1)
    monkeypatch.setattr(sharing, "PAUSE_S", 0.001)
    return await gateways(serve, redis_server, limits=LIMITS)


def last(data: bytes) -> Any:
    return json.loads(split(data)[-1].partition(b"data: ")[2])["response"]


# -- following -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ENDS)
async def test_any_gateway_shows_the_same_frames_from_any_number(two: Gateways, end: str) -> None:
    running, identity = await two.begin()
    readers: list[tuple[int, asyncio.Task[bytes]]] = []

    def more_readers() -> None:
        for after in (-1, 0, 1, 2, 5, 40):
            readers.append((after, asyncio.create_task(read(two.second, identity, None if after < 0 else after))))

    more_readers()
    own = asyncio.create_task(read(two.first, identity))
    async with Reader(two.second, identity) as seen:
        for events in STORY:
            say(running, *events)
            more_readers()
        await seen.until("output_text.delta")  # while it runs
        assert await two.status(identity) == "in_progress"
        ENDS[end](running)
        whole = await own
        check_responses(whole)
        assert b"".join(seen.frames) + await seen.rest() == whole
    for after, task in readers:
        assert await task == b"".join(split(whole)[after + 1 :]), after
    await until(lambda: two.first.writer.waiting == 0)
    assert await read(two.second, identity, 3) == b"".join(split(whole)[4:]), "and after its end"
    assert (await two.ask(identity))[1] == (await two.ask(identity, served=two.first))[1]


async def test_its_state_is_shown_as_far_as_it_has_come(two: Gateways) -> None:
    running, identity = await two.begin()
    status, shown = await two.ask(identity)
    assert (status, shown["status"]) == (200, "queued")
    assert (await two.ask(identity, end="/input_items"))[1]["data"][0]["content"][0]["text"] == "hi"
    say(running, *STORY[0])

    async def shows_it() -> bool:
        return await two.status(identity) == "in_progress"

    await until_so(shows_it)
    check_response((await two.ask(identity))[1])


async def test_a_stream_is_kept_open_in_silence_and_ends_with_its_client(
    serve: Serve, redis_server: RedisServer
) -> None:
    two = await gateways(serve, redis_server, limits={"heartbeat_seconds": 0.2})
    _, identity = await two.begin()
    waiting = two.second.running._runner.app[elsewhere.ELSEWHERE]._waiting  # pyright: ignore[reportPrivateUsage]
    async with Reader(two.second, identity) as reader:
        await reader.until("queued")
        await reader.until("heartbeat")
        assert len(waiting) == 1
    await until(lambda: not waiting)


async def test_a_client_that_reads_nothing_is_cut_off(serve: Serve, redis_server: RedisServer) -> None:
    two = await gateways(serve, redis_server, limits={"write_stall_seconds": 0.3})
    running, identity = await two.begin()
    _, writer = await asyncio.open_connection("127.0.0.1", two.second.running.port, limit=1)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(two.second.head(f"GET {PATH}/{identity}?stream=true"))
    waiting = two.second.running._runner.app[elsewhere.ELSEWHERE]._waiting  # pyright: ignore[reportPrivateUsage]
    await until(lambda: waiting)
    say(running, *STORY[0])
    for _ in range(100):
        say(running, TextDelta("x" * 100_000))
    await until(lambda: not waiting)
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    running.close(Finished("stop"))


async def test_a_slow_client_gets_all_that_the_others_get_and_holds_nobody_up(two: Gateways) -> None:
    running, identity = await two.begin()
    slow, writer = await asyncio.open_connection("127.0.0.1", two.second.running.port)
    transport: Any = writer.transport
    transport.pause_reading()
    writer.write(two.second.head(f"GET {PATH}/{identity}?stream=true", "Connection: close"))
    readers = [asyncio.create_task(read(served, identity)) for served in (two.first, two.second, two.second)]
    readings = two.second.running._runner.app[elsewhere.ELSEWHERE]._readings  # pyright: ignore[reportPrivateUsage]
    await until(lambda: readings and len(readings["", identity].followers) == 3)
    say(running, *STORY[0])
    for number in range(50):
        say(running, TextDelta(f"{number} " * 20_000))
        await asyncio.sleep(0.001)
    running.close(Finished("stop"))
    whole, *others = [await reader for reader in readers]
    assert others == [whole, whole]
    assert len(readings["", identity].followers) == 1, "it has read next to nothing"
    transport.resume_reading()
    _, _, body = (await slow.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert unchunked(body) == whole
    assert not readings


def unchunked(body: bytes) -> bytes:
    parts = list[bytes]()
    while body:
        size, _, body = body.partition(b"\r\n")
        parts.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return b"".join(parts)


async def test_many_followers_of_one_response_read_it_once(two: Gateways, monkeypatch: pytest.MonkeyPatch) -> None:
    running, identity = await two.begin()
    peers: Any = two.second.services.responses.peers
    counted, ask = list[int](), peers.frames

    async def frames(*which: Any) -> Any:
        shown = await ask(*which)
        counted.append(0 if shown is None else len(shown.frames))
        return shown

    monkeypatch.setattr(peers, "frames", frames)
    readers = [asyncio.create_task(read(two.second, identity)) for _ in range(20)]
    for events in STORY:
        say(running, *events)
    for _ in range(2000):
        say(running, TextDelta("x" * 100))
    running.close(Finished("stop"))
    streams = {await reader for reader in readers}
    assert len(streams) == 1
    begun = 2  # frames, in what is stored when it starts
    assert sum(counted) == len(split(streams.pop())) - begun


async def test_a_response_has_as_many_readers_as_at_its_own_gateway(serve: Serve, redis_server: RedisServer) -> None:
    two = await gateways(serve, redis_server, limits={"readers": 1})
    running, identity = await two.begin()
    say(running, *STORY[0])
    for served in (two.first, two.second):
        async with Reader(served, identity) as reader:
            await reader.until("in_progress")
            status, body = await two.ask(identity, end="?stream=true", served=served)
            assert (status, body["error"]["code"]) == (429, "too_many_readers")
        waiting = two.second.running._runner.app[elsewhere.ELSEWHERE]._waiting  # pyright: ignore[reportPrivateUsage]
        await until(lambda waiting=waiting: not waiting)
    running.close(Finished("stop"))


async def test_streams_are_broken_off_when_the_gateway_stops_and_go_on_at_another(two: Gateways) -> None:
    running, identity = await two.begin()
    say(running, *STORY[0])
    async with Reader(two.second, identity) as reader:
        await reader.until("in_progress")
        await two.second.running.stop()
        with pytest.raises(aiohttp.ClientPayloadError):
            await reader.rest()
    running.close(Finished("stop"))
    data = await read(two.first, identity, len(reader.frames) - 1)
    check_responses(b"".join(reader.frames) + data)


async def test_only_background_responses_are_streamed(two: Gateways) -> None:
    _, identity = await two.begin()
    assert (await two.ask(identity, end="?stream=true&starting_after=x"))[0] == 400


# -- ending --------------------------------------------------------------------------------------------------------


async def test_cancelling_reaches_the_gateway_that_runs_it(two: Gateways) -> None:
    running, identity = await two.begin()
    say(running, *STORY[0])
    own = asyncio.create_task(read(two.first, identity))
    followed = asyncio.create_task(read(two.second, identity))
    answers = await asyncio.gather(*(two.ask(identity, "POST", "/cancel") for _ in range(3)))
    assert running.channel.termination is Termination.CANCELLED
    for status, cancelled in (*answers, await two.ask(identity, "POST", "/cancel")):
        assert (status, cancelled["status"]) == (200, "cancelled")
    assert await followed == await own
    assert (await two.ask(identity))[1] == answers[0][1] == last(await followed)
    assert (await two.ask(identity, "POST", "/cancel", served=two.first)) == answers[0]


async def test_deleting_reaches_the_gateway_that_runs_it(two: Gateways) -> None:
    running, identity = await two.begin()
    async with Reader(two.second, identity) as reader:
        await tell(two, running, reader)
        assert await two.ask(identity, "DELETE") == (200, {"id": identity, "object": "response", "deleted": True})
        await reader.until("failed")
        check_responses(b"".join(reader.frames) + await reader.rest())
    assert running.channel.termination is Termination.CANCELLED
    for served in (two.first, two.second):
        for method, end in (("GET", ""), ("GET", "?stream=true"), ("POST", "/cancel"), ("DELETE", "")):
            assert (await two.ask(identity, method, end, served=served))[0] == 404
    await until(lambda: two.first.writer.waiting == 0)
    assert (await two.ask(identity))[0] == 404


async def test_deleting_closes_what_its_followers_have_seen_open(two: Gateways) -> None:
    """Whatever its gateway had no time to show."""
    running, identity = await two.begin()
    async with Reader(two.second, identity) as reader, AsyncExitStack() as stack:
        early = await stack.enter_async_context(Reader(two.second, identity, 3))  # beyond all that there is
        await tell(two, running, reader)
        seen = [frame for frame in reader.frames if frame]
        later = [await stack.enter_async_context(Reader(two.second, identity, after)) for after in range(len(seen) - 1)]
        for each in later:
            await each.until("output_text.delta")
        await two.second.services.responses.delete(identity, "")
        data = await reader.rest()
        check_responses(b"".join(seen) + data)
        assert last(data)["status"] == "cancelled"
        for after, each in ((3, early), *enumerate(later)):
            assert b"".join(each.frames) + await each.rest() == b"".join(seen[after + 1 :]) + data
    running.close(Finished("stop"))


async def test_what_belongs_to_somebody_else_does_not_exist_at_any_gateway(two: Gateways) -> None:
    running, identity = await two.begin({"Authorization": "Bearer mine"})
    for key in ("", "theirs"):
        for method, end in (("GET", ""), ("GET", "?stream=true"), ("POST", "/cancel"), ("DELETE", "")):
            assert (await two.ask(identity, method, end, key))[0] == 404
    peers = two.second.services.responses.peers
    assert peers is not None
    await peers.ask("delete", "", identity)
    assert not running.channel.closed
    assert (await two.ask(identity, "POST", "/cancel", "mine"))[1]["status"] == "cancelled"


async def test_a_gateway_checks_itself_whose_a_response_is(two: Gateways) -> None:
    """A command that names another owner is obeyed by nobody."""
    running, identity = await two.begin({"Authorization": "Bearer mine"})
    obey = two.first.writer._sharing._obey  # type: ignore[union-attr]  # pyright: ignore
    for command in ("cancel", "delete"):
        obey(command, "somebody else", identity)
        obey(command, "somebody else", "resp_unknown")
    assert not running.channel.closed
    assert (await two.ask(identity, key="mine"))[0] == 200


@pytest.mark.parametrize(("method", "end"), [("POST", "/cancel"), ("DELETE", "")])
async def test_a_gateway_that_does_not_obey_is_waited_for_within_a_bound(
    two: Gateways, monkeypatch: pytest.MonkeyPatch, method: str, end: str
) -> None:
    monkeypatch.setattr(elsewhere, "WAIT_S", 0.2)
    running, identity = await two.begin()
    monkeypatch.setattr(two.first.engine, "cancel", lambda *_: False)
    monkeypatch.setattr(two.first.writer.pending, "delete", two.first.writer.get)
    status, headers, body = await two.second.ask(method, f"{PATH}/{identity}{end}")
    assert (status, json.loads(body)["error"]["code"]) == (503, "response_running_elsewhere")
    assert headers["retry-after"] == "1"
    monkeypatch.undo()
    running.close(Finished("stop"))


# -- a gateway that dies -------------------------------------------------------------------------------------------


async def dies(two: Gateways) -> None:
    """The first one's lease runs out."""
    await two.first.services.responses.leases.close()  # type: ignore[attr-defined]  # pyright: ignore


async def test_what_a_dead_gateway_ran_has_failed_for_everybody(two: Gateways) -> None:
    running, identity = await two.begin()
    async with Reader(two.second, identity) as early:
        for events in STORY:
            say(running, *events)
        await early.until("output_text.delta")
        await dies(two)
        await early.until("failed")
        whole = b"".join(early.frames) + await early.rest()
    check_responses(whole)
    status, failed = await two.ask(identity)
    assert (status, failed["status"], failed["error"]["code"]) == (200, "failed", "server_error")
    assert failed == last(whole)
    assert await read(two.second, identity) == whole
    (end,) = split(await read(two.second, identity, 99))
    assert json.loads(end.partition(b"data: ")[2])["sequence_number"] == 100
    assert (await two.ask(identity, "POST", "/cancel"))[1] == failed
    running.close(Finished("stop"))  # it was not dead after all: what others have been told stays
    await until(lambda: two.first.writer.waiting == 0)
    for served in (two.first, two.second):
        assert (await two.ask(identity, served=served))[1] == failed
        assert await read(served, identity) == whole


async def test_many_look_at_once_at_what_a_dead_gateway_ran(two: Gateways) -> None:
    running, identity = await two.begin()
    say(running, *STORY[0])
    readers = [asyncio.create_task(read(two.second, identity, after)) for after in (None, 0, 1, 50)]
    await dies(two)
    answers = await asyncio.gather(*(two.ask(identity) for _ in range(5)))
    whole, *others = [await reader for reader in readers]
    assert {json.dumps(answer) for _, answer in answers} == {json.dumps(last(whole))}
    assert others[:2] == [b"".join(split(whole)[1:]), b"".join(split(whole)[2:])]
    assert last(others[2]) == last(whole)


@pytest.mark.parametrize(("method", "end", "status"), [("POST", "/cancel", "failed"), ("DELETE", "", None)])
async def test_a_gateway_that_dies_while_it_is_asked(
    two: Gateways, monkeypatch: pytest.MonkeyPatch, method: str, end: str, status: str | None
) -> None:
    running, identity = await two.begin()
    monkeypatch.setattr(two.first.engine, "cancel", lambda *_: False)
    monkeypatch.setattr(two.first.writer.pending, "delete", two.first.writer.get)
    asked = asyncio.create_task(two.ask(identity, method, end))
    await dies(two)
    code, answer = await asked
    assert (code, answer.get("status")) == (200, status)
    monkeypatch.undo()
    running.close(Finished("stop"))  # and a deleted one does not come back
    await until(lambda: two.first.writer.waiting == 0)
    assert (await two.ask(identity))[0] == (404 if status is None else 200)


# -- frames that the store has lost --------------------------------------------------------------------------------


async def delete(client: Any, stream: str) -> None:
    await client.delete(stream)


async def trim(client: Any, stream: str) -> None:
    await client.xtrim(stream, maxlen=1, approximate=False)


async def cut(client: Any, stream: str) -> None:
    """One in the middle is missing."""
    names = [name for name, _ in await client.xrange(stream)]
    await client.xdel(stream, names[1])


async def replace(client: Any, stream: str) -> None:
    await client.delete(stream)
    await client.set(stream, b"of another kind")


LOSSES = {"deleted": delete, "trimmed": trim, "cut": cut, "of another kind": replace}


async def lose(two: Gateways, identity: str, how: str) -> None:
    store: Any = two.second.services.responses
    await LOSSES[how](store.connection.client, keys.frames("", identity))


async def tell(two: Gateways, running: RunningTurn, reader: Reader) -> None:
    """All of the story, in several batches."""
    for events in STORY:
        say(running, *events)
        if isinstance(events[0], TextDelta):
            reader.frames.append(b"")  # behind those of before
            await reader.until("output_text.delta")


@pytest.mark.parametrize("how", LOSSES)
async def test_the_stream_of_a_response_that_is_over_is_lost(two: Gateways, how: str) -> None:
    running, identity = await two.begin()
    async with Reader(two.second, identity) as reader:
        await tell(two, running, reader)
        running.close(Finished("stop"))
        await reader.rest()
    await until(lambda: two.first.writer.waiting == 0)
    _, before = await two.ask(identity)
    await lose(two, identity, how)
    for served in (two.first, two.second):
        for after in ("", "&starting_after=1"):
            status, answer = await two.ask(identity, end=f"?stream=true{after}", served=served)
            told = status, answer["error"]["code"]
            assert told == ((500, "store_damaged") if how == "of another kind" else (404, "response_stream_lost"))
        if how != "of another kind":
            assert await two.ask(identity, served=served) == (200, before)
    assert (await two.ask(identity, "DELETE"))[0] == 200


@pytest.mark.parametrize("how", LOSSES)
async def test_what_is_lost_of_a_running_response_is_there_again_at_its_end(two: Gateways, how: str) -> None:
    running, identity = await two.begin()
    own = asyncio.create_task(read(two.first, identity))
    async with Reader(two.second, identity) as reader:
        await tell(two, running, reader)
        await lose(two, identity, how)
        starts = () if how == "of another kind" else (None, 1, 3)  # that one is damaged until the next frames come
        late = [asyncio.create_task(read(two.second, identity, after)) for after in starts]
        for _ in range(5):
            say(running, TextDelta("more"))
            await asyncio.sleep(0.01)
        running.close(Finished("stop"))
        seen = b"".join(reader.frames) + await reader.rest()
    whole = await own
    assert seen == whole
    for after, task in zip(starts, late, strict=True):
        assert await task == b"".join(split(whole)[0 if after is None else after + 1 :])
    assert await two.status(identity) == "completed"


async def lose_the_whole(two: Gateways, identity: str) -> None:
    client: Any = two.second.services.responses.connection.client  # pyright: ignore[reportAttributeAccessIssue]
    await client.delete(keys.entry("", identity), keys.frames("", identity))


async def looks(two: Gateways, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the other gateway has seen whenever it has looked at the stream."""
    peers: Any = two.second.services.responses.peers
    seen, ask = list[object](), peers.frames

    async def frames(*which: Any) -> Any:
        seen.append(shown := await ask(*which))
        return shown

    monkeypatch.setattr(peers, "frames", frames)
    return seen


async def test_a_stream_waits_for_a_response_that_is_lost_while_it_runs(
    two: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, identity = await two.begin()
    own = asyncio.create_task(read(two.first, identity))
    async with Reader(two.second, identity) as reader:
        await tell(two, running, reader)
        seen = await looks(two, monkeypatch)
        await lose_the_whole(two, identity)
        await until(lambda: seen.count(None) > 3)
        running.close(Finished("stop"))
        assert b"".join(reader.frames) + await reader.rest() == await own


async def test_a_stream_is_broken_off_when_a_lost_response_does_not_come_back(
    two: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "AWAY_S", 0.3)
    running, identity = await two.begin()
    async with Reader(two.second, identity) as reader:
        await tell(two, running, reader)
        await lose_the_whole(two, identity)
        with pytest.raises(aiohttp.ClientPayloadError):
            await reader.rest()
    running.close(Finished("stop"))
    await until(lambda: two.first.writer.waiting == 0)
    check_responses(await read(two.second, identity))


async def test_whoever_is_in_the_middle_of_a_stream_that_is_lost_gets_its_end(
    two: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, identity = await two.begin()
    peers: Any = two.second.services.responses.peers
    held, ask = asyncio.Event(), peers.frames
    held.set()

    async def frames(*which: Any) -> Any:
        await held.wait()
        return await ask(*which)

    monkeypatch.setattr(peers, "frames", frames)
    async with Reader(two.second, identity) as reader:
        await tell(two, running, reader)
        held.clear()
        running.close(Finished("stop"))
        await until(lambda: two.first.writer.waiting == 0)
        await lose(two, identity, "deleted")
        held.set()
        (end,) = split(await reader.rest())
    told = json.loads(end.partition(b"data: ")[2])
    assert (told["type"], told["sequence_number"]) == ("response.completed", len([*filter(None, reader.frames)]))
    assert told["response"] == (await two.ask(identity))[1]


@pytest.mark.parametrize("how", ["deleted", "trimmed", "cut"])
async def test_a_dead_gateway_of_whose_stream_something_is_lost(two: Gateways, how: str) -> None:
    running, identity = await two.begin()
    async with Reader(two.second, identity) as reader:
        await tell(two, running, reader)
        await lose(two, identity, how)
        await dies(two)
        await reader.until("failed")
        assert await reader.rest() == b""
    status, failed = await two.ask(identity)
    assert (status, failed["status"]) == (200, "failed")
    whole = await read(two.second, identity)
    check_responses(whole)
    assert last(whole) == failed
    running.close(Finished("stop"))
    await until(lambda: two.first.writer.waiting == 0)


# -- a store that is away ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["killed", "paused"])
async def test_streams_wait_for_a_store_that_comes_back(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(elsewhere, "LOOK_S", 0.1)
    monkeypatch.setattr(sharing, "RETRY_S", 0.01)
    monkeypatch.setattr(connection, "ANSWER_S", 0.2)
    monkeypatch.setattr(news, "SILENCE_S", 0.2)
    server = RedisServer(tmp_path, durable=True)
    server.start()
    try:
        two = await gateways(serve, server, limits={"heartbeat_seconds": 0.2})
        running, identity = await two.begin()
        own = asyncio.create_task(read(two.first, identity))
        async with Reader(two.second, identity) as reader:
            say(running, *STORY[0])
            await reader.until("in_progress")
            server.kill() if how == "killed" else server.pause()
            for events in STORY[1:]:
                say(running, *events)
            await until(lambda: two.first.writer._sharing.failed)  # type: ignore[union-attr]  # pyright: ignore
            for method, end in (("GET", ""), ("GET", "?stream=true"), ("POST", "/cancel"), ("DELETE", "")):
                status, headers, body = await two.second.ask(method, f"{PATH}/{identity}{end}")
                assert (status, json.loads(body)["error"]["code"]) == (503, "store_unavailable")
                assert headers["retry-after"] == "1"
            await reader.until("heartbeat")
            server.start() if how == "killed" else server.go_on()
            await reader.until("output_text.delta")
            running.close(Finished("stop"))
            seen = split(b"".join(reader.frames) + await reader.rest())
        assert seen == split(await own)
        assert await two.status(identity) == "completed"
    finally:
        server.kill()


async def test_a_stream_does_not_wait_for_ever(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "LOOK_S", 0.05)
    monkeypatch.setattr(elsewhere, "AWAY_S", 0.2)
    server = RedisServer(tmp_path)
    server.start()
    try:
        two = await gateways(serve, server)
        running, identity = await two.begin()
        async with Reader(two.second, identity) as reader:
            await reader.until("queued")
            server.kill()
            with pytest.raises(aiohttp.ClientPayloadError):
                await reader.rest()
        running.close(Finished("stop"))
    finally:
        server.kill()


async def test_a_turn_begins_and_ends_while_the_store_is_away(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "RETRY_S", 0.01)
    server = RedisServer(tmp_path)
    server.start()
    try:
        two = await gateways(serve, server)
        server.kill()
        async with two.first.http.post(two.first.url + PATH, json={**BEHIND, "stream": True}) as answer:
            running = two.first.engine.turns[-1]
            for events in STORY:
                say(running, *events)
            running.close(Finished("stop"))
            whole = await answer.read()
        check_responses(whole)
        server.start()
        await until(lambda: two.first.writer.waiting == 0)
        assert await read(two.second, last(whole)["id"]) == whole
    finally:
        server.kill()
