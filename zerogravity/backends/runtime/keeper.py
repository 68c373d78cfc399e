"""Keeps one process of the runtime running: starts another when it has ended, and replaces one that has become big or
old while its last conversations go on in it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from zerogravity import background
from zerogravity.backends.runtime.errors import absent
from zerogravity.backends.runtime.process import RuntimeProcess
from zerogravity.core.callbacks import run_guarded
from zerogravity.errors import Fault, FaultError

logger = logging.getLogger("zerogravity.language_server")
MAX_RSS = 1 << 30  # bytes
MAX_TURNS = 2000
WEIGHED_EVERY = 16  # turns: asking for its size takes a few microseconds
STABLE_S = 10.0  # one that has run this long is started again at once


class Keeper:
    """``await start()``; then ``await take()`` → the process for one turn, given back by ``release``.

    ``make``: a new process, not started. ``changed`` is called with True when one runs, with False when it has ended;
    ``report`` with the reason why a fault of ours prevents its restart, None when that is over.
    """

    def __init__(
        self,
        make: Callable[[], RuntimeProcess],
        *,
        changed: Callable[[bool], None] = lambda _: None,
        report: Callable[[str | None], None] = lambda _: None,
        max_rss: int = MAX_RSS,
        max_turns: int = MAX_TURNS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.fault: Fault | None = absent("the runtime has not been started")
        self._make = make
        self._changed = changed
        self._max_rss = max_rss
        self._max_turns = max_turns
        self._sleep = sleep
        self._clock = clock
        self._current: RuntimeProcess | None = None
        self._known = asyncio.Event()  # whether it runs, or that it cannot
        self._failures = 0
        self._began = 0.0
        self._retired: set[RuntimeProcess] = set()
        self._tasks = background.Tasks()
        self._replacing: asyncio.Task[None] | None = None
        self._supervisor = background.RepeatedTask("restarting the runtime", self._restart, report=report, sleep=sleep)

    @property
    def pid(self) -> int | None:
        return None if self._current is None else self._current.pid

    async def start(self) -> None:
        """Start the first one. Raises FaultError when it does not start."""
        await self._launch()
        self._supervisor.start()

    async def stop(self) -> None:
        """End every process."""
        await self._supervisor.stop()
        await self._tasks.end()
        current, self._current = self._current, None
        for process in (*([] if current is None else [current]), *self._retired):
            await process.stop()
        self._retired.clear()
        self.fault = absent("the runtime has been stopped")
        self._known.set()

    async def take(self) -> RuntimeProcess:
        """The process for a new conversation; waits while one is being started. Raises FaultError when none starts."""
        await self._known.wait()
        process = self._current
        if process is None:
            raise FaultError(self.fault or absent("the runtime is not running"))
        process.turns += 1
        process.open += 1
        if self._worn(process) and (self._replacing is None or self._replacing.done()):
            self._replacing = self._tasks.spawn(self._replace(process), "replacing the runtime")
        return process

    def release(self, process: RuntimeProcess) -> None:
        """A conversation is over."""
        process.open -= 1
        if process in self._retired and not process.open:
            self._retired.discard(process)
            self._tasks.spawn(process.stop(), "ending a runtime that has been replaced")

    def _worn(self, process: RuntimeProcess) -> bool:
        if process.turns >= self._max_turns:
            return True
        return process.turns % WEIGHED_EVERY == 0 and process.rss() > self._max_rss

    async def _replace(self, old: RuntimeProcess) -> None:
        """New conversations go to a new process; the old one ends with its last."""
        logger.info("the runtime is replaced after %s turns, at %s MiB", old.turns, old.rss() >> 20)
        new = self._make()
        await new.start()
        if self._current is not old:  # it has ended meanwhile, and been replaced for that
            await new.stop()
            return
        self._current, self._began = new, self._clock()
        self._retired.add(old)
        old.open += 1
        self.release(old)

    async def _restart(self) -> None:
        """Wait for the end of the current process, then start another, after a delay that grows while none lasts."""
        process = self._current
        if process is not None:
            code = await process.wait()
            if self._current is not process:
                return  # it had been replaced
            logger.warning("the runtime ended with code %s%s", code, process.last_words)
            self._known.clear()
            self._current = None
            run_guarded(self._changed, False)
            await process.stop()
            self._failures = 0 if self._clock() - self._began >= STABLE_S else self._failures + 1
        if self._failures:
            await self._sleep(background.delay(self._failures))
        try:
            await self._launch()
        except FaultError as error:
            self._failures += 1
            logger.warning("%s", error.fault.full_message)

    async def _launch(self) -> None:
        process = self._make()
        try:
            await process.start()
        except FaultError as error:
            self.fault = error.fault
            self._known.set()
            raise
        self._current, self._began, self.fault = process, self._clock(), None
        self._known.set()
        logger.info("the runtime runs as process %s", process.pid)
        run_guarded(self._changed, True)
