"""Places and the queue for them, whatever happens at once; and the pace of those that come at once."""

from __future__ import annotations

import asyncio

import pytest

from zerogravity.admission import AdmissionQueue, Pace


async def test_places_are_handed_on_whatever_happens_at_once() -> None:
    places = AdmissionQueue(1, 3)
    held, waiting, gone, last = (places.acquire() for _ in range(4))
    assert held is not None and waiting is not None and gone is not None and last is not None
    assert held.done() and not waiting.done()
    assert places.acquire() is None
    places.release(gone)
    places.release(held)
    assert waiting.done()
    waiting_too_long = waiting  # its waiter timed out in the tick in which the place came: it gives it back unused
    places.release(waiting_too_long)
    assert last.done() and not last.cancelled()
    assert (places.taken, len(places.queue)) == (1, 0)
    places.release(last)
    assert places.taken == 0


class Crowd:
    """Tasks that begin as ``pace`` lets them."""

    def __init__(self, pace: Pace, size: int) -> None:
        self.pace = pace
        self.begun: list[int] = []
        self.tasks = [asyncio.create_task(self._run(number)) for number in range(size)]

    async def _run(self, number: int) -> None:
        await self.pace.turn()
        self.begun.append(number)

    async def rounds(self) -> list[int]:
        """How many begin in each round, until all have that have not been cancelled."""
        made = list[int]()
        while not all(task.done() for task in self.tasks):
            before = len(self.begun)
            await asyncio.sleep(0)
            made.append(len(self.begun) - before)
        return made


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_of_those_that_come_at_once_a_few_begin_in_each_round(count: int) -> None:
    crowd = Crowd(Pace(count, 100), 20)
    rounds = await crowd.rounds()
    assert max(rounds) == count
    assert len(rounds) <= 20 / count + 3, "and no round is left out"
    assert crowd.begun == [*range(20)], "first come, first served"


async def test_of_a_crowd_many_begin_in_each_round() -> None:
    crowd = Crowd(Pace(2, 16), 60)
    rounds = [begun for begun in await crowd.rounds() if begun]
    assert rounds[:4] == [2, 16, 16, 16]
    assert rounds[4:] == [2] * 5
    assert crowd.begun == [*range(60)]


async def test_one_alone_does_not_wait() -> None:
    pace = Pace(1, 100)
    for _ in range(3):
        crowd = Crowd(pace, 1)
        await asyncio.sleep(0)
        assert crowd.begun == [0]
        for _ in range(3):
            await asyncio.sleep(0)


async def test_one_that_never_gets_on_and_those_that_give_up_keep_nobody_from_beginning() -> None:
    crowd = Crowd(Pace(1, 100), 10)
    await asyncio.sleep(0)
    for number in (3, 4, 5):
        crowd.tasks[number].cancel()
    assert max(await crowd.rounds()) == 1
    assert crowd.begun == [0, 1, 2, 6, 7, 8, 9]


async def test_those_that_come_later_go_behind_those_that_wait() -> None:
    pace = Pace(1, 100)
    first = Crowd(pace, 5)
    await asyncio.sleep(0)
    late = Crowd(pace, 1)
    await late.rounds()
    assert first.begun == [*range(5)]


async def test_nothing_runs_when_nobody_comes() -> None:
    pace = Pace(2, 100)
    crowd = Crowd(pace, 3)
    await crowd.rounds()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not pace._pacing  # pyright: ignore[reportPrivateUsage]
