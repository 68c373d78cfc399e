"""Stored responses and a disk that does not take them: locked by another process, full, broken, for ever or a while."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.server.support import Serve, Served
from tests.store.disks import HELLO, PATH, TROUBLES, Disk, locked, rows
from tests.store.entries import some
from tests.waiting import until
from zerogravity.errors import FaultError, bad_request
from zerogravity.store import pending_writes
from zerogravity.store.base import Change, End, Entry, Unreadable
from zerogravity.store.responses import open_store

MIB = 1 << 20


async def degraded(served: Served) -> dict[str, str]:
    return (await served.get("/health"))[2].get("degraded", {})


async def uses(served: Served, answered: dict[str, Any]) -> None:
    """Every way in which a stored response is used, but the last one: deleting it."""
    identity = answered["id"]
    assert (await served.get(f"{PATH}/{identity}"))[2] == answered
    _, _, listed = await served.get(f"{PATH}/{identity}/input_items")
    assert listed["data"][0]["content"][0]["text"] == "hi"
    status, _, _ = await served.post(PATH, {**HELLO, "store": False, "previous_response_id": identity})
    assert status == 200
    reference = {"type": "item_reference", "id": answered["output"][0]["id"]}
    await served.post(PATH, {**HELLO, "store": False, "input": [reference, {"role": "user", "content": "x"}]})
    for channel in served.engine.channels[-2:]:
        assert "Hello" in json.dumps(channel.turn.google_request["contents"])


# -- for a while ---------------------------------------------------------------------------------------------------


async def test_a_file_that_somebody_holds_is_written_later(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "responses.db"
    served = await serve(services={"responses": await open_store(str(file), limit=10)})
    with locked(file):
        answered = [(await served.post(PATH, HELLO))[2] for _ in range(3)]
        await until(lambda: served.services.health.degraded)
        assert "database is locked; 3 are waiting in memory" in (await degraded(served))["responses"]
        for each in answered:
            await uses(served, each)
        assert (await served.ask("DELETE", f"{PATH}/{answered[1]['id']}"))[0] == 200
        assert (await served.get(f"{PATH}/{answered[1]['id']}"))[0] == 404
        assert served.writer.waiting == 3
        assert rows(file) == 0
    await until(lambda: served.writer.waiting == 0)
    assert rows(file) == 2
    assert await degraded(served) == {}
    assert [(await served.get(f"{PATH}/{each['id']}"))[0] for each in answered] == [200, 404, 200]


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_whatever_the_trouble_is_it_is_told_and_tried_again(
    serve: Serve, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk()
    disk.failure = TROUBLES[trouble]
    served = await serve(services={"responses": disk})
    answered = [(await served.post(PATH, HELLO))[2] for _ in range(3)]
    await until(lambda: served.services.health.degraded)
    for each in answered:
        await uses(served, each)
    told = str(disk.failure).partition(": ")[2] or str(disk.failure)
    assert told in (await degraded(served))["responses"]
    assert sum(told in record.message for record in caplog.records) == 1, "once, not at each try"
    disk.failure = None
    await until(lambda: served.writer.waiting == 0)
    assert disk.log == [f"put {each['id']}" for each in answered]
    assert await degraded(served) == {}


async def test_what_waits_is_read_from_memory(serve: Serve) -> None:
    disk = Disk()
    disk.gate = asyncio.Event()
    served = await serve(services={"responses": disk})
    _, _, answered = await served.post(PATH, HELLO)
    await disk.begun.wait()
    await uses(served, answered)
    deleting = asyncio.create_task(served.ask("DELETE", f"{PATH}/{answered['id']}"))
    await until(lambda: served.writer.waiting == 1 and not deleting.done())
    disk.gate.set()
    assert (await deleting)[0] == 200
    await until(lambda: served.writer.waiting == 0)
    assert disk.log == [f"put {answered['id']}", f"delete {answered['id']}"]
    assert disk.kept == {}


async def test_items_of_what_is_deleted_are_not_found(serve: Serve) -> None:
    disk = Disk()
    served = await serve(services={"responses": disk})
    _, _, answered = await served.post(PATH, HELLO)
    await until(lambda: served.writer.waiting == 0)
    disk.failure = TROUBLES["full"]
    assert (await served.ask("DELETE", f"{PATH}/{answered['id']}"))[0] == 200
    reference = {"type": "item_reference", "id": answered["output"][0]["id"]}
    await served.post(PATH, {**HELLO, "store": False, "input": [reference, {"role": "user", "content": "x"}]})
    assert "Hello" not in json.dumps(served.engine.channels[-1].turn.google_request["contents"])
    disk.failure = None


@pytest.mark.parametrize("journal", ["wal", "delete"])
async def test_reads_while_somebody_holds_the_file(serve: Serve, tmp_path: Path, journal: str) -> None:
    """Without a write-ahead log, which some file systems cannot have, readers are shut out too."""
    file = tmp_path / "responses.db"
    store = await open_store(str(file), limit=10)
    await store._run(lambda database: database.execute(f"PRAGMA journal_mode = {journal}").fetchone())  # pyright: ignore[reportPrivateUsage]
    served = await serve(services={"responses": store})
    _, _, answered = await served.post(PATH, HELLO)
    await until(lambda: served.writer.waiting == 0)
    reference = [{"type": "item_reference", "id": answered["output"][0]["id"]}, {"role": "user", "content": "x"}]
    with locked(file):
        reports = [
            await served.get(f"{PATH}/{answered['id']}"),
            await served.get(f"{PATH}/{answered['id']}/input_items"),
            await served.post(PATH, {**HELLO, "store": False, "previous_response_id": answered["id"]}),
            await served.post(PATH, {**HELLO, "store": False, "input": reference}),
        ]
    for status, headers, body in reports:
        if journal == "wal":
            assert status == 200
        else:
            assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "store_busy", "1")
            assert headers.get("x-should-retry") != "false"
    assert (await served.get(f"{PATH}/{answered['id']}"))[2] == answered


# -- for ever ------------------------------------------------------------------------------------------------------


async def test_what_is_too_much_is_lost_and_told(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_writes, "PAUSES", (2.0,))  # what is tried again just then would not be lost
    disk = Disk()
    disk.failure = TROUBLES["full"]
    served = await serve(services={"responses": disk}, limits={"unwritten_bytes": MIB})
    big = {**HELLO, "input": "x" * (MIB // 3)}
    answered = [(await served.post(PATH, big))[2] for _ in range(5)]
    statuses = []
    for each in answered:
        status, headers, body = await served.get(f"{PATH}/{each['id']}")
        statuses.append(status)
        if status != 200:
            assert (body["error"]["code"], headers["x-should-retry"]) == ("response_not_stored", "false")
            assert "disk is full" in body["error"]["message"]
            assert f"{each['id']} could not be stored" in caplog.text
            for method, path in (("GET", "/input_items"), ("POST", "/cancel")):
                assert (await served.ask(method, f"{PATH}/{each['id']}{path}"))[0] == 503
            status, _, body = await served.post(PATH, {**HELLO, "previous_response_id": each["id"]})
            assert (status, body["error"]["code"]) == (503, "response_not_stored")
    assert statuses == [503, 503, 503, 200, 200]
    assert "3 could not be stored and are lost" in (await degraded(served))["responses"]
    disk.failure = None
    await until(lambda: served.writer.waiting == 0)
    assert "3 could not be stored" in (await degraded(served))["responses"], "that stays true"


async def test_one_that_can_never_be_written_keeps_no_other_back(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk()
    disk.failure = ValueError("not to be written")
    served = await serve(services={"responses": disk})
    _, _, first = await served.post(PATH, HELLO)
    await until(lambda: served.writer.waiting == 0)
    disk.failure = None
    _, _, second = await served.post(PATH, HELLO)
    assert (await served.get(f"{PATH}/{first['id']}"))[2]["error"]["code"] == "response_not_stored"
    assert (await served.get(f"{PATH}/{second['id']}"))[2] == second
    assert f"{first['id']} could not be stored: ValueError" in caplog.text
    assert "not to be written" not in caplog.text


async def test_at_the_end_what_is_lost_is_in_the_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk()
    disk.failure = TROUBLES["full"]
    served = await serve(services={"responses": disk})
    identity = (await served.post(PATH, {**HELLO, "input": "secret words"}))[2]["id"]
    await served.running.stop()
    line = next(record for record in caplog.records if identity in record.message)
    assert line.levelno == logging.ERROR
    assert "disk is full" in line.message
    assert "secret words" not in caplog.text
    assert disk.log == ["close"]


async def test_what_waits_is_written_before_the_end(serve: Serve) -> None:
    disk = Disk()
    disk.gate = asyncio.Event()
    served = await serve(services={"responses": disk})
    identity = (await served.post(PATH, HELLO))[2]["id"]
    await disk.begun.wait()
    stopping = asyncio.create_task(served.running.stop())
    asyncio.get_running_loop().call_soon(disk.gate.set)
    await stopping
    assert disk.log == [f"put {identity}", "close"]


async def test_a_file_that_is_removed_under_us_is_made_again(serve: Serve, tmp_path: Path) -> None:
    """SQLite would go on writing to what nobody can find any more."""
    file = tmp_path / "r.db"
    served = await serve(store=str(file), services={"responses": await open_store(str(file), limit=10)})
    await served.post(PATH, HELLO)
    for one in tmp_path.glob("r.db*"):
        if "-run-" not in one.name:
            one.unlink()
    identity = (await served.post(PATH, HELLO))[2]["id"]
    assert rows(file) == 1
    assert (await served.get(f"{PATH}/{identity}"))[0] == 200
    assert file.stat().st_mode & 0o777 == 0o600


async def test_where_tasks_run_at_once(serve: Serve) -> None:
    """As in mitmproxy: a deletion in memory is over before there is a task to remember, and what comes then is
    written all the same."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    try:
        served = await serve()
        for _ in range(2):
            answered = (await served.post(PATH, HELLO))[2]
            await until(lambda: served.writer.waiting == 0)
            assert (await served.ask("DELETE", f"{PATH}/{answered['id']}"))[0] == 200
        await served.post(PATH, HELLO)
        await until(lambda: served.writer.waiting == 0)
    finally:
        asyncio.get_running_loop().set_task_factory(None)


# -- changes -------------------------------------------------------------------------------------------------------


def adding(item: str) -> Any:
    """A change that may be done again."""

    async def make() -> Change:
        return lambda entry: replace(entry, items=entry.items | {item}, data={**entry.data, "last": item})

    return make


async def entry_of(number: int) -> Entry:
    return some(number)


@pytest.mark.parametrize("first", ["stored", "waiting", "deleted", "unknown"])
async def test_changes_of_what_is_there_or_waits(first: str) -> None:
    disk = Disk()
    pending = pending_writes.PendingWrites(disk, MIB, lambda _: None)
    if first != "unknown":
        pending.put("me", "resp_1", lambda: entry_of(1), 10)
    if first in ("stored", "deleted"):
        await until(lambda: not len(pending))
    disk.failure = TROUBLES["full"]
    if first == "deleted":
        assert await pending.delete("resp_1", "me")
    for item in ("a", "b"):
        pending.change("me", "resp_1", make=adding(item), size=10)
    await pending.tried("me", "resp_1")
    there = {"msg_1", "a", "b"} if first in ("stored", "waiting") else None
    for trouble in (disk.failure, None):
        disk.failure = trouble
        if trouble is None:
            await until(lambda: not len(pending))
        found = await pending.get("resp_1", "me")
        assert (None if found is None else found.items) == there
        assert (await pending.with_item("b", "me")) == found
        assert found is None or found.data["last"] == "b"
    assert pending.bytes == 0
    await pending.close(1)


async def test_whoever_waits_for_a_write_waits_for_the_one_that_replaces_it() -> None:
    disk = Disk()
    disk.gate = asyncio.Event()
    pending = pending_writes.PendingWrites(disk, MIB, lambda _: None)
    pending.put("me", "resp_1", lambda: entry_of(1), 10)
    await disk.begun.wait()
    waiting = asyncio.create_task(pending.tried("me", "resp_1"))
    await asyncio.sleep(0)
    pending.change("me", "resp_1", make=adding("a"), size=10)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    disk.gate.set()
    await waiting
    assert disk.kept["me", "resp_1"].items == {"msg_1", "a"}
    await pending.close(1)


async def test_a_few_are_written_at_once_and_a_turn_is_over_when_its_conversation_is_free() -> None:
    disk = Disk()
    disk.gate = asyncio.Event()
    pending = pending_writes.PendingWrites(disk, MIB, lambda _: None, at_once=3)
    pending.put("me", "resp_1", lambda: entry_of(1), 10)  # the start of a turn
    for number in (2, 3):
        pending.put("me", f"resp_{number}", partial(entry_of, number), 10)
    await until(lambda: disk.tries == 3)
    pending.put("me", "resp_4", lambda: entry_of(4), 10)
    pending.put("me", "conv_1", conversation, 10)
    pending.change("me", "resp_1", make=adding("a"), size=10)  # and its end
    disk.gate.set()
    await until(lambda: not len(pending))
    assert disk.log == [*(f"put resp_{number}" for number in (1, 2, 3)), "put conv_1", "put resp_4", "put resp_1"]
    await pending.close(1)


async def conversation() -> Entry:
    return replace(some(1), id="conv_1")


async def test_a_change_that_is_being_written_may_be_followed_by_another() -> None:
    disk = Disk()
    disk.kept["me", "resp_1"] = some(1)
    disk.gate = asyncio.Event()
    pending = pending_writes.PendingWrites(disk, MIB, lambda _: None)
    pending.change("me", "resp_1", make=adding("a"), size=10)
    await disk.begun.wait()
    pending.change("me", "resp_1", make=adding("b"), size=10)
    disk.gate.set()
    await until(lambda: not len(pending))
    assert disk.kept["me", "resp_1"].items == {"msg_1", "a", "b"}
    assert disk.log == ["change resp_1"] * 2
    await pending.close(1)


async def test_a_change_at_once_is_in_the_store_or_as_it_would_be() -> None:
    disk = Disk()
    pending = pending_writes.PendingWrites(disk, MIB, lambda _: None)
    change = await adding("a")()
    assert await pending.change_at_once("me", "resp_1", change) is None
    disk.kept["me", "resp_1"] = some(1)
    assert (await pending.change_at_once("me", "resp_1", change)) == disk.kept["me", "resp_1"]
    assert disk.kept["me", "resp_1"].data["last"] == "a"
    disk.failure = TROUBLES["read-only"]
    would = await pending.change_at_once("me", "resp_1", await adding("b")())
    assert would is not None
    assert (would.data["last"], disk.kept["me", "resp_1"].data["last"]) == ("b", "a")
    disk.failure = None

    def refuse(entry: Entry) -> Entry:
        raise bad_request("no")

    with pytest.raises(FaultError, match="no"):
        await pending.change_at_once("me", "resp_1", refuse)
    await pending.close(1)


async def test_what_is_lost_of_a_conversation_is_told_once() -> None:
    """What was there before is still there."""
    disk = Disk()
    disk.kept["me", "conv_1"] = replace(some(1), id="conv_1")
    disk.failure = TROUBLES["full"]
    pending = pending_writes.PendingWrites(disk, 1000, lambda _: None)
    pending.change("me", "conv_1", make=adding("a"), size=2000)
    await until(lambda: not len(pending))
    with pytest.raises(FaultError, match="written last to 'conv_1' could not be stored and is lost"):
        await pending.get("conv_1", "me")
    assert await pending.get("conv_1", "me") == disk.kept["me", "conv_1"]
    await pending.close(1)


# -- what is small is never lost -----------------------------------------------------------------------------------


def over(entry: Entry) -> Entry:
    return replace(entry, running=False)


def without(item: str) -> Change:
    return lambda entry: replace(entry, items=entry.items - {item})


def ending(number: int) -> Callable[[], Awaitable[Change]]:
    async def make() -> Change:
        return End(some(number, size=5))

    return make


WAYS: dict[str, tuple[Exception, int]] = {  # why a write is given up, and how much may wait
    "too much waits": (TROUBLES["full"], 3900),
    "it can never be written": (ValueError("not to be written"), MIB),
}


@pytest.mark.parametrize("way", WAYS)
async def test_of_a_lost_change_the_small_part_is_written(
    way: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever follows it or came before it."""
    monkeypatch.setattr(pending_writes, "PAUSES", (2.0,))
    disk, reports = Disk(), list[str | None]()
    disk.kept["me", "resp_1"] = replace(some(1), running=True)
    disk.failure, limit = WAYS[way]
    pending = pending_writes.PendingWrites(disk, limit, reports.append)

    async def failing() -> Change:
        if way != "too much waits":
            raise ValueError("not to be made")
        return await adding("a")()

    pending.change("me", "resp_1", without("msg_1"))
    pending.change("me", "resp_1", over, make=failing, size=2000)
    pending.change("me", "resp_1", make=adding("b"), size=10)
    disk.failure = None if way != "too much waits" else disk.failure
    await until(lambda: "resp_1 could not be stored, but for its state" in caplog.text)
    assert "1 could not be stored and are lost" in str(reports[-1])
    disk.failure = None
    pending.change("me", "resp_1", without("nothing"))
    await pending.close(1)
    kept = disk.kept["me", "resp_1"]
    assert (kept.running, len(pending)) == (False, 0)
    assert kept.items == ({"b"} if way == "too much waits" else set()), "what comes after a loss counts"


async def test_what_is_only_small_is_not_lost_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletions, of entries and of items, the end of a turn."""
    monkeypatch.setattr(pending_writes, "PAUSES", (0.01, 2.0))
    disk = Disk()
    disk.kept = {("me", f"resp_{number}"): replace(some(number), running=True) for number in range(4)}
    disk.failure = TROUBLES["full"]
    pending = pending_writes.PendingWrites(disk, 100, lambda _: None)
    assert await pending.delete("resp_0", "me")
    pending.change("me", "resp_1", over)
    pending.change("me", "resp_2", without("msg_2"))
    pending.put("me", "resp_3", lambda: entry_of(3), 2000, over)
    await until(lambda: pending.bytes == 4 * pending_writes.ENTRY_BYTES)
    assert [(await pending.get(f"resp_{number}", "me")) is None for number in range(3)] == [True, False, False]
    with pytest.raises(FaultError, match="'resp_3' could not be stored and is lost"):
        await pending.get("resp_3", "me")
    with pytest.raises(FaultError, match="'resp_3' could not be stored and is lost"):
        await pending.get("resp_3", "me")
    disk.failure = None
    await pending.close(1)
    assert {key[1]: (entry.running, set(entry.items)) for key, entry in disk.kept.items()} == {
        "resp_1": (False, {"msg_1"}), "resp_2": (True, set()), "resp_3": (False, {"msg_3"}),
    }  # fmt: skip


async def test_an_end_is_stored_whole_where_the_store_never_had_or_has_lost_what_it_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pending_writes, "PAUSES", (2.0,))
    disk = Disk()
    disk.failure = TROUBLES["full"]
    pending = pending_writes.PendingWrites(disk, 4500, lambda _: None)
    pending.put("me", "resp_1", lambda: entry_of(1), 5000)
    await until(lambda: pending.is_lost("resp_1", "me"))
    for number in (1, 2):
        pending.change("me", f"resp_{number}", over, make=ending(number), size=1000)
    assert (await pending.get("resp_2", "me")) == some(2, size=5), "it is known here"
    disk.failure = None
    await pending.close(1)
    assert disk.kept == {("me", f"resp_{number}"): some(number, size=5) for number in (1, 2)}
    assert not pending.is_lost("resp_1", "me")
    assert caplog.text.count("was lost or damaged in the store, and is stored anew") == 2


class DamagedDisk(Disk):
    """Its entries can only be replaced or removed."""

    async def change(self, identity: str, owner: str, change: Change) -> Entry | None:
        await self._try()
        raise Unreadable(owner, identity)


async def test_what_is_asked_for_while_a_damaged_entry_is_being_changed_is_done() -> None:
    """A deletion, or what takes its place."""
    disk = DamagedDisk()
    disk.kept = {("me", f"resp_{number}"): some(number) for number in (1, 2)}
    disk.gate = asyncio.Event()
    pending = pending_writes.PendingWrites(disk, MIB, lambda _: None, at_once=2)
    for number in (1, 2):
        pending.change("me", f"resp_{number}", over)
    await until(lambda: disk.tries == 2)
    deleting = asyncio.create_task(pending.delete("resp_1", "me"))
    pending.put("me", "resp_2", lambda: entry_of(2), 10)
    await asyncio.sleep(0)
    disk.gate.set()
    assert await deleting
    await pending.close(1)
    assert list(disk.kept) == [("me", "resp_2")]
    assert sorted(disk.log[:2]) == ["delete resp_1", "put resp_2"]


async def test_a_damaged_entry_shows_that_the_store_answers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_writes, "PAUSES", (0.01,))
    disk, reports = DamagedDisk(), list[str | None]()
    disk.failure = TROUBLES["full"]
    pending = pending_writes.PendingWrites(disk, MIB, reports.append)
    pending.change("me", "resp_1", over)
    await until(lambda: reports)
    assert "disk is full; 1 are waiting" in str(reports[-1])
    disk.failure = None
    await pending.close(1)
    assert reports[-1] == "1 could not be stored and are lost; see the log"


async def test_what_has_ended_otherwise_stays_as_it_is() -> None:
    disk = Disk()
    disk.kept["me", "resp_1"] = some(1)
    disk.kept["me", "resp_2"] = replace(some(2), running=True)
    pending = pending_writes.PendingWrites(disk, MIB, lambda _: None)
    for number in (1, 2):
        pending.change("me", f"resp_{number}", over, make=ending(number))
    await pending.close(1)
    assert disk.kept == {("me", "resp_1"): some(1), ("me", "resp_2"): some(2, size=5)}


async def test_an_end_that_is_lost_as_its_beginning_was_is_told_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_writes, "PAUSES", (2.0,))
    disk = Disk()
    disk.failure = TROUBLES["full"]
    pending = pending_writes.PendingWrites(disk, 4500, lambda _: None)
    pending.put("me", "resp_1", lambda: entry_of(1), 5000)
    await until(lambda: pending.is_lost("resp_1", "me"))
    pending.change("me", "resp_1", over, make=ending(1), size=5000)
    await until(lambda: pending.lost == 2)
    disk.failure = None
    for _ in range(2):
        with pytest.raises(FaultError, match="'resp_1' could not be stored and is lost"):
            await pending.get("resp_1", "me")
    await pending.close(1)


async def test_what_is_lost_may_be_deleted() -> None:
    """Something of it may be in the store."""
    disk = Disk()
    disk.kept["me", "resp_1"] = some(1)
    disk.failure = TROUBLES["full"]
    pending = pending_writes.PendingWrites(disk, 100, lambda _: None)
    pending.put("me", "resp_1", lambda: entry_of(1), 2000)
    await until(lambda: not len(pending))
    assert await pending.delete("resp_1", "me")
    assert await pending.get("resp_1", "me") is None
    assert not await pending.delete("resp_1", "me")
    disk.failure = None
    await pending.close(1)
    assert disk.kept == {}


async def test_many_changes_of_one_entry_may_wait() -> None:
    disk = Disk()
    disk.kept["me", "resp_1"] = some(1)
    disk.failure = TROUBLES["full"]
    pending = pending_writes.PendingWrites(disk, 100 * MIB, lambda _: None)
    for number in range(1100):
        pending.change("me", "resp_1", make=adding(f"a{number}"), size=10)
        if number % 100 == 0:
            await pending.get("resp_1", "me")
    found = await pending.get("resp_1", "me")
    assert found is not None
    assert len(found.items) == 1101
    disk.failure = None
    await pending.close(5)
    assert disk.kept["me", "resp_1"] == found
