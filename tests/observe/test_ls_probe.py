"""When the language server is looked at, and what a look teaches."""

from __future__ import annotations

import asyncio

import pytest

from tests.waiting import until
from zerogravity.backends.antigravity.errors import error_of, gone, not_logged_in
from zerogravity.errors import FaultError, Termination, language_server, unreachable
from zerogravity.observe import ls_probe as module
from zerogravity.observe.health import Check, Health
from zerogravity.observe.ls_probe import LsProbe

STRANGER = FaultError(language_server(502, "ls_refused", "another certificate", Termination.LS_REFUSED))


class Ls:
    """Answers looks with what ``answer`` says."""

    second_choice = False

    def __init__(self):
        self.answer = self.heart = None
        self.looks = 0
        self.learnt = []

    async def prefer(self):
        pass

    async def model_configs(self):
        self.looks += 1
        if self.answer is not None:
            raise self.answer
        self.learnt.append([{"label": "x"}])
        return self.learnt[-1]

    async def heartbeat(self):
        if self.heart is not None:
            raise self.heart


@pytest.fixture
async def scene(clock):
    ls, health, swept = Ls(), Health(clock), []
    keeper = LsProbe(ls, health, besides=lambda: swept.append(1))
    yield ls, health, keeper, ls.learnt, swept
    await keeper.stop()


def ls_of(health):
    return next(check for check in health.checks() if check.name == "language_server")


async def test_before_the_first_look_nothing_is_known(scene):
    _, health, *_ = scene
    assert not ls_of(health).ok
    assert "not been found yet" in ls_of(health).text


@pytest.mark.parametrize(
    ("answer", "ok", "text"),
    [
        (None, True, "answers"),
        (FaultError(gone("nothing answers")), False, "nothing answers"),
        (FaultError(not_logged_in()), False, "not logged in"),
        (error_of(403, b"Invalid CSRF token"), False, "refused our CSRF token"),
        (error_of(401, b""), False, "refused our CSRF token"),
        (error_of(501, b'{"code":"unimplemented"}'), True, "answers"),  # another build: turns may work
        (STRANGER, False, "another certificate"),
    ],
)  # fmt: skip
async def test_what_a_look_teaches(scene, answer, ok, text):
    ls, health, keeper, learnt, swept = scene
    ls.answer = answer
    keeper.start()
    await until(lambda: swept)
    assert (ls_of(health).ok, text in ls_of(health).text) == (ok, True)
    assert bool(learnt) == (answer is None)


@pytest.mark.parametrize(
    ("heart", "ok"),
    [
        (None, True),
        (error_of(404, b"<html>"), False),  # some other server
        (error_of(501, b'{"code":"unimplemented"}'), True),
        (FaultError(gone("nothing answers")), False),
    ],
)
async def test_what_answers_may_be_no_language_server(scene, heart, ok):
    ls, health, keeper, _, swept = scene
    ls.answer, ls.heart = error_of(404, b"404 page not found"), heart
    keeper.start()
    await until(lambda: swept)
    assert ls_of(health).ok is ok


async def test_trouble_is_looked_at_again_until_it_is_over(scene, monkeypatch):
    monkeypatch.setattr(module, "SEARCH_S", 0)
    ls, health, keeper, learnt, _ = scene
    ls.answer = FaultError(gone("nothing answers"))
    keeper.start()
    await until(lambda: ls.looks > 3)
    ls.answer = None
    await until(lambda: learnt)
    assert ls_of(health).ok
    looks = ls.looks
    for _ in range(20):
        await asyncio.sleep(0)
    assert ls.looks == looks, "then it is left in peace"


async def test_a_google_that_was_away_is_greeted_until_it_is_back(clock, monkeypatch):
    monkeypatch.setattr(module, "PREFER_S", 0)
    ls, health, answers = Ls(), Health(clock), [False, False, True]

    async def greet():
        return Check("google", answers.pop(0), "x", "y")

    keeper = LsProbe(ls, health, greet=greet)
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
    assert "started again" in ls_of(health).text
    keeper.child_changed(True)
    await until(lambda: ls.looks == 3)
    assert ls_of(health).ok


@pytest.mark.parametrize("place", ["the question", "what is done besides", "the greeting"])
async def test_our_own_bug_does_not_end_the_looks(clock, monkeypatch, caplog, place):
    """Whatever goes wrong in a look: it is told, and the next one comes."""
    for pause in ("SEARCH_S", "PREFER_S", "KEEP_S"):
        monkeypatch.setattr(module, pause, 0)
    broken = True

    def fails(*_):
        if broken:
            raise RuntimeError("our bug")

    async def greet():
        fails()
        return Check("google", True, "x", "y")

    ls, health = Ls(), Health(clock)
    besides = fails if place == "what is done besides" else lambda: None
    ls.answer = RuntimeError("our bug") if place == "the question" else None
    keeper = LsProbe(ls, health, besides=besides, greet=greet if place == "the greeting" else None,
                    sleep=soon)  # fmt: skip
    try:
        health.google_seen(unreachable("Connect call failed"))
        keeper.start()
        await until(lambda: ls.looks > 3)
        assert "our bug" in caplog.text
        alone = place in ("the question", "the greeting")  # the others are beside the look
        assert ("looks" in health.degraded) is alone
        assert ls_of(health).ok is (place != "the question")
        broken, ls.answer = False, None
        looks = ls.looks
        await until(lambda: ls.looks > looks + 1)
        await until(lambda: not health.degraded)
        assert ls_of(health).ok
    finally:
        await keeper.stop()


async def soon(_):
    await asyncio.sleep(0)
