"""Which builds are followed, and from when on."""

from __future__ import annotations

import asyncio

import pytest

from tests.waiting import until
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.antigravity.subscription import PATIENCE_S, Subscription
from zerogravity.core.registry import MitmStore

ONE, OTHER = Endpoint("http://127.0.0.1:1", ""), Endpoint("http://127.0.0.1:2", "")


class Turns:
    """``play(endpoint, ending)``: a turn whose call comes by itself, late (only when it is followed), or that ends
    without one. ``waits``: whether each was given time before it was followed."""

    def __init__(self, store, make_turn):
        self.store, self.make_turn = store, make_turn
        self.subscription = Subscription(self.sleep)
        self.waits = []
        self.over = asyncio.Event()

    async def sleep(self, seconds):
        assert seconds == PATIENCE_S
        self.waits[-1] = True
        await self.over.wait()

    async def play(self, endpoint, ending):
        self.over.clear()
        self.waits.append(False)
        running = self.store.open(self.make_turn())
        waiting = asyncio.create_task(self.subscription.needed(endpoint, running))
        await until(lambda: self.waits[-1] or waiting.done())
        if ending == "late":
            self.over.set()
            await waiting
            running.mark("matched")
            return
        if ending == "by itself":
            running.mark("matched")
        waiting.cancel()
        await asyncio.wait((waiting,))


@pytest.mark.parametrize(
    ("turns", "waits"),
    [
        ("by itself|by itself|by itself", [True, True, True]),
        ("late|late|late|late", [True, True, False, False]),
        ("late|by itself|late|late|late", [True, True, True, True, True]),
        ("by itself|late|late|late", [True, True, True, True]),
        ("none|none|none|none", [True, True, True, True]),
        ("none|late|late|late", [True, True, True, False]),
    ],
)
async def test_which_turns_are_given_time_first(clock, make_turn, turns, waits):
    played = Turns(MitmStore(clock), make_turn)
    for ending in turns.split("|"):
        await played.play(ONE, ending)
    assert played.waits == waits


async def test_each_server_is_known_by_itself(clock, make_turn):
    played = Turns(MitmStore(clock), make_turn)
    for endpoint in (ONE, ONE, OTHER, ONE, OTHER):
        await played.play(endpoint, "late")
    assert played.waits == [True, True, True, False, True]
