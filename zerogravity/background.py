"""Background work → tasks with an owner: none is forgotten, every failure is logged, and what must go on goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from zerogravity.core.callbacks import run_guarded
from zerogravity.errors import FaultError

logger = logging.getLogger("zerogravity")
FIRST_S, LONGEST_S = 1.0, 30.0


def delay(failures: int, first: float = FIRST_S, longest: float = LONGEST_S) -> float:
    """Seconds before the next try, doubling with each failure in a row."""
    return min(first * 2 ** min(max(failures - 1, 0), 10), longest)


def task[T](work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """A task whose failure is logged, whether somebody awaits it or not."""
    made = asyncio.create_task(work, name=name)
    made.add_done_callback(_log_failure)
    return made


def _log_failure(ended: asyncio.Task[Any]) -> None:
    error = None if ended.cancelled() else ended.exception()
    if isinstance(error, FaultError):  # expected, and reported where it matters
        logger.debug("%s: %s", ended.get_name(), error)
    elif error is not None:
        logger.error("%s failed", ended.get_name(), exc_info=error)


class Tasks:
    """The running tasks of one owner."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter(tuple(self._running))

    def spawn[T](self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        made = task(work, name)
        self._running.add(made)
        made.add_done_callback(self._running.discard)
        return made

    async def end(self, patience: float = 0) -> None:
        """Wait that many seconds for them and for those that they start, then cancel the rest."""
        try:
            async with asyncio.timeout(patience):
                while self._running:
                    await asyncio.wait(set(self._running))
        except TimeoutError:
            logger.debug("cancelling %d tasks that did not end by themselves", len(self))
        while self._running:
            late = set(self._running)
            for one in late:
                one.cancel()
            await asyncio.wait(late)


class RepeatedTask:
    """Runs ``once`` again and again until it is stopped; a failure is logged and followed by a pause.

    ``report`` gets each change: why it fails, or None when it works again.
    """

    def __init__(
        self,
        name: str,
        once: Callable[[], Awaitable[None]],
        *,
        report: Callable[[str | None], object] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._name = name
        self._once = once
        self._report = report
        self._sleep = sleep
        self._trouble: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = task(self._run(), self._name)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._once()
            except Exception as error:  # guard point: our own bug must not end the rounds
                failures += 1
                logger.exception("%s failed; trying again in %g s", self._name, delay(failures))
                self._set_trouble(f"{type(error).__name__}; see the log")
                await self._sleep(delay(failures))
            else:
                failures = 0
                self._set_trouble(None)

    def _set_trouble(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            run_guarded(self._report, trouble)
