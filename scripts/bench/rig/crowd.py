"""Many turns through a gateway, and what it says of itself when they are over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import aiohttp

GAUGES = ("zg_turns_active", "zg_readers", "zg_queue_waiting", "zg_queue_active", "zg_log_bytes")
REST_S = 60


async def turns(turn: Callable[[int], Awaitable[None]], numbers: Iterator[int], total: int, at_once: int) -> None:
    """``turn`` of the next ``total`` numbers, ``at_once`` of them at a time."""
    left = iter(range(total))

    async def one_after_the_other() -> None:
        for _ in left:
            await turn(next(numbers))

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))


async def gauges(http: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """What is zero at rest."""
    async with http.get(f"{url}/metrics") as response:
        lines = [line.split() for line in (await response.text()).splitlines()]
    return {line[0]: float(line[1]) for line in lines if line[0] in GAUGES}


async def at_rest(http: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """The gauges, once nothing runs in the gateway."""
    async with asyncio.timeout(REST_S):
        while any((found := await gauges(http, url)).values()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return found
