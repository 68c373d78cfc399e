"""``run(turn) → CascadeChannel``: the only orchestrator. Admission, cascade, marker, deadlines, cancel.

One supervisor task per turn; it sleeps until its next deadline or until something changes that matters, never per
event. Sees whoever makes the call as a ``Backend``; knows neither HTTP nor mitmproxy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from zerogravity import background
from zerogravity.admission import AdmissionQueue
from zerogravity.backends.base import Backend
from zerogravity.core.channel import CascadeChannel, Clock
from zerogravity.core.events import Failed
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import (
    AGAIN,
    DOCTOR,
    Fault,
    FaultError,
    Origin,
    Termination,
    internal,
    language_server,
    shutting_down,
    upstream,
)

logger = logging.getLogger("zerogravity.engine")
NS = 1_000_000_000
LINGER_S = 30.0  # how long the LS's answer to our message may come after the turn's end
CLOSE_S = 5.0
FEWER = "Send fewer at once, or raise limits.turns."


@dataclass(frozen=True, slots=True)
class Limits:
    """Defaults of reliability-and-security section 5; all in seconds but the counts."""

    concurrent: int = 4
    waiting: int = 50
    queue_wait: float = 600
    match: float = 20
    first_byte: float = 120
    idle: float = 120
    total: float = 1800


class Engine:
    """Runs turns against one back end.

    ``why_no_call``  why the LS's call to Google may not have come, if that is known.
    ``placeholder``  what the LS calls a model now: it may be another LS by the time a turn gets its place.
    ``wait``     ``asyncio.wait_for``-like, injectable: waits for an awaitable at most so many seconds.
    """

    def __init__(
        self,
        store: MitmStore,
        backend: Backend,
        *,
        limits: Limits | None = None,
        clock: Clock,
        why_no_call: Callable[[], str | None] = lambda: None,
        placeholder: Callable[[Target], str] = lambda target: target.ls_model,
        wait: Callable[[Awaitable[None], float], Awaitable[None]] = asyncio.wait_for,
    ) -> None:
        self.limits = limits or Limits()
        self._store = store
        self._backend = backend
        self._clock = clock
        self._why_no_call = why_no_call
        self._placeholder = placeholder
        self._wait = wait
        self._places = AdmissionQueue(self.limits.concurrent, self.limits.waiting)
        self._tasks = background.Tasks()
        self._spawn = self._tasks.spawn
        self._lingering: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def active(self) -> int:
        return self._places.taken

    @property
    def waiting(self) -> int:
        return len(self._places.queue)

    # -- the verbs -------------------------------------------------------------------------------------------

    def run(self, turn: Turn) -> CascadeChannel:
        """Start a turn; returns at once. Whatever goes wrong from here on ends the channel with ``Failed``.

        Raises FaultError, before there is a channel, for a turn that can not be served in this mode.
        """
        self._backend.admit(turn)
        channel = self._store.open(turn)
        channel.mark("queued")
        if not turn.background:
            channel.on_abandoned = self._abandoned
        if self._closing:
            channel.close(Failed(shutting_down()))
        elif (place := self._places.acquire()) is None:
            channel.close(Failed(_queue_full(self.limits)))
        else:
            self._spawn(self._supervise(channel, place), f"turn {channel.id}")
        return channel

    def cancel(self, channel: CascadeChannel, termination: Termination = Termination.CANCELLED) -> bool:
        """End a running turn: the client gets a terminal, the LS and the upstream call are stopped."""
        gone = termination is Termination.CLIENT_GONE
        message = "the client has gone" if gone else "the turn was cancelled"
        return channel.close(Failed(Fault(Origin.CLIENT, 499, termination.value, message, termination=termination)))

    async def close(self, timeout: float = CLOSE_S) -> None:
        """Shutdown: every open turn gets its terminal first, then what runs for it ends, by force if need be."""
        self._closing = True
        for channel in self._store:
            channel.close(Failed(shutting_down()))
        for telling in self._lingering:
            telling.cancel()
        await self._tasks.end(timeout)

    # -- one turn --------------------------------------------------------------------------------------------

    async def _supervise(self, channel: CascadeChannel, place: asyncio.Future[None]) -> None:
        work: list[asyncio.Task[None]] = []
        try:
            await self._admitted(channel, place)
            if not channel.closed:
                channel.mark("admitted")
                work.append(self._spawn(self._guarded(channel, self._tell(channel, work)), f"tell {channel.id}"))
                await self._watch(channel)
        except FaultError as error:
            channel.close(Failed(error.fault))
        except asyncio.CancelledError:
            channel.close(Failed(shutting_down()))
            raise
        except Exception:  # guard point: our own bug ends this turn, typed, and no other
            logger.exception("turn %s failed by our own fault", channel.id)
            channel.close(Failed(internal()))
        finally:
            self._places.release(place)
            self._clean_up(channel, work)

    async def _admitted(self, channel: CascadeChannel, place: asyncio.Future[None]) -> None:
        """Wait for the place, or for the turn's end. Raises FaultError after ``queue_wait``."""

        def leave(_: CascadeChannel) -> None:
            if not place.done():
                place.cancel()

        channel.on_close.append(leave)
        try:
            await self._wait(place, self.limits.queue_wait)
        except TimeoutError:
            if not place.done() or place.cancelled():
                raise FaultError(_queue_timeout(self.limits.queue_wait)) from None
        except asyncio.CancelledError:
            if not (channel.closed and place.cancelled()):
                raise

    async def _guarded(self, channel: CascadeChannel, work: Coroutine[Any, Any, None]) -> None:
        """Something that runs for a turn beside its supervisor: what goes wrong in it ends the turn."""
        try:
            await work
        except FaultError as error:
            channel.close(Failed(error.fault))
        except Exception:  # guard point, as above
            logger.exception("turn %s failed by our own fault", channel.id)
            channel.close(Failed(internal()))

    async def _tell(self, channel: CascadeChannel, work: list[asyncio.Task[None]]) -> None:
        """Start a cascade, make the channel claimable, then send the message (invariant 9)."""
        await self._backend.check()
        model = self._placeholder(channel.turn.target)
        cascade_id = await self._started(channel, model)
        if cascade_id is None:
            return
        channel.mark("told")
        captured = self._backend.captured
        beside = self._follow(channel) if captured else self._guarded(channel, self._backend.follow(channel))
        work.append(self._spawn(beside, f"beside {channel.id}"))
        try:
            await self._backend.send(cascade_id, channel.turn, model)
        except FaultError as error:
            if "matched" not in channel.marks and not channel.records:
                raise
            # the answer is on its way; the LS's own trouble does not spoil it
            logger.info("turn %s: the language server answered late: %s", channel.id, error)
        else:
            await self._tidy(self._backend.annotate, cascade_id)

    async def _started(self, channel: CascadeChannel, model: str) -> str | None:
        """The cascade of this turn, claimable; None when the turn has ended meanwhile, and wants none any more."""
        starting = self._spawn(self._backend.start_cascade(model), f"start {channel.id}")
        try:
            await asyncio.wait((starting,))
            if not channel.closed:
                self._store.bind(channel, starting.result())
            return channel.cascade_id
        finally:
            if channel.cascade_id is None:
                self._spawn(self._discard(starting), f"discard {channel.id}")

    async def _discard(self, starting: asyncio.Task[str]) -> None:
        """A cascade that may come all the same, told nothing and known to nobody."""
        if not self._backend.deletes:
            starting.cancel()
        await asyncio.wait((starting,))
        if starting.cancelled() or starting.exception() is not None or self._store.find(starting.result()) is not None:
            return
        if self._backend.deletes:
            await self._tidy(self._backend.delete, starting.result())

    async def _follow(self, channel: CascadeChannel) -> None:
        """Follow a captured turn until Google's call is here. From then on that would only say again what we read off
        the wire, whole texts at each event (measured: a quarter of a paced turn's CPU)."""
        following = self._spawn(self._tidy(self._backend.follow, channel), f"follow {channel.id}")
        try:
            while "matched" not in channel.marks and not channel.closed:
                await channel.phase_changed()
        finally:
            following.cancel()
            await asyncio.wait((following,))

    async def _watch(self, channel: CascadeChannel) -> None:
        """Sleep until the terminal record or a deadline. Re-armed from the newest record, not per event."""
        awaited, resumed = False, 0
        while not channel.closed:
            if awaited and channel.awaiting is None:
                resumed = self._clock()  # the LS's next call has come: its first byte may take its time again
            awaited = channel.awaiting is not None
            deadline, missed = self._deadline(channel, resumed)
            left = (deadline - self._clock()) / NS
            if left <= 0:
                channel.close(Failed(missed()))
                return
            try:
                await self._wait(channel.phase_changed(), left)
            except TimeoutError:
                continue

    def _deadline(self, channel: CascadeChannel, resumed: int) -> tuple[int, Callable[[], Fault]]:
        """The next deadline of a running turn and what it means to miss it."""
        limits, marks = self.limits, channel.marks
        newest = channel.records[-1].t_ns if channel.records else None
        idle, first_byte = partial(_idle, limits.idle), partial(_idle, limits.first_byte)
        if (awaited := channel.awaiting) is not None:
            since, seconds, missed = newest or marks["admitted"], awaited.seconds, lambda: awaited.late
        elif newest is not None and newest >= resumed:
            since, seconds, missed = newest, limits.idle, idle
        elif resumed or "matched" in marks:
            since, seconds, missed = resumed or marks["matched"], limits.first_byte, first_byte
        elif "told" not in marks:
            since, seconds, missed = marks["admitted"], limits.match, partial(_no_cascade, limits.match)
        elif not self._backend.captured:
            since, seconds, missed = marks["told"], limits.first_byte, first_byte
        else:
            since, seconds, missed = marks["told"], limits.match, self._unmatched
        ends = marks["received"] + int(limits.total * NS), partial(_too_long, limits.total)
        return min((since + int(seconds * NS), missed), ends, key=lambda candidate: candidate[0])

    def _unmatched(self) -> Fault:
        return _unmatched(self.limits.match, self._why_no_call())

    def _clean_up(self, channel: CascadeChannel, work: list[asyncio.Task[None]]) -> None:
        """After the end: stop what still runs for this turn. The LS goes on otherwise, and spends quota (D.4).

        But an own fault must not cost the LS its answer: interception fails open (invariant 5).
        """
        open_end = channel.termination is Termination.INTERNAL and "matched" in channel.marks
        failed = isinstance(channel.terminal, Failed) and not open_end
        aborts, channel.upstream_abort = channel.upstream_abort, []
        for abort in aborts if failed else ():
            try:
                abort()
            except Exception:  # guard point: one call that can not be cut must not keep the others
                logger.exception("turn %s: an upstream call could not be cut", channel.id)
        if work:
            self._spawn(self._wind_down(channel.cascade_id, work, failed=failed), f"wind down {channel.id}")

    async def _wind_down(self, cascade_id: str | None, work: list[asyncio.Task[None]], *, failed: bool) -> None:
        """Stop the cascade of a failed turn; let the LS finish that of a good one; then nothing runs any more."""
        if failed and cascade_id is not None:
            await self._tidy(self._backend.cancel, cascade_id)
        elif not failed and not self._closing:
            await self._linger(work[0])
        for task in work:
            task.cancel()
        await asyncio.wait(work)
        if self._backend.deletes and cascade_id is not None:
            await self._tidy(self._backend.delete, cascade_id)

    async def _linger(self, telling: asyncio.Task[None]) -> None:
        """Give the LS the time to answer our message: breaking it off might stop what it still writes down."""
        self._lingering.add(telling)
        try:
            await self._wait(_ended(telling), LINGER_S)
        except TimeoutError:
            logger.info("the language server did not answer our message")
        finally:
            self._lingering.discard(telling)

    async def _tidy[T](self, call: Callable[[T], Awaitable[None]], argument: T) -> None:
        try:
            await call(argument)
        except FaultError as error:
            logger.info("tidying up: %s", error)
        except Exception:  # guard point: what is to be done after it must be done
            logger.exception("tidying up")

    def _abandoned(self, channel: CascadeChannel) -> None:
        self.cancel(channel, Termination.CLIENT_GONE)


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait((task,))


def _queue_full(limits: Limits) -> Fault:
    text = f"{limits.concurrent} turns run and {limits.waiting} wait"
    return language_server(503, "queue_full", text, Termination.QUEUE_FULL, retry_after=10, remedy=FEWER)


def _queue_timeout(seconds: float) -> Fault:
    text = f"no place became free within {seconds:g} s"
    return language_server(503, "queue_timeout", text, Termination.QUEUE_TIMEOUT, retry_after=30, remedy=FEWER)


def _no_cascade(seconds: float) -> Fault:
    text = f"the language server started no cascade within {seconds:g} s"
    return language_server(504, "ls_gone", text, Termination.LS_GONE, remedy=DOCTOR)


def _unmatched(seconds: float, why: str | None) -> Fault:
    text = f"the language server made no call to Google for this turn within {seconds:g} s that passed here"
    if why:
        text = f"{text}; {why}"
    return language_server(504, "match_timeout", text, Termination.MATCH_TIMEOUT, remedy="" if why else DOCTOR)


def _idle(seconds: float) -> Fault:
    return upstream(504, "upstream_idle", f"Google sent nothing for {seconds:g} s; {AGAIN}", Termination.UPSTREAM_IDLE)


def _too_long(seconds: float) -> Fault:
    return internal(f"the turn took more than {seconds:g} s (limits.turn_seconds)", Termination.LIMIT_TIME, status=504)
