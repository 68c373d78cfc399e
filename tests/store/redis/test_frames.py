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
from zerogravity.store.joined import joined
from zerogravity.store.peers import Batch, Shown
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import Connection
from zerogravity.store.redis.frames import BYTES, LiveFrames

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
    more = "now"
    while more == "now":
        found = await live.read(OWNER, ID, number + len(frames))
        assert found is not None
        frames += found[1].frames
        more = found[1].more
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
    frames = [b"%7d" % number * (BYTES // 140) for number in range(60)]
    await append_all(live, frames, [*range(1, len(frames))])
    found = await live.read(OWNER, ID, 5)
    assert found == (OWN, Shown(frames[5:29], "now"))
    assert await read_all(live, 5) == frames[5:]


@pytest.mark.parametrize("lost", ["first", "middle", "all", "another kind", "damaged"])
async def test_what_is_missing_is_not_passed_over(connection: Connection, lost: str) -> None:
    live, stream, client = await begin(connection), keys.frames(OWNER, ID), connection.client
    await append_all(live, [b"%d" % number for number in range(6)], [2, 4])
    match lost:
        case "first":
            await client.xdel(stream, "1-0")
        case "middle":
            await client.xdel(stream, "3-0")
        case "damaged":
            await client.xdel(stream, "5-0")
            await client.xadd(stream, {"f": b"\0\0"}, "6-0")
        case _:
            await client.delete(stream)
    if lost == "another kind":
        await client.set(stream, b"")
        assert await live.read(OWNER, ID, 0) == (OWN, Shown([], "later"))
    assert await append(live, 6, [b"6"])
    there = {"first": [], "middle": [b"0", b"1"], "damaged": [b"0", b"1", b"2", b"3"]}.get(lost, [])
    assert await live.read(OWNER, ID, 0) == (OWN, Shown(there, "later"))
    assert await live.read(OWNER, ID, 6) == (OWN, Shown([b"6"], "later"))


async def test_a_stream_that_is_over_is_read_to_its_end(connection: Connection) -> None:
    live = await begin(connection)
    await append_all(live, [b"0", b"1"], [])
    await connection.client.hset(keys.entry(OWNER, ID), "run", "")
    assert await live.read(OWNER, ID, 1) == ("", Shown([b"1"], "later"))
    await connection.client.xadd(keys.frames(OWNER, ID), {"f": joined([b"2"]), "end": b"1"}, "3-0")
    for number in (0, 2, 3, 9):
        assert await live.read(OWNER, ID, number) == ("", Shown([b"0", b"1", b"2"][number:], "end"))


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
    assert found == (run, Shown([], "later"))
    assert await live.run(OWNER, ID) == run


async def test_nothing_is_added_to_what_is_gone_and_nothing_is_left_of_it(connection: Connection) -> None:
    live = LiveFrames(connection, OWN)
    assert not await append(live, 0, [b"a"])
    assert await live.read(OWNER, ID, 0) is None
    assert await live.run(OWNER, ID) == ""
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
    assert await live.append(batches) == [True, damaged == "frames", True], "a stream can be begun anew, an entry not"


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
