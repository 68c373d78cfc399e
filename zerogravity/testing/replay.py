"""``ReplayEngine``: an engine without a language server: it answers a turn with the records of a trace, at the times at
which they came. It decodes Google's bytes again, so that a repaired decoder shows on old recordings.

``Pace`` changes the times and plays mishaps; waiting is injected. Knows neither HTTP nor where traces lie.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol

from zerogravity import background, ids
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import AttemptClosed, AttemptOpened, Event, Failed, FunctionCall, Record, Usage
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import RunningTurn
from zerogravity.core.stops import HELD
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, FaultError, Termination, bad_request, cancelled, internal, shutting_down, upstream
from zerogravity.observe.trace_reader import Trace
from zerogravity.wire.calls import declared_names
from zerogravity.wire.google import GoogleDecoder
from zerogravity.wire.google_errors import parse_duration

NS = 1_000_000_000
SHORTEST_S = 0.0005  # shorter waits are left out
YIELD_EVERY = 32  # records, when nothing is waited for, until others may run
_MISHAP = re.compile(r"(cut|delay)@(\d{1,6})(?:=(\S+))?|(dup-usage)")


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """``cut``: the connection breaks after event ``at``. ``delay``: event ``at`` comes ``seconds`` late.
    ``dup-usage``: usage comes twice. Events of the answer are counted from 1."""

    kind: Literal["cut", "delay", "dup-usage"]
    at: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """``speed``: 2 is twice as fast, infinity does not wait. ``jitter``: each gap changes by up to that fraction."""

    speed: float = 1.0
    jitter: float = 0.0
    mishaps: tuple[InjectedFault, ...] = ()


def parse_mishap(text: str) -> InjectedFault:
    """``cut@7``, ``delay@3=40s``, ``dup-usage``. Raises FaultError."""
    match = _MISHAP.fullmatch(text.strip())
    if match is not None and match.group(4):
        return InjectedFault("dup-usage")
    if match is not None and match.group(1) == "cut" and match.group(3) is None:
        return InjectedFault("cut", int(match.group(2)))
    if match is not None and match.group(1) == "delay" and match.group(3) is not None:
        seconds = parse_duration(match.group(3))
        if seconds is not None:
            return InjectedFault("delay", int(match.group(2)), seconds)
    raise bad_request(f"{text!r} is none of: cut@7, delay@3=40s, dup-usage", param="fault")


def parse_speed(text: str) -> float:
    """``0.25``, ``4``, ``max``. Raises FaultError."""
    try:
        speed = math.inf if text == "max" else float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise bad_request(f"invalid speed {text!r}: use a number above 0, or max", param="speed")
    return speed


class Fallback(Protocol):
    """The real engine, behind a replay that may use it."""

    def run(self, turn: Turn) -> CascadeChannel: ...


class ReplayEngine:
    """``pick``  the recording that answers a turn; raises FaultError when there is none.
    ``fallback``  runs turns for which there is none, and so records them.
    """

    def __init__(
        self,
        store: MitmStore,
        pick: Callable[[Turn], Trace],
        *,
        pace: Pace | None = None,
        fallback: Fallback | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Random | None = None,
    ) -> None:
        self.waiting = 0
        self._store = store
        self._pick = pick
        self._pace = pace or Pace()
        self._fallback = fallback
        self._sleep = sleep
        self._rng = rng or Random(0)  # the same jitter each time: a replay can be repeated
        self._tasks = background.Tasks()
        self._closing = False

    @property
    def active(self) -> int:
        return len(self._tasks)

    def run(self, turn: Turn) -> CascadeChannel:
        """Start to play; returns at once."""
        try:
            trace, fault = self._pick(turn), None
        except FaultError as error:
            if self._fallback is not None:
                return self._fallback.run(turn)
            trace, fault = None, error.fault
        running = self._store.open(turn, abandoned=None if turn.background else self._abandoned)
        running.mark("queued")
        if self._closing:
            running.close(Failed(shutting_down()))
        elif trace is None:
            running.close(Failed(fault or internal()))
        else:
            running.mark("matched")
            self._tasks.spawn(self._guarded(running, trace), f"replay {trace.id}")
        return running.channel

    def cancel(self, channel: CascadeChannel, termination: Termination = Termination.CANCELLED) -> bool:
        running = self._store.running(channel.id)
        return running is not None and running.close(Failed(cancelled(termination)))

    async def close(self) -> None:
        """Every open turn gets its terminal."""
        self._closing = True
        self._store.close(Failed(shutting_down()))
        await self._tasks.end()

    async def _guarded(self, running: RunningTurn, trace: Trace) -> None:
        """Readers see an end, whatever is wrong with the recording."""
        try:
            await self._play(running, trace)
        finally:
            running.close(Failed(internal()))

    async def _play(self, running: RunningTurn, trace: Trace) -> None:
        clock = self._store.clock
        start = clock()
        due = previous = 0.0
        playback = _Playback(running, self._pace.mishaps)
        for number, record in enumerate(trace.records):
            now = record.t_ns / NS
            gap = max(0.0, now - previous) * (1 + self._pace.jitter * self._rng.uniform(-1, 1))
            previous = now
            due += gap / self._pace.speed + playback.delay(record)
            left = due - (clock() - start) / NS
            if left > SHORTEST_S:
                await self._sleep(left)
            elif number % YIELD_EVERY == YIELD_EVERY - 1:
                await self._sleep(0)
            if running.closed:
                return
            playback.add(record)
        running.close(Failed(_incomplete()))

    def _abandoned(self, channel: CascadeChannel) -> None:
        self.cancel(channel, Termination.CLIENT_GONE)


class _Playback:
    """Puts recorded records into a new channel, with new call ids and with the mishaps."""

    def __init__(self, running: RunningTurn, mishaps: tuple[InjectedFault, ...]) -> None:
        self._running = running
        self._cuts = {mishap.at for mishap in mishaps if mishap.kind == "cut"}
        self._delays = {mishap.at: mishap.seconds for mishap in mishaps if mishap.kind == "delay"}
        self._twice = any(mishap.kind == "dup-usage" for mishap in mishaps)
        self._played = 0
        self._decoder = self._new_decoder()

    def delay(self, record: Record) -> float:
        """How much later than recorded this one comes."""
        return self._delays.get(self._played + 1, 0.0) if _is_answer(record) else 0.0

    def add(self, record: Record) -> None:
        running = self._running
        if record.terminal is not None:
            running.close(record.terminal)
            return
        events = record.events
        if not record.data and self._decoder.begun:  # what was held back for a stop sequence is held back again
            events = tuple(event for event in events if not isinstance(event, HELD))
            if not events:
                return
        if not _is_answer(record):
            if any(isinstance(event, AttemptOpened) for event in events):
                self._decoder = self._new_decoder()
            running.append(record.attempt_no, record.data, events, record.span)
            return
        self._played += 1
        events = self._decoder.decode(record.data) if record.data else tuple(map(self._renamed, events))
        running.append(record.attempt_no, record.data, events, record.span)
        if self._twice and any(isinstance(event, Usage) for event in events):
            usage = tuple(event for event in events if isinstance(event, Usage))
            running.append(record.attempt_no, record.data, usage, record.span)
        if self._played in self._cuts:
            running.append(record.attempt_no, b"", self._decoder.close())
            running.close(Failed(_cut(self._played)))

    def _new_decoder(self) -> GoogleDecoder:
        first = len(self._running.channel.state.function_calls)
        return GoogleDecoder(
            lambda number: self._call_id(first + number), declared_names(self._running.turn.google_request)
        )

    def _renamed(self, event: Event) -> Event:
        """A record of polling has no bytes to decode; only its call ids are new."""
        if not isinstance(event, FunctionCall):
            return event
        call_id = self._call_id(len(self._running.channel.state.function_calls))
        return FunctionCall(call_id, event.name, event.args_json, event.signature, event.upstream_id)

    def _call_id(self, number: int) -> str:
        return ids.derive("call", self._running.id, number)


def _is_answer(record: Record) -> bool:
    """Whether a record is an event of Google's answer, and no opening or closing."""
    return record.attempt_no >= 0 and not any(
        isinstance(event, AttemptOpened | AttemptClosed) for event in record.events
    )


def _cut(at: int) -> Fault:
    return upstream(502, "upstream_drop", f"the answer broke off after event {at} (replay)", Termination.UPSTREAM_DROP)


def _incomplete() -> Fault:
    return upstream(502, "upstream_drop", "the recording ends without an end of the turn", Termination.UPSTREAM_DROP)
