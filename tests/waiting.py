"""Waiting for what no event tells: the state of another process, or of a stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Look again and again. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def until_so(condition: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    """The same of what has to be asked for. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
