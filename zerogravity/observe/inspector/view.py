"""``View``: a redacted copy of one turn that grows when it is looked at: its records, and the frames they cause.

What was emitted is not stored: emitters are deterministic, so the frames are rendered again, once per turn and not once
per page: a view goes on where it stopped, which makes paging through a long turn linear. The work is done in a thread
in small steps, since looking at a turn must not hold up those that run.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel, ChannelWriter
from zerogravity.core.events import Record
from zerogravity.observe.replica import joined, redacted_event, redacted_turn
from zerogravity.surfaces.base import Emitter

EmitterOf = Callable[[CascadeChannel], Emitter | None]

MAX_VIEWS = 8
MAX_BYTES = 96 << 20
BEFORE = -1  # the "record" that causes the frames which stand before the first one


class View:
    """``records``  as they came, without secrets. ``frames``  (seq of the record that caused it, bytes), in order."""

    def __init__(self, channel: CascadeChannel, emitter_of: EmitterOf) -> None:
        self.channel = channel
        self.records: list[Record] = []
        self.frames: list[tuple[int, bytes]] = []
        self.size = 0
        self._emitter_of = emitter_of
        self._emitter: Emitter | None = None
        self._growing: asyncio.Task[None] | None = None

    async def grow(self) -> None:
        """Catch up with the turn. Whoever asks may go away: the work is one task of its own, never two at a time."""
        wanted = self.channel.count
        while len(self.records) < wanted and not self.channel.expired:
            if self._growing is None or self._growing.done():
                new = self.channel.records[len(self.records) :]
                self._growing = asyncio.create_task(asyncio.to_thread(self._add, new))
            await asyncio.shield(self._growing)

    def frames_of(self, seq: int) -> tuple[int, int]:
        """Where the frames begin and end that record ``seq`` caused."""
        return (
            bisect_left(self.frames, seq, key=lambda frame: frame[0]),
            bisect_right(self.frames, seq, key=lambda frame: frame[0]),
        )

    def _add(self, new: Sequence[Record]) -> None:
        added: Sequence[Record] = [_redacted(record) for record in new]
        ended = added[-1].terminal is not None
        if ended and (whole := joined([*self.records, *added])) is not None:
            # A secret was spread over several deltas: only the whole shows it, so everything is rendered again.
            self.records, self.frames, self.size, self._emitter = [], [], 0, None
            added = whole
        frames = self._rendered(added)
        self.records.extend(added)
        self.frames.extend(frames)
        self.size += sum(len(record.data) + 400 for record in added) + sum(len(frame) + 100 for _, frame in frames)
        if ended:
            self._emitter = None

    def _rendered(self, records: Sequence[Record]) -> list[tuple[int, bytes]]:
        frames: list[tuple[int, bytes]] = []
        if self._emitter is None:
            copy = ChannelWriter(redacted_turn(self.channel.turn), lambda: 0).channel
            self._emitter = self._emitter_of(copy)
            if self._emitter is None:
                return []
            frames += [(BEFORE, frame) for frame in self._emitter.begin()]
        for record in records:
            frames += [(record.seq, frame) for frame in self._emitter.feed(record)]
        return frames


def _redacted(record: Record) -> Record:
    return replace(record, data=redact.json_bytes(record.data), events=tuple(map(redacted_event, record.events)))


class Views:
    """The views of the turns that were looked at last; bounded in number and bytes."""

    def __init__(self, emitter_of: EmitterOf, max_bytes: int = MAX_BYTES) -> None:
        self._emitter_of = emitter_of
        self._max_bytes = max_bytes
        self._views: OrderedDict[str, View] = OrderedDict()

    async def of(self, channel: CascadeChannel) -> View:
        """The view of that turn, up to date."""
        view = self._views.get(channel.id)
        if view is None:
            view = self._views[channel.id] = View(channel, self._emitter_of)
        self._views.move_to_end(channel.id)
        await view.grow()
        self._trim()
        return view

    def _trim(self) -> None:
        for turn_id in [turn_id for turn_id, view in self._views.items() if view.channel.expired]:
            del self._views[turn_id]
        while len(self._views) > 1 and (len(self._views) > MAX_VIEWS or self.bytes > self._max_bytes):
            self._views.popitem(last=False)

    @property
    def bytes(self) -> int:
        """How much they hold."""
        return sum(view.size for view in self._views.values())
