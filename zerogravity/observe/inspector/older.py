"""``Older``: the turns on disk, read in a thread of their own, so that a slow disk delays neither turns nor views of
those in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from zerogravity.errors import FaultError
from zerogravity.observe.history import History, Page
from zerogravity.observe.inspector.answers import BadRequest
from zerogravity.observe.source import TurnSource
from zerogravity.observe.trace_reader import Trace

MAX_TRACES = 4
NOTHING = Page([], more=False)

Row = dict[str, object]


class Older:
    """``history``: None where turns are not recorded; then nothing is found."""

    def __init__(self, history: History | None) -> None:
        self._history = history
        self._kept: OrderedDict[str, tuple[int, Trace]] = OrderedDict()  # used by the thread only
        self._thread = ThreadPoolExecutor(1, "zerogravity-history")  # started by the first question

    @property
    def recorded(self) -> bool:
        return self._history is not None

    async def ask[T](self, read: Callable[[History], T], nothing: T) -> T:
        """``read`` of the history. Raises BadRequest for a query that cannot be read."""
        if self._history is None:
            return nothing
        try:
            return await self._run(read, self._history)
        except FaultError as error:
            raise BadRequest(error.fault.status, error.fault.full_message) from None

    async def search(self, query: str, before: float | None, limit: int) -> Page:
        return await self.ask(lambda history: history.search(query, before=before, limit=limit), NOTHING)

    async def look[T](self, turn_id: str, read: Callable[[TurnSource], T]) -> T:
        """``read`` of the recorded turn. Raises BadRequest where there is none."""
        # a cast, since pyright does not see that a cached_property has the type of what it caches
        return await self._find(turn_id, lambda history, trace: read(cast("TurnSource", trace)))

    async def row(self, turn_id: str) -> Row:
        """The recorded turn's, as a search has it. Raises BadRequest where there is none."""
        return await self._find(turn_id, History.row)

    async def _find[T](self, turn_id: str, read: Callable[[History, Trace], T]) -> T:
        def find(history: History) -> T | None:
            trace = self._trace(history, turn_id)
            return None if trace is None else read(history, trace)

        found = await self.ask(find, None)
        if found is None:
            raise BadRequest(404, "There is no such turn, neither in memory nor on disk.")
        return found

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run[*A, T](self, work: Callable[[*A], T], *given: *A) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    # -- the thread --------------------------------------------------------------------------------------------

    def _trace(self, history: History, turn_id: str) -> Trace | None:
        """Kept for the next view: what has been read of a trace stays in it. Not once the folder has changed."""
        written, trace = self._kept.pop(turn_id, (None, None))
        if trace is None or _written(trace) != written:
            trace = history.trace(turn_id)
        if trace is not None and (written := _written(trace)) is not None:
            self._kept[turn_id] = written, trace
            if len(self._kept) > MAX_TRACES:
                self._kept.popitem(last=False)
        return trace


def _written(trace: Trace) -> int | None:
    """When the trace was last written, in ns; None: it is gone."""
    try:
        return (trace.folder / "turn.json").stat().st_mtime_ns
    except OSError:
        return None
