"""Gateways on one Redis: what begins at one goes on at another, and what they do while it is away."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.redis_server import PASSWORD, RedisServer
from tests.server.gateways import read
from tests.server.support import Serve, Served, forever, hello, say
from tests.store.disks import BEHIND, HELLO, PATH
from tests.waiting import until, until_so
from zerogravity.core.events import AttemptOpened, Finished, TextDelta
from zerogravity.core.running import RunningTurn
from zerogravity.server import response_writer
from zerogravity.store import pending_writes
from zerogravity.store.redis import connection, keys, leases
from zerogravity.store.redis.connection import Connection
from zerogravity.testing.check import check_response, check_responses

CONVERSATIONS = "/v1/conversations"


@pytest.fixture
async def emptied(redis_server: RedisServer) -> AsyncIterator[RedisServer]:
    client = Connection(redis_server.url)
    await client.client.flushdb()
    yield redis_server
    await client.close()


async def two(serve: Serve, server: RedisServer, **settings: Any) -> tuple[Served, Served]:
    return await serve(store=server.url, **settings), await serve(store=server.url, **settings)


def sent(served: Served) -> str:
    """What the last turn has sent to Google."""
    return json.dumps(served.engine.channels[-1].turn.google_request["contents"])


# -- one memory ----------------------------------------------------------------------------------------------------


async def test_a_chain_goes_on_at_another_gateway(serve: Serve, emptied: RedisServer) -> None:
    here, there = await two(serve, emptied)
    _, _, first = await here.post(PATH, HELLO)
    assert (await there.get(f"{PATH}/{first['id']}"))[2] == first
    assert (await there.get(f"{PATH}/{first['id']}/input_items"))[2]["data"][0]["content"][0]["text"] == "hi"
    status, _, second = await there.post(PATH, {**HELLO, "input": "more", "previous_response_id": first["id"]})
    assert status == 200 and "hi" in sent(there)
    reference = {"type": "item_reference", "id": second["output"][0]["id"]}
    assert (await here.post(PATH, {**HELLO, "input": [reference, {"role": "user", "content": "x"}]}))[0] == 200
    assert "Hello" in sent(here)
    assert (await there.ask("DELETE", f"{PATH}/{first['id']}"))[0] == 200
    assert (await here.get(f"{PATH}/{first['id']}"))[0] == 404


async def test_nobody_reads_what_another_key_has_stored_and_no_key_is_in_redis(
    serve: Serve, emptied: RedisServer
) -> None:
    here, there = await two(serve, emptied, key="sk-of-one", keys=["sk-of-another"])
    one, another = ({"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
                    for key in ("sk-of-one", "sk-of-another"))  # fmt: skip
    _, _, raw = await here.ask("POST", PATH, one, json.dumps(HELLO).encode())
    identity = json.loads(raw)["id"]
    assert (await there.ask("GET", f"{PATH}/{identity}", one))[0] == 200
    assert (await there.ask("GET", f"{PATH}/{identity}", another))[0] == 404
    client = Connection(emptied.url)
    names = await client.client.keys("*")
    assert len(names) >= 5
    assert not any(b"sk-of" in name for name in names)
    dumped = [await client.client.dump(name) for name in names]
    assert not any(b"sk-of" in value for value in dumped)
    await client.close()


OTHERS: list[tuple[str, str, dict[str, Any] | None]] = [  # what somebody tries with ids that are not his
    ("GET", "/v1/responses/{done}", None), ("GET", "/v1/responses/{done}/input_items", None),
    ("GET", "/v1/responses/{running}", None), ("GET", "/v1/responses/{running}?stream=true", None),
    ("GET", "/v1/responses/{running}/input_items", None), ("POST", "/v1/responses/{running}/cancel", {}),
    ("DELETE", "/v1/responses/{done}", None), ("DELETE", "/v1/responses/{running}", None),
    ("POST", "/v1/responses", {**HELLO, "previous_response_id": "{done}"}),
    ("POST", "/v1/responses", {**HELLO, "input": [{"type": "item_reference", "id": "{item}"}]}),
    ("POST", "/v1/responses", {**HELLO, "conversation": "{talk}"}),
    ("GET", "/v1/conversations/{talk}", None), ("GET", "/v1/conversations/{talk}/items", None),
    ("POST", "/v1/conversations/{talk}", {"metadata": {}}), ("DELETE", "/v1/conversations/{talk}", None),
    ("POST", "/v1/conversations/{talk}/items", {"items": [{"role": "user", "content": "x"}]}),
    ("POST", "/v1/conversations", {"items": [{"type": "item_reference", "id": "{item}"}]}),
]  # fmt: skip


async def test_whatever_another_key_tries_at_any_gateway_there_is_nothing(serve: Serve, emptied: RedisServer) -> None:
    here, there = await two(serve, emptied, key="sk-of-one", keys=["sk-of-another"])

    async def ask(served: Served, key: str, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        status, _, raw = await served.ask(method, target, headers, b"" if body is None else json.dumps(body).encode())
        return status, json.loads(raw)

    _, done = await ask(here, "sk-of-one", "POST", PATH, HELLO)
    _, talk = await ask(here, "sk-of-one", "POST", CONVERSATIONS, {"items": [{"role": "user", "content": "mine"}]})
    here.engine.script = forever
    _, running = await ask(here, "sk-of-one", "POST", PATH, BEHIND)
    await until(lambda: here.writer.waiting == 0)
    ids = {"done": done["id"], "running": running["id"], "talk": talk["id"], "item": done["output"][0]["id"]}

    def filled(text: str) -> str:
        for name, identity in ids.items():
            text = text.replace(f"{{{name}}}", identity)
        return text

    for served in (here, there):
        for method, target, body in OTHERS:
            given = None if body is None else json.loads(filled(json.dumps(body)))
            status, answer = await ask(served, "sk-of-another", method, filled(target), given)
            assert status in (400, 404), (method, target, answer)
            assert re.search("not found|nothing to answer", answer["error"]["message"]), (method, target, answer)
            assert "Hello" not in str(answer) and "mine" not in str(answer)
    for served in (here, there):
        assert await ask(served, "sk-of-one", "GET", f"{PATH}/{ids['done']}") == (200, done)
        assert (await ask(served, "sk-of-one", "GET", f"{CONVERSATIONS}/{ids['talk']}"))[1] == talk
        assert len((await ask(served, "sk-of-one", "GET", f"{CONVERSATIONS}/{ids['talk']}/items"))[1]["data"]) == 1
        status, found = await ask(served, "sk-of-one", "GET", f"{PATH}/{ids['running']}")
        assert (status, found["status"] in ("queued", "in_progress")) == (200, True)


async def test_a_conversation_goes_on_at_another_gateway(serve: Serve, emptied: RedisServer) -> None:
    here, there = await two(serve, emptied)
    _, _, made = await here.post(CONVERSATIONS, {"metadata": {"a": "b"}})
    path = f"{CONVERSATIONS}/{made['id']}"
    assert (await there.get(path))[2] == made
    assert (await there.post(PATH, {**HELLO, "conversation": made["id"]}))[0] == 200
    assert (await here.post(PATH, {**HELLO, "input": "again", "conversation": made["id"]}))[0] == 200
    assert "hi" in sent(here) and "Hello" in sent(here)

    async def has_all() -> bool:
        return len((await there.get(f"{path}/items"))[2]["data"]) == 4

    await until_so(has_all)
    assert (await there.ask("DELETE", path))[0] == 200
    assert (await here.get(path))[0] == 404


async def test_a_turn_holds_its_conversation_at_every_gateway(serve: Serve, emptied: RedisServer) -> None:
    here, there = await two(serve, emptied)
    here.engine.script = forever
    _, _, made = await here.post(CONVERSATIONS, {})
    _, _, begun = await here.post(PATH, {**BEHIND, "conversation": made["id"]})
    status, _, refused = await there.post(PATH, {**HELLO, "conversation": made["id"]})
    assert (status, refused["error"]["code"]) == (400, "conversation_locked")
    assert (await here.post(f"{PATH}/{begun['id']}/cancel", {}))[0] == 200

    async def is_free() -> bool:
        return (await there.post(PATH, {**HELLO, "conversation": made["id"]}))[0] == 200

    await until_so(is_free)


@pytest.fixture
async def slow(serve: Serve, emptied: RedisServer, monkeypatch: pytest.MonkeyPatch) -> tuple[Served, Served]:
    """The first one's writes take a while."""
    monkeypatch.setattr(response_writer, "SHARED_S", 20)
    here, there = await two(serve, emptied)
    store: Any = here.services.responses

    async def late(write: Any, *given: Any) -> Any:
        for _ in range(100):
            await asyncio.sleep(0)
        return await write(*given)

    for name in ("put", "change"):
        monkeypatch.setattr(store, name, partial(late, getattr(store, name)))
    return here, there


async def over(served: Served, path: str) -> Any:
    """The response, as soon as that gateway says that it is over; it knows it from the beginning."""
    async with asyncio.timeout(20):
        while True:
            status, _, found = await served.get(path)
            assert status == 200, found
            if found["status"] not in ("queued", "in_progress"):
                return found


@pytest.mark.parametrize("asked", ["here", "there"])
@pytest.mark.parametrize("pause", [0, 20], ids=["at once", "after its start"])
async def test_what_one_gateway_says_is_over_is_over_at_the_other(
    slow: tuple[Served, Served], asked: str, pause: int
) -> None:
    """And so is what it does to its conversation."""
    here, there = slow

    async def a_while(running: RunningTurn) -> None:
        for _ in range(pause):
            await asyncio.sleep(0.001)
        await hello(running)

    here.engine.script = a_while
    for _ in range(3):
        _, _, talk = await here.post(CONVERSATIONS, {})
        begun = [(await here.post(PATH, {**BEHIND, **more}))[2] for more in ({}, {"conversation": talk["id"]})]
        for each in begun:
            path = f"{PATH}/{each['id']}"
            found = await over(here if asked == "here" else there, path)
            assert found["status"] == "completed"
            for served in (there, here):
                assert (await served.get(path))[2] == found
        more = {"previous_response_id": begun[0]["id"]}, {"conversation": talk["id"]}
        for each in more:
            status, _, answered = await there.post(PATH, {**HELLO, **each})
            assert status == 200, answered


async def test_what_one_gateway_has_cancelled_is_cancelled_at_the_other(slow: tuple[Served, Served]) -> None:
    here, there = slow
    here.engine.script = forever
    _, _, talk = await here.post(CONVERSATIONS, {})
    _, _, begun = await here.post(PATH, {**BEHIND, "conversation": talk["id"]})
    path = f"{PATH}/{begun['id']}"
    _, _, cancelled = await here.post(f"{path}/cancel", {})
    assert (await there.get(path))[2] == cancelled
    assert (await there.post(PATH, {**HELLO, "conversation": talk["id"]}))[0] == 200


# -- Redis away ----------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """One that may be killed and paused, with gateways that do not wait long for it."""
    monkeypatch.setattr(connection, "ANSWER_S", 0.2)
    monkeypatch.setattr(leases, "RENEW_S", 0.05)
    made = RedisServer(tmp_path, durable=True)
    made.start()
    yield made
    made.kill()


async def degraded(served: Served) -> dict[str, str]:
    return (await served.get("/ready"))[2].get("degraded", {})


def away(server: RedisServer, how: str) -> None:
    server.kill() if how == "killed" else server.pause()


def back(server: RedisServer, how: str) -> None:
    server.start() if how == "killed" else server.go_on()


async def metric(served: Served, name: str) -> float:
    text = (await served.ask("GET", "/metrics"))[2].decode()
    (sample,) = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return float(sample.split()[-1])


@pytest.mark.parametrize("how", ["killed", "paused"])
async def test_while_redis_is_away_turns_go_on_and_look_ups_say_when_to_come_back(
    serve: Serve, server: RedisServer, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    here, there = await two(serve, server)
    _, _, before = await here.post(PATH, HELLO)
    assert await metric(here, "zg_store_up") == 1 and await degraded(here) == {}
    away(server, how)
    answered = [(await here.post(PATH, {**HELLO, "input": f"number {number}"}))[2] for number in range(3)]
    assert [each["status"] for each in answered] == ["completed"] * 3
    status, headers, refused = await here.get(f"{PATH}/{before['id']}")
    assert (status, headers["Retry-After"], refused["error"]["code"]) == (503, "1", "store_unavailable")
    status, headers, refused = await here.post(PATH, {**HELLO, "previous_response_id": before["id"]})
    assert (status, headers["Retry-After"], refused["error"]["code"]) == (503, "1", "store_unavailable")
    assert (await here.get(f"{PATH}/{answered[0]['id']}"))[2] == answered[0], "what waits is read from memory"
    await until(lambda: {"store", "responses"} <= here.services.health.degraded.keys())
    told = await degraded(here)
    assert f"Redis at redis://127.0.0.1:{server.port}/0 cannot be used" in told["store"]
    assert "are waiting in memory" in told["responses"]
    assert (await metric(here, "zg_store_up"), await metric(here, "zg_responses_waiting")) == (0, 3)
    back(server, how)
    await until(lambda: here.writer.waiting == 0 and not here.services.health.degraded)
    for each in (before, *answered):
        assert (await there.get(f"{PATH}/{each['id']}"))[2] == each
    assert await metric(here, "zg_responses_lost_total") == 0
    assert PASSWORD not in caplog.text


async def test_a_redis_that_hangs_does_not_hold_back_the_end_of_a_stream(
    serve: Serve, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long Redis may take: here for ever."""
    monkeypatch.setattr(connection, "ANSWER_S", 600)
    served = await serve(store=server.url)
    server.pause()
    status, _, data = await served.ask(
        "POST", PATH, {"Content-Type": "application/json"}, json.dumps({**HELLO, "stream": True}).encode()
    )
    assert status == 200 and b"event: response.completed" in data
    assert served.writer.waiting == 1, "nothing has been written yet"
    server.go_on()
    await until(lambda: served.writer.waiting == 0)


async def test_a_background_response_begins_while_redis_is_away(serve: Serve, server: RedisServer) -> None:
    here, there = await two(serve, server)
    server.kill()
    status, _, begun = await here.post(PATH, BEHIND)
    assert status == 200

    async def is_over(served: Served) -> bool:
        return (await served.get(f"{PATH}/{begun['id']}"))[2].get("status") == "completed"

    await until_so(partial(is_over, here))
    server.start()
    await until(lambda: here.writer.waiting == 0)
    await until_so(partial(is_over, there))  # which may have to find that the server is back


async def test_many_responses_while_redis_restarts_lose_nothing(serve: Serve, server: RedisServer) -> None:
    here, there = await two(serve, server)

    async def restart() -> None:
        for _ in range(2):
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

    restarting = asyncio.create_task(restart())
    answers = [await asyncio.gather(*(here.post(PATH, HELLO) for _ in range(10))) for _ in range(5)]
    await restarting
    await until(lambda: here.writer.waiting == 0)
    for status, _, answered in (each for some in answers for each in some):
        assert status == 200
        assert (await there.get(f"{PATH}/{answered['id']}"))[2] == answered


async def test_of_what_is_too_much_while_redis_is_away_it_is_known_at_every_gateway_that_it_is_over(
    serve: Serve, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its beginning was written before, or was too much itself."""
    monkeypatch.setattr(pending_writes, "PAUSES", (0.5,))
    here, there = await two(serve, server, limits={"unwritten_bytes": 1 << 20})
    here.engine.script = forever
    before = [(await here.post(PATH, BEHIND))[2]["id"] for _ in range(4)]
    await until(lambda: here.writer.waiting == 0)
    server.kill()
    big = {**BEHIND, "input": "x" * 900_000}
    meanwhile, last = [(await here.post(PATH, big))[2]["id"] for _ in range(2)]
    await until(lambda: here.writer.pending.is_lost(meanwhile, ""))
    for running in here.engine.turns[:4]:
        say(running, AttemptOpened(), TextDelta("x" * (1 << 20)))
        running.close(Finished("stop"))
    await until(lambda: all(here.writer.pending.is_lost(identity, "") for identity in (*before, last)))
    server.start()
    await until(lambda: here.writer.waiting == 0)
    for running in here.engine.turns[4:]:
        running.close(Finished("stop"))
    await until(lambda: here.writer.waiting == 0)
    ends = {**dict.fromkeys((*before, meanwhile), "failed"), last: "completed"}
    found = {identity: (await there.get(f"{PATH}/{identity}"))[2] for identity in ends}
    assert {identity: each["status"] for identity, each in found.items()} == ends
    for identity, each in found.items():
        check_response(each)
        check_responses(await read(there, identity))
    status, _, refused = await there.post(PATH, {**HELLO, "previous_response_id": meanwhile})
    assert (status, refused["error"]["code"]) == (400, "previous_response_not_found"), "nobody knows what it was about"
    assert (await here.get(f"{PATH}/{meanwhile}"))[2] == found[meanwhile]


# -- Redis that loses what it has ----------------------------------------------------------------------------------

LOSSES = ["flushed", "evicted", "damaged"]


async def lose(server: RedisServer, how: str, identity: str) -> None:
    made = Connection(server.url)
    match how:
        case "flushed":
            await made.client.flushall()
        case "evicted":
            await made.client.delete(keys.entry("", identity), keys.frames("", identity))
        case _:
            await made.client.hset(keys.entry("", identity), "data", "{")
    await made.close()


@pytest.mark.parametrize("how", LOSSES)
async def test_a_response_that_redis_loses_while_it_runs_is_there_again_at_its_end(
    serve: Serve, emptied: RedisServer, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = await two(serve, emptied)
    here.engine.script = forever
    _, _, begun = await here.post(PATH, BEHIND)
    path = f"{PATH}/{begun['id']}"
    await lose(emptied, how, begun["id"])
    assert (await there.get(path))[0] == (500 if how == "damaged" else 404)
    await hello(here.engine.turns[-1])
    await until(lambda: here.writer.waiting == 0)
    status, _, found = await there.get(path)
    assert (status, found["status"]) == (200, "completed")
    assert (await here.get(path))[2] == found
    for served in (here, there):
        assert b"response.completed" in (await served.ask("GET", f"{path}?stream=true"))[2]
    assert f"{begun['id']} was lost or damaged in the store, and is stored anew" in caplog.text


@pytest.mark.parametrize("how", [None, *LOSSES])
@pytest.mark.parametrize("at", ["here", "there"])
async def test_what_is_deleted_stays_deleted_whatever_redis_loses(
    serve: Serve, emptied: RedisServer, how: str | None, at: str
) -> None:
    """Another gateway can delete what it finds; also where it cannot ask the one that runs it."""
    here, there = await two(serve, emptied)
    here.engine.script = forever
    _, _, begun = await here.post(PATH, BEHIND)
    path = f"{PATH}/{begun['id']}"
    if how is not None:
        await lose(emptied, how, begun["id"])
    status, _, _ = await (here if at == "here" else there).ask("DELETE", path)
    unknown = at == "there" and how in ("flushed", "evicted")
    assert status == (404 if unknown else 200)
    if not here.engine.channels[-1].closed:
        await hello(here.engine.turns[-1])
    await until(lambda: here.writer.waiting == 0)
    for served in (here, there):
        assert (await served.get(path))[0] == (200 if unknown else 404)


@pytest.mark.parametrize("how", ["flushed", "evicted"])
async def test_a_silent_turn_goes_on_when_redis_loses_its_gateways_lease(
    serve: Serve, emptied: RedisServer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 0.5)
    here, there = await two(serve, emptied)
    here.engine.script = forever
    _, _, begun = await here.post(PATH, BEHIND)
    made = Connection(emptied.url)
    lease = keys.run((await made.client.hget(keys.entry("", begun["id"]), "run")).decode())
    saved = await made.client.dump(keys.entry("", begun["id"]))
    if how == "flushed":
        await made.client.flushall()
        await made.client.restore(keys.entry("", begun["id"]), 0, saved)
    else:
        await made.client.delete(lease)
    await made.close()
    _, _, found = await there.get(f"{PATH}/{begun['id']}")
    assert found["status"] in ("queued", "in_progress")
    await hello(here.engine.turns[-1])
    await until(lambda: here.writer.waiting == 0)
    assert (await there.get(f"{PATH}/{begun['id']}"))[2]["status"] == "completed"
