"""``Recorder``: one folder per turn, written by one thread behind a bounded queue. On the hot path it costs a queue put
of references, three times per turn; events are read from the channel by the thread itself, in batches.

A full queue drops and counts; a disk that cannot be written degrades health; neither ever touches a turn.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zerogravity import ids
from zerogravity.core.callbacks import run_guarded
from zerogravity.core.channel import CascadeChannel, Clock
from zerogravity.core.events import Record
from zerogravity.core.registry import MitmStore
from zerogravity.observe import trace_folders
from zerogravity.observe.trace_writer import TurnWriter
from zerogravity.observe.witnesses import CLIENT, Request, Witness
from zerogravity.surfaces.base import Surface

logger = logging.getLogger("zerogravity.trace")

TICK_S = 0.25  # how often running turns are written: what `trace show --follow` sees
EARLY = 64  # requests kept until their turn is opened
SWEEP_S = 600.0


@dataclass(frozen=True, slots=True)
class TraceLimits:
    """``max_bytes``/``max_age_s``: of all traces. ``jobs``/``job_bytes``: of what waits to be written."""

    max_bytes: int = 2 << 30
    max_age_s: float = 7 * 86400
    jobs: int = 2000
    job_bytes: int = 128 << 20


class NullRecorder(Witness):
    """Tracing is off."""

    dropped = 0
    waiting_bytes = 0
    degraded: str | None = None

    def attach(self, store: MitmStore) -> None:
        """Nothing is watched."""

    def told(self, turn_id: str, requests: Sequence[Request]) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class _Opened:
    channel: CascadeChannel
    records: Sequence[Record]  # the list itself: eviction gives the channel a new one


@dataclass(frozen=True, slots=True)
class _Told:
    turn_id: str
    requests: Sequence[Request]

    @property
    def size(self) -> int:
        return sum(len(request.body) for request in self.requests)


@dataclass(frozen=True, slots=True)
class _Flush:
    done: threading.Event


_Job = _Opened | _Told | _Flush | None  # None: stop


class Recorder(Witness):
    """``surfaces``: name → surface, to write down what clients saw; ``secret`` as the server's.

    ``degraded``  None, or why traces cannot be written now. ``report`` is told each change of it.
    ``dropped``   what was not recorded since the queue was full, or the disk refused.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        clock: Clock = time.monotonic_ns,
        limits: TraceLimits | None = None,
        surfaces: Mapping[str, Surface] | None = None,
        secret: bytes = bytes(32),
        wall: Callable[[], float] = time.time,
        report: Callable[[str | None], None] = lambda _: None,
        tick: float = TICK_S,
    ) -> None:
        self.directory = Path(directory)
        self.limits = limits or TraceLimits()
        self.degraded: str | None = None
        self.dropped = 0
        self._clock = clock
        self._wall = wall
        self._surfaces = surfaces or {}
        self._secret = secret
        self._report = report
        self._tick = tick
        self._queue: queue.Queue[_Job] = queue.Queue(self.limits.jobs)
        self._put_bytes = 0  # written by the hot path only
        self._done_bytes = 0  # written by the thread only
        self._open: dict[str, TurnWriter] = {}
        self._early: OrderedDict[str, list[_Told]] = OrderedDict()
        self._newest = 0.0
        self._swept = float("-inf")
        self._left = 0  # bytes that the last sweep has left
        self._written = 0  # and what has been added since
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="zerogravity-trace", daemon=True)

    # -- the hot path ------------------------------------------------------------------------------------------

    def attach(self, store: MitmStore) -> None:
        """Record every turn that ``store`` opens from now on."""
        self._thread.start()
        store.on_open.append(self._opened)

    def told(self, turn_id: str, requests: Sequence[Request]) -> None:
        """What was sent; may come before the turn is opened."""
        self._put(_Told(turn_id, requests))

    def flush(self, timeout: float = 10) -> bool:
        """Wait until everything told so far is on disk. Not for the hot path."""
        done = threading.Event()
        try:
            self._queue.put(_Flush(done), timeout=timeout)
        except queue.Full:
            return False
        return done.wait(timeout)

    def close(self, timeout: float = 10) -> None:
        """Write what is left; turns that still run are written as far as they came."""
        if self._closed:
            return
        self._closed = True
        if self._thread.ident is None:  # it has never begun
            return
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    @property
    def waiting_bytes(self) -> int:
        """What waits to be written."""
        return self._put_bytes - self._done_bytes

    def _opened(self, channel: CascadeChannel) -> None:
        self._put(_Opened(channel, channel.records))

    def _put(self, job: _Opened | _Told) -> None:
        size = job.size if isinstance(job, _Told) else 0
        if self._closed or self.waiting_bytes + size > self.limits.job_bytes:
            self.dropped += 1
            return
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            self.dropped += 1
        else:
            self._put_bytes += size

    # -- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            waiting: list[threading.Event] = []
            try:
                job = self._queue.get(timeout=max(0.0, due - time.monotonic()) if self._open else None)
                stop = job is None
                while job is not None:
                    if isinstance(job, _Flush):
                        waiting.append(job.done)
                    else:
                        self._guarded(self._take, job)
                    job = self._queue.get_nowait()
                    stop = stop or job is None
            except queue.Empty:
                stop = False
            now = time.monotonic()
            if stop or waiting or now >= due:
                due = now + self._tick
                for writer in list(self._open.values()):
                    self._guarded(self._advance, writer)
            for done in waiting:
                done.set()
            if stop:
                for writer in list(self._open.values()):
                    self._guarded(self._finish, writer)
                return

    def _take(self, job: _Opened | _Told) -> None:
        match job:
            case _Opened(channel, records):
                self._begin(channel, records)
            case _Told():
                self._done_bytes += job.size
                self._requests(job)

    def _begin(self, channel: CascadeChannel, records: Sequence[Record]) -> None:
        self._sweep()
        folder = trace_folders.create(self.directory, channel.id, self._moment(channel.turn.created))
        writer = TurnWriter(folder, channel, records, self._surfaces.get(channel.turn.surface), self._secret)
        self._open[channel.id] = writer
        for told in self._early.pop(channel.id, []):
            self._write(writer, told)
        writer.summarise()
        self._well()

    def _moment(self, created: int) -> float:
        """When a turn began, to the millisecond, and later than the one before: names of folders keep the order."""
        now = self._wall()
        moment = min(max(now, created), created + 0.998) if created else now
        if 0 <= self._newest - moment < 1:
            moment = self._newest + 0.001
        self._newest = moment
        return moment

    def _requests(self, told: _Told) -> None:
        if (writer := self._open.get(told.turn_id)) is not None:
            self._write(writer, told)
        elif ids.valid(told.turn_id, "turn"):
            self._early.setdefault(told.turn_id, []).append(told)
            while len(self._early) > EARLY or self._early_bytes() > self.limits.job_bytes:
                self._early.popitem(last=False)

    def _early_bytes(self) -> int:
        return sum(told.size for several in self._early.values() for told in several)

    def _write(self, writer: TurnWriter, told: _Told) -> None:
        for request in told.requests:
            writer.request(request)
        if any(request.name != CLIENT for request in told.requests):
            writer.summarise()  # a turn that never ends shows where it called, too

    def _advance(self, writer: TurnWriter) -> None:
        if writer.advance():
            self._finish(writer)

    def _finish(self, writer: TurnWriter) -> None:
        self._open.pop(writer.channel.id, None)
        writer.finish()
        self._written += writer.size
        self._sweep()
        self._well()

    def _sweep(self) -> None:
        now = self._wall()
        if now - self._swept < SWEEP_S and self._held() <= self.limits.max_bytes:
            return
        self._swept = now
        self._left = trace_folders.sweep(
            self.directory, max_bytes=self.limits.max_bytes, max_age_s=self.limits.max_age_s, now_s=now,
            keep={writer.folder for writer in self._open.values()},
        )  # fmt: skip
        self._written = 0

    def _held(self) -> int:
        return self._left + self._written + sum(writer.size for writer in self._open.values())

    def _guarded(self, work: Callable[[Any], None], argument: Any) -> None:
        """Guard point: a trace can fail, a turn never."""
        try:
            work(argument)
        except OSError as error:
            self._ill(f"traces cannot be written to {self.directory}: {error.strerror or error}", argument)
        except Exception:
            logger.exception("a trace could not be written")
            self._ill("a trace could not be written; see the log", argument)

    def _ill(self, text: str, about: Any) -> None:
        self.dropped += 1
        turn_id = getattr(getattr(about, "channel", None), "id", getattr(about, "turn_id", ""))
        if (writer := self._open.pop(turn_id, None)) is not None:
            writer.abandon()
        if self.degraded != text:
            self.degraded = text
            logger.warning("%s", text)
            run_guarded(self._report, text)

    def _well(self) -> None:
        if self.degraded is not None:
            self.degraded = None
            run_guarded(self._report, None)


TraceSink = Recorder | NullRecorder
