"""What follows a failure of Google's: the same model is asked once more, where nothing of the round has come; another
one, where a client cannot have seen any of the answer; or the turn fails. A decision table, ``ROWS``: the first row
that holds decides; ``table()`` prints them (``zerogravity surfaces --failover``).

Never several accounts, and never around a quota: only models that the client or the configuration names are asked, and
none that is in a cooldown.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from zerogravity.cooldowns import Cooldown, Cooldowns
from zerogravity.core.channel import CascadeChannel, Clock
from zerogravity.core.events import Failed, Terminal
from zerogravity.core.running import Following, RunningTurn
from zerogravity.core.turn import Fallback, Turn
from zerogravity.errors import BAD_CERTIFICATE, Fault, FaultError, Origin, Termination
from zerogravity.rounds import Rule
from zerogravity.wire.reasons import LASTING, Reason, span

logger = logging.getLogger("zerogravity.failover")
NS = 1_000_000_000
NEAR_S = 10.0  # with less time left for the turn, nothing else is tried
OURS = "model: "  # how all notes of ours begin
JITTER = (0.5, 1.5)  # parts of the pause

Kind = Literal["busy", "limited", "lost", "other"]
Decision = Literal["again", "another", "fail"]
Event = Literal["retry", "fallback", "refusal"]


def kind_of(fault: Fault) -> Kind:
    """``busy``: there is no room just now, and Google does not say until when; ``limited``: it is asked too much, or
    says when to come again; ``lost``: the connection broke."""
    if fault.termination is Termination.UPSTREAM_DROP:
        return "other" if fault.remedy == BAD_CERTIFICATE else "lost"
    if fault.origin not in (Origin.UPSTREAM, Origin.LS) or fault.reason in LASTING:
        return "other"
    overloaded = fault.origin is Origin.UPSTREAM and fault.status in (503, 529)
    if fault.status != 429 and not overloaded and fault.reason != Reason.CAPACITY:
        return "other"
    waits = fault.retry_after is not None or (fault.status == 429 and fault.reason != Reason.CAPACITY)
    return "limited" if waits else "busy"


@dataclass(frozen=True, slots=True)
class Failure:
    """A round that has failed. ``seen``: a client can have seen some of the answer, or a call has been run for it.
    ``begun``: some of what the round brings has come. ``repeated``: Google has been called again for it already, by the
    language server or by us. ``again``: that is switched on. ``another``: there is a model that is not in a cooldown.
    ``left``: seconds of the turn."""

    kind: Kind
    seen: bool = False
    begun: bool = False
    repeated: bool = False
    again: bool = True
    another: bool = False
    left: float = 1e9


@dataclass(frozen=True, slots=True)
class Row:
    """``failure``, ``position``, ``configuration`` and ``follows`` are for people; ``when`` and ``then`` are what is
    done."""

    failure: str
    position: str
    configuration: str
    follows: str
    when: Callable[[Failure], bool]
    then: Decision


ANY, FAIL, ROOM = "any", "Fail(that failure)", "429, 503, 529, no capacity; a lost connection"
ROWS = (
    Row(
        "anything else than 429, 503, 529, no capacity, a lost connection", ANY, ANY, FAIL,
        lambda failure: failure.kind == "other", "fail",
    ),
    Row(
        ANY, f"the turn has less than {NEAR_S:g} s left", ANY, FAIL,
        lambda failure: failure.left < NEAR_S, "fail",
    ),
    Row(
        "a lost connection", "after the first byte", ANY, FAIL,
        lambda failure: failure.kind == "lost" and failure.begun, "fail",
    ),
    Row(
        "503, 529, no capacity, and no time to wait; a lost connection", "a round's first call, nothing of it has come",
        "retry_seconds is not 0", "Ask the same model once more, after a pause",
        lambda failure: (
            failure.kind in ("busy", "lost") and failure.again and not failure.begun and not failure.repeated
        ), "again",
    ),
    Row(
        ANY, "a client can have seen something", ANY, FAIL,
        lambda failure: failure.seen, "fail",
    ),
    Row(
        ROOM, "no client can have seen anything", "another model, not in cooldown", "Ask that model",
        lambda failure: failure.another, "another",
    ),
    Row(
        ROOM, "no client can have seen anything", "no other model", FAIL,
        lambda _: True, "fail",
    ),
)  # fmt: skip
COOLDOWNS = (
    ("the model is in cooldown", "before the first call", "another model, not in cooldown", "Ask that model"),
    ("the model is in cooldown", "before the first call", "no other model", "Fail(429 with the time that is left)"),
    ("another model cannot take the request", "before its first call", "one more, not in cooldown", "Ask that model"),
    ("another model cannot take the request", "before its first call", "no other model", "Fail(the failure before it)"),
)


def decide(failure: Failure) -> Decision:
    return next(row.then for row in ROWS if row.when(failure))


def table() -> list[tuple[str, str, str, str]]:
    """(failure, position, configuration, what follows) of each row, in the order in which they are asked."""
    return [*((row.failure, row.position, row.configuration, row.follows) for row in ROWS), *COOLDOWNS]


class Failover(Rule):
    """``seen``: whether a client can have seen some of a turn's answer. ``pause``: seconds before the same model is
    asked once more, on average; 0: it is not. ``turn_seconds``: of a whole turn. ``count``: is told what happens, and
    why: a reason of Google's, ``lost`` or ``cooldown``."""

    def __init__(
        self,
        cooldowns: Cooldowns,
        *,
        clock: Clock,
        seen: Callable[[CascadeChannel], bool],
        pause: float,
        turn_seconds: float,
        count: Callable[[Event, str], None] = lambda event, why: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cooldowns = cooldowns
        self._clock = clock
        self._seen = seen
        self._pause = pause
        self._turn_seconds = turn_seconds
        self._count = count
        self._sleep = sleep

    # -- before anything is asked ------------------------------------------------------------------------------

    def first(self, turn: Turn) -> Turn:
        """Raises FaultError 429 for a model in cooldown without another one."""
        return self._instead(turn) if self._waits(turn) else turn

    def before(self, turn: Turn) -> Following | None:
        """A cooldown may have begun while the turn stood in the queue."""
        return Following(partial(self._late, turn)) if self._waits(turn) else None

    def _waits(self, turn: Turn) -> bool:
        return not turn.at_once and self._cooldowns.of(turn.target) is not None

    async def _late(self, turn: Turn, _: RunningTurn) -> Turn:
        return self._instead(turn)

    def _instead(self, turn: Turn) -> Turn:
        """The turn for another model than its own, which is in cooldown. Raises FaultError."""
        cooldown = self._cooldowns.of(turn.target)
        if cooldown is None:  # it has just ended
            return turn
        state = self._cools(cooldown)
        refusal = turn.refusal or self._cooldowns.refusal(turn.target, cooldown)
        try:
            other = self._another(turn, state, refusal)
        except FaultError:
            self._count("refusal", "cooldown")
            raise
        self._count("fallback", "cooldown")
        return other

    def unfit(self, turn: Turn, fault: Fault) -> Turn | None:
        """Nobody has asked for this model: what is wrong with the request for it concerns nobody. Raises FaultError,
        with what led to it, where there is no other one."""
        if turn.refusal is None or fault.termination is not Termination.REJECTED:
            return None
        state = f"cannot be asked: {fault.message.rstrip('.')}"
        try:
            return self._another(turn, state, turn.refusal)
        except FaultError as error:
            way = (note for note in turn.notes if note.startswith(OURS))
            raise FaultError(error.fault, (*error.notes, f"{OURS}{turn.target.name} {state}", *way)) from None

    # -- after a failure ---------------------------------------------------------------------------------------

    def after(self, running: RunningTurn, terminal: Terminal) -> Following | None:
        if not isinstance(terminal, Failed):
            return None
        fault = terminal.fault
        self._cooldowns.note(running.turn.target, fault)
        decision = decide(self._failure(running, fault))
        if decision == "fail":
            return None
        go_on = self._again if decision == "again" else self._move
        return Following(partial(go_on, fault), f"{fault.google_status or fault.code}: {fault.message}")

    def _failure(self, running: RunningTurn, fault: Fault) -> Failure:
        state, kind = running.channel.state, kind_of(fault)
        came = len(state.items) > state.round.begins_at
        return Failure(
            kind,
            seen=self._seen(running.channel) or any(call.returned for call in state.function_calls),
            begun=came or (kind == "lost" and state.round.attempts > 0),
            repeated=state.round.attempts > 1 or state.round.instead,
            again=self._pause > 0,
            another=any(self._cooldowns.of(one.target) is None for one in running.turn.fallbacks),
            left=self._turn_seconds - (self._clock() - running.marks["received"]) / NS,
        )

    async def _again(self, fault: Fault, running: RunningTurn) -> Turn | Terminal:
        await self._sleep(self._pause * random.uniform(*JITTER))
        if self._cooldowns.of(running.turn.target) is not None:
            moves = decide(replace(self._failure(running, fault), again=False)) == "another"
            return await self._move(fault, running) if moves else Failed(fault)
        self._count("retry", why(fault))
        return running.turn

    async def _move(self, fault: Fault, running: RunningTurn) -> Turn | Terminal:
        other = self._another(running.turn, f"failed ({fault.google_status or fault.code})", fault)
        self._count("fallback", why(fault))
        return other

    def _another(self, turn: Turn, state: str, refusal: Fault) -> Turn:
        """The turn for the first fallback that is not in cooldown and can be asked; with a note. ``state``: what is
        wrong with its own model. Raises FaultError with the ``refusal`` where none can be asked, also if that turns out
        later; with notes that say why."""
        notes = list[str]()
        for number, fallback in enumerate(turn.fallbacks, 1):
            if (cooldown := self._cooldowns.of(fallback.target)) is not None:
                notes.append(f"{OURS}{fallback.target.name} {self._cools(cooldown)}")
                continue
            try:
                other = fallback.ask()
            except FaultError as error:
                notes.append(f"{OURS}{fallback.target.name} cannot be asked: {error.fault.message.rstrip('.')}")
                continue
            notes.append(f"{OURS}{turn.target.name} {state}, {fallback.target.name} is asked")
            logger.info("turn %s: %s", turn.id, notes[-1])
            rest = tuple(Fallback(one.target, partial(_noted, one, notes)) for one in turn.fallbacks[number:])
            return replace(other, notes=(*notes, *other.notes), fallbacks=rest, refusal=refusal)
        raise FaultError(refusal, notes)

    def _cools(self, cooldown: Cooldown) -> str:
        return f"is in cooldown for {span(self._cooldowns.left(cooldown))}"


def _noted(fallback: Fallback, notes: list[str]) -> Turn:
    """The turn for that model, with what was noted on the way to it."""
    other = fallback.ask()
    return replace(other, notes=(*notes, *other.notes))


def why(fault: Fault) -> str:
    """The reason of a failure, from a closed list; empty: not known."""
    return "lost" if fault.termination is Termination.UPSTREAM_DROP else fault.reason
