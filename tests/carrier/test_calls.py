"""Why there is no connection, in words."""

from __future__ import annotations

import asyncio

import pytest

from zerogravity.carrier.calls import CUT, Unopened, opened


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(111, "Connect call failed"), "[Errno 111] Connect call failed"),
        (ConnectionResetError(), CUT),
        (ValueError("no such name"), "no such name"),
        (TimeoutError(), "TimeoutError"),
    ],
)
async def test_why_there_is_none(error: Exception, why: str) -> None:
    async def fail() -> int:
        raise error

    assert Unopened(error) == why
    assert Unopened(error).error is error
    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    assert opened(task) == why


async def test_one_that_was_given_up_and_one_that_is_open() -> None:
    async def made() -> int:
        return 1

    task, cancelled = asyncio.create_task(made()), asyncio.create_task(made())
    cancelled.cancel()
    await asyncio.wait([task, cancelled])
    assert (opened(task), opened(cancelled)) == (1, CUT)
