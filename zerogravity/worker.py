"""``BackgroundWorker``: work that must never hold up a turn, done in batches by one thread behind a bounded queue.

A full queue drops and counts. Failures are logged, counted and reported, and the thread goes on. Work that can wait
does so while the rest of the process is busy: a thread that computes takes half of the interpreter's time.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from zerogravity.core.callbacks import run_guarded

MOST = 8  # pauses
BUSY = 0.75  # of a core, by the other threads of this process
PATIENCE_S = 5.0  # of work that may come so much later in a rush of turns

logger = logging.getLogger("zerogravity.ops")


@dataclass(frozen=True, slots=True)
class _Flush:
    done: threading.Event = field(default_factory=threading.Event)


class OthersLoad:
    """What part of a core the other threads of this process have taken since the last call. For one thread."""

    def __init__(self) -> None:
        self._wall = self._cpu = 0.0

    def __call__(self) -> float:
        wall, cpu = time.monotonic(), time.process_time() - time.thread_time()
        load = (cpu - self._cpu) / max(wall - self._wall, 1e-6)
        self._wall, self._cpu = wall, cpu
        return load


class BackgroundWorker[T]:
    """From ``start`` to ``close``, ``work`` gets what has been put since the last time.

    ``report``  gets each change of ``degraded``: None, or why the work fails.
    ``pause``   seconds without a further item before the work begins, so that items that come one after another wake
                the thread once; it begins after ``MOST`` of them in any case, and ``flush`` and ``close`` do not wait.
    ``patience``  how many seconds of pauses it waits while others are busy; with a ``pause`` only. ``load``: how busy.
    ``every``   seconds after which work is wanted although nothing has come; None: now it is not.
    ``ended``   is called in the thread when all is done.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[T]], None],
        *,
        limit: int = 1000,
        pause: float = 0,
        patience: float = 0,
        load: Callable[[], float] | None = None,
        every: Callable[[], float | None] = lambda: None,
        ended: Callable[[], object] = lambda: None,
        report: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self.dropped = 0
        self.failures = 0  # batches
        self.degraded: str | None = None
        self._name = name
        self._work = work
        self._report = report
        self._queue: queue.Queue[T | _Flush | None] = queue.Queue(limit)
        self._pause = pause
        self._patience = round(patience / pause) if pause else 0  # pauses
        self._load = load or OthersLoad()
        self._every = every
        self._ended = ended
        self._hurry = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"zerogravity-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread; once."""
        self._thread.start()

    def put(self, item: T) -> bool:
        """For the hot path: never waits and never raises. False: it was dropped."""
        if not self._closed:
            try:
                self._queue.put_nowait(item)
            except queue.Full:
                pass
            else:
                return True
        self.dropped += 1
        return False

    def hurry(self) -> None:
        """End the pause: what waits is a lot."""
        self._hurry.set()

    def flush(self, timeout: float = 10) -> bool:
        """Wait until everything put so far has been processed."""
        flush = _Flush()
        try:
            self._put(flush, timeout)
        except queue.Full:
            return False
        return flush.done.wait(timeout)

    def close(self, timeout: float = 10) -> None:
        """Finish what is queued, then end the thread."""
        if self._closed:
            return
        self._closed = True
        if self._thread.ident is None:  # never started
            return
        try:
            self._put(None, timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _put(self, order: _Flush | None, timeout: float) -> None:
        """An order, which ends the pause. Raises queue.Full."""
        self._queue.put(order, timeout=timeout)
        self._hurry.set()  # only now: a pause that ended before would leave the order to the next one

    def _run(self) -> None:
        while not self._worked():
            pass  # and holds nothing of what has been done
        run_guarded(self._ended)

    def _worked(self) -> bool:
        """Whether that was the last of it."""
        given = self._wait()
        batch = [item for item in given if item is not None and not isinstance(item, _Flush)]
        if batch or self._every() is not None:
            self._guarded(batch)
        for item in given:
            if isinstance(item, _Flush):
                item.done.set()
        return None in given

    def _wait(self) -> list[T | _Flush | None]:
        """What has come, as soon as work is wanted."""
        given: list[T | _Flush | None] = []
        try:
            given.append(self._queue.get(timeout=self._every()))
        except queue.Empty:
            if not self._is_busy():
                return []
        if self._pause:
            self._calm()
        try:
            while True:
                given.append(self._queue.get_nowait())
        except queue.Empty:
            return given

    def _calm(self) -> None:
        self._is_busy()
        for number in range(1, max(MOST, self._patience) + 1):
            before = self._queue.qsize()
            if self._hurry.wait(self._pause) or self._queue.qsize() * 4 > self._queue.maxsize * 3:
                break  # before anything has to be dropped
            quiet = number >= MOST or self._queue.qsize() == before
            if not (self._is_busy() and number < self._patience) and quiet:
                break
        self._hurry.clear()

    def _is_busy(self) -> bool:
        """Since the last time; only asked where there is patience for it."""
        return self._patience > 0 and self._load() > BUSY

    def _guarded(self, batch: list[T]) -> None:
        """Guard point: background work may fail, and the thread goes on."""
        trouble: str | None = None
        try:
            self._work(batch)
        except OSError as error:
            trouble = error.strerror or str(error)
        except Exception as error:
            logger.exception("%s failed", self._name)
            trouble = f"{type(error).__name__}; see the log"
        if trouble is not None:
            self.failures += 1
        if trouble != self.degraded:
            self.degraded = trouble
            if trouble is not None:
                logger.warning("%s: %s", self._name, trouble)
            run_guarded(self._report, trouble)
