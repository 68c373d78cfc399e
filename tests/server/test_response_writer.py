"""When a response is stored, and when a client learns of its end: with a slow disk, two gateways, a kill."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.server.support import Serve, Served, forever, say
from tests.store.disks import BEHIND, HELLO, PATH, TROUBLES, Disk
from tests.waiting import until
from zerogravity.core.events import AttemptOpened, Finished, TextDelta
from zerogravity.server import response_writer
from zerogravity.server.response_writer import SLICE
from zerogravity.store import pending_writes, sqlite
from zerogravity.store.responses import open_store
from zerogravity.testing.check import check_response, check_responses


@pytest.mark.parametrize("stream", [True, False])
async def test_the_end_is_sent_when_the_response_is_stored(serve: Serve, tmp_path: Path, stream: bool) -> None:
    """With a file: what a client has been told is stored outlives a kill. Without one nobody waits."""
    disk = Disk()
    disk.gate = asyncio.Event()
    served = await serve(store=str(tmp_path / "r.db"), services={"responses": disk})
    asking = asyncio.create_task(served.ask("POST", PATH, {"Content-Type": "application/json"},
                                            json.dumps({**HELLO, "stream": stream}).encode()))  # fmt: skip
    await disk.begun.wait()
    await until(lambda: served.engine.channels[-1].closed)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not asking.done()
    disk.gate.set()
    status, _, data = await asking
    assert (status, b'"completed"' in data) == (200, True)


async def test_the_end_is_sent_though_the_response_cannot_be_stored(serve: Serve, tmp_path: Path) -> None:
    disk = Disk()
    disk.failure = TROUBLES["full"]
    served = await serve(store=str(tmp_path / "r.db"), services={"responses": disk})
    assert (await served.post(PATH, HELLO))[2]["status"] == "completed"
    disk.failure = None


async def test_the_end_is_sent_though_the_store_hangs(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_writer, "SAVE_S", 0.01)
    disk = Disk()
    disk.gate = asyncio.Event()
    served = await serve(store=str(tmp_path / "r.db"), services={"responses": disk})
    assert (await served.post(PATH, HELLO))[2]["status"] == "completed"
    assert served.writer.waiting == 1
    disk.gate.set()


async def two(serve: Serve, file: Path) -> tuple[Served, Served]:
    """Two gateways on one file."""
    first = await serve(services={"responses": await open_store(str(file), limit=10)})
    return first, await serve(services={"responses": await open_store(str(file), limit=10)})


async def test_what_begins_in_the_background_is_written_down(serve: Serve, tmp_path: Path) -> None:
    first, second = await two(serve, tmp_path / "responses.db")
    first.engine.script = forever
    _, _, begun = await first.post(PATH, BEHIND)
    identity = begun["id"]
    status, _, seen = await second.get(f"{PATH}/{identity}")
    assert (status, seen) == (200, begun)
    assert (await second.get(f"{PATH}/{identity}/input_items"))[0] == 200
    for method, path in (("GET", "?stream=true"), ("POST", "/cancel"), ("DELETE", "")):
        status, headers, body = await second.ask(method, f"{PATH}/{identity}{path}")
        assert (status, json.loads(body)["error"]["code"]) == (409, "response_running_elsewhere")
        assert headers["x-should-retry"] == "false"
    status, _, body = await second.post(PATH, {**HELLO, "previous_response_id": identity})
    assert (status, body["error"]["code"]) == (400, "previous_response_not_found")
    await first.ask("POST", f"{PATH}/{identity}/cancel")
    await until(lambda: first.writer.waiting == 0)
    assert (await second.get(f"{PATH}/{identity}"))[2]["status"] == "cancelled"


async def test_what_its_process_did_not_finish_has_failed(serve: Serve, tmp_path: Path) -> None:
    first, second = await two(serve, tmp_path / "responses.db")
    first.engine.script = forever
    _, _, begun = await first.post(PATH, BEHIND)
    identity = begun["id"]
    first.services.responses._runs.close()  # pyright: ignore[reportPrivateUsage]  # as if it had been killed
    status, _, cut = await second.get(f"{PATH}/{identity}")
    check_response(cut)
    assert (status, cut["status"], cut["error"]["code"]) == (200, "failed", "server_error")
    assert "zerogravity stopped while this response was running" in cut["error"]["message"]
    assert {**begun, "status": cut["status"], "error": cut["error"], "usage": cut["usage"]} == cut
    async with second.http.get(f"{second.url}{PATH}/{identity}?stream=true") as answer:
        data = await answer.read()
    events = check_responses(data)
    assert [event["type"].partition(".")[2] for event in events] == ["created", "queued", "in_progress", "failed"]
    assert events[-1]["response"] == cut
    async with second.http.get(f"{second.url}{PATH}/{identity}?stream=true&starting_after=57") as answer:
        (line,) = [line for line in (await answer.read()).splitlines() if line.startswith(b"data: ")]
    last = json.loads(line.removeprefix(b"data: "))
    assert (last["type"], last["sequence_number"], last["response"]) == ("response.failed", 58, cut)
    assert (await second.ask("POST", f"{PATH}/{identity}/cancel"))[0] == 200
    assert (await second.post(PATH, {**HELLO, "previous_response_id": identity}))[0] == 200
    assert (await second.ask("DELETE", f"{PATH}/{identity}"))[0] == 200
    assert (await second.get(f"{PATH}/{identity}"))[0] == 404


async def test_a_response_whose_end_is_lost_runs_no_longer(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has failed for those who read the store, and can be deleted by those who know that it is lost."""
    monkeypatch.setattr(pending_writes, "PAUSES", (2.0,))
    disk = Disk()
    first = await serve(services={"responses": disk}, limits={"unwritten_bytes": 1 << 20})
    first.engine.script = forever
    _, _, begun = await first.post(PATH, BEHIND)
    await until(lambda: first.writer.waiting == 0)
    say(first.engine.turns[0], AttemptOpened(), TextDelta("x" * (2 << 20)))
    disk.failure = TROUBLES["full"]
    await first.ask("POST", f"{PATH}/{begun['id']}/cancel")
    assert (await first.get(f"{PATH}/{begun['id']}"))[2]["error"]["code"] == "response_not_stored"
    assert disk.kept["", begun["id"]].running
    disk.failure = None
    await first.writer.close()
    assert not disk.kept["", begun["id"]].running
    second = await serve(services={"responses": disk})
    _, _, cut = await second.get(f"{PATH}/{begun['id']}")
    check_response(cut)
    assert (cut["status"], "could not be stored and is lost" in cut["error"]["message"]) == ("failed", True)
    async with second.http.get(f"{second.url}{PATH}/{begun['id']}?stream=true&starting_after=57") as answer:
        (line,) = [line for line in (await answer.read()).splitlines() if line.startswith(b"data: ")]
    assert json.loads(line.removeprefix(b"data: "))["response"] == cut
    assert (await first.ask("DELETE", f"{PATH}/{begun['id']}"))[0] == 200
    await until(lambda: first.writer.waiting == 0)
    assert disk.kept == {}


async def test_a_disk_that_does_not_answer_holds_up_no_end(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither ours nor that of a test that fails meanwhile."""
    monkeypatch.setattr(response_writer, "CLOSE_S", 0.05)
    monkeypatch.setattr(sqlite, "CLOSE_S", 0.05)
    store = await open_store(str(tmp_path / "responses.db"), limit=10)
    answers, asked = threading.Event(), threading.Event()

    def blocked(*_: Any) -> None:
        asked.set()
        answers.wait(30)

    monkeypatch.setattr(store, "_put", blocked)
    served = await serve(services={"responses": store})
    posted = asyncio.create_task(served.post(PATH, {**HELLO, "stream": True}))
    try:
        await until(asked.is_set)
        async with asyncio.timeout(10):
            await served.running.stop()
        assert "the disk does not answer" in caplog.text
        assert "lost at shutdown" in caplog.text
    finally:
        answers.set()
        await asyncio.gather(posted, return_exceptions=True)
    await until(lambda: store._database is None)  # released as soon as the disk answers


async def test_a_long_background_turn_lets_others_run_when_it_ends(serve: Serve) -> None:
    """Its frames are made in pieces, and are those of the stream."""
    served = await serve()
    served.engine.script = forever
    _, _, queued = await served.post(PATH, BEHIND)
    channel = served.engine.channels[0]
    running = served.engine.inside(channel)
    say(running, AttemptOpened())
    for number in range(20_000):
        say(running, TextDelta(f"{number} "))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    running.close(Finished("stop"))
    running.release()
    stored = await served.writer.get(queued["id"], channel.turn.owner)
    counting.cancel()
    await asyncio.gather(counting, return_exceptions=True)
    assert stored is not None
    assert turns >= 20_000 // SLICE - 2
    check_responses(b"".join(stored.frames))
    assert len(stored.frames) > 20_000
