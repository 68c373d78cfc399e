"""``Polling``, the back end without interception: a cascade's steps, polled, → records in the turn's channel.

Facts: language-server-and-google A.8-A.10, F9.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Protocol

from zerogravity import background
from zerogravity.backends.antigravity.backend import Antigravity
from zerogravity.backends.antigravity.errors import Refused, gone
from zerogravity.backends.polling.prompt import as_message, refuse, unapplied
from zerogravity.backends.polling.step_delta import (
    Batch,
    Outcome,
    PollResult,
    Progress,
    Run,
    Step,
    advance,
    closing,
    lacks_usage,
)
from zerogravity.core.events import Failed, Notice, Terminal
from zerogravity.core.policy import Finish, decide
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError
from zerogravity.wire import narrow

SHORTEST_S, LONGEST_S = 0.15, 0.25  # between two polls
WOKEN_S = 0.5  # the same while a state stream wakes us
UNCHANGED_POLLS = 4  # polls that bring nothing, before the whole trajectory is fetched
TRIES = 3  # polls that fail in a row
NO_PARAMS: Mapping[str, str | None] = MappingProxyType({})


class Polling(Antigravity):
    """The same language server, sent the whole conversation as text; its answer is read from its steps."""

    captured = False

    def __init__(self, schema_params: Mapping[str, str | None] = NO_PARAMS, **settings: Any) -> None:
        """``schema_params``: surface → its parameter that asks for an answer by a schema."""
        super().__init__(**settings)
        self._schema_params = schema_params

    def admit(self, turn: Turn) -> None:
        refuse(turn, self._schema_params)

    async def send(self, cascade_id: str, turn: Turn, model: str) -> None:
        message = as_message(turn)
        await self.ls.send_message(cascade_id, message.text, model=model, images=message.images)

    async def follow(self, running: RunningTurn) -> None:
        await read_steps(running, self.ls)


class Source(Protocol):
    """What is needed of a language server. Every method raises FaultError."""

    async def steps(self, cascade_id: str, offset: int = 0) -> Sequence[Step]: ...
    async def trajectory(self, cascade_id: str) -> Step: ...
    async def generator_metadata(self, cascade_id: str) -> Sequence[Step]: ...
    async def follow(self, cascade_id: str, on_change: Callable[[], None] | None = None) -> None: ...
    async def cancel(self, cascade_id: str) -> None: ...


async def read_steps(
    running: RunningTurn,
    ls: Source,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    chance: Callable[[], float] = random.random,
) -> None:
    """Poll the steps until the turn is over; closes the channel. Raises FaultError when the LS is gone."""
    cascade_id = running.cascade_id
    assert cascade_id is not None
    poller = _Poller(ls, cascade_id)
    first = running.channel.state.attempts  # earlier rounds, of other cascades, have had theirs
    woken = asyncio.Event()
    following = background.task(_follow(ls, cascade_id, woken), f"follow {running.id}")
    notes = tuple(Notice("not_applied", text) for text in unapplied(running.turn))
    try:
        while not running.closed:
            result = await poller.poll()
            for number, events in result.batches:
                running.append(first + number, b"", (*events, *notes))
                notes = ()
            if result.outcome is not None:
                await _end(running, poller, result.outcome, first)
                return
            await _pause(following, woken, sleep, chance)
    finally:
        following.cancel()
        await asyncio.wait((following,))


async def _end(running: RunningTurn, poller: _Poller, outcome: Outcome, first: int) -> None:
    """The last figures, then the same decision as for an answer taken from the wire. ``first``: the number of the
    cascade's first attempt in the turn."""
    for number, events in await poller.closing(outcome):
        running.append(first + number, b"", events)
    if outcome.cancel:
        await poller.cancel()
    decision = decide(running.channel.state, fault=outcome.fault)
    terminal: Terminal = decision.terminal if isinstance(decision, Finish) else Failed(decision.late)
    running.close(terminal)


class _Poller:
    """Polls one cascade; keeps what is known from earlier polls."""

    def __init__(self, ls: Source, cascade_id: str) -> None:
        self._ls = ls
        self._id = cascade_id
        self._steps: list[Step] = []
        self._progress = Progress()
        self._frozen = False  # this build's steps do not change during a turn: only the trajectory is live (F9)
        self._ended = False
        self._unchanged = 0
        self._failures = 0

    async def poll(self) -> PollResult:
        """What is new. A poll that fails brings nothing, up to a point."""
        try:
            run, fresh = await self._fetch()
        except Refused as error:
            if error.word == "not_found":
                text = "the language server does not know the cascade any more: it has restarted"
                raise FaultError(gone(text)) from error
            raise
        except FaultError:
            self._failures += 1
            if self._failures >= TRIES:
                raise
            return PollResult(self._progress)
        self._failures = 0
        self._unchanged = 0 if fresh else self._unchanged + 1
        result = advance(self._progress, self._steps, run)
        self._progress, self._ended = result.progress, result.ended
        return result

    async def _fetch(self) -> tuple[Run, bool]:
        """The run status, if it was worth a call, and whether any step has changed."""
        fresh = False
        if not self._frozen:
            fresh = self._merge(await self._ls.steps(self._id, self._offset), self._offset)
        stuck = self._frozen or self._ended or self._progress.idle or self._unchanged >= UNCHANGED_POLLS
        if fresh or not stuck:
            return "unknown", fresh
        answer = await self._ls.trajectory(self._id)
        steps = narrow.items(narrow.lookup(answer, "trajectory", "steps"))
        if len(steps) >= len(self._steps) and self._merge(narrow.objects(steps), 0):
            fresh = True
            self._frozen = self._frozen or self._unchanged >= UNCHANGED_POLLS
        return run_of(answer.get("status")), fresh

    @property
    def _offset(self) -> int:
        """Steps before the newest answer do not change any more."""
        return self._progress.emitted[-1].index if self._progress.emitted else 0

    def _merge(self, fresh: Sequence[Step], offset: int) -> bool:
        if fresh == self._steps[offset:] or len(fresh) < len(self._steps) - offset:
            return False
        self._steps[offset:] = fresh
        return True

    async def closing(self, outcome: Outcome) -> list[Batch]:
        """Usage and the end of the last attempt; fetches the figures where the steps have none."""
        generators: Sequence[Step] = ()
        if lacks_usage(self._progress, self._steps):
            with suppress(FaultError):  # then nobody tells them
                generators = await self._ls.generator_metadata(self._id)
        return closing(self._progress, self._steps, generators, outcome)

    async def cancel(self) -> None:
        """Stop a cascade that would go on, if possible."""
        with suppress(FaultError):
            await self._ls.cancel(self._id)


def run_of(status: object) -> Run:
    """A cascade's run status, simplified; unknown when there is none."""
    if not isinstance(status, str) or status.endswith("UNSPECIFIED"):
        return "unknown"
    return "idle" if status.endswith("IDLE") else "running"


async def _follow(ls: Source, cascade_id: str, woken: asyncio.Event) -> None:
    with suppress(FaultError):  # polling works without it
        await ls.follow(cascade_id, woken.set)


async def _pause(
    following: asyncio.Task[None],
    woken: asyncio.Event,
    sleep: Callable[[float], Awaitable[None]],
    chance: Callable[[], float],
) -> None:
    """Until the next poll: a random while, or until a state stream shows that something has changed."""
    shortest = SHORTEST_S + chance() * (LONGEST_S - SHORTEST_S)
    if following.done():
        await sleep(shortest)
        return
    waking = asyncio.create_task(woken.wait())
    sleeping = asyncio.ensure_future(sleep(WOKEN_S))
    try:
        await asyncio.wait((waking, sleeping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (waking, sleeping):
            task.cancel()
        await asyncio.gather(waking, sleeping, return_exceptions=True)
        woken.clear()
