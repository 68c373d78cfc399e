from __future__ import annotations

import asyncio

import pytest

from zerogravity.core.waiters import Waiters


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_every_waiter_is_woken_once():
    waiters, woken = Waiters(), []

    async def wait(name):
        await waiters.wait()
        woken.append(name)

    tasks = [asyncio.create_task(wait(name)) for name in "ab"]
    await settle()
    assert (woken, len(waiters)) == ([], 2)
    waiters.wake()
    waiters.wake()
    await asyncio.gather(*tasks)
    assert (woken, len(waiters)) == (["a", "b"], 0)


async def test_a_cancelled_waiter_is_removed():
    waiters = Waiters()
    task = asyncio.create_task(waiters.wait())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(waiters) == 0
    waiters.wake()


async def test_a_waiter_cancelled_while_being_woken_still_ends():
    waiters = Waiters()
    task = asyncio.create_task(waiters.wait())
    await settle()
    task.cancel()
    waiters.wake()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(waiters) == 0


def test_callbacks_are_called_once():
    waiters, called = Waiters(), []
    for name in "abc":
        waiters.call(name, lambda whole, name=name: called.append((name, whole)))
    waiters.nudge("b")
    waiters.nudge("b")
    waiters.nudge("x")
    waiters.forget("c")
    assert (called, len(waiters)) == ([("b", False)], 1)
    waiters.wake(whole=True)
    waiters.wake()
    assert (called, len(waiters)) == ([("b", False), ("a", True)], 0)


def test_whoever_comes_again_while_being_called_is_called_the_next_time():
    waiters, called = Waiters(), []

    def again(_=False):
        called.append(len(called))
        waiters.call("a", again)

    again()
    waiters.wake()
    assert (called, len(waiters)) == ([0, 1], 1)
