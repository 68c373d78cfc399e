"""``Polling``, the back end without interception: a cascade's steps, polled, → records in the turn's channel.

Facts: language-server-and-google A.8-A.10, F9.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from zerogravity import background
from zerogravity.backends.antigravity.backend import Antigravity
from zerogravity.backends.antigravity.errors import Refused, gone
from zerogravity.backends.polling.prompt import told_in_full, unapplied
from zerogravity.backends.polling.step_delta import (
    Batch,
    Json,
    Look,
    Over,
    Progress,
    Run,
    advance,
    closing,
    lacks_usage,
)
from zerogravity.core.events import Failed, Notice, Terminal
from zerogravity.core.policy import Finish, decide
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError

SHORTEST_S, LONGEST_S = 0.15, 0.25  # between two looks
WOKEN_S = 0.5  # the same while a state stream wakes us
STILL = 4  # looks that bring nothing, then the whole trajectory is asked for
TRIES = 3  # looks that fail in a row
NO_PARAMS: Mapping[str, str | None] = MappingProxyType({})


class Polling(Antigravity):
    """The same language server, told the whole conversation; its answer is read off its steps."""

    captured = False

    def __init__(self, schema_params: Mapping[str, str | None] = NO_PARAMS, **settings: Any) -> None:
        """``schema_params``: surface → its parameter that asks for an answer by a schema."""
        super().__init__(**settings)
        self._schema_params = schema_params

    def admit(self, turn: Turn) -> None:
        told_in_full(turn, self._schema_params)

    async def send(self, cascade_id: str, turn: Turn, model: str) -> None:
        message = told_in_full(turn, self._schema_params)
        await self.ls.send_message(cascade_id, message.text, model=model, images=message.images)

    async def follow(self, running: RunningTurn) -> None:
        await read_steps(running, self.ls)


class Source(Protocol):
    """What is read of a language server. Every method raises FaultError."""

    async def steps(self, cascade_id: str, offset: int = 0) -> list[Json]: ...
    async def trajectory(self, cascade_id: str) -> Json: ...
    async def generator_metadata(self, cascade_id: str) -> list[Json]: ...
    async def follow(self, cascade_id: str, on_change: Callable[[], None] | None = None) -> None: ...
    async def cancel(self, cascade_id: str) -> None: ...


async def read_steps(
    running: RunningTurn,
    ls: Source,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    chance: Callable[[], float] = random.random,
) -> None:
    """Look at the steps until the turn is over; closes the channel. Raises FaultError when the LS is gone."""
    cascade_id = running.cascade_id
    assert cascade_id is not None
    poll = _Poll(ls, cascade_id)
    woken = asyncio.Event()
    following = background.task(_follow(ls, cascade_id, woken), f"follow {running.id}")
    notes = tuple(Notice("not_applied", text) for text in unapplied(running.turn))
    try:
        while not running.closed:
            look = await poll.look()
            for number, events in look.batches:
                running.append(number, b"", (*events, *notes))
                notes = ()
            if look.over is not None:
                await _end(running, poll, look.over)
                return
            await _pause(following, woken, sleep, chance)
    finally:
        following.cancel()
        await asyncio.wait((following,))


async def _end(running: RunningTurn, poll: _Poll, over: Over) -> None:
    """The last figures, then the same decision as for an answer taken from the wire."""
    for number, events in await poll.last_words(over):
        running.append(number, b"", events)
    if over.cancel:
        await poll.cancel()
    decision = decide(running.channel.state, fault=over.fault)
    terminal: Terminal = decision.terminal if isinstance(decision, Finish) else Failed(decision.late)
    running.close(terminal)


class _Poll:
    """The looks at one cascade and what is known from the earlier ones."""

    def __init__(self, ls: Source, cascade_id: str) -> None:
        self._ls = ls
        self._id = cascade_id
        self._steps: list[Json] = []
        self._progress = Progress()
        self._snapshot = False  # this build's steps stand still during a turn: only the trajectory is live (F9)
        self._unsure = False
        self._still = 0
        self._failed = 0

    async def look(self) -> Look:
        """What is new. A look that fails is no news, up to a point."""
        try:
            run, fresh = await self._ask()
        except Refused as error:
            if error.word == "not_found":
                text = "the language server does not know the cascade any more: it has restarted"
                raise FaultError(gone(text)) from error
            raise
        except FaultError:
            self._failed += 1
            if self._failed >= TRIES:
                raise
            return Look(self._progress)
        self._failed = 0
        self._still = 0 if fresh else self._still + 1
        look = advance(self._progress, self._steps, run)
        self._progress, self._unsure = look.progress, look.unsure
        return look

    async def _ask(self) -> tuple[Run, bool]:
        """The run status, if it was worth asking for, and whether any step has changed."""
        fresh = False
        if not self._snapshot:
            fresh = self._merge(await self._ls.steps(self._id, self._offset), self._offset)
        if fresh or not (self._snapshot or self._unsure or self._progress.idle or self._still >= STILL):
            return "unknown", fresh
        answer = await self._ls.trajectory(self._id)
        trajectory = answer.get("trajectory")
        steps = trajectory.get("steps") if isinstance(trajectory, dict) else None
        if isinstance(steps, list) and len(steps) >= len(self._steps) and self._merge(steps, 0):
            fresh = True
            self._snapshot = self._snapshot or self._still >= STILL
        return run_of(answer.get("status")), fresh

    @property
    def _offset(self) -> int:
        """Steps before the newest answer do not change any more."""
        return self._progress.told[-1].index if self._progress.told else 0

    def _merge(self, steps: list[Any], offset: int) -> bool:
        fresh = [step for step in steps if isinstance(step, dict)]
        if fresh == self._steps[offset:] or len(fresh) < len(self._steps) - offset:
            return False
        self._steps[offset:] = fresh
        return True

    async def last_words(self, over: Over) -> list[Batch]:
        """Usage and the end of the last call; the figures are asked for where the steps have none."""
        generators: list[Json] = []
        if lacks_usage(self._progress, self._steps):
            try:
                generators = await self._ls.generator_metadata(self._id)
            except FaultError:
                generators = []  # then they are estimated
        return closing(self._progress, self._steps, generators, over)

    async def cancel(self) -> None:
        """Stop a cascade that would go on."""
        try:
            await self._ls.cancel(self._id)
        except FaultError:
            return  # nothing more can be done about it


def run_of(status: object) -> Run:
    """The run status: idle, or some kind of running; unknown when it is not said."""
    if not isinstance(status, str) or status.endswith("UNSPECIFIED"):
        return "unknown"
    return "idle" if status.endswith("IDLE") else "running"


async def _follow(ls: Source, cascade_id: str, woken: asyncio.Event) -> None:
    try:
        await ls.follow(cascade_id, woken.set)
    except FaultError:
        return  # polling alone does


async def _pause(
    following: asyncio.Task[None],
    woken: asyncio.Event,
    sleep: Callable[[float], Awaitable[None]],
    chance: Callable[[], float],
) -> None:
    """Until the next look: a random while, or until a state stream says that something has changed."""
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
