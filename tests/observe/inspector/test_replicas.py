"""Which copies are kept, and by whom they are made."""

from __future__ import annotations

import threading

import pytest

from tests.conftest import evict
from zerogravity.observe.inspector import replicas as module
from zerogravity.observe.inspector.replicas import Replicas
from zerogravity.surfaces import REGISTRY


@pytest.fixture
def replicas(scene):
    made = Replicas(scene.bodies, REGISTRY, bytes(32))
    yield made
    made.close()


async def test_nothing_is_done_before_a_replica_is_used(scene, replicas):
    threads = threading.active_count()
    scene.whole()
    assert replicas.bytes == 0
    assert threading.active_count() == threads


async def test_one_thread_makes_them_all_and_keeps_them(scene, replicas):
    channels = [scene.whole(), scene.whole()]
    seen = [await replicas.look(channel, lambda copy: (copy, threading.current_thread())) for channel in channels]
    again = [await replicas.look(channel, lambda copy: (copy, threading.current_thread())) for channel in channels]
    assert again == seen
    assert seen[0][1] is seen[1][1] is not threading.current_thread()
    assert replicas.bytes == sum(copy.size for copy, _ in seen)


async def test_what_is_slow_to_load_is_loaded_ahead_once(scene, replicas, monkeypatch):
    threads: list[str] = []
    monkeypatch.setattr(module.blocks, "load", lambda: threads.append(threading.current_thread().name))
    replicas.prepare()
    replicas.prepare()
    await replicas.look(scene.whole(), lambda copy: copy)
    assert [name.startswith("zerogravity-inspector") for name in threads] == [True]


async def test_the_last_ones_are_kept(scene, replicas, monkeypatch):
    monkeypatch.setattr(module, "MAX_REPLICAS", 2)
    channels = [scene.whole() for _ in range(3)]
    first, *_ = [await replicas.look(channel, lambda copy: copy) for channel in channels]
    assert await replicas.look(channels[0], lambda copy: copy) is not first


async def test_there_are_no_more_than_fit_but_always_the_newest(scene):
    replicas = Replicas(scene.bodies, REGISTRY, bytes(32), max_bytes=1)
    channels = [scene.whole("word " * 100), scene.whole()]
    sizes = [await replicas.look(channel, lambda copy: copy.size) for channel in channels]
    assert replicas.bytes == sizes[1]
    replicas.close()


async def test_copies_of_evicted_turns_go(scene, replicas):
    gone, stays = scene.whole("word " * 100), scene.whole()
    await replicas.look(gone, lambda copy: copy)
    evict(scene.store, gone.id)
    assert await replicas.look(stays, lambda copy: copy.size) == replicas.bytes


async def test_a_look_that_fails_fails_alone(scene, replicas):
    channel = scene.whole()
    with pytest.raises(ZeroDivisionError):
        await replicas.look(channel, lambda _: 1 // 0)
    assert await replicas.look(channel, lambda copy: len(copy.records)) == channel.count
