"""The turns in memory as rows, and the live stream."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.conftest import evict
from zerogravity.core.events import FunctionCall
from zerogravity.core.turn import Target
from zerogravity.observe import summary
from zerogravity.observe.inspector import api
from zerogravity.observe.inspector import live as live_turns
from zerogravity.observe.inspector.live import Answered, LiveTurns
from zerogravity.surfaces import REGISTRY


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
    assert (first["complete"], first["recorded"]) == (True, False)
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


# -- feeds ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def turns(scene, clock, sessions):
    scene.store.on_open.append(lambda channel: sessions.place(channel.turn))
    return LiveTurns(scene.store, REGISTRY, sessions, clock)


async def test_a_feed_tells_each_change_once(turns, scene, sessions):
    done, running = scene.whole(), scene.open()
    with turns.follow() as feed:
        rows, gone, complete = await feed.news()
        assert ([row["id"] for row in rows], gone, complete) == ([running.id, done.id], [], True)
        assert rows[0]["session"] == sessions.known(running.id).session != ""
        assert await feed.news() == ([], [], True)
        scene.begin(running)
        scene.text(running, "x")
        ((row,), _, _) = await feed.news()
        assert (row["id"], row["state"]) == (running.id, "text")
        with turns.follow() as second:
            assert len((await second.news())[0]) == 2
        evict(scene.store, done.id)
        opened = scene.open()
        rows, gone, _ = await feed.news()
        assert ([row["id"] for row in rows], gone) == ([opened.id], [done.id])


async def test_many_turns_come_in_several_messages_the_newest_first(turns, scene, monkeypatch):
    monkeypatch.setattr(live_turns, "MOST", 4)
    channels = [scene.whole() for _ in range(10)]
    told = []
    with turns.follow() as feed:
        for size, complete in ((4, False), (4, False), (2, True)):
            rows, _, all_told = await feed.news()
            assert (len(rows), all_told) == (size, complete)
            told += [row["id"] for row in rows]
    assert told == [channel.id for channel in reversed(channels)]


async def test_turns_that_are_over_are_not_looked_at_again(turns, scene, monkeypatch):
    for _ in range(50):
        scene.whole()
    running = scene.open()
    looked = []
    activity = summary.activity
    monkeypatch.setattr(
        summary, "activity", lambda channel, *rest: (looked.append(channel.id), activity(channel, *rest))[1]
    )
    with turns.follow() as feed:
        await feed.news()
        looked.clear()
        await feed.news()
        assert looked == [running.id]


async def test_a_session_that_becomes_known_late_is_told(scene, clock, sessions):
    turns = LiveTurns(scene.store, REGISTRY, sessions, clock)
    channel = scene.whole()
    with turns.follow() as feed:
        assert (await feed.news())[0][0]["session"] == ""
        assert (await feed.news())[0] == []
        placed = sessions.place(channel.turn)
        assert (await feed.news())[0][0]["session"] == placed.session
        assert (await feed.news())[0] == []


async def test_no_result_is_awaited_of_a_program_that_has_ended(scene, clock, sessions):
    over = set()
    turns = LiveTurns(scene.store, REGISTRY, sessions, clock, lambda turn: turn.run in over)
    channel, other = (scene.open(run=run, target=Target("m", "M", family="gemini-3-flash")) for run in ("k3f9", ""))
    for each in (channel, other):
        sessions.place(each.turn)
        scene.begin(each)
        scene.say(each, {"text": ""}, FunctionCall("call_1", "f", "{}", None, "up_1"))
        scene.end(each, "tool")
    with turns.follow() as feed:
        assert {row["state"] for row in (await feed.news())[0]} == {"tool wait"}
        over.add("k3f9")
        assert [(row["id"], row["state"]) for row in (await feed.news())[0]] == [(channel.id, "no result came")]
        assert (await feed.news())[0] == []
        evict(scene.store, channel.id)
        assert (await feed.news())[1] == [channel.id]


async def test_sessions_are_those_of_the_turns_the_newest_first(turns, scene):
    first, second, third = (scene.whole(conversation=name) for name in "aba")
    await turns.refresh()
    assert [[channel.id for channel in group] for group in turns.by_session().values()] == [
        [third.id, first.id], [second.id],
    ]  # fmt: skip


async def test_many_new_turns_are_read_with_pauses(turns, scene):
    for _ in range(5 * live_turns.BATCH):
        scene.open()
    looking = asyncio.create_task(turns.refresh())
    pauses = 0
    while not looking.done():
        await asyncio.sleep(0)
        pauses += 1
    assert pauses >= 5


# -- results -------------------------------------------------------------------------------------------------------


def test_results_are_named_by_their_ids(scene):
    part = {"functionResponse": {"id": "call_1", "name": "f", "response": {}}}
    other = {"functionResponse": {"name": "g", "response": {}}}
    asked = {"contents": [{"role": "user", "parts": [part, other, {"text": "and"}]}]}
    answered = Answered()
    turns = [scene.turn(google_request=asked) for _ in range(2)]
    for turn in turns:
        answered.add(turn)
    assert set(answered.ids) == {"call_1"}
    answered.drop(turns[0].id)
    assert set(answered.ids) == {"call_1"}, "the other turn brings it, too"
    answered.drop(turns[1].id)
    answered.drop("turn_none")
    assert set(answered.ids) == set()


def test_turns_that_others_go_on_from_are_known(scene):
    answered, turn = Answered(), scene.turn()
    answered.add(turn)
    for previous in ("", "turn_first", "turn_first"):
        answered.goes_on(turn.id, previous)
    assert set(answered.ids) == {"turn_first"}
    answered.drop(turn.id)
    assert set(answered.ids) == set()
