"""``LiveTurns``: the turns in memory as rows, and ``Feed``: what changes in them. A turn that is over costs nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import contextmanager

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Turn
from zerogravity.observe import summary
from zerogravity.observe.sessions import NOWHERE, Sessions
from zerogravity.surfaces.base import Surfaces

BATCH = 10  # rows made in one go: each may take milliseconds, and captures run in the same loop
MOST = 500  # rows of a message: the first ones are shown while the others are made
WRITTEN_NS = 10_000_000_000  # after this, a turn that is over is on disk

Row = dict[str, object]
Mark = tuple[int, str, bool]  # records, state, whether its session is known: when it differs, so does the row


class LiveTurns:
    """``clock``: monotonic ns. ``sessions``: where the turns of ``store`` are placed. ``abandoned``: whether the
    program that a turn is for has ended."""

    def __init__(
        self, store: MitmStore, surfaces: Surfaces, sessions: Sessions, clock: Callable[[], int],
        abandoned: Callable[[Turn], bool] = lambda turn: False,
    ) -> None:  # fmt: skip
        self._store = store
        self._surfaces = surfaces
        self._sessions = sessions
        self._clock = clock
        self._abandoned = abandoned
        self._answered = Answered()
        self._known: dict[str, None] = {}
        self._moving: dict[str, Mark | None] = {}  # turns whose rows may still change
        self._feeds: set[Feed] = set()
        self._opened, self._seen = 0, -1
        self._refreshing = asyncio.Lock()
        store.on_open.append(self._count)

    def get(self, turn_id: str) -> CascadeChannel | None:
        return self._store.get(turn_id)

    def by_session(self) -> dict[str, list[CascadeChannel]]:
        """Session → its turns in memory, the newest first; the session with the newest turn first."""
        found: dict[str, list[CascadeChannel]] = {}
        for channel in reversed(list(self._store)):
            if session := self._sessions.known(channel.id).session:
                found.setdefault(session, []).append(channel)
        return found

    def is_moving(self, channels: Iterable[CascadeChannel]) -> bool:
        """Whether one of them runs, or has ended so lately that it may not be on disk yet."""
        now = self._clock()
        return any(not channel.closed or now - channel.marks["done"] < WRITTEN_NS for channel in channels)

    async def row(self, channel: CascadeChannel) -> Row:
        return (await self.rows((channel,)))[0]

    async def rows(self, channels: Iterable[CascadeChannel] | None = None) -> list[Row]:
        """Of all turns, or of these, in their order."""
        await self.refresh()
        return await self.made(self._store if channels is None else channels)

    async def made(self, channels: Iterable[CascadeChannel]) -> list[Row]:
        """Their rows as of the last ``refresh``, made in batches."""
        now = self._clock()
        made: list[Row] = []
        for channel in channels:
            placed = self._sessions.known(channel.id)
            made.append(summary.row(channel, now, self._answered.ids, self._surfaces, placed))
            if len(made) % BATCH == 0:
                await asyncio.sleep(0)
        return made

    @contextmanager
    def follow(self) -> Generator[Feed]:
        """From now on; at first everything is new."""
        feed = Feed(self, self._known)
        self._feeds.add(feed)
        try:
            yield feed
        finally:
            self._feeds.discard(feed)

    def changed(self, channel: CascadeChannel) -> None:
        """Something that is no part of the turn has: a note."""
        for feed in self._feeds:
            feed.change(channel.id)

    # -- what has changed --------------------------------------------------------------------------------------

    def _count(self, _: CascadeChannel) -> None:
        self._opened += 1

    async def refresh(self) -> None:
        """Tell the feeds what has changed since the last time. The work grows with the turns that run."""
        async with self._refreshing:
            if self._seen != self._opened or len(self._store) != len(self._known):
                self._seen = self._opened
                await self._compare({channel.id: channel for channel in self._store})
            now = self._clock()
            for number, turn_id in enumerate(list(self._moving), 1):
                if (channel := self._store.get(turn_id)) is not None:
                    self._look(channel, now)
                if number % (10 * BATCH) == 0:
                    await asyncio.sleep(0)

    async def _compare(self, present: dict[str, CascadeChannel]) -> None:
        for turn_id in self._known.keys() - present.keys():
            del self._known[turn_id]
            self._moving.pop(turn_id, None)
            self._answered.drop(turn_id)
            for feed in self._feeds:
                feed.leave(turn_id)
        new = [channel for turn_id, channel in present.items() if turn_id not in self._known]
        for number, channel in enumerate(new, 1):
            self._known[channel.id] = self._moving[channel.id] = None
            self._answered.add(channel.turn)
            if number % BATCH == 0:
                await asyncio.sleep(0)

    def _look(self, channel: CascadeChannel, now: int) -> None:
        at = self._sessions.known(channel.id)
        placed = at != NOWHERE
        if placed:
            self._answered.goes_on(channel.id, at.previous)
        if self._abandoned(channel.turn):
            self._answered.give_up(channel.id)
        state = summary.activity(channel, now, self._answered.ids, self._surfaces)[0]
        mark = (channel.count, state, placed)
        if self._moving[channel.id] != mark:
            self._moving[channel.id] = mark
            for feed in self._feeds:
                feed.change(channel.id)
        if placed and state in summary.FINAL:
            del self._moving[channel.id]


class Feed:
    """What one reader has still to hear."""

    def __init__(self, turns: LiveTurns, known: Iterable[str]) -> None:
        self._turns = turns
        self._waiting = dict.fromkeys(known)
        self._gone: list[str] = []

    def change(self, turn_id: str) -> None:
        self._waiting.pop(turn_id, None)
        self._waiting[turn_id] = None

    def leave(self, turn_id: str) -> None:
        self._waiting.pop(turn_id, None)
        self._gone.append(turn_id)

    async def news(self) -> tuple[list[Row], list[str], bool]:
        """Rows of turns that are new or have changed, the latest first; the ids of turns that have left; whether that
        is all for now."""
        await self._turns.refresh()
        taken: list[CascadeChannel] = []
        while self._waiting and len(taken) < MOST:
            if (channel := self._turns.get(self._waiting.popitem()[0])) is not None:
                taken.append(channel)
        gone, self._gone = self._gone, []
        return await self._turns.made(taken), gone, not self._waiting


class Answered:
    """``ids``: of all calls whose results are in one of the turns, and of the turns that others go on from, or that
    nothing will go on from."""

    def __init__(self) -> None:
        self._by_turn: dict[str, frozenset[str]] = {}
        self._counts: Counter[str] = Counter()  # id → how many turns have its result

    @property
    def ids(self) -> Collection[str]:
        return self._counts.keys()

    def add(self, turn: Turn) -> None:
        found = self._by_turn[turn.id] = summary.results(summary.contents(turn))
        self._counts.update(found)

    def goes_on(self, turn_id: str, previous: str) -> None:
        """Which turn it goes on from."""
        if previous and previous not in self._by_turn[turn_id]:
            self._by_turn[turn_id] |= {previous}
            self._counts.update((previous,))

    def give_up(self, turn_id: str) -> None:
        """Its program has ended, and brings no more results."""
        self.goes_on(turn_id, turn_id)

    def drop(self, turn_id: str) -> None:
        for call_id in self._by_turn.pop(turn_id, ()):
            self._counts[call_id] -= 1
            if not self._counts[call_id]:
                del self._counts[call_id]
