"""Conversations and what outlives a process: two gateways on one file, a restart, a kill, a slow disk, age."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.server.support import Serve, Served, forever, hello, say
from tests.store.disks import TROUBLES, Disk
from zerogravity.core.events import AttemptOpened, Finished, TextDelta
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError
from zerogravity.server.conversation_writer import ConversationWriter, conversation_of, entry_of
from zerogravity.store import pending_writes
from zerogravity.store.base import Change, Entry, StoreLimits
from zerogravity.store.memory import MemoryStore
from zerogravity.store.pending_writes import PendingWrites
from zerogravity.store.responses import open_store
from zerogravity.surfaces.responses.conversation import Conversation

PATH, RESPONSES = "/v1/conversations", "/v1/responses"


async def gateway(serve: Serve, file: Path) -> Served:
    return await serve(store=str(file), services={"responses": await open_store(str(file), limit=10)})


async def created(served: Served, *texts: str) -> str:
    _, _, made = await served.post(PATH, {"items": [{"role": "user", "content": text} for text in texts]})
    return made["id"]


async def ask(served: Served, identity: str, text: str, **more: Any) -> tuple[int, Any]:
    asked = {"model": "gemini-3-flash", "input": text, "conversation": identity, **more}
    status, _, answered = await served.post(RESPONSES, asked)
    return status, answered


async def said(served: Served, identity: str) -> list[str]:
    _, _, listed = await served.get(f"{PATH}/{identity}/items?order=asc&limit=100")
    return [item["content"][0]["text"] for item in listed["data"]]


async def test_two_gateways_on_one_file(serve: Serve, tmp_path: Path) -> None:
    """One turn at a time, whichever it is sent to; each sees what the other has added."""
    first, second = [await gateway(serve, tmp_path / "store.db") for _ in range(2)]
    identity = await created(first, "a")
    first.engine.script = forever
    asking = asyncio.create_task(ask(first, identity, "one"))
    await first.engine.begun()
    status, answer = await ask(second, identity, "two")
    assert (status, answer["error"]["code"], second.engine.channels) == (400, "conversation_locked", [])
    status, _, answer = await second.post(f"{PATH}/{identity}/items", {"items": [{"role": "user", "content": "x"}]})
    assert (status, answer["error"]["code"]) == (400, "conversation_locked")
    assert (await second.post(f"{PATH}/{identity}", {"metadata": {"k": "v"}}))[0] == 200
    assert (await ask(second, identity, "two"))[0] == 400, "that lets nobody in"
    assert await said(second, identity) == ["a"]
    await hello(first.engine.turns[0])
    assert (await asking)[0] == 200
    assert await said(second, identity) == ["a", "one", "Hello"]
    assert (await ask(second, identity, "two"))[0] == 200
    assert await said(first, identity) == ["a", "one", "Hello", "two", "Hello"]
    assert (await first.get(f"{PATH}/{identity}"))[2]["metadata"] == {"k": "v"}


async def test_turns_of_two_gateways_that_race_lose_nothing(serve: Serve, tmp_path: Path) -> None:
    both = [await gateway(serve, tmp_path / "store.db") for _ in range(2)]
    identity = await created(both[0], "a")

    async def until_let_in(number: int) -> None:
        for _ in range(300):
            status, answer = await ask(both[number % 2], identity, f"{number}")
            if status == 200:
                return
            assert answer["error"]["code"] == "conversation_locked"
        raise AssertionError("never let in")

    await asyncio.gather(*(until_let_in(number) for number in range(6)))
    kept = await said(both[0], identity)
    assert sorted(kept[1::2]) == [f"{number}" for number in range(6)]
    assert kept[2::2] == ["Hello"] * 6


async def test_a_process_that_was_killed_holds_nothing(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    dead = await open_store(str(file), limit=10)
    conversation = Conversation("conv_1", "", 100.0, {}, ({"type": "message", "id": "msg_1", "role": "user",
                                "content": [{"type": "input_text", "text": "a"}]},))  # fmt: skip
    served = await gateway(serve, file)
    await dead.put(replace(entry_of(conversation, served.services.wall()), running=True))
    assert (await ask(served, "conv_1", "b"))[0] == 400
    await dead.close()  # the kernel lets its lock go
    assert (await ask(served, "conv_1", "b"))[0] == 200
    assert await said(served, "conv_1") == ["a", "b", "Hello"]


async def test_everything_outlives_a_restart(serve: Serve, tmp_path: Path) -> None:
    first = await gateway(serve, tmp_path / "store.db")
    identity = await created(first, "a")
    await ask(first, identity, "b")
    _, _, before = await first.get(f"{PATH}/{identity}/items")
    await first.running.stop()
    second = await gateway(serve, tmp_path / "store.db")
    assert (await second.get(f"{PATH}/{identity}/items"))[2] == before
    assert (await ask(second, identity, "c"))[0] == 200
    assert len(second.engine.channels[0].turn.google_request["contents"]) == 3


@pytest.mark.parametrize("stream", [True, False])
async def test_the_end_is_sent_when_the_turn_is_part_of_its_conversation(
    serve: Serve, tmp_path: Path, stream: bool
) -> None:
    """Also of a turn that is stored nowhere else."""
    disk = Disk()
    served = await serve(store=str(tmp_path / "store.db"), services={"responses": disk})
    identity = await created(served, "a")
    served.engine.script = forever
    body = {"model": "gemini-3-flash", "input": "b", "conversation": identity, "store": False, "stream": stream}
    asking = asyncio.create_task(served.ask("POST", RESPONSES, {}, json.dumps(body).encode()))
    channel = await served.engine.begun()
    disk.gate = asyncio.Event()
    disk.begun.clear()
    await hello(served.engine.turns[-1])
    await disk.begun.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    assert channel.closed
    assert not asking.done()
    disk.gate.set()
    status, _, data = await asking
    assert (status, b'"completed"' in data) == (200, True)
    assert disk.log[-1] == f"change {identity}"


async def test_its_age_counts_from_its_last_change(serve: Serve) -> None:
    now = [1_000_000.0]
    store = MemoryStore(StoreLimits(10, age_s=60, now=lambda: now[0]))
    served = await serve(services={"responses": store, "wall": lambda: now[0]})
    identity = await created(served, "a")
    for change in ("turn", "metadata", "items"):
        now[0] += 50
        match change:
            case "turn":
                assert (await ask(served, identity, "b"))[0] == 200
            case "metadata":
                assert (await served.post(f"{PATH}/{identity}", {"metadata": {}}))[0] == 200
            case _:
                await served.post(f"{PATH}/{identity}/items", {"items": [{"role": "user", "content": "c"}]})
    _, _, found = await served.get(f"{PATH}/{identity}")
    assert found["created_at"] == 1_000_000
    now[0] += 61
    assert (await served.get(f"{PATH}/{identity}"))[0] == 404
    assert (await ask(served, identity, "d"))[0] == 404


async def test_a_conversation_that_has_changed_since_it_was_read_is_read_again_first(serve: Serve) -> None:
    served = await serve()
    pending = PendingWrites(MemoryStore(StoreLimits(10)), 1 << 20, lambda _: None)
    writer = ConversationWriter(served.services, pending)
    turn = (await started(served)).turn
    read = Conversation("conv_1", turn.owner, 100.0)
    await writer.create(read, 100)
    await writer.edit("conv_1", turn.owner, lambda one: one.adding([{"id": "msg_1", "type": "message"}]))
    with pytest.raises(FaultError, match="Another process is currently operating on this conversation"):
        await writer.hold(turn, read)
    changed = await writer.get("conv_1", turn.owner)
    await writer.hold(turn, changed)
    with pytest.raises(FaultError, match="Another process"):
        await writer.edit("conv_1", turn.owner, lambda one: one)
    writer.release(turn)
    await writer.hold(turn, changed)
    writer.release(turn)
    await writer.delete("conv_1", turn.owner)
    with pytest.raises(FaultError, match="not found"):
        await writer.hold(turn, changed)
    await pending.close(1)


class SlowStore(MemoryStore):
    """What it has changed is told only when ``go_on`` is set, as by a thread that nobody can cancel."""

    def __init__(self) -> None:
        super().__init__(StoreLimits(10))
        self.asked, self.changed, self.go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def change(self, entry_id: str, owner: str, change: Change) -> Entry | None:
        self.asked.set()
        changed = await super().change(entry_id, owner, change)
        self.changed.set()
        await self.go_on.wait()
        return changed


@pytest.mark.parametrize("let_in", [True, False])
async def test_a_client_that_goes_meanwhile_leaves_its_conversation_free(serve: Serve, let_in: bool) -> None:
    served, store = await serve(), SlowStore()
    pending = PendingWrites(store, 1 << 20, lambda _: None)
    writer = ConversationWriter(served.services, pending)
    turn = (await started(served)).turn
    await writer.create(Conversation("conv_1", turn.owner, 100.0), 100)
    read = await writer.get("conv_1", turn.owner)
    if not let_in:
        read = read.adding([{"id": "msg_1", "type": "message"}])
    holding = asyncio.create_task(writer.hold(turn, read))
    await (store.changed if let_in else store.asked).wait()
    holding.cancel()
    store.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await holding
    read = await writer.get("conv_1", turn.owner)
    async with asyncio.timeout(20):
        while not await let_in_now(writer, turn, read):  # noqa: ASYNC110
            await asyncio.sleep(0)
    writer.release(turn)
    await pending.close(1)


async def test_a_turn_whose_items_are_lost_lets_its_conversation_go(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are missing, which is told once; what has been deleted stays deleted."""
    monkeypatch.setattr(pending_writes, "PAUSES", (2.0,))
    disk = Disk()
    served = await serve(services={"responses": disk}, limits={"unwritten_bytes": 1 << 20})
    identity = await created(served, "a", "b")
    _, _, listed = await served.get(f"{PATH}/{identity}/items")
    served.engine.script = forever
    asking = asyncio.create_task(ask(served, identity, "x", store=False))
    await served.engine.begun()
    assert disk.kept["", identity].running
    disk.failure = TROUBLES["full"]
    say(served.engine.turns[0], AttemptOpened(), TextDelta("x" * (2 << 20)))
    served.engine.turns[0].close(Finished("stop"))
    assert (await asking)[0] == 200
    status, _, answer = await served.get(f"{PATH}/{identity}")
    assert (status, answer["error"]["code"]) == (503, "response_not_stored")
    assert (await served.ask("DELETE", f"{PATH}/{identity}/items/{listed['data'][0]['id']}"))[0] == 200
    assert "1 could not be stored" in str((await served.get("/health"))[2])
    served.engine.script = hello
    assert (await ask(served, identity, "c", store=False))[0] == 200
    assert await said(served, identity) == ["a", "c", "Hello"]
    disk.failure = None
    await served.writer.close()
    assert not disk.kept["", identity].running
    again = await serve(services={"responses": disk})
    assert await said(again, identity) == ["a", "c", "Hello"]
    assert (await ask(again, identity, "d"))[0] == 200


async def let_in_now(writer: ConversationWriter, turn: Turn, read: Conversation) -> bool:
    with suppress(FaultError):
        await writer.hold(turn, read)
        return True
    return False


async def started(served: Served) -> Any:
    await served.post(RESPONSES, {"model": "gemini-3-flash", "input": "x"})
    return served.engine.channels[-1]


def test_an_entry_and_back() -> None:
    whole = Conversation("conv_1", "me", 100.5, {"k": "v"}, ({"id": "msg_1"}, {"shown_as": ["msg_2"]}, {"id": "msg_2"}))
    entry = entry_of(whole, 101.0)
    assert (entry.created, entry.items, entry.running) == (101.0, {"msg_1", "msg_2"}, False)
    assert conversation_of(entry) == whole
