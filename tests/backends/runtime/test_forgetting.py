"""What a conversation leaves on the disk, and what is written when it is over already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.waiting import until
from zerogravity.backends.runtime.forgetting import LATE_S, Forgetting


class Clock:
    """``sleep`` lasts until ``pass_on``."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._passed = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self._passed.wait()
        self._passed.clear()

    def pass_on(self) -> None:
        self._passed.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def forgetting(clock: Clock) -> AsyncIterator[Forgetting]:
    made = Forgetting(clock.sleep)
    yield made
    await made.stop()
    await made.stop()


def written(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "said").write_text("secret")
    return folder


async def test_it_is_gone_at_once(forgetting: Forgetting, tmp_path: Path) -> None:
    folder = written(tmp_path / "one")
    await forgetting.forget(folder)
    await forgetting.forget(folder)
    assert not folder.exists()


async def test_what_is_written_late_goes_too(forgetting: Forgetting, clock: Clock, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        await forgetting.forget(written(tmp_path / name))
    for name in ("one", "two", "three"):
        written(tmp_path / name)
    kept = written(tmp_path / "of another conversation")
    for _ in range(2):
        await until(lambda: clock.slept)
        clock.pass_on()
        await asyncio.sleep(0)
    await until(lambda: [*tmp_path.iterdir()] == [kept])


async def test_one_that_is_forgotten_meanwhile_gets_its_whole_time(
    forgetting: Forgetting, clock: Clock, tmp_path: Path
) -> None:
    await forgetting.forget(tmp_path / "one")
    await until(lambda: clock.slept == [LATE_S])
    await forgetting.forget(tmp_path / "two")
    late = written(tmp_path / "two")
    clock.pass_on()
    await until(lambda: clock.slept == [LATE_S] * 2)
    assert late.exists()
    clock.pass_on()
    await until(lambda: not late.exists())


async def test_a_cancelled_one_is_removed_all_the_same(forgetting: Forgetting, tmp_path: Path) -> None:
    folder = written(tmp_path / "one")
    forgets = asyncio.create_task(forgetting.forget(folder))
    await asyncio.sleep(0)
    forgets.cancel()
    await asyncio.wait((forgets,))
    await until(lambda: not folder.exists())


async def test_when_it_has_stopped_nothing_waits(forgetting: Forgetting, clock: Clock, tmp_path: Path) -> None:
    await forgetting.stop()
    folder = written(tmp_path / "one")
    await forgetting.forget(folder)
    assert (folder.exists(), clock.slept, asyncio.all_tasks()) == (False, [], {asyncio.current_task()})
