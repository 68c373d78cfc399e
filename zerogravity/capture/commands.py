"""mitmproxy's commands ``zerogravity.…``: the gateway's state for the prompt of mitmproxy and mitmweb, key bindings and
other addons.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mitmproxy import command, ctx, exceptions, flow, http, types
from mitmproxy.log import ALERT

from zerogravity import background
from zerogravity.capture import flow_bodies
from zerogravity.core.registry import MitmStore
from zerogravity.errors import FaultError
from zerogravity.observe import trace_reader
from zerogravity.observe.health import Health

if TYPE_CHECKING:
    from zerogravity.testing.replay import Pace

STOP_S = 10.0
logger = logging.getLogger("zerogravity.capture")


@dataclass(frozen=True, slots=True)
class Deps:
    """What the commands show. ``traces``: the folder of recorded turns."""

    store: MitmStore
    traces: Path
    health: Health


class Commands:
    """``deps``: set while the gateway runs."""

    name = "zerogravity.commands"

    def __init__(self) -> None:
        self.deps: Deps | None = None
        self._done = asyncio.Event()
        self._tasks = background.Tasks()

    async def done(self) -> None:
        self._done.set()
        await self._tasks.end(STOP_S)

    @command.command("zerogravity.turns")
    def turns(self) -> Sequence[str]:
        """The turns in memory, newest last: id, phase, termination code."""
        store = () if self.deps is None else self.deps.store
        return [f"{c.id} {c.phase} {c.termination or ''}".rstrip() for c in store]

    @command.command("zerogravity.health")
    def health(self) -> str:
        """Whether a turn can be served now."""
        return "not running" if self.deps is None else self.deps.health.line()

    @command.command("zerogravity.trace")
    def trace(self, flows: Sequence[flow.Flow]) -> Sequence[str]:
        """For each flow that belongs to a turn: the turn's id, and its trace folder if it was recorded."""
        root = self._traces()
        lines: list[str] = []
        for turn_id in dict.fromkeys(f.comment for f in flows if f.comment.startswith("turn_")):
            try:
                lines.append(f"{turn_id} {trace_reader.find(root, turn_id).folder}")
            except FaultError:
                lines.append(f"{turn_id} not recorded")
        return lines

    @command.command("zerogravity.replay")
    def replay(self, turn: str, speed: str = "1") -> None:
        """Answer agents with a recorded turn (its id, or "last") on a free port, at speed 0.25..max. The URL is logged;
        it is served until mitmproxy ends."""
        from zerogravity.testing.replay import Pace, parse_speed

        try:
            found, pace = trace_reader.find(self._traces(), turn), Pace(parse_speed(speed))
        except FaultError as error:
            raise exceptions.CommandError(error.fault.full_message) from error
        self._tasks.spawn(self._serve(found, pace), f"replaying {found.id}")

    @command.command("zerogravity.har")
    def har(self, flows: Sequence[flow.Flow], path: types.Path) -> None:
        """Like save.har, with the answers that are still running as far as they have come."""
        for f in flows:
            channel = self.deps.store.get(f.comment) if self.deps is not None else None
            if isinstance(f, http.HTTPFlow) and channel is not None:
                flow_bodies.fill(f, channel)
        ctx.master.commands.call("save.har", flows, path)

    async def _serve(self, found: trace_reader.Trace, pace: Pace) -> None:
        from zerogravity.testing import replay_server

        async with AsyncExitStack() as stack:
            serving = replay_server.serve(lambda _: found, always=found, pace=pace)
            try:
                replay = await stack.enter_async_context(serving)
            except (OSError, FaultError) as error:
                logger.error("cannot replay: %s", error.fault.full_message if isinstance(error, FaultError) else error)
                return
            logger.log(ALERT, "replaying %s on %s", found.id, replay.url)
            await self._done.wait()

    def _traces(self) -> Path:
        if self.deps is None:
            raise exceptions.CommandError("zerogravity is not running")
        return self.deps.traces
