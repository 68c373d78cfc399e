"""``run(turn) → CascadeChannel``: the only orchestrator. Admission, cascade, marker, deadlines, cancel.

One supervisor task per turn; it sleeps until its next deadline or until something changes that matters, never per
event. Sees the language server through a Protocol; knows neither HTTP nor mitmproxy.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from zerogravity.core.channel import CascadeChannel, Clock
from zerogravity.core.events import Failed
from zerogravity.core.store import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, FaultError, Guilt, Termination, internal, language_server, upstream

logger = logging.getLogger("zerogravity.engine")
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Defaults of reliability-and-security section 5; all in seconds but the counts."""

    concurrent: int = 4
    waiting: int = 50
    queue_wait: float = 600
    match: float = 20
    idle: float = 120
    total: float = 1800


class LanguageServer(Protocol):
    """What the engine needs of a language server. Every method raises FaultError."""

    def known_fault(self) -> Fault | None:
        """Why no turn can be served, if that is known before anything is sent (not found, not logged in)."""
        ...

    async def start_cascade(self, model: str) -> str: ...
    async def send_message(self, cascade_id: str, text: str, *, model: str) -> None:
        """Tell the LS; may last as long as the turn (F10)."""
        ...

    async def cancel(self, cascade_id: str) -> None: ...
    async def annotate(self, cascade_id: str) -> None: ...
    async def delete(self, cascade_id: str) -> None: ...


Reader = Callable[[CascadeChannel, LanguageServer], Coroutine[Any, Any, None]]
"""Fills a channel by other means than interception (the step-polling fallback)."""


class Engine:
    """Runs turns against one language server.

    ``reader``  None: answers are captured on the wire. Else the fallback that reads the LS's steps.
    ``wait``    ``asyncio.wait_for``-like, injectable: waits for an awaitable at most so many seconds.
    """

    def __init__(
        self,
        store: MitmStore,
        ls: LanguageServer,
        *,
        limits: Limits | None = None,
        clock: Clock,
        delete_cascades: bool = False,
        reader: Reader | None = None,
        message: Callable[[Turn, str], str] | None = None,
        wait: Callable[[Awaitable[None], float], Awaitable[None]] = asyncio.wait_for,
    ) -> None:
        self.limits = limits or Limits()
        self._store = store
        self._ls = ls
        self._clock = clock
        self._delete = delete_cascades
        self._reader = reader
        self._message = message or (lambda _, cascade_id: f".<cid:{cascade_id}>")
        self._wait = wait
        self._running = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def active(self) -> int:
        return self._running

    @property
    def waiting(self) -> int:
        return len(self._queue)

    # -- the verbs -------------------------------------------------------------------------------------------

    def run(self, turn: Turn) -> CascadeChannel:
        """Start a turn; returns at once. Whatever goes wrong ends the channel with ``Failed``."""
        channel = self._store.open(turn)
        channel.mark("queued")
        if not turn.background:
            channel.on_abandoned = self._abandoned
        if self._closing:
            channel.close(Failed(_shutting_down()))
        elif self._running >= self.limits.concurrent and len(self._queue) >= self.limits.waiting:
            channel.close(Failed(_queue_full(self.limits)))
        else:
            self._spawn(self._supervise(channel), f"turn {channel.id}")
        return channel

    def cancel(self, channel: CascadeChannel, termination: Termination = Termination.CANCELLED) -> bool:
        """End a running turn: the client gets a terminal, the LS and the upstream call are stopped."""
        gone = termination is Termination.CLIENT_GONE
        message = "the client has gone" if gone else "the turn was cancelled"
        return channel.close(Failed(Fault(Guilt.CLIENT, 499, termination.value, message, termination=termination)))

    async def close(self) -> None:
        """Shutdown: every open turn gets its terminal first, then the supervisors end."""
        self._closing = True
        for channel in self._store:
            channel.close(Failed(_shutting_down()))
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=5)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # -- one turn --------------------------------------------------------------------------------------------

    async def _supervise(self, channel: CascadeChannel) -> None:
        told: asyncio.Task[None] | None = None
        admitted = False
        try:
            await self._admit(channel)
            admitted = True
            channel.mark("admitted")
            if channel.closed:
                return
            if (fault := self._ls.known_fault()) is not None:
                raise FaultError(fault)
            told = await self._tell(channel)
            await self._watch(channel)
        except FaultError as error:
            channel.close(Failed(error.fault))
        except asyncio.CancelledError:
            channel.close(Failed(_shutting_down()))
            raise
        except Exception:  # guard point: our own bug ends this turn, typed, and no other
            logger.exception("turn %s failed by our own fault", channel.id)
            channel.close(Failed(internal()))
        finally:
            if admitted:
                self._leave()
            await self._clean_up(channel, told)

    async def _admit(self, channel: CascadeChannel) -> None:
        """Wait for a place. Raises FaultError after ``queue_wait``; returns early when the turn has ended."""
        if self._running < self.limits.concurrent and not self._queue:
            self._running += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(place)

        def leave(_: CascadeChannel) -> None:
            if not place.done():
                place.cancel()

        channel.on_close.append(leave)
        try:
            await self._wait(place, self.limits.queue_wait)
        except TimeoutError:
            raise FaultError(
                language_server(
                    503, "queue_timeout", "no free place in time", Termination.QUEUE_TIMEOUT, retry_after=30
                )
            ) from None
        except asyncio.CancelledError:
            if not channel.closed:
                raise
            raise FaultError(_shutting_down()) from None  # the channel has its terminal already
        finally:
            if place in self._queue:
                self._queue.remove(place)

    def _leave(self) -> None:
        """Hand the place to the next in the queue, or free it."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._running -= 1

    async def _tell(self, channel: CascadeChannel) -> asyncio.Task[None]:
        """Start a cascade, make the channel claimable, then send the marker in the background (invariant 9)."""
        model = channel.turn.target.ls_model
        cascade_id = await self._ls.start_cascade(model)
        self._store.bind(channel, cascade_id)
        channel.mark("told")
        text = self._message(channel.turn, cascade_id)
        return self._spawn(self._send(channel, cascade_id, text, model), f"send {channel.id}")

    async def _send(self, channel: CascadeChannel, cascade_id: str, text: str, model: str) -> None:
        """The LS may answer at once or when the turn is over; only its refusal matters."""
        try:
            await self._ls.send_message(cascade_id, text, model=model)
            await self._ls.annotate(cascade_id)
        except FaultError as error:
            if "matched" not in channel.marks:
                channel.close(Failed(error.fault))
            else:  # the answer is on its way over the wire; the LS's own trouble does not spoil it
                logger.info("turn %s: the language server answered late: %s", channel.id, error)

    async def _watch(self, channel: CascadeChannel) -> None:
        """Sleep until the terminal record or a deadline. Re-armed from the newest record, not per event."""
        reader = None
        if self._reader is not None:
            reader = self._spawn(self._reader(channel, self._ls), f"steps {channel.id}")
        try:
            while not channel.closed:
                deadline, fault = self._deadline(channel)
                left = (deadline - self._clock()) / NS
                if left <= 0:
                    channel.close(Failed(fault))
                    return
                try:
                    await self._wait(self._settled(channel), left)
                except TimeoutError:
                    continue
        finally:
            if reader is not None:
                reader.cancel()

    async def _settled(self, channel: CascadeChannel) -> None:
        """Returns when the turn is over, or when what it waits for has changed (not at every event)."""
        if not channel.closed:
            await channel.phase_changed()

    def _deadline(self, channel: CascadeChannel) -> tuple[int, Fault]:
        """The next deadline of a running turn and what it means to miss it."""
        limits, marks = self.limits, channel.marks
        candidates = [(marks["received"] + int(limits.total * NS), _too_long(limits.total))]
        newest = channel.records[-1].t_ns if channel.records else marks.get("matched")
        if channel.awaiting is not None:
            since = newest or marks["told"]
            candidates.append((since + int(channel.awaiting.seconds * NS), channel.awaiting.late))
        elif newest is not None or self._reader is not None:
            candidates.append(((newest or marks["told"]) + int(limits.idle * NS), _idle(limits.idle)))
        else:
            candidates.append((marks["told"] + int(limits.match * NS), _unmatched(limits.match)))
        return min(candidates, key=lambda candidate: candidate[0])

    async def _clean_up(self, channel: CascadeChannel, told: asyncio.Task[None] | None) -> None:
        """After the end: stop what still runs for this turn. The LS goes on otherwise, and spends quota (D.4)."""
        failed = isinstance(channel.terminal, Failed)
        if failed:
            for abort in channel.upstream_abort:
                abort()
        channel.upstream_abort.clear()
        cascade_id = channel.cascade_id
        if cascade_id is None or told is None:
            return
        if failed:
            self._spawn(self._tidy(self._ls.cancel(cascade_id)), f"cancel {channel.id}")
        elif self._delete:
            self._spawn(self._tidy(self._ls.delete(cascade_id)), f"delete {channel.id}")

    async def _tidy(self, call: Awaitable[None]) -> None:
        try:
            await call
        except FaultError as error:
            logger.info("tidying up: %s", error)

    def _abandoned(self, channel: CascadeChannel) -> None:
        self.cancel(channel, Termination.CLIENT_GONE)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _shutting_down() -> Fault:
    return internal("zerogravity is shutting down", Termination.SHUTDOWN, status=503, code="shutting_down")


def _queue_full(limits: Limits) -> Fault:
    text = f"{limits.concurrent} turns run and {limits.waiting} wait"
    return language_server(503, "queue_full", text, Termination.QUEUE_FULL, retry_after=10)


def _unmatched(seconds: float) -> Fault:
    text = f"the language server made no call to Google that passed here within {seconds:g} s; run: zerogravity doctor"
    return language_server(504, "match_timeout", text, Termination.MATCH_TIMEOUT)


def _idle(seconds: float) -> Fault:
    return upstream(504, "upstream_idle", f"Google has sent nothing for {seconds:g} s", Termination.UPSTREAM_IDLE)


def _too_long(seconds: float) -> Fault:
    return internal(f"the turn took longer than {seconds:g} s", Termination.LIMIT_TIME, status=504)
