"""``Recorder``: one folder per turn, written by one thread behind a bounded queue. On the hot path it costs four queue
puts of references per turn; the thread itself reads events from the channel, in batches, and begins when it is quiet,
or when many bytes of requests wait: a turn that is short is written once, when it is over.

A full queue drops and counts; a disk that cannot be written degrades health; neither ever affects a turn.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zerogravity import ids
from zerogravity.core.callbacks import run_guarded
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Record
from zerogravity.core.registry import MitmStore
from zerogravity.observe import prices, trace_folders
from zerogravity.observe.requests import Request, RequestSink
from zerogravity.observe.sessions import Sessions
from zerogravity.observe.trace_writer import TurnWriter
from zerogravity.observe.turn_texts import Said
from zerogravity.worker import PATIENCE_S, BackgroundWorker

logger = logging.getLogger("zerogravity.trace")

PAUSE_S = 0.25  # of quiet, before what has come is written
TICK_S = 1.0  # how often running turns are written, which `trace show --follow` sees
PATIENT_BYTES = 4 << 20  # of requests that may wait for a calmer moment
MANY = 64  # of them are written half as often
EARLY = 64  # requests kept until their turn is opened
SWEEP_S = 600.0


@dataclass(frozen=True, slots=True)
class TraceLimits:
    """``max_bytes``, ``max_age_s``: of all traces. ``jobs``, ``job_bytes``: of what waits to be written."""

    max_bytes: int = 512 << 20
    max_age_s: float = 7 * 86400
    jobs: int = 2000
    job_bytes: int = 128 << 20


class NullRecorder(RequestSink):
    """Tracing is off."""

    dropped = 0
    waiting_bytes = 0

    def attach(self, store: MitmStore) -> None:
        """Records nothing."""

    def take(self, turn_id: str, requests: Sequence[Request]) -> None:
        """Keeps nothing."""

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True)
class _Opened:
    channel: CascadeChannel
    records: Sequence[Record]  # the list itself: eviction gives the channel a new one


@dataclass(frozen=True, slots=True)
class _Requests:
    turn_id: str
    requests: Sequence[Request]

    @property
    def size(self) -> int:
        return sum(len(request.body) for request in self.requests)


@dataclass(frozen=True, slots=True)
class _Closed:
    turn_id: str


@dataclass(frozen=True, slots=True)
class _All:
    """All that has come, of all turns."""


_Job = _Opened | _Requests | _Closed | _All


class Recorder(RequestSink):
    """Writes what happens below ``directory``.

    ``report``       is called with the reason when traces cannot be written, with None when they can again.
    ``on_finished``  is called, in the recorder's thread, with the folder of each turn that is over and written, and
                     what it has said, unless only the folder knows that.
    ``on_removed``   the same with each folder that was removed to stay within the limits.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        limits: TraceLimits | None = None,
        sessions: Sessions | None = None,
        wall: Callable[[], float] = time.time,
        report: Callable[[str | None], None] = lambda _: None,
        on_finished: Callable[[Path, Said | None], None] = lambda folder, said: None,
        on_removed: Callable[[Path], None] = lambda _: None,
        tick: float = TICK_S,
        pause: float = PAUSE_S,
    ) -> None:
        self.directory = Path(directory)
        self.limits = limits or TraceLimits()
        self._trouble: str | None = None
        self._lost = 0
        self._wall = wall
        self._sessions = sessions or Sessions()
        self._report = report
        self._on_finished = on_finished
        self._on_removed = on_removed
        self._tick = tick
        self._due = time.monotonic() + tick  # when running turns are written next
        self._worker: BackgroundWorker[_Job] = BackgroundWorker(
            "trace", self._work, limit=self.limits.jobs, pause=pause, patience=PATIENCE_S,
            every=self._every, ended=self._end,
        )  # fmt: skip
        self._put_bytes = 0  # written by the hot path only
        self._done_bytes = 0  # written by the thread only
        self._open: dict[str, TurnWriter] = {}
        self._early: OrderedDict[str, list[_Requests]] = OrderedDict()
        self._newest = 0.0
        self._swept = float("-inf")
        self._left = 0  # bytes after the last sweep
        self._written = 0  # bytes added since

    # -- the hot path ------------------------------------------------------------------------------------------

    def attach(self, store: MitmStore) -> None:
        """Record every turn that ``store`` opens from now on."""
        self._worker.start()
        store.on_open.append(self._opened)
        store.on_closed.append(lambda channel: self._put(_Closed(channel.id)))

    def take(self, turn_id: str, requests: Sequence[Request]) -> None:
        """Requests of a turn; may come before it is opened."""
        self._put(_Requests(turn_id, requests))

    def flush(self, timeout: float = 10) -> bool:
        """Wait until everything so far is on disk. Not for the hot path. The first flush makes room for the order."""
        return self._worker.flush(timeout) and self._worker.put(_All()) and self._worker.flush(timeout)

    def close(self, timeout: float = 10) -> None:
        """Write what is left, including unfinished turns."""
        self._worker.close(timeout)

    @property
    def dropped(self) -> int:
        """How much was not recorded because the queue was full or the disk failed."""
        return self._lost + self._worker.dropped

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait to be written."""
        return self._put_bytes - self._done_bytes

    def _opened(self, channel: CascadeChannel) -> None:
        self._put(_Opened(channel, channel.records))

    def _put(self, job: _Job) -> None:
        size = job.size if isinstance(job, _Requests) else 0
        if self.waiting_bytes + size > self.limits.job_bytes:
            self._lost += 1
        elif self._worker.put(job):
            self._put_bytes += size
            if self.waiting_bytes > min(PATIENT_BYTES, self.limits.job_bytes // 2):
                self._worker.hurry()

    # -- the thread --------------------------------------------------------------------------------------------

    def _every(self) -> float | None:
        return max(self._due - time.monotonic(), 0) if self._open else None

    def _work(self, jobs: list[_Job]) -> None:
        for job in jobs:
            self._guarded(self._take, job)
        if (now := time.monotonic()) >= self._due:
            self._due = now + self._tick * (1 if len(self._open) < MANY else 2)
            self._advance_all()

    def _end(self) -> None:
        self._advance_all()
        for writer in list(self._open.values()):
            self._guarded(self._finish, writer)

    def _take(self, job: _Job) -> None:
        match job:
            case _Opened(channel, records):
                self._begin(channel, records)
            case _Requests():
                self._done_bytes += job.size
                self._write_requests(job)
            case _Closed(turn_id):
                if (writer := self._open.get(turn_id)) is not None:
                    self._advance(writer)
            case _All():
                self._advance_all()

    def _advance_all(self) -> None:
        for writer in list(self._open.values()):
            self._guarded(self._advance, writer)

    def _begin(self, channel: CascadeChannel, records: Sequence[Record]) -> None:
        self._sweep()
        folder = trace_folders.create(self.directory, channel.id, self._moment(channel.turn.created))
        try:
            writer = TurnWriter(folder, channel, records, partial(self._sessions.of, channel))
        except BaseException:
            trace_folders.remove(folder)
            raise
        self._open[channel.id] = writer
        for sent in self._early.pop(channel.id, []):
            self._write(writer, sent)
        self._recover()

    def _moment(self, created: float) -> float:
        """When a turn began, and after the one before: names of folders sort in that order."""
        moment = created or self._wall()
        if 0 <= self._newest - moment < 1:
            moment = self._newest + 0.001
        self._newest = moment
        return moment

    def _write_requests(self, sent: _Requests) -> None:
        if (writer := self._open.get(sent.turn_id)) is not None:
            self._write(writer, sent)
        elif ids.valid(sent.turn_id, "turn"):
            self._early.setdefault(sent.turn_id, []).append(sent)
            while len(self._early) > EARLY or self._early_bytes() > self.limits.job_bytes:
                self._early.popitem(last=False)

    def _early_bytes(self) -> int:
        return sum(sent.size for several in self._early.values() for sent in several)

    def _write(self, writer: TurnWriter, sent: _Requests) -> None:
        for request in sent.requests:
            writer.request(request)

    def _advance(self, writer: TurnWriter) -> None:
        if writer.advance():
            self._finish(writer)

    def _finish(self, writer: TurnWriter) -> None:
        self._open.pop(writer.channel.id, None)
        prices.load()  # else those of the first turns are missing
        said = writer.finish()
        self._written += writer.size
        run_guarded(self._on_finished, writer.folder, said)
        self._sweep()
        self._recover()

    def _sweep(self) -> None:
        now = self._wall()
        if now - self._swept < SWEEP_S and self._held() <= self.limits.max_bytes:
            return
        self._swept = now
        self._left = trace_folders.sweep(
            self.directory, max_bytes=self.limits.max_bytes, max_age_s=self.limits.max_age_s, now_s=now,
            keep={writer.folder for writer in self._open.values()},
            on_removed=partial(run_guarded, self._on_removed),
        )  # fmt: skip
        self._written = 0

    def _held(self) -> int:
        return self._left + self._written + sum(writer.size for writer in self._open.values())

    def _guarded[T: (_Job, TurnWriter)](self, work: Callable[[T], None], argument: T) -> None:
        """Guard point: a trace may fail, a turn never."""
        try:
            work(argument)
        except OSError as error:
            self._degrade(f"traces cannot be written to {self.directory}: {error.strerror or error}", argument)
        except Exception:
            logger.exception("a trace could not be written")
            self._degrade("a trace could not be written; see the log", argument)

    def _degrade(self, text: str, about: _Job | TurnWriter) -> None:
        self._lost += 1
        writer = None if isinstance(about, _All) else self._open.pop(_turn_id(about), None)
        if writer is not None and not (writer.folder / trace_folders.SUMMARY).exists():
            trace_folders.remove(writer.folder)
        if self._trouble != text:
            self._trouble = text
            logger.warning("%s", text)
            run_guarded(self._report, text)

    def _recover(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            run_guarded(self._report, None)


def _turn_id(about: _Opened | _Requests | _Closed | TurnWriter) -> str:
    return about.turn_id if isinstance(about, _Requests | _Closed) else about.channel.id


TraceSink = Recorder | NullRecorder
