"""``LiveTurns``: the turns in memory as rows, and what changes in them. A row of a finished turn is made once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.observe import summary
from zerogravity.observe.sessions import Sessions
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire.narrow import lookup

BATCH = 10  # rows made in one go: each may take milliseconds, and captures run in the same loop

Row = dict[str, object]


class LiveTurns:
    """``clock``: monotonic ns."""

    def __init__(self, store: MitmStore, surfaces: Surfaces, sessions: Sessions, clock: Callable[[], int]) -> None:
        self._store = store
        self._surfaces = surfaces
        self._sessions = sessions
        self._clock = clock
        self._answered = Answered(store)

    def get(self, turn_id: str) -> CascadeChannel | None:
        return self._store.get(turn_id)

    async def row(self, channel: CascadeChannel) -> Row:
        return self._row(channel, self._clock(), await self._answered.now())

    def by_session(self) -> dict[str, list[CascadeChannel]]:
        """Session → its turns in memory; the session with the newest turn first."""
        found: dict[str, list[CascadeChannel]] = {}
        for channel in reversed(list(self._store)):
            if session := self._sessions.known(channel.id).session:
                found.setdefault(session, []).append(channel)
        return found

    async def rows(self, channels: Iterable[CascadeChannel] | None = None) -> list[Row]:
        """Of all turns, or of these, in their order, made in batches."""
        answered = await self._answered.now()
        now = self._clock()
        made: list[Row] = []
        for channel in self._store if channels is None else channels:
            made.append(self._row(channel, now, answered))
            if len(made) % BATCH == 0:
                await asyncio.sleep(0)
        return made

    async def changes(self, sent: dict[str, tuple[int, str]]) -> tuple[list[Row], list[str]]:
        """What differs from ``sent``, which is updated: rows, and the ids of turns that have left."""
        answered = await self._answered.now()
        now = self._clock()
        changed: list[Row] = []
        present: set[str] = set()
        for channel in self._store:
            present.add(channel.id)
            if channel.id in sent and sent[channel.id][1] in summary.FINAL:
                continue  # it changes no more: most turns cost nothing
            mark = (channel.count, summary.activity(channel, now, answered, self._surfaces)[0])
            if sent.get(channel.id) != mark:
                sent[channel.id] = mark
                changed.append(self._row(channel, now, answered))
                if len(changed) % BATCH == 0:
                    await asyncio.sleep(0)
        gone = [turn_id for turn_id in sent if turn_id not in present]
        for turn_id in gone:
            del sent[turn_id]
        return changed, gone

    def _row(self, channel: CascadeChannel, now: int, answered: Collection[str]) -> Row:
        return summary.row(channel, now, answered, self._surfaces, self._sessions.known(channel.id))


class Answered:
    """The ids of all calls whose results are in a turn of the store."""

    def __init__(self, store: MitmStore) -> None:
        self._store = store
        self._by_turn: dict[str, frozenset[str]] = {}
        self._ids: Counter[str] = Counter()  # id → how many turns have its result

    async def now(self) -> Collection[str]:
        """Reads each turn once, in batches."""
        present = {channel.id: channel for channel in self._store}
        for turn_id in self._by_turn.keys() - present.keys():
            self._ids -= Counter(self._by_turn.pop(turn_id))
        for number, (turn_id, channel) in enumerate(present.items(), 1):
            if turn_id not in self._by_turn:
                found = self._by_turn[turn_id] = _results(channel.turn)
                self._ids.update(found)
                if number % BATCH == 0:
                    await asyncio.sleep(0)
        return self._ids.keys()


def _results(turn: Turn) -> frozenset[str]:
    """The ids of calls whose results ``turn`` contains."""
    return frozenset(
        call_id
        for content in summary.contents(turn)
        for part in summary.parts(content)
        if isinstance(call_id := lookup(part, "functionResponse", "id"), str)
    )
