"""``History``: the turns on disk, newest first, for the inspector's older pages and the ``trace`` commands."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from zerogravity.errors import FaultError, Termination
from zerogravity.observe import indexing, query, session_summary, summary, trace_folders, trace_reader
from zerogravity.observe.indexing import Change
from zerogravity.observe.regex_literals import literals
from zerogravity.observe.trace_reader import Trace
from zerogravity.store.trace_index import FILE, Failures, Found, Part, TraceIndex

AROUND = 60  # characters of a snippet on each side of what was found
SHOWN = 1000  # characters of what was found
PIECE = 1 << 16  # characters of a text that are searched together


class Page(NamedTuple):
    """``rows``: as ``summary.stored_row`` has them, newest first, with ``note`` and ``star``, and where words were
    searched ``snippet`` (``{"part", "text"}``); ``more``: there are older ones."""

    rows: Sequence[dict[str, object]]
    more: bool


class Listed(NamedTuple):
    """``row``: as in ``Page``."""

    trace: Trace
    row: dict[str, object]


class Hit(NamedTuple):
    """A line of a turn's text. ``part``: see ``turn_texts``."""

    turn: str
    part: str
    line: str


class History:
    """``root``: the folder of the traces. Every method may take time; none belongs on the loop that captures.

    ``fresh``   somebody else keeps the index up to date: it is read as it is, unless nothing is in it.
    ``remark``  gets what people should know: that there is no index, so that every search reads all folders.

    A query is in the language of ``observe.query``; each method that takes one raises FaultError 400 when it cannot be
    read. OSError: the folders cannot be read.
    """

    def __init__(self, root: Path, *, fresh: bool = False, remark: Callable[[str], None] = lambda _: None) -> None:
        self.root = root
        self._fresh = fresh
        self._remark = remark
        self._memory: TraceIndex | None = None

    def search(self, text: str = "", *, before: float | None = None, limit: int = 100) -> Page:
        """The turns that the query finds and that began before ``before`` (wall-clock seconds)."""
        wanted = query.parse(text, time.time())
        index = self._synced()
        found = index.turns(wanted, before=before, limit=limit + 1)
        return Page(_rows(index, found[:limit], wanted), len(found) > limit)

    def listed(self, text: str = "", *, limit: int = 0) -> list[Listed]:
        """The same turns with their rows, newest first. ``limit`` 0: all."""
        wanted = query.parse(text, time.time())
        index = self._synced()
        found = index.turns(wanted, limit=limit or -1)
        rows = zip(found, _rows(index, found, wanted), strict=True)
        return [Listed(trace, row) for (folder, _), row in rows if (trace := trace_reader.load(self.root / folder))]

    def traces(self, text: str = "", *, limit: int = 0) -> Iterator[Trace]:
        """The turns that the query finds, newest first. ``limit`` 0: all."""
        wanted = query.parse(text, time.time())
        folders = [self.root / folder for folder, _ in self._synced().turns(wanted, limit=limit or -1)]
        return (trace for folder in folders if (trace := trace_reader.load(folder)) is not None)

    def sessions(self, text: str = "", *, before: float | None = None, limit: int = 50) -> list[dict[str, object]]:
        """Sessions with a turn that the query finds, newest first: see ``session_summary.of``. ``before``: only those
        whose newest such turn began earlier."""
        wanted = query.parse(text, time.time())
        found = self._synced().sessions(wanted, before=before, limit=limit)  # without the states of turns
        return [session_summary.of(rows) for rows in found]

    def row(self, trace: Trace) -> dict[str, object]:
        """As ``search`` has it, of one that has been found already."""
        made = summary.stored_row(trace.info)
        _tell_of_results(self._synced(), [made])
        return made

    def trace(self, turn_id: str) -> Trace | None:
        """The recorded turn with this id, or None."""
        try:
            found = trace_reader.find(self.root, turn_id)
        except FaultError:
            return None
        return found if found.id == turn_id else None

    def grep(self, pattern: re.Pattern[str], text: str = "") -> Iterator[Hit]:
        """The first line that ``pattern`` finds in each part of the turns that the query finds, newest turn first."""
        return _hits(pattern, self._synced().parts(query.parse(text, time.time()), literals(pattern)))

    def failures(self, text: str = "") -> list[Failures]:
        """Failed turns, counted by code and Google's status."""
        return self._synced().failures(query.parse(text, time.time()))

    def changed(self, folder: Path) -> None:
        """Something in a turn's folder is new, as a note is: it is found by that at once, or else by the next sync."""
        with suppress(OSError):
            indexing.update(self.root, TraceIndex(self.root / FILE), [Change(folder)])

    def remove(self, traces: Iterable[Trace]) -> None:
        """Remove turns from the disk."""
        folders = [trace.folder for trace in traces]
        for folder in folders:
            trace_folders.remove(folder)
        self._synced().remove([indexing.name_of(self.root, folder) for folder in folders])

    def rebuild(self, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
        """Make the index again from the folders. Returns the number of turns."""
        index = TraceIndex(self.root / FILE)
        index.clear()
        return indexing.sync(self.root, index, progress).added

    # -- the index -----------------------------------------------------------------------------------------------

    def _synced(self) -> TraceIndex:
        """The index, up to date; in memory where there can be none on disk."""
        if next(trace_folders.newest_first(self.root), None) is not None:  # else a single trace, or copies of some
            index = TraceIndex(self.root / FILE)
            try:
                if not self._fresh:
                    indexing.sync(self.root, index)
                elif index.is_empty():  # it was lost, and nobody has noticed
                    indexing.sync(self.root, index, indexing.rest)
                return index
            except OSError as error:
                self._remark(f"{error}; every folder is read instead")
        self._memory = self._memory or TraceIndex(None)
        indexing.sync(self.root, self._memory)
        return self._memory


def _rows(index: TraceIndex, found: Sequence[Found], wanted: query.Query) -> list[dict[str, object]]:
    """As ``Page`` has them."""
    rows = [row for _, row in found]
    _tell_of_results(index, rows)
    if wanted.words:
        with closing(index.texts(folder for folder, _ in found)) as texts:
            for row, parts in zip(rows, texts, strict=True):
                row["snippet"] = _snippet(parts, wanted.words)
    return rows


def _tell_of_results(index: TraceIndex, rows: Iterable[dict[str, object]]) -> None:
    """Whether the results of a turn's calls have come, only later turns know."""
    ended = {str(row.get("id")): row for row in rows if row.get("code") == Termination.TOOL}
    for turn, given_up in index.without_results(ended).items() if ended else ():
        ended[turn].update(summary.without_results(ended[turn], time.time(), given_up=given_up))


def _hits(pattern: re.Pattern[str], parts: Generator[Part]) -> Iterator[Hit]:
    with closing(parts):
        for part in parts:
            if (match := pattern.search(part.text)) is not None:
                yield Hit(part.turn, part.part, _line(part.text, match.start(), match.end()))


def _snippet(parts: Sequence[tuple[str, str]], words: Sequence[str]) -> dict[str, str] | None:
    """Where the first of ``words`` stands; None: in none of the texts (any more)."""
    for word in words:
        for part, text in parts:
            if (found := _span(text, word)) is not None:
                return {"part": part, "text": _around(text, *found)}
    return None


def _span(text: str, word: str) -> tuple[int, int] | None:
    """Where ``word``, in lower case, stands in any case. The expression tells where, since a letter may be two in lower
    case; it is slow, so that it is asked only where there is something, in a piece of a long text."""
    for start in range(0, len(text), PIECE):
        piece = text[start : start + PIECE + len(word)]
        if word in piece.lower() and (match := re.search(re.escape(word), piece, re.IGNORECASE)) is not None:
            return start + match.start(), start + match.end()
    return None


def _around(text: str, start: int, end: int) -> str:
    """One line, with the words in its midst."""
    first, last = max(0, start - AROUND), end + AROUND
    line = " ".join(text[first:last].split())
    return f"{'…' if first else ''}{line}{'…' if last < len(text) else ''}"


def _line(text: str, start: int, end: int) -> str:
    """The line of a match, cut to what stands around it."""
    end = min(end, start + SHOWN)
    begin, finish = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    return text[max(begin, start - AROUND) : min(finish if finish >= 0 else len(text), end + AROUND)]
