"""The turns in memory as rows, and the live stream."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.conftest import evict
from zerogravity.observe.inspector import api
from zerogravity.observe.inspector import live as live_turns
from zerogravity.observe.inspector.live import Answered


class Live:
    """The messages of a live stream."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def next(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self.answer.content.readline(), 10)
        assert line.startswith(b"data: "), line
        assert await self.answer.content.readline() == b"\n"
        return json.loads(line[6:])


@pytest.fixture
async def live(look, monkeypatch):
    monkeypatch.setattr(api, "TICK_S", 0.01)
    looked = await look()
    looked.scene.whole("first")
    answer = await looked.http.get(looked.url + "/inspector/api/live", cookies=looked.cookie)
    yield looked, Live(answer)
    answer.close()


async def test_live_tells_all_turns_then_what_changes(live):
    looked, stream = live
    scene = looked.scene
    first = await stream.next()
    assert (first["all"], len(first["turns"]), first["gone"]) == (True, 1, [])
    done = first["turns"][0]["id"]
    channel = scene.open("second", to="told")
    second = await stream.next()
    assert (second["all"], [turn["id"] for turn in second["turns"]]) == (False, [channel.id])
    assert second["turns"][0]["state"] == "waiting for LS"
    scene.begin(channel)
    scene.think(channel, "hm")
    assert (await stream.next())["turns"][0]["state"] == "thinking"
    scene.advance(11)  # nothing comes: a change as well
    assert (await stream.next())["turns"][0]["state"] == "stalled"
    evict(scene.store, done)
    assert (await stream.next())["gone"] == [done]
    scene.health["active"] = 7
    told = await stream.next()
    assert (told["turns"], told["health"]["active"]) == ([], 7)


async def test_live_ends_with_the_server(live):
    looked, stream = live
    await stream.next()
    stopped = asyncio.create_task(looked.stop())
    assert await asyncio.wait_for(stream.answer.content.read(), 5) == b""
    await asyncio.wait_for(stopped, 5)


async def test_live_ends_when_the_page_goes(live, caplog):
    looked, stream = live
    await stream.next()
    tasks = asyncio.all_tasks()
    stream.answer.close()
    looked.scene.open("after")
    for _ in range(200):
        if len(asyncio.all_tasks()) < len(tasks):
            break
        await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) < len(tasks)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


# -- results -------------------------------------------------------------------------------------------------------


async def test_results_are_named_by_their_ids(scene):
    part = {"functionResponse": {"id": "call_1", "name": "f", "response": {}}}
    other = {"functionResponse": {"name": "g", "response": {}}}
    asked = {"contents": [{"role": "user", "parts": [part, other, {"text": "and"}]}]}
    answered = Answered(scene.store)
    channels = [scene.fail(scene.open(google_request=asked)) for _ in range(2)]
    assert set(await answered.now()) == {"call_1"}
    evict(scene.store, channels[0].id)
    assert set(await answered.now()) == {"call_1"}, "the other turn brings it, too"
    evict(scene.store, channels[1].id)
    assert set(await answered.now()) == set()


async def test_many_new_turns_are_read_with_pauses(scene):
    for _ in range(5 * live_turns.BATCH):
        scene.open()
    answered = Answered(scene.store)
    looking = asyncio.create_task(answered.now())
    pauses = 0
    while not looking.done():
        await asyncio.sleep(0)
        pauses += 1
    assert pauses >= 5
