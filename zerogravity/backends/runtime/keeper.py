"""Keeps one process of the runtime running: starts another when it has ended, and replaces one that has become big or
old while its last conversations go on in it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable

from zerogravity import background
from zerogravity.backends.runtime.errors import absent, gone
from zerogravity.backends.runtime.process import RuntimeProcess
from zerogravity.core.callbacks import run_guarded
from zerogravity.errors import Fault, FaultError

logger = logging.getLogger("zerogravity.language_server")
MAX_RSS = 1 << 30  # bytes
MAX_TURNS = 2000
WEIGHED_EVERY = 16  # turns: asking for its size takes a few microseconds
STABLE_S = 10.0  # one that has run this long is started again at once
PATIENCE_S = 10.0  # how long a turn waits for one that is being started
REPLACE_AGAIN_S = 60.0  # after a replacement that did not start
RESTARTING = gone("the runtime has ended, and is being started again")


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
        self._fault: Fault | None = absent("the runtime has not been started")
        self._make = make
        self._changed = changed
        self._max_rss = max_rss
        self._max_turns = max_turns
        self._sleep = sleep
        self._clock = clock
        self._current: RuntimeProcess | None = None
        self._settled = asyncio.Event()  # whether it runs, or that it cannot
        self._failures = 0
        self._began = 0.0
        self._replace_again = -math.inf  # when a replacement may be tried
        self._given_up: RuntimeProcess | None = None  # while it is being replaced
        self._retired: set[RuntimeProcess] = set()
        self._tasks = background.Tasks()
        self._watching: asyncio.Task[int] | None = None
        self._supervisor = background.RepeatedTask("restarting the runtime", self._restart, report=report, sleep=sleep)

    @property
    def fault(self) -> Fault | None:
        """Why it does not run."""
        return RESTARTING if self._current is not None and self._current.pid is None else self._fault

    @property
    def pid(self) -> int | None:
        return None if self._current is None else self._current.pid

    async def start(self) -> None:
        """Start the first one. Raises FaultError when it does not start."""
        await self._launch()
        self._supervisor.start()

    async def stop(self) -> None:
        """End every process."""
        try:
            await self._supervisor.stop()
        finally:
            processes = {*self._retired, *([] if self._current is None else [self._current])}
            self._current, self._fault = None, absent("the runtime has been stopped")
            self._retired.clear()
            self._settled.set()
            under_way = [*self._tasks]
            for one in under_way:
                one.cancel()
            ending = [background.task(process.stop(), "ending the runtime") for process in processes]
            await asyncio.gather(*under_way, *ending, return_exceptions=True)

    # -- turns -----------------------------------------------------------------------------------------------------

    async def take(self) -> RuntimeProcess:
        """The process for a new conversation; waits while one is being started, but not for ever. Raises FaultError
        when none starts."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                process = await self._serving()
        except TimeoutError:
            raise FaultError(self.fault or RESTARTING) from None
        process.turns += 1
        process.open += 1
        if self._is_worn(process):
            self.replace(process)
        return process

    def release(self, process: RuntimeProcess) -> None:
        """A conversation is over."""
        process.open -= 1
        if process in self._retired and not process.open:
            self._retired.discard(process)
            self._tasks.spawn(process.stop(), "ending a runtime that has been replaced")

    def replace(self, process: RuntimeProcess) -> None:
        """Give new conversations another one, if it is still this one that gets them."""
        if process is self._current and self._clock() >= self._replace_again:
            self._replace_again = self._clock() + REPLACE_AGAIN_S
            self._tasks.spawn(self._replace(process), "replacing the runtime")

    def give_up(self, process: RuntimeProcess) -> bool:
        """It runs, and answers nobody: new conversations wait for another one. Whether there will be one."""
        if process is self._current and self._clock() >= self._replace_again:
            self._given_up = process
            self.replace(process)
        return process is not self._current or process is self._given_up

    async def _serving(self) -> RuntimeProcess:
        while True:
            await self._settled.wait()
            if (process := self._current) is None:
                raise FaultError(self.fault or RESTARTING)
            if process.pid is not None and process is not self._given_up:
                return process
            self._settled.clear()  # it has ended, which will be seen in a moment, or is being replaced

    def _is_worn(self, process: RuntimeProcess) -> bool:
        if process.turns >= self._max_turns:
            return True
        return process.turns % WEIGHED_EVERY == 0 and process.rss() > self._max_rss

    async def _replace(self, old: RuntimeProcess) -> None:
        try:
            await self._replaced(old)
        finally:  # turns that wait go to whichever there is
            self._given_up = None
            if self._current is not None:
                self._settled.set()

    async def _replaced(self, old: RuntimeProcess) -> None:
        """New conversations go to a new process; the old one ends with its last."""
        logger.info("the runtime is replaced after %s turns, at %s MiB", old.turns, old.rss() >> 20)
        new = self._make()
        try:
            await new.start()
        except FaultError as error:
            logger.warning("the runtime is not replaced: %s", error.fault.full_message)
            return
        if self._current is not old:  # it has ended meanwhile, and been replaced for that
            await new.stop()
            return
        self._current, self._began = new, self._clock()
        if self._watching is not None:
            self._watching.cancel()
        self._retired.add(old)
        old.open += 1
        self.release(old)

    # -- restarts --------------------------------------------------------------------------------------------------

    async def _restart(self) -> None:
        """Wait for the end of the current process, then start another, after a delay that grows while none lasts."""
        if (process := self._current) is not None:
            self._watching = self._tasks.spawn(process.wait(), "watching the runtime")
            await asyncio.wait((self._watching,))
            if self._current is not process:
                return  # it has been replaced
            await self._ended(process, self._watching.result())
        if self._failures:
            await self._sleep(background.delay(self._failures))
        try:
            await self._launch()
        except FaultError as error:
            logger.warning("%s", error.fault.full_message)

    async def _ended(self, process: RuntimeProcess, code: int) -> None:
        self._current, self._fault = None, RESTARTING
        self._settled.clear()
        self._failures = 0 if self._clock() - self._began >= STABLE_S else self._failures + 1
        logger.warning("the runtime ended with code %s%s", code, process.last_words)
        run_guarded(self._changed, False)
        await process.stop()

    async def _launch(self) -> None:
        try:
            process = self._make()
            await process.start()
        except BaseException as error:
            self._failures += 1
            known = isinstance(error, FaultError)
            self._fault = error.fault if known else absent(f"the runtime cannot be started: {type(error).__name__}")
            self._settled.set()
            raise
        self._current, self._began, self._fault = process, self._clock(), None
        self._settled.set()
        logger.info("the runtime runs as process %s", process.pid)
        run_guarded(self._changed, True)
