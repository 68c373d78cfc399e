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


async def test_one_can_be_nudged():
    waiters, woken = Waiters(), []

    async def wait(name):
        await waiters.wait(name)
        woken.append(name)

    tasks = [asyncio.create_task(wait(name)) for name in "ab"]
    await settle()
    waiters.nudge("b")
    waiters.nudge("b")
    waiters.nudge("c")
    await settle()
    assert (woken, len(waiters)) == (["b"], 1)
    waiters.wake()
    await asyncio.gather(*tasks)
    assert (woken, len(waiters)) == (["b", "a"], 0)
