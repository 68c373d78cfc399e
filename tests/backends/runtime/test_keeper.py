"""The runtime, kept running: with the stand-in, whose starts and ends a test decides."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.backends.runtime.conftest import Program, alive, folders
from tests.waiting import until
from zerogravity.backends.base import Route
from zerogravity.backends.runtime import keeper as module
from zerogravity.backends.runtime.keeper import REPLACE_AGAIN_S, RESTARTING, STABLE_S, WEIGHED_EVERY, Keeper
from zerogravity.backends.runtime.process import RuntimeProcess
from zerogravity.background import FIRST_S
from zerogravity.errors import FaultError

Make = Callable[..., Keeper]


class World:
    """Time, which a test lets pass; what the keeper has told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []
        self.go = asyncio.Semaphore(0)
        self.changes: list[bool] = []
        self.reports: list[str | None] = []

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        await self.go.acquire()


@pytest_asyncio.fixture
async def world() -> World:
    return World()


@pytest_asyncio.fixture
async def make(program: Program, world: World) -> AsyncIterator[Make]:
    made: list[Keeper] = []

    def keeper(**options: Any) -> Keeper:
        given: dict[str, Any] = {"make": lambda: RuntimeProcess(program.settings, Route("http://127.0.0.1:9"))}
        given |= {"changed": world.changes.append, "report": world.reports.append, "clock": lambda: world.now}
        made.append(Keeper(**given | {"sleep": world.sleep} | options))
        return made[-1]

    yield keeper
    for one in made:
        await one.stop()
        with pytest.raises(FaultError, match="has been stopped"):
            await one.take()


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


# -- one ---------------------------------------------------------------------------------------------------------


async def test_it_is_started_taken_and_stopped(make: Make, world: World) -> None:
    keeper = make()
    assert keeper.fault is not None
    with pytest.raises(FaultError):
        async with asyncio.timeout(20):
            keeper._settled.set()  # pyright: ignore[reportPrivateUsage]
            await keeper.take()
    await keeper.start()
    assert keeper.fault is None
    first, second = await keeper.take(), await keeper.take()
    assert first is second
    assert (first.pid, first.open, first.turns) == (keeper.pid, 2, 2)
    keeper.release(first)
    assert (first.open, world.changes) == (1, [True])
    await keeper.stop()
    assert (keeper.pid, first.pid) == (None, None)
    assert keeper.fault is not None
    await keeper.stop()


async def test_a_first_start_that_fails_raises(make: Make, program: Program) -> None:
    program.behave(start="crash")
    keeper = make()
    with pytest.raises(FaultError, match="ended as it started"):
        await keeper.start()
    assert keeper.fault is not None
    assert "ended as it started" in keeper.fault.message
    assert folders() == []


# -- it ends -----------------------------------------------------------------------------------------------------


async def test_it_is_started_again_at_once_when_it_has_run_for_long(make: Make, world: World) -> None:
    keeper = make()
    await keeper.start()
    world.now += STABLE_S
    first = await keeper.take()
    kill(first.pid)
    await until(lambda: first.pid is None)
    second = await keeper.take()  # which waits for it
    assert second is not first
    assert second.pid == keeper.pid
    assert (world.naps, world.changes) == ([], [True, False, True])
    keeper.release(first)
    keeper.release(second)


async def test_a_turn_never_gets_one_that_has_ended(make: Make, world: World) -> None:
    """Not even before that has been seen."""
    keeper = make()
    await keeper.start()
    world.now += STABLE_S
    for _ in range(3):
        process = await keeper.take()
        kill(process.pid)
        while process.pid is not None:  # noqa: ASYNC110 - no longer than that
            await asyncio.sleep(0)
        world.now += STABLE_S
        other = await keeper.take()
        assert other.pid is not None


async def test_restarts_are_delayed_more_and_more(make: Make, world: World) -> None:
    keeper = make()
    await keeper.start()
    for number in range(1, 4):
        kill(keeper.pid)
        await until(lambda number=number: len(world.naps) == number)
        assert keeper.fault is RESTARTING
        world.go.release()
        await until(lambda: keeper.pid)
        assert keeper.fault is None
    world.now += STABLE_S
    before = keeper.pid
    kill(before)
    await until(lambda: keeper.pid not in (None, before))
    assert world.naps == [FIRST_S, FIRST_S * 2, FIRST_S * 4]


async def test_a_turn_waits_for_a_restart_but_not_for_ever(
    make: Make, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = make()
    await keeper.start()
    kill(keeper.pid)
    await until(lambda: world.naps)
    waiting = asyncio.create_task(keeper.take())
    await asyncio.sleep(0)
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    with pytest.raises(FaultError, match="is being started again"):
        await keeper.take()
    assert not waiting.done()
    world.go.release()
    assert (await waiting).pid == keeper.pid


async def test_a_start_that_fails_is_told_and_tried_again(make: Make, program: Program, world: World) -> None:
    keeper = make()
    await keeper.start()
    world.now += STABLE_S
    program.behave(start="crash", said="no memory")
    kill(keeper.pid)
    for number in range(1, 4):
        await until(lambda number=number: len(world.naps) == number)
        with pytest.raises(FaultError, match=r"(?s)ended as it started.*no memory"):
            await keeper.take()
        if number == 3:
            program.behave()
        world.go.release()
    await until(lambda: keeper.fault is None)
    keeper.release(await keeper.take())
    assert world.naps == [FIRST_S, FIRST_S * 2, FIRST_S * 4]
    assert world.changes == [True, False, True]


@pytest.mark.parametrize("place", ["make", "changed", "start"])
async def test_a_bug_of_ours_does_not_end_its_restarts(
    place: str, make: Make, program: Program, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    broken = False

    def fails() -> None:
        if broken:
            raise RuntimeError("our bug")

    class Other(RuntimeProcess):
        async def start(self) -> None:
            if place == "start":
                fails()
            await super().start()

    def other() -> RuntimeProcess:
        if place == "make":
            fails()
        return Other(program.settings, Route("http://127.0.0.1:9"))

    def changed(_: bool) -> None:
        if place == "changed":
            fails()

    keeper = make(make=other, changed=changed)
    await keeper.start()
    world.now += STABLE_S
    broken, first = True, keeper.pid
    kill(first)
    await until(lambda: "our bug" in caplog.text)
    if place != "changed":
        await until(lambda: world.naps)
        with pytest.raises(FaultError, match="cannot be started: RuntimeError"):
            await keeper.take()
        assert world.reports == ["RuntimeError; see the log"]
        broken = False
        world.go.release()
        world.go.release()
    await until(lambda: keeper.pid not in (None, first))
    keeper.release(await keeper.take())
    if place != "changed":
        assert world.reports == ["RuntimeError; see the log", None]


# -- it is replaced ----------------------------------------------------------------------------------------------


async def replaced(keeper: Keeper) -> RuntimeProcess:
    """The old one, with one conversation, after a new one has taken its place."""
    old = await keeper.take()
    keeper.replace(old)
    await until(lambda: keeper.pid != old.pid)
    return old


@pytest.mark.parametrize("worn", ["turns", "memory"])
async def test_a_worn_one_is_replaced_and_ends_with_its_last_conversation(
    worn: str, make: Make, program: Program, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    turns = 3 if worn == "turns" else WEIGHED_EVERY
    keeper = make(**({"max_turns": 3} if worn == "turns" else {"max_rss": 1}))
    await keeper.start()
    old = keeper.pid
    taken = [await keeper.take() for _ in range(turns)]
    assert {process.pid for process in taken} == {old}
    await until(lambda: keeper.pid != old)
    new = await keeper.take()
    assert new.pid == keeper.pid
    for process in taken:
        assert alive([old or 0])
        keeper.release(process)
    await until(lambda: not alive([old or 0]))
    await until(lambda: len(folders()) == 1)
    assert f"replaced after {turns} turns" in caplog.text
    assert (len(program.starts), world.changes) == (2, [True])
    keeper.release(new)


async def test_one_without_conversations_ends_at_once(make: Make) -> None:
    keeper = make()
    await keeper.start()
    old = await keeper.take()
    keeper.release(old)
    keeper.replace(old)
    await until(lambda: keeper.pid not in (None, old.pid) and old.pid is None)


async def test_turns_are_served_while_it_is_being_replaced(make: Make, program: Program) -> None:
    keeper = make(max_turns=1)
    await keeper.start()
    program.behave(start="hang")
    taken = [await keeper.take() for _ in range(5)]
    assert {process.pid for process in taken} == {keeper.pid}
    await until(lambda: len(program.starts) == 2)
    await keeper.stop()


async def test_a_replacement_that_does_not_start_is_tried_again_later(
    make: Make, program: Program, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = make(max_turns=2)
    await keeper.start()
    old = keeper.pid
    program.behave(start="crash")
    for _ in range(5):
        keeper.release(await keeper.take())
    await until(lambda: "is not replaced" in caplog.text)
    for _ in range(5):
        keeper.release(await keeper.take())
    assert (keeper.pid, keeper.fault, len(program.starts), world.changes) == (old, None, 2, [True])
    program.behave()
    world.now += REPLACE_AGAIN_S
    keeper.release(await keeper.take())
    await until(lambda: keeper.pid != old)
    await until(lambda: not alive([old or 0]))


async def test_turns_get_the_old_one_where_its_replacement_fails_by_a_bug(
    make: Make, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = make()
    await keeper.start()
    process = await keeper.take()

    def bug() -> RuntimeProcess:
        raise ZeroDivisionError

    monkeypatch.setattr(keeper, "_make", bug)
    assert keeper.give_up(process)
    assert await keeper.take() is process
    assert not keeper.give_up(process)  # not at once
    await until(lambda: "replacing the runtime failed" in caplog.text)
    keeper.release(process)
    keeper.release(process)


async def test_the_new_one_is_looked_after_while_the_old_one_goes_on(make: Make, world: World) -> None:
    keeper = make()
    await keeper.start()
    old = await replaced(keeper)
    world.now += STABLE_S
    new = keeper.pid
    kill(new)
    await until(lambda: keeper.pid not in (None, new))
    assert old.pid is not None
    assert world.changes == [True, False, True]
    keeper.release(old)
    await until(lambda: old.pid is None)


async def test_an_old_one_that_crashes_is_nobody_elses_trouble(make: Make, world: World) -> None:
    keeper = make()
    await keeper.start()
    old = await replaced(keeper)
    new = keeper.pid
    kill(old.pid)
    await until(lambda: old.pid is None)
    keeper.release(old)
    await until(lambda: len(folders()) == 1)
    assert (keeper.pid, keeper.fault, world.changes) == (new, None, [True])


async def test_one_that_ends_while_it_is_being_replaced(make: Make, program: Program, world: World) -> None:
    """Two are started for it, and one of them stays."""
    keeper = make()
    await keeper.start()
    old = await keeper.take()
    keeper.replace(old)
    kill(old.pid)
    await until(lambda: world.naps)
    world.go.release()
    await until(lambda: keeper.pid not in (None, old.pid))
    await until(lambda: alive(program.pids) == [keeper.pid] and len(folders()) == 1)
    keeper.release(old)


async def test_only_the_one_in_use_is_replaced(make: Make, program: Program, world: World) -> None:
    keeper = make()
    await keeper.start()
    old = await replaced(keeper)
    world.now += REPLACE_AGAIN_S
    keeper.replace(old)
    keeper.release(old)
    await until(lambda: old.pid is None)
    assert len(program.starts) == 2


# -- it is stopped -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["replacing", "replaced", "restarting", "waiting to restart", "first start"])
@pytest.mark.parametrize("cancelled", [False, True], ids=["in peace", "cancelled"])
async def test_a_stop_at_any_time_leaves_nothing(
    when: str, cancelled: bool, make: Make, program: Program, world: World
) -> None:
    keeper = make()
    first: asyncio.Task[None] | None = None
    if when == "first start":
        program.behave(start="hang")
        first = asyncio.create_task(keeper.start())
        await until(lambda: program.starts)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    else:
        await keeper.start()
    if when == "replacing":
        program.behave(start="hang")
        keeper.replace(await keeper.take())
        await until(lambda: len(program.starts) == 2)
    elif when == "replaced":
        await replaced(keeper)
    elif when != "first start":
        world.now += STABLE_S if when == "restarting" else 0
        program.behave(start="hang")
        kill(keeper.pid)
        await until(lambda: world.naps if when == "waiting to restart" else len(program.starts) == 2)
    stopping = asyncio.create_task(keeper.stop())
    if cancelled:
        for _ in range(3):
            await asyncio.sleep(0)
        stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    await until(lambda: not alive(program.pids) and not folders())


async def test_turns_that_wait_hear_of_the_stop(make: Make, world: World) -> None:
    keeper = make()
    await keeper.start()
    kill(keeper.pid)
    await until(lambda: world.naps)
    waiting = asyncio.create_task(keeper.take())
    await asyncio.sleep(0)
    await keeper.stop()
    with pytest.raises(FaultError, match="has been stopped"):
        await waiting


async def test_a_turn_that_is_cancelled_while_it_waits_has_taken_nothing(make: Make, world: World) -> None:
    keeper = make()
    await keeper.start()
    kill(keeper.pid)
    await until(lambda: world.naps)
    waiting = asyncio.create_task(keeper.take())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    world.go.release()
    await until(lambda: keeper.pid)
    process = await keeper.take()
    assert process.open == 1
    keeper.release(process)
