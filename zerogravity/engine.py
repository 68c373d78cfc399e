"""``run(turn)`` → its ``CascadeChannel``: the only orchestrator. Admission, cascade, marker, deadlines, cancel.

One supervisor task per turn sleeps until the next deadline or a relevant change, and does not wake up for each event.
Knows the language server as a ``Backend``, and neither HTTP nor mitmproxy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from zerogravity import background
from zerogravity.admission import AdmissionQueue, Pace
from zerogravity.backends.base import Backend
from zerogravity.config import Limits
from zerogravity.core.channel import CascadeChannel, Clock
from zerogravity.core.events import Failed, Finished, Terminal
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import Following, RunningTurn
from zerogravity.core.turn import Target, Turn
from zerogravity.deadlines import NS, Deadlines, queue_full, queue_timeout, too_long
from zerogravity.errors import FaultError, Termination, cancelled, internal, shutting_down
from zerogravity.rounds import Rule

logger = logging.getLogger("zerogravity.engine")
LINGER_S = 30.0  # how long the LS's answers to us may come after the turn's end
CLOSE_S = 5.0
STARTS = 2, 16  # of few turns and of many, in one round of the event loop (measured; a turn needs some tens of them)


@dataclass(slots=True)
class _Work:
    """What runs for a turn beside its supervisor. ``taken``: the language server has accepted the message."""

    sending: asyncio.Task[None] | None = None
    following: asyncio.Task[None] | None = None
    taken: bool = False

    def tasks(self) -> list[asyncio.Task[None]]:
        return [task for task in (self.sending, self.following) if task is not None]


class Engine:
    """Runs turns against one back end.

    ``why_no_call``  why the LS's call to Google may not have come, if that is known.
    ``late``         how much of the time since a moment was ours: see ``Lateness.since``.
    ``placeholder``  the LS's current name of a model: by the time a turn gets its place it may be another LS.
    ``rules``        how turns go on beyond one request to Google; the first one that wants to is followed.
    ``wait``         ``asyncio.wait_for`` by default.
    """

    def __init__(
        self,
        store: MitmStore,
        backend: Backend,
        *,
        limits: Limits,
        clock: Clock,
        why_no_call: Callable[[], str | None] = lambda: None,
        late: Callable[[int], int] = lambda _: 0,
        placeholder: Callable[[Target], str] = lambda target: target.ls_model,
        rules: Sequence[Rule] = (),
        wait: Callable[[Awaitable[None], float], Awaitable[None]] = asyncio.wait_for,
    ) -> None:
        self._limits = limits
        self._store = store
        self._backend = backend
        self._clock = clock
        self._deadlines = Deadlines(
            limits, captured=backend.captured, words=backend.words, why_no_call=why_no_call, late=late
        )
        self._placeholder = placeholder
        self._rules = rules
        self._wait = wait
        self._places = AdmissionQueue(limits.turns or backend.places, limits.waiting)
        self._pace = Pace(*STARTS)
        self._tasks = background.Tasks()
        self._spawn = self._tasks.spawn
        self._lingering: set[asyncio.Task[None]] = set()
        self._closing = False
        self._queued: dict[str, asyncio.Future[None]] = {}  # turn id → its place
        self._preparing: dict[str, asyncio.Task[Turn | Terminal]] = {}  # turn id → what it does between two rounds
        store.on_closed.append(self._leave)

    @property
    def active(self) -> int:
        return self._places.taken

    @property
    def waiting(self) -> int:
        return len(self._places.queue)

    # -- the verbs -------------------------------------------------------------------------------------------

    def run(self, turn: Turn) -> CascadeChannel:
        """Start a turn; returns at once. Whatever goes wrong from here on ends the channel with ``Failed``.

        Raises FaultError, before there is a channel, for a turn that its client has wrong, or that this mode cannot
        serve. One that a rule refuses for any other reason has a channel, so that it is listed and counted.
        """
        self._backend.admit(turn)
        refusal = None
        try:
            for rule in self._rules:
                turn = rule.first(turn)
        except FaultError as error:
            if error.fault.termination is Termination.REJECTED:
                raise
            refusal = error
        abandoned = None if turn.background else self._abandoned
        running = self._store.open(turn, abandoned=abandoned, follow=self._follow)
        running.mark("queued")
        if self._closing:
            running.end(Failed(shutting_down()))
        elif refusal is not None:
            running.fail(refusal)
        elif turn.at_once:
            running.end(Finished("length"))
        elif (place := self._places.acquire()) is None:
            running.end(Failed(queue_full(self.active, self.waiting)))
        else:
            self._queued[running.id] = place
            self._spawn(self._supervise(running, place), f"turn {running.id}")
        return running.channel

    def cancel(self, channel: CascadeChannel, termination: Termination = Termination.CANCELLED) -> bool:
        """End a running turn: the client gets a terminal, the LS and the upstream call are stopped."""
        running = self._store.running(channel.id)
        return running is not None and running.end(Failed(cancelled(termination)))

    async def close(self, timeout: float = CLOSE_S) -> None:
        """Shutdown: every open turn gets its terminal event first, then its tasks end, by force if need be."""
        self._closing = True
        self._store.close(Failed(shutting_down()))
        for sending in self._lingering:
            sending.cancel()
        await self._tasks.end(timeout)

    # -- one turn --------------------------------------------------------------------------------------------

    async def _supervise(self, running: RunningTurn, place: asyncio.Future[None]) -> None:
        current: RunningTurn | None = running
        try:
            await self._admitted(running, place)
            if not running.closed:
                await self._pace.turn()
            if (turn := await self._prepared(running, running.turn)) is None:
                return
            running.ask(turn)
            while current is not None and not current.closed:
                await self._round(current)
                current = await self._next(current)
        except FaultError as error:
            running.fail(error)
        except asyncio.CancelledError:
            running.end(Failed(shutting_down()))
            raise
        except Exception:  # guard point: our own bug ends this turn and no other
            logger.exception("turn %s failed with an internal error", running.id)
            running.end(Failed(internal()))
        finally:
            self._places.release(place)

    async def _round(self, running: RunningTurn) -> None:
        """One request to Google, to the end of its answer."""
        work = _Work()
        try:
            running.mark("admitted")
            work.sending = self._spawn(self._guarded(running, self._send(running, work)), f"send {running.id}")
            await self._watch(running, work)
        finally:
            self._clean_up(running, work)

    # -- several rounds --------------------------------------------------------------------------------------

    def _follow(self, running: RunningTurn, terminal: Terminal) -> Following | None:
        """Called in the middle of capture, too."""
        if self._closing:
            return None
        return next(filter(None, (rule.after(running, terminal) for rule in self._rules)), None)

    async def _prepared(self, running: RunningTurn, turn: Turn) -> Turn | None:
        """That turn, once all is done that stands before the first request to its model; the turn for another model,
        where a rule has one instead of one that cannot be prepared. None: the turn is over. Raises FaultError."""
        if running.channel.closed:
            return None
        try:
            for rule in self._rules:
                if (before := rule.before(turn)) is not None:
                    if (made := await self._take(running, before)) is None:
                        return None
                    turn = made
            if turn.refusal is not None:  # else it has been admitted as it came
                self._backend.admit(turn)
        except FaultError as error:
            other = next(filter(None, (rule.unfit(turn, error.fault) for rule in self._rules)), None)
            if other is None:
                raise
            return await self._prepared(running, other)
        return turn

    async def _next(self, running: RunningTurn) -> RunningTurn | None:
        """The next round; None: the turn is over."""
        if (following := running.following) is None:
            return None
        turn = await self._take(running, following)
        if turn is not None and turn.target != running.turn.target:  # the request was read again, for another model
            turn = await self._prepared(running, turn)
        return None if turn is None else self._store.again(running, turn)

    async def _take(self, running: RunningTurn, following: Following) -> Turn | None:
        """Prepare what is asked next. None: the turn is over, now or since. Raises FaultError."""
        if running.channel.closed:
            return None
        self._preparing[running.id] = task = self._spawn(following.prepare(running), f"prepare {running.id}")
        left = (running.marks["received"] - self._clock()) / NS + self._limits.turn_seconds
        try:
            await self._wait(_ended(task), max(left, 0))
        except TimeoutError:
            raise FaultError(too_long(self._limits.turn_seconds)) from None
        finally:
            self._preparing.pop(running.id, None)
            task.cancel()
        if task.cancelled() or running.channel.closed:
            return None
        if isinstance(made := task.result(), Turn):
            return made
        running.end(made)
        return None

    async def _admitted(self, running: RunningTurn, place: asyncio.Future[None]) -> None:
        """Wait for the place, or for the turn's end. Raises FaultError after ``queue_wait``."""
        try:
            await self._wait(place, self._limits.queue_seconds)
        except TimeoutError:
            if not place.done() or place.cancelled():
                raise FaultError(queue_timeout(self._limits)) from None
        except asyncio.CancelledError:
            if not (running.closed and place.cancelled()):
                raise

    def _leave(self, channel: CascadeChannel) -> None:
        if (place := self._queued.pop(channel.id, None)) is not None:
            place.cancel()  # no effect once it is taken
        if (preparing := self._preparing.get(channel.id)) is not None:
            preparing.cancel()

    async def _guarded(self, running: RunningTurn, work: Coroutine[Any, Any, None]) -> None:
        """Work for a turn next to its supervisor: its failure ends the turn."""
        try:
            await work
        except FaultError as error:
            running.close(Failed(error.fault))
        except Exception:  # guard point, as above
            logger.exception("turn %s failed with an internal error", running.id)
            running.close(Failed(internal()))

    async def _send(self, running: RunningTurn, work: _Work) -> None:
        """Start a cascade, make the channel claimable, then send the message (invariant 9)."""
        await self._backend.check()
        model = self._placeholder(running.turn.target)
        cascade_id = await self._started(running, model)
        if cascade_id is None:
            return
        running.mark("told")
        captured, follow = self._backend.captured, self._backend.follow
        follower = self._tidy(follow, running) if captured else self._guarded(running, follow(running))
        work.following = self._spawn(follower, f"follow {running.id}")
        try:
            await self._backend.send(cascade_id, running.turn, model)
        except FaultError as error:
            if "matched" not in running.marks and running.newest is None:
                raise
            if running.awaiting is not None:  # the further call will not come
                running.close(Failed(running.awaiting.late))
            # the answer is on its way in spite of that
            logger.info("turn %s: the language server failed after its call to Google: %s", running.id, error)
        else:
            work.taken = True

    async def _started(self, running: RunningTurn, model: str) -> str | None:
        """The cascade of this turn, claimable; None when the turn has ended meanwhile."""
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
        """Get rid of a cascade that nobody uses, and that may still be starting."""
        if self._backend.deletes:
            with suppress(TimeoutError):
                await self._wait(_ended(starting), LINGER_S)
        starting.cancel()  # no effect once it has started
        await asyncio.wait((starting,))
        if starting.cancelled() or starting.exception() is not None or self._store.find(starting.result()) is not None:
            return
        if self._backend.deletes:
            await self._tidy(self._backend.delete, starting.result())

    async def _watch(self, running: RunningTurn, work: _Work) -> None:
        """Sleep until the terminal record or a deadline. Re-armed from the newest record, not per event.

        A captured turn is followed until Google's call is here. After that it would only repeat what we read off the
        wire, whole texts at each event (measured: a quarter of a paced turn's CPU)."""
        awaited, resumed = False, 0
        while not running.closed:
            if self._backend.captured and work.following is not None and "matched" in running.marks:
                work.following.cancel()
                work.following = None  # what a cancelled task holds on to would stay for the whole turn
            if awaited and running.awaiting is None:
                resumed = self._clock()  # the LS has called again: the clock of its first byte starts
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

    def _clean_up(self, running: RunningTurn, work: _Work) -> None:
        """After the end: stop what still runs for this turn, or the LS would go on and spend quota (D.4)."""
        cut = _is_cut(running)
        running.end_attempts(cut=cut)
        if work.sending is not None:
            self._spawn(self._wind_down(running.cascade_id, work, cut=cut), f"wind down {running.id}")

    async def _wind_down(self, cascade_id: str | None, work: _Work, *, cut: bool) -> None:
        """Stop the cascade of a turn that is cut, let the LS finish that of another, then end all tasks. Nothing of
        this is in the way of an answer: that the turn has been seen is only said now."""
        if cut and cascade_id is not None:
            await self._tidy(self._backend.cancel, cascade_id)
        elif not cut and not self._closing and work.sending is not None:
            await self._linger(work.sending)
        tasks = work.tasks()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if cascade_id is not None and self._backend.deletes:
            await self._tidy(self._backend.delete, cascade_id)
        elif cascade_id is not None and work.taken:  # one without a message must not get into the editor's list
            await self._tidy(self._backend.annotate, cascade_id)

    async def _linger(self, sending: asyncio.Task[None]) -> None:
        """Give the LS time to answer our message: cancelling it might stop what the LS still writes down."""
        self._lingering.add(sending)
        try:
            await self._wait(_ended(sending), LINGER_S)
        except TimeoutError:
            logger.info("the language server did not answer the message of a turn that is over")
        finally:
            self._lingering.discard(sending)

    async def _tidy[T](self, call: Callable[[T], Awaitable[None]], argument: T) -> None:
        try:
            await call(argument)
        except FaultError as error:
            logger.info("clean-up after a turn failed: %s", error)
        except Exception:  # guard point: the rest of the clean-up must go on
            logger.exception("clean-up after a turn failed")

    def _abandoned(self, channel: CascadeChannel) -> None:
        self.cancel(channel, Termination.CLIENT_GONE)


def _is_cut(running: RunningTurn) -> bool:
    """Whether a round that is over has ended before its answer. But our own bug must not cost the LS that: interception
    fails open (invariant 5)."""
    match running.ended or running.channel.terminal:
        case Finished(reason):
            return reason == "stop_sequence"
        case Failed(fault):
            return fault.termination is not Termination.INTERNAL or "matched" not in running.marks
        case None:
            return True


async def _ended(task: asyncio.Task[Any]) -> None:
    await asyncio.wait((task,))
