"""What runs beside the turns has an owner, is heard when it fails, and goes on."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.waiting import until
from zerogravity.background import LONGEST_S, RepeatedTask, Tasks, delay, task


async def fails() -> None:
    raise RuntimeError("our bug")


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 30), (7, 30), (10_000, 30)]
)  # fmt: skip
def test_pauses_grow_and_are_bounded(failures: int, seconds: float) -> None:
    assert delay(failures) == seconds


async def test_the_failure_of_a_task_without_a_waiter_is_logged(caplog) -> None:
    made = task(fails(), "something beside")
    await asyncio.wait((made,))
    assert "something beside failed" in caplog.text
    assert "our bug" in caplog.text


async def test_a_task_that_is_cancelled_is_no_failure(caplog) -> None:
    made = task(asyncio.sleep(60), "something beside")
    await asyncio.sleep(0)
    made.cancel()
    await asyncio.wait((made,))
    assert caplog.records == []


async def test_what_runs_is_counted_and_ended_by_force() -> None:
    tasks = Tasks()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            tasks.spawn(asyncio.sleep(60), "another one")

    tasks.spawn(stubborn(), "one")
    await asyncio.sleep(0)
    assert len(tasks) == 1
    await tasks.end()
    assert len(tasks) == 0


async def test_what_ends_in_time_is_waited_for_with_all_that_it_starts() -> None:
    tasks, done = Tasks(), list[str]()

    async def second() -> None:
        await asyncio.sleep(0)
        done.append("second")

    async def first() -> None:
        await asyncio.sleep(0)
        tasks.spawn(second(), "second")
        done.append("first")

    tasks.spawn(first(), "first")
    await tasks.end(10)
    assert done == ["first", "second"]


class Scene:
    """Rounds that fail as told; pauses that pass at once."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.reports: list[str | None] = []
        self.pauses: list[float] = []
        self.over = asyncio.Event()
        self.rounds = RepeatedTask("keeper", self._round, report=self.reports.append, sleep=self._sleep)

    async def _round(self) -> None:
        if not self.outcomes:
            self.over.set()
            await asyncio.Event().wait()
        if (outcome := self.outcomes.pop(0)) is not None:
            raise outcome

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def played(self) -> None:
        self.rounds.start()
        async with asyncio.timeout(10):
            await self.over.wait()
        await self.rounds.stop()


BUG, OTHER = RuntimeError("our bug"), KeyError("another")


@pytest.mark.parametrize(
    ("outcomes", "pauses", "reports"),
    [
        ([None, None], [], []),
        ([BUG], [1], ["RuntimeError; see the log"]),
        ([BUG, None], [1], ["RuntimeError; see the log", None]),
        ([BUG, BUG, BUG, None, BUG], [1, 2, 4, 1], ["RuntimeError; see the log", None, "RuntimeError; see the log"]),
        ([BUG, OTHER], [1, 2], ["RuntimeError; see the log", "KeyError; see the log"]),
        ([BUG] * 8, [1, 2, 4, 8, 16, LONGEST_S, LONGEST_S, LONGEST_S], ["RuntimeError; see the log"]),
    ],
)
async def test_a_failed_round_is_reported_and_the_next_one_runs(outcomes, pauses, reports, caplog) -> None:
    scene = Scene(*outcomes)
    await scene.played()
    assert scene.pauses == pauses
    assert scene.reports == reports
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == len(pauses)


async def test_stopping_ends_a_pause_too_and_may_come_twice() -> None:
    waits = asyncio.Event()

    async def sleep(_: float) -> None:
        waits.set()
        await asyncio.Event().wait()

    rounds = RepeatedTask("keeper", fails, sleep=sleep)
    await rounds.stop()
    rounds.start()
    await until(waits.is_set)
    await rounds.stop()
    await rounds.stop()


async def test_a_report_that_fails_does_not_end_it(caplog) -> None:
    count = 0

    async def once() -> None:
        nonlocal count
        count += 1
        raise RuntimeError("our bug")

    async def sleep(_: float) -> None:
        await asyncio.sleep(0)

    def report(_: str | None) -> None:
        raise ValueError("nor this")

    rounds = RepeatedTask("keeper", once, report=report, sleep=sleep)
    rounds.start()
    await until(lambda: count > 2)
    await rounds.stop()
    assert "nor this" in caplog.text
