"""What a gateway shows of its turns: everything up to the end, in order, however the store answers; and it never keeps
a turn back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.server.gateways import BEHIND, PATH, STORY
from tests.server.support import Serve, Served, forever, say
from tests.store.disks import Disk
from tests.waiting import until
from zerogravity.core.events import Finished, TextDelta
from zerogravity.core.running import RunningTurn
from zerogravity.errors import FaultError, Termination, internal
from zerogravity.server import sharing
from zerogravity.store.peers import Batch, Command, Obey

AWAY = FaultError(internal("Redis is away", status=503, code="store_unavailable"))


class Peers:
    """Others that see what they are shown. ``answer`` None: the store is away. ``gate``: how long it takes."""

    def __init__(self) -> None:
        self.answer: bool | None = True
        self.bug: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.sizes: list[int] = []
        self.shown: dict[str, list[bytes]] = {}
        self.obey: Obey

    async def append(self, batches: Sequence[Batch]) -> Sequence[bool]:
        self.sizes.append(len(batches))
        if self.gate is not None:
            await self.gate.wait()
        if self.bug is not None:
            raise self.bug
        if self.answer is None:
            raise AWAY
        for batch in batches if self.answer else ():
            frames = self.shown.setdefault(batch.response_id, [b"", b""])  # those of the beginning are in the entry
            assert batch.number == len(frames)
            frames += batch.frames
        return [self.answer] * len(batches)

    async def frames(self, owner: str, response_id: str, number: int) -> None: ...

    @asynccontextmanager
    async def news(self, owner: str, response_id: str) -> AsyncGenerator[asyncio.Event]:
        yield asyncio.Event()

    async def ask(self, command: Command, owner: str, response_id: str) -> bool:
        return True

    def listen(self, obey: Obey) -> None:
        self.obey = obey


@pytest.fixture
async def peers(monkeypatch: pytest.MonkeyPatch) -> Peers:
    monkeypatch.setattr(sharing, "PAUSE_S", 0)
    monkeypatch.setattr(sharing, "RETRY_S", 0.001)
    return Peers()


async def gateway(serve: Serve, peers: Peers) -> Served:
    disk = Disk()
    disk.peers = peers
    served = await serve(services={"responses": disk})
    served.engine.script = forever
    return served


async def begin(served: Served) -> tuple[RunningTurn, str]:
    _, _, begun = await served.post(PATH, BEHIND)
    return served.engine.turns[-1], begun["id"]


def texts(frames: Sequence[bytes]) -> int:
    return sum(frame.startswith(b"event: response.output_text.delta") for frame in frames)


@pytest.mark.parametrize("answer", [False, None], ids=["not yet", "away"])
async def test_everything_is_shown_when_it_can_be(
    serve: Serve, peers: Peers, caplog: pytest.LogCaptureFixture, answer: bool | None
) -> None:
    caplog.set_level(logging.INFO, "zerogravity.server")
    served = await gateway(serve, peers)
    running, identity = await begin(served)
    peers.answer = answer
    for events in STORY:
        say(running, *events)
        await until(lambda: peers.sizes)
    peers.answer = True
    await until(lambda: texts(peers.shown.get(identity, ())) == 2)
    lines = [record.getMessage() for record in caplog.records if "other gateways" in record.getMessage()]
    assert len(lines) == (2 if answer is None else 0), lines
    assert b"zg_frames_held_up_total" in (await served.get("/metrics"))[2]
    running.close(Finished("stop"))


async def test_what_comes_of_many_turns_goes_out_together_and_a_turn_waits_for_nothing(
    serve: Serve, peers: Peers
) -> None:
    served = await gateway(serve, peers)
    peers.gate = asyncio.Event()
    turns = [await begin(served) for _ in range(5)]
    say(turns[0][0], *STORY[0])
    await until(lambda: peers.sizes)
    for running, _ in turns[1:]:
        for _ in range(50):
            say(running, TextDelta("x"))
        assert running.channel.count == 50
    for _ in range(50):
        await asyncio.sleep(0)
    assert peers.sizes == [1], "one at a time"
    peers.gate.set()
    await until(lambda: all(texts(peers.shown.get(identity, ())) == 50 for _, identity in turns[1:]))
    assert max(peers.sizes) == 4
    for running, _ in turns:
        running.close(Finished("stop"))
        assert running.channel.termination is Termination.OK


async def test_nothing_is_shown_of_what_is_over_or_not_in_the_background(serve: Serve, peers: Peers) -> None:
    served = await gateway(serve, peers)
    running, identity = await begin(served)
    running.close(Finished("stop"))
    asked = asyncio.create_task(served.post(PATH, {**BEHIND, "background": False}))
    await until(lambda: len(served.engine.turns) == 2)
    say(served.engine.turns[1], *STORY[2])
    served.engine.turns[1].close(Finished("stop"))
    await asked
    await until(lambda: served.writer.waiting == 0)
    assert peers.shown.get(identity, []) == []
    assert peers.sizes == []


async def test_a_command_is_obeyed_by_whoever_runs_the_turn(serve: Serve, peers: Peers) -> None:
    served = await gateway(serve, peers)
    running, identity = await begin(served)
    owner = running.channel.turn.owner
    peers.obey("cancel", "somebody else", identity)
    peers.obey("cancel", owner, "resp_" + "0" * 32)
    peers.obey("cancel", owner, "no id")
    assert not running.channel.closed
    for _ in range(2):
        peers.obey("cancel", owner, identity)
    assert running.channel.termination is Termination.CANCELLED
    assert (await served.get(f"{PATH}/{identity}"))[2]["status"] == "cancelled"
    peers.obey("delete", owner, identity)
    await until(lambda: served.writer.waiting == 0)
    await asyncio.sleep(0)
    assert (await served.get(f"{PATH}/{identity}"))[0] == 404


async def test_our_own_bug_is_logged_and_holds_nothing_up(
    serve: Serve, peers: Peers, caplog: pytest.LogCaptureFixture
) -> None:
    served = await gateway(serve, peers)
    running, identity = await begin(served)
    peers.bug = KeyError("unforeseen")
    say(running, *STORY[0], *STORY[2])
    await until(lambda: len(peers.sizes) > 1)
    peers.bug = None
    await until(lambda: texts(peers.shown.get(identity, ())) == 1)
    assert "unforeseen" in caplog.text
    caplog.clear()
    running.close(Finished("stop"))


async def test_a_deletion_that_another_gateway_has_asked_for_is_done_before_the_end(serve: Serve, peers: Peers) -> None:
    served = await gateway(serve, peers)
    (running, identity), (other, left) = await begin(served), await begin(served)
    disk: Any = served.services.responses
    await until(lambda: len(disk.kept) == 2)
    for each in (running, other):
        each.close(Finished("stop"))
    await until(lambda: served.writer.waiting == 0)
    owner, disk.gate = running.channel.turn.owner, asyncio.Event()
    peers.obey("delete", owner, identity)
    await until(lambda: served.writer.waiting == 1)
    closing = asyncio.create_task(served.writer.close())
    await asyncio.sleep(0)
    peers.obey("delete", owner, left)
    disk.gate.set()
    await closing
    assert (owner, identity) not in disk.kept
    assert (owner, left) in disk.kept, "it came too late"
    assert disk.log[-1] == "close"
