"""Frames of a running response in Redis: what is followed is all that was shown, from any number, whatever the batches,
also over a restart of the server."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.redis_server import RedisServer
from zerogravity.errors import FaultError
from zerogravity.store.peers import Batch
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import Connection
from zerogravity.store.redis.frames import BATCHES, LiveFrames

OWN, OWNER, ID = "0123456789abcdef", "owner", "resp_1"


async def begin(connection: Connection, run: str = OWN) -> LiveFrames:
    """An entry that this gateway works on."""
    await connection.client.delete(keys.frames(OWNER, ID))
    await connection.client.hset(keys.entry(OWNER, ID), mapping={"run": run, "version": 1})
    return LiveFrames(connection, OWN)


async def append(live: LiveFrames, number: int, frames: list[bytes]) -> bool:
    (shown,) = await live.append([Batch(OWNER, ID, number, frames)])
    return shown


async def append_all(live: LiveFrames, frames: list[bytes], borders: list[int]) -> None:
    for first, last in pairwise([0, *borders, len(frames)]):
        if last > first:
            assert await append(live, first, frames[first:last])


async def read_all(live: LiveFrames, number: int) -> list[bytes]:
    frames: list[bytes] = []
    while found := (await live.read(OWNER, ID, number + len(frames)) or ("", ()))[1]:
        frames += found
    return frames


@given(
    frames=st.lists(st.binary(max_size=9), max_size=12),
    borders=st.lists(st.integers(0, 12), max_size=6).map(sorted),
    number=st.integers(0, 14),
)
@settings(max_examples=40)
def test_what_is_read_is_what_was_shown(
    redis_server: RedisServer, frames: list[bytes], borders: list[int], number: int
) -> None:
    async def run() -> list[bytes]:
        connection = Connection(redis_server.url)
        try:
            live = await begin(connection)
            await append_all(live, frames, [min(border, len(frames)) for border in borders])
            return await read_all(live, number)
        finally:
            await connection.close()

    assert asyncio.run(run()) == frames[number:]


async def test_a_long_stream_is_read_in_pieces(connection: Connection) -> None:
    live = await begin(connection)
    frames = [b"%d" % number for number in range(3 * BATCHES)]
    await append_all(live, frames, [*range(1, len(frames))])
    found = await live.read(OWNER, ID, 5)
    assert found is not None and list(found[1]) == frames[5 : 5 + BATCHES]
    assert await read_all(live, 5) == frames[5:]


async def test_a_batch_that_is_shown_again_changes_nothing(connection: Connection) -> None:
    live = await begin(connection)
    for _ in range(2):
        assert await append(live, 0, [b"a", b"b"])
    assert await append(live, 2, [b"c"])
    assert await append(live, 0, [b"a", b"b"])
    assert await read_all(live, 0) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("run", ["", "fedcba9876543210"], ids=["over", "another's"])
async def test_nobody_adds_to_what_is_not_his(connection: Connection, run: str) -> None:
    live = await begin(connection, run)
    assert not await append(live, 0, [b"a"])
    assert not await connection.client.exists(keys.frames(OWNER, ID))
    found = await live.read(OWNER, ID, 0)
    assert found == ((run, ()) if run else None)


async def test_nothing_is_added_to_what_is_gone_and_nothing_is_left_of_it(connection: Connection) -> None:
    live = LiveFrames(connection, OWN)
    assert not await append(live, 0, [b"a"])
    assert await live.read(OWNER, ID, 0) is None
    assert await connection.client.dbsize() == 0


@pytest.mark.parametrize("damaged", ["frames", "entry", "version"])
async def test_a_damaged_response_keeps_no_other_back(connection: Connection, damaged: str) -> None:
    live, client = await begin(connection), connection.client
    await client.hset(
        keys.entry(OWNER, "resp_2"), mapping={"run": OWN, "version": "1" if damaged != "version" else "x"}
    )
    if damaged != "version":
        place = keys.frames if damaged == "frames" else keys.entry
        await client.delete(place(OWNER, "resp_2"))
        await client.set(place(OWNER, "resp_2"), "x")
    batches = [Batch(OWNER, identity, 0, [b"a"]) for identity in (ID, "resp_2", ID)]
    assert await live.append(batches) == [True, False, True]


async def test_frames_expire_with_their_response_and_count_as_a_change_of_it(connection: Connection) -> None:
    live = await begin(connection)
    await connection.client.pexpire(keys.entry(OWNER, ID), 60_000)
    await append(live, 0, [b"a"])
    assert 0 < await connection.client.pttl(keys.frames(OWNER, ID)) <= 60_000
    assert await connection.client.hget(keys.entry(OWNER, ID), "version") == b"2"


async def test_what_was_shown_outlives_a_server_that_is_killed(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, durable=True)
    server.start()
    connection = Connection(server.url)
    try:
        live = await begin(connection)
        await append(live, 0, [b"a", b"b"])
        server.kill()
        with pytest.raises(FaultError) as caught:
            await append(live, 2, [b"c"])
        assert caught.value.fault.code == "store_unavailable"
        with pytest.raises(FaultError):
            await live.read(OWNER, ID, 0)
        server.start()
        assert await append(live, 2, [b"c"])
        assert await read_all(live, 1) == [b"b", b"c"]
    finally:
        server.kill()
        await connection.close()
