"""``run(turn)`` → its ``CascadeChannel``: the only orchestrator. Admission, cascade, marker, deadlines, cancel.

One supervisor task per turn; it sleeps until its next deadline or until something changes that matters, never per
event. Sees whoever makes the call as a ``Backend``; knows neither HTTP nor mitmproxy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from zerogravity import background
from zerogravity.admission import AdmissionQueue
from zerogravity.backends.base import Backend
from zerogravity.core.channel import CascadeChannel, Clock
from zerogravity.core.events import Failed
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Target, Turn
from zerogravity.deadlines import NS, Deadlines, Limits, queue_full, queue_timeout
from zerogravity.errors import Fault, FaultError, Origin, Termination, internal, shutting_down

logger = logging.getLogger("zerogravity.engine")
LINGER_S = 30.0  # how long the LS's answer to our message may come after the turn's end
CLOSE_S = 5.0


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
        self._deadlines = Deadlines(self.limits, captured=backend.captured, why_no_call=why_no_call)
        self._placeholder = placeholder
        self._wait = wait
        self._places = AdmissionQueue(self.limits.concurrent, self.limits.waiting)
        self._tasks = background.Tasks()
        self._spawn = self._tasks.spawn
        self._lingering: set[asyncio.Task[None]] = set()
        self._closing = False
        self._place_of: dict[str, asyncio.Future[None]] = {}  # by the turn's id
        store.on_closed.append(self._leave_queue)

    @property
    def active(self) -> int:
        return self._places.taken

    @property
    def waiting(self) -> int:
        return len(self._places.queue)

    # -- the verbs -------------------------------------------------------------------------------------------

    def run(self, turn: Turn) -> CascadeChannel:
        """Start a turn; returns at once. Whatever goes wrong from here on ends the channel with ``Failed``.

        Raises FaultError, before there is a channel, for a turn that cannot be served in this mode.
        """
        self._backend.admit(turn)
        running = self._store.open(turn, abandoned=None if turn.background else self._abandoned)
        running.mark("queued")
        if self._closing:
            running.close(Failed(shutting_down()))
        elif (place := self._places.acquire()) is None:
            running.close(Failed(queue_full(self.limits)))
        else:
            self._place_of[running.id] = place
            self._spawn(self._supervise(running, place), f"turn {running.id}")
        return running.channel

    def cancel(self, channel: CascadeChannel, termination: Termination = Termination.CANCELLED) -> bool:
        """End a running turn: the client gets a terminal, the LS and the upstream call are stopped."""
        gone = termination is Termination.CLIENT_GONE
        message = "the client has gone" if gone else "the turn was cancelled"
        fault = Fault(Origin.CLIENT, 499, termination.value, message, termination=termination)
        running = self._store.running(channel.id)
        return running is not None and running.close(Failed(fault))

    async def close(self, timeout: float = CLOSE_S) -> None:
        """Shutdown: every open turn gets its terminal first, then what runs for it ends, by force if need be."""
        self._closing = True
        self._store.close(Failed(shutting_down()))
        for telling in self._lingering:
            telling.cancel()
        await self._tasks.end(timeout)

    # -- one turn --------------------------------------------------------------------------------------------

    async def _supervise(self, running: RunningTurn, place: asyncio.Future[None]) -> None:
        work: list[asyncio.Task[None]] = []
        try:
            await self._admitted(running, place)
            if not running.closed:
                running.mark("admitted")
                work.append(self._spawn(self._guarded(running, self._tell(running, work)), f"tell {running.id}"))
                await self._watch(running)
        except FaultError as error:
            running.close(Failed(error.fault))
        except asyncio.CancelledError:
            running.close(Failed(shutting_down()))
            raise
        except Exception:  # guard point: our own bug ends this turn, typed, and no other
            logger.exception("turn %s failed with an internal error", running.id)
            running.close(Failed(internal()))
        finally:
            self._places.release(place)
            self._clean_up(running, work)

    async def _admitted(self, running: RunningTurn, place: asyncio.Future[None]) -> None:
        """Wait for the place, or for the turn's end. Raises FaultError after ``queue_wait``."""
        try:
            await self._wait(place, self.limits.queue_wait)
        except TimeoutError:
            if not place.done() or place.cancelled():
                raise FaultError(queue_timeout(self.limits)) from None
        except asyncio.CancelledError:
            if not (running.closed and place.cancelled()):
                raise

    def _leave_queue(self, channel: CascadeChannel) -> None:
        if (place := self._place_of.pop(channel.id, None)) is not None:
            place.cancel()  # changes nothing where it is taken already

    async def _guarded(self, running: RunningTurn, work: Coroutine[Any, Any, None]) -> None:
        """Something that runs for a turn beside its supervisor: what goes wrong in it ends the turn."""
        try:
            await work
        except FaultError as error:
            running.close(Failed(error.fault))
        except Exception:  # guard point, as above
            logger.exception("turn %s failed with an internal error", running.id)
            running.close(Failed(internal()))

    async def _tell(self, running: RunningTurn, work: list[asyncio.Task[None]]) -> None:
        """Start a cascade, make the channel claimable, then send the message (invariant 9)."""
        await self._backend.check()
        model = self._placeholder(running.turn.target)
        cascade_id = await self._started(running, model)
        if cascade_id is None:
            return
        running.mark("told")
        captured = self._backend.captured
        beside = self._follow(running) if captured else self._guarded(running, self._backend.follow(running))
        work.append(self._spawn(beside, f"beside {running.id}"))
        try:
            await self._backend.send(cascade_id, running.turn, model)
        except FaultError as error:
            if "matched" not in running.channel.marks and not running.channel.count:
                raise
            # the answer is on its way; the LS's own trouble does not spoil it
            logger.info("turn %s: the language server answered late: %s", running.id, error)
        else:
            await self._tidy(self._backend.annotate, cascade_id)

    async def _started(self, running: RunningTurn, model: str) -> str | None:
        """The cascade of this turn, claimable; None when the turn has ended meanwhile, and wants none any more."""
        starting = self._spawn(self._backend.start_cascade(model), f"start {running.id}")
        try:
            await asyncio.wait((starting,))
            if not running.closed:
                self._store.bind(running, starting.result())
            return running.cascade_id
        finally:
            if running.cascade_id is None:
                self._spawn(self._discard(starting), f"discard {running.id}")

    async def _discard(self, starting: asyncio.Task[str]) -> None:
        """A cascade that may come all the same, told nothing and known to nobody."""
        if not self._backend.deletes:
            starting.cancel()
        await asyncio.wait((starting,))
        if starting.cancelled() or starting.exception() is not None or self._store.find(starting.result()) is not None:
            return
        if self._backend.deletes:
            await self._tidy(self._backend.delete, starting.result())

    async def _follow(self, running: RunningTurn) -> None:
        """Follow a captured turn until Google's call is here. From then on that would only say again what we read off
        the wire, whole texts at each event (measured: a quarter of a paced turn's CPU)."""
        following = self._spawn(self._tidy(self._backend.follow, running), f"follow {running.id}")
        try:
            while "matched" not in running.channel.marks and not running.closed:
                await running.changed()
        finally:
            following.cancel()
            await asyncio.wait((following,))

    async def _watch(self, running: RunningTurn) -> None:
        """Sleep until the terminal record or a deadline. Re-armed from the newest record, not per event."""
        awaited, resumed = False, 0
        while not running.closed:
            if awaited and running.awaiting is None:
                resumed = self._clock()  # the LS's next call has come: its first byte may take its time again
            awaited = running.awaiting is not None
            deadline, missed = self._deadlines.next(running, resumed)
            left = (deadline - self._clock()) / NS
            if left <= 0:
                running.close(Failed(missed()))
                return
            try:
                await self._wait(running.changed(), left)
            except TimeoutError:
                continue

    def _clean_up(self, running: RunningTurn, work: list[asyncio.Task[None]]) -> None:
        """After the end: stop what still runs for this turn. The LS goes on otherwise, and spends quota (D.4).

        But an own fault must not cost the LS its answer: interception fails open (invariant 5).
        """
        channel = running.channel
        open_end = channel.termination is Termination.INTERNAL and "matched" in channel.marks
        failed = isinstance(channel.terminal, Failed) and not open_end
        running.end_attempts(cut=failed)
        if work:
            self._spawn(self._wind_down(running.cascade_id, work, failed=failed), f"wind down {running.id}")

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
