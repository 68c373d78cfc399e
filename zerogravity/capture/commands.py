"""mitmproxy's commands ``zerogravity.…``: what the gateway knows, for the prompt of mitmproxy and mitmweb, key bindings
and other addons. Composition: reaches into several rooms, decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from mitmproxy import command, ctx, exceptions, flow, http, types
from mitmproxy.log import ALERT

from zerogravity import background
from zerogravity.capture import flow_bodies
from zerogravity.config import Config
from zerogravity.core.registry import MitmStore
from zerogravity.errors import FaultError
from zerogravity.observe import trace_reader
from zerogravity.testing import replay_server
from zerogravity.testing.replay import Pace, parse_speed

STOP_S = 10.0
logger = logging.getLogger("zerogravity.capture")


class Rooms(Protocol):
    """The gateway, as far as commands ask it."""

    config: Config
    store: MitmStore

    def health_line(self) -> str: ...


class Commands:
    """``rooms``: the gateway, once it runs."""

    name = "zerogravity.commands"

    def __init__(self, rooms: Callable[[], Rooms | None]) -> None:
        self._rooms = rooms
        self._replays: list[replay_server.ReplayServer] = []
        self._tasks = background.Tasks()

    async def done(self) -> None:
        await self._tasks.end(STOP_S)
        for replay in self._replays:
            self._tasks.spawn(replay.stop(), f"stopping the replay on {replay.url}")
        self._replays.clear()
        await self._tasks.end(STOP_S)

    @command.command("zerogravity.turns")
    def turns(self) -> Sequence[str]:
        """The turns in memory, newest last: id, phase, termination code."""
        rooms = self._rooms()
        if rooms is None:
            return []
        return [f"{c.id} {c.phase} {c.termination or ''}".rstrip() for c in rooms.store]

    @command.command("zerogravity.health")
    def health(self) -> str:
        """Whether a turn can be served now."""
        rooms = self._rooms()
        return "not running" if rooms is None else rooms.health_line()

    @command.command("zerogravity.trace")
    def trace(self, flows: Sequence[flow.Flow]) -> Sequence[str]:
        """For each flow that belongs to a turn: the turn's id, and its trace folder if it was recorded."""
        root = self._traces()
        told: list[str] = []
        for turn_id in dict.fromkeys(f.comment for f in flows if f.comment.startswith("turn_")):
            try:
                told.append(f"{turn_id} {trace_reader.find(root, turn_id).folder}")
            except FaultError:
                told.append(f"{turn_id} not recorded")
        return told

    @command.command("zerogravity.replay")
    def replay(self, turn: str, speed: str = "1") -> None:
        """Answer agents with a recorded turn (its id, or "last") on a free port, at speed 0.25..max. The URL is logged;
        it is served until mitmproxy ends."""
        try:
            found, pace = trace_reader.find(self._traces(), turn), Pace(parse_speed(speed))
        except FaultError as error:
            raise exceptions.CommandError(error.fault.told) from error
        self._tasks.spawn(self._serve(found, pace), f"replaying {found.id}")

    @command.command("zerogravity.har")
    def har(self, flows: Sequence[flow.Flow], path: types.Path) -> None:
        """Like save.har, and answers that still run are in it as far as they have come."""
        rooms = self._rooms()
        for f in flows:
            channel = rooms.store.get(f.comment) if rooms is not None else None
            if isinstance(f, http.HTTPFlow) and channel is not None:
                flow_bodies.fill(f, channel)
        ctx.master.commands.call("save.har", flows, path)

    async def _serve(self, found: trace_reader.Trace, pace: Pace) -> None:
        try:
            replay = await replay_server.start(lambda _: found, always=found, pace=pace)
        except (OSError, FaultError) as error:
            logger.error("can not replay: %s", error.fault.told if isinstance(error, FaultError) else error)
            return
        self._replays.append(replay)
        logger.log(ALERT, "replaying %s on %s", found.id, replay.url)

    def _traces(self) -> Path:
        rooms = self._rooms()
        if rooms is None:
            raise exceptions.CommandError("zerogravity is not running")
        return rooms.config.trace_path
