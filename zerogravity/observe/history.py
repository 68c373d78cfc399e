"""``History``: the turns on disk, newest first, for the inspector's older pages and the ``trace`` commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from zerogravity.observe import summary, trace_reader
from zerogravity.observe.trace_reader import Trace
from zerogravity.wire.narrow import number


class Page(NamedTuple):
    """``rows``: as ``summary.stored_row`` has them, newest first; ``more``: there are older ones."""

    rows: Sequence[dict[str, object]]
    more: bool


class History:
    """``root``: the folder of the traces. Every method may take time; none belongs on the loop that captures."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def search(self, query: str = "", *, before: float | None = None, limit: int = 100) -> Page:
        """The turns that ``query`` finds and that began before ``before`` (wall-clock seconds). Raises FaultError 400
        for a query that cannot be read."""
        found = [
            summary.stored_row(trace.info)
            for trace in trace_reader.scan(self.root)
            if query in str(trace.info) and (before is None or (number(trace.info.get("created")) or 0) < before)
        ]
        return Page(found[:limit], len(found) > limit)

    def sessions(self, query: str = "", *, before: float | None = None, limit: int = 50) -> list[dict[str, object]]:
        """Sessions with a turn that ``query`` finds, newest first: see ``session_summary.of``."""
        return []

    def trace(self, turn_id: str) -> Trace | None:
        """The recorded turn with this id, or None."""
        return next((trace for trace in trace_reader.scan(self.root) if trace.id == turn_id), None)
