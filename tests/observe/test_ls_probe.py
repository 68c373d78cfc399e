"""When the language server is looked at, and what a look teaches."""

from __future__ import annotations

import asyncio

import pytest

from tests.waiting import until
from zerogravity.backends.base import Readiness, Words
from zerogravity.errors import Termination, language_server, unreachable
from zerogravity.observe import ls_probe as module
from zerogravity.observe.health import Check, Health
from zerogravity.observe.ls_probe import LsProbe

GONE = language_server(503, "ls_gone", "nothing answers", Termination.LS_GONE)


class Backend:
    """Is as ``shown`` says, or ``bug`` happens."""

    words = Words("the runtime")

    def __init__(self):
        self.shown, self.bug = Readiness(), None
        self.looks = 0

    async def readiness(self):
        self.looks += 1
        if self.bug is not None:
            raise self.bug
        return self.shown


@pytest.fixture
async def scene(clock):
    backend, health, swept = Backend(), Health(clock), []
    keeper = LsProbe(backend, health, after_check=lambda: swept.append(1))
    yield backend, health, keeper, swept
    await keeper.stop()


def ls_of(health):
    return next(check for check in health.checks() if check.name == "language_server")


async def test_before_the_first_look_nothing_is_known(scene):
    _, health, *_ = scene
    assert not ls_of(health).ok
    assert ls_of(health).text == "the runtime has not answered yet"
    assert ls_of(health).failure is None, "nothing has failed"


@pytest.mark.parametrize(("fault", "ok", "text"), [(None, True, "answers"), (GONE, False, "nothing answers")])
async def test_what_a_look_teaches(scene, fault, ok, text):
    backend, health, keeper, swept = scene
    backend.shown = Readiness(fault)
    keeper.start()
    await until(lambda: swept)
    assert (ls_of(health).ok, text in ls_of(health).text) == (ok, True)
    assert (ls_of(health).failure is None) is ok, "it had only not been looked at"


async def test_what_serves_turns_is_shown(scene):
    backend, health, keeper, swept = scene
    backend.shown = Readiness(text="the runtime runs (pid 7)")
    keeper.start()
    await until(lambda: swept)
    assert ls_of(health).text == "the runtime runs (pid 7)"


@pytest.mark.parametrize(("provisional", "pause"), [(True, "RECHECK_S"), (False, "CHECK_S")])
async def test_a_provisional_server_is_checked_sooner(scene, monkeypatch, provisional, pause):
    monkeypatch.setattr(module, pause, 0)
    backend, _, keeper, _ = scene
    backend.shown = Readiness(provisional=provisional)
    keeper.start()
    await until(lambda: backend.looks > 3)


async def test_trouble_is_checked_again_until_it_is_over(scene, monkeypatch):
    monkeypatch.setattr(module, "SEARCH_S", 0)
    ls, health, keeper, _ = scene
    ls.shown = Readiness(GONE)
    keeper.start()
    await until(lambda: ls.looks > 3)
    ls.shown = Readiness()
    await until(lambda: ls_of(health).ok)
    looks = ls.looks
    for _ in range(20):
        await asyncio.sleep(0)
    assert ls.looks == looks, "then it is left in peace"


async def test_a_google_that_was_away_is_greeted_until_it_is_back(clock, monkeypatch):
    monkeypatch.setattr(module, "RECHECK_S", 0)
    ls, health, answers = Backend(), Health(clock), [False, False, True]

    async def greet():
        return Check("google", answers.pop(0), "x", "y")

    keeper = LsProbe(ls, health, probe_google=greet)
    try:
        keeper.start()
        await until(lambda: ls.looks == 1)
        assert len(answers) == 3, "nobody is greeted without a reason"
        health.google_seen(unreachable("Connect call failed"))
        assert health.google_away
        await until(lambda: not health.google_away)
        assert answers == []
    finally:
        await keeper.stop()


async def test_a_failed_turn_and_a_child_that_came_up_are_reasons_to_look(scene):
    ls, health, keeper, *_ = scene
    keeper.start()
    await until(lambda: ls.looks == 1)
    health.on_trouble()
    await until(lambda: ls.looks == 2)
    keeper.child_changed(False)
    assert ls_of(health).text == "the runtime is being started again"
    keeper.child_changed(True)
    await until(lambda: ls.looks == 3)
    assert ls_of(health).ok


@pytest.mark.parametrize("place", ["the question", "what is done besides", "the greeting"])
async def test_our_own_bug_does_not_end_the_checks(clock, monkeypatch, caplog, place):
    """Whatever goes wrong in a look: it is told, and the next one comes."""
    for pause in ("SEARCH_S", "RECHECK_S", "CHECK_S"):
        monkeypatch.setattr(module, pause, 0)
    broken = True

    def fails(*_):
        if broken:
            raise RuntimeError("our bug")

    async def greet():
        fails()
        return Check("google", True, "x", "y")

    ls, health = Backend(), Health(clock)
    besides = fails if place == "what is done besides" else lambda: None
    ls.bug = RuntimeError("our bug") if place == "the question" else None
    keeper = LsProbe(ls, health, after_check=besides, probe_google=greet if place == "the greeting" else None,
                    sleep=soon)  # fmt: skip
    try:
        health.google_seen(unreachable("Connect call failed"))
        keeper.start()
        await until(lambda: ls.looks > 3)
        assert "our bug" in caplog.text
        alone = place in ("the question", "the greeting")  # the others are beside the look
        assert ("language server check" in health.degraded) is alone
        assert ls_of(health).ok is (place != "the question")
        broken, ls.bug = False, None
        looks = ls.looks
        await until(lambda: ls.looks > looks + 1)
        await until(lambda: not health.degraded)
        assert ls_of(health).ok
    finally:
        await keeper.stop()


async def soon(_):
    await asyncio.sleep(0)
