"""A turn from the inside: the writing end of its channel, and what the engine and the interceptor know of it while it
runs: its cascade, its attempts, what it waits for. The registry makes and keeps it; readers never see it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from zerogravity.core import token_estimate
from zerogravity.core.budget import Ledger
from zerogravity.core.callbacks import run_guarded
from zerogravity.core.channel import FULL, MAX_BYTES, MAX_READERS, CascadeChannel, ChannelWriter, Clock, Phase
from zerogravity.core.events import Event, Failed, Record, RequestLine, RoundOpened, Terminal, texts_size
from zerogravity.core.policy import Await
from zerogravity.core.stops import StopWatcher
from zerogravity.core.turn import Turn
from zerogravity.core.waiters import Waiters
from zerogravity.errors import FaultError


@dataclass(frozen=True, slots=True)
class Following:
    """What follows the end of a round, or stands before the first one.

    ``prepare``  the round that is over → what is asked next, or how the turn ends after all. It may take its time, and
                 is cancelled when the turn ends meanwhile; FaultError ends the turn.
    ``why``      what was wrong with the round, if something was.
    """

    prepare: Callable[[RunningTurn], Coroutine[Any, Any, Turn | Terminal]]
    why: str = ""


class RunningTurn(ChannelWriter):
    """One round of a turn: one request to Google, through one cascade. A turn has one, unless it goes on: then each
    further one is another object (``again``) over the same channel, and what comes late for the former is not read.

    ``turn``: what this round asks for. ``marks``: as the channel's, of this round. ``follow``: asked at its end what
    follows; if something does, the channel stays open. It must be quick. ``following``: its answer; ``ended``: the end
    that it was asked about. ``on_close``: called once with the channel, when the terminal record has been appended.
    """

    __slots__ = (
        "_aborts", "_awaiting", "_cascade_id", "_first", "_follow", "_on_close", "_supervisors", "_turn",
        "ended", "following", "marks",
    )  # fmt: skip

    def __init__(
        self,
        turn: Turn,
        clock: Clock,
        *,
        max_bytes: int = MAX_BYTES,
        max_readers: int = MAX_READERS,
        abandoned: Callable[[CascadeChannel], object] | None = None,
        follow: Callable[[RunningTurn, Terminal], Following | None] = lambda running, terminal: None,
        on_close: Callable[[CascadeChannel], object] = lambda _: None,
        ledger: Ledger | None = None,
    ) -> None:
        super().__init__(
            turn, clock, max_bytes=max_bytes, max_readers=max_readers, abandoned=abandoned, ledger=ledger,
            watcher=StopWatcher(turn.stops) if turn.stops else None,
        )  # fmt: skip
        self._on_close = on_close
        self._follow = follow
        self._supervisors = Waiters()
        self._begin(turn, {"received": self._log.marks["received"]})

    def _begin(self, turn: Turn, marks: dict[Phase, int]) -> None:
        self._turn = turn
        self.marks = marks
        self.ended: Terminal | None = None
        self.following: Following | None = None
        self._over = False
        self._first = self._log.count
        self._cascade_id: str | None = None
        self._awaiting: Await | None = None
        self._aborts: list[Callable[[], None]] = []

    def again(self, turn: Turn) -> RunningTurn:
        """The next round, after this one has ended."""
        assert self.following is not None, "the round runs, or the turn is over"
        former = self._turn.target.name if turn.target != self._turn.target else ""
        self._show(turn)
        self.add(RoundOpened(turn.target.name, self.following.why, former))
        following = copy(self)
        if self.following.why and turn.stops:  # what the failed round left in it is no part of the answer
            following._watcher = StopWatcher(turn.stops)
        following._begin(turn, {"received": self.marks["received"]})
        self._turn = replace(self._turn, fallbacks=())  # this round is found by its cascade until the turn is evicted
        return following

    def ask(self, turn: Turn) -> None:
        """Ask for this instead, before anything is sent."""
        assert self._cascade_id is None
        self._show(turn)
        self._turn = turn

    def _show(self, turn: Turn) -> None:
        """Another model's turn is what readers see from now on. What only goes on with the same model's, with the
        results of calls that ran here, is not: it holds what is part of the answer."""
        if turn.target != self._turn.target:
            self._log.turn = replace(turn, size=self._log.turn.size)

    def forget_fallbacks(self) -> None:
        """The turn is over; they hold the request as it came."""
        if self._turn.fallbacks or self._log.turn.fallbacks:
            self._turn, self._log.turn = replace(self._turn, fallbacks=()), replace(self._log.turn, fallbacks=())

    def add(self, *events: Event) -> None:
        """A record of our own, also between two rounds; nothing after the end. Beyond the byte limit the turn ends."""
        if self.channel.state.terminal is not None:
            return
        if self._log.size + (weight := texts_size(events)) > self._max_bytes:
            self.end(FULL)
        else:
            self._add(Record(self._log.count, self._clock(), -1, b"", events), weight)

    @property
    def turn(self) -> Turn:
        return self._turn

    def close(self, terminal: Terminal) -> bool:
        """End the round, and the turn unless it goes on. The first call wins."""
        if self.closed:
            return False
        self._estimate()
        if (following := self._follow(self, terminal)) is None:
            return self.end(terminal)
        self._over, self.following, self.ended = True, following, terminal
        self._supervisors.wake()
        return True

    def end(self, terminal: Terminal) -> bool:
        """End the turn, also where it was about to go on. The first call wins."""
        if self.channel.closed:
            return False
        self._release()
        self._estimate()
        super().close(terminal)
        self._on_close(self.channel)
        return True

    def fail(self, error: FaultError) -> None:
        """End the turn so, with what is noted of it."""
        if error.notes and self.channel.state.terminal is None:
            self._log.turn = replace(self._log.turn, notes=(*error.notes, *self._log.turn.notes))
        self.end(Failed(error.fault))

    def mark(self, phase: Phase) -> bool:
        if phase in self.marks:
            return False
        if phase == "admitted":
            self._first = self._log.count
        self.marks[phase] = self._clock()
        self._log.marks.setdefault(phase, self.marks[phase])
        self._supervisors.wake()
        return True

    @property
    def newest(self) -> int | None:
        """When the newest record of what was sent has come; None: none has."""
        return self.channel.state.ended_ns if self._log.count > self._first else None

    async def changed(self) -> None:
        """Return at the next phase, policy decision or end: what a supervisor waits for, without waking per event."""
        await self._supervisors.wait()

    def _estimate(self) -> None:
        """Attempts are over: the figures of those that have brought a part of an answer are estimated if nobody has
        told any. What was told of one that broke off stays as it is. It takes no time: a call lasts to its last event.
        """
        state = self.channel.state
        for number, items in state.brought().items():
            known = state.usage_by_attempt.get(number)
            if items and not (known is not None and known.told):
                usage = token_estimate.usage_of(self._turn.google_request, items)
                self._add(Record(self._log.count, state.ended_ns or 0, number, b"", (usage,)), 0)

    # -- the cascade -------------------------------------------------------------------------------------------

    @property
    def cascade_id(self) -> str | None:
        """The language server's name of this round."""
        return self._cascade_id

    def bind(self, cascade_id: str) -> None:
        """That name, given once. A reader sees the newest."""
        assert self._cascade_id is None
        self._cascade_id = self._log.cascade_id = cascade_id

    # -- its attempts ------------------------------------------------------------------------------------------

    def attempt_sent(self, line: RequestLine, abort: Callable[[], None] | None = None) -> int:
        """An attempt goes out; ``abort`` cuts it. Returns the number it has unless another one is answered first."""
        if abort is not None:
            self._aborts.append(abort)
        self.resume()
        return self.attempt_answered(line)

    def attempt_answered(self, line: RequestLine) -> int:
        """Google answers an attempt, perhaps in another version of HTTP. Returns its number: answers are counted."""
        number = self.channel.state.attempts
        self._log.lines[number] = line
        return number

    def end_attempts(self, *, cut: bool) -> None:
        """The turn is over: those that still run are ``cut``, or left to their end."""
        aborts, self._aborts = self._aborts, []
        for abort in aborts if cut else ():
            run_guarded(abort)

    # -- what it waits for -------------------------------------------------------------------------------------

    @property
    def awaiting(self) -> Await | None:
        """Policy: the round goes on in the LS's next call, which must come in time. None: nothing is awaited."""
        return self._awaiting

    def await_attempt(self, decision: Await) -> None:
        """The LS has to make one more call."""
        self._estimate()
        self._await(decision)

    def resume(self) -> None:
        """It has."""
        self._await(None)

    def _await(self, decision: Await | None) -> None:
        if decision is not self._awaiting:
            self._awaiting = decision
            self._supervisors.wake()
