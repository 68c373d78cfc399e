"""Turns on disk, as the inspector reads them."""

from __future__ import annotations

import os

import pytest

from zerogravity.errors import bad_request
from zerogravity.observe.history import History
from zerogravity.observe.inspector import older as older_turns
from zerogravity.observe.inspector.answers import BadRequest
from zerogravity.observe.inspector.older import NOTHING, Older


@pytest.fixture
def history(recorder):
    return History(recorder.directory)


@pytest.fixture
def older(history):
    made = Older(history)
    yield made
    made.close()


async def test_where_nothing_is_recorded_nothing_is_found():
    older = Older(None)
    assert not older.recorded
    assert await older.search("x", None, 5) == NOTHING
    with pytest.raises(BadRequest, match="neither in memory nor on disk"):
        await older.look("turn_none", lambda source: source.id)
    older.close()


async def test_a_query_that_cannot_be_read_says_why(older, history, monkeypatch):
    def refuse(*_, **__):
        raise bad_request("'cod' is no field")

    monkeypatch.setattr(history, "search", refuse)
    with pytest.raises(BadRequest, match="'cod' is no field") as refused:
        await older.search("cod:x", None, 5)
    assert refused.value.status == 400


async def test_a_trace_is_read_once_until_it_changes(older, history, recorder, scene, monkeypatch):
    channel = scene.whole()
    assert recorder.flush()
    asked = []
    find = history.trace
    monkeypatch.setattr(history, "trace", lambda turn_id: (asked.append(turn_id), find(turn_id))[1])
    first = await older.look(channel.id, lambda source: source.records)
    assert len(first) == len(channel.records)
    assert await older.look(channel.id, lambda source: source.records) is first
    assert asked == [channel.id]
    file = find(channel.id).folder / "turn.json"
    os.utime(file, ns=(1, 1))
    assert await older.look(channel.id, lambda source: source.records) is not first
    assert asked == [channel.id] * 2
    file.unlink()
    with pytest.raises(BadRequest, match="no such turn"):
        await older.look(channel.id, lambda source: source.id)


async def test_few_are_kept(older, recorder, scene):
    channels = [scene.whole() for _ in range(older_turns.MAX_TRACES + 2)]
    assert recorder.flush()
    for channel in channels:
        assert await older.look(channel.id, lambda source: source.id) == channel.id
    assert list(older._kept) == [channel.id for channel in channels[2:]]
