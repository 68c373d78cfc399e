"""Trace folders → the index of traces, and what keeps it up to date: the recorder tells what it has written and
removed, ``sync`` compares everything.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import batched
from pathlib import Path
from typing import NamedTuple, cast

from zerogravity.errors import Termination
from zerogravity.observe import moments, summary, trace_folders, trace_reader, turn_texts
from zerogravity.observe.source import TurnSource
from zerogravity.observe.trace_reader import Trace
from zerogravity.observe.turn_texts import Said
from zerogravity.store.trace_index import FILE, Entry, TraceIndex
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import count, members, number, text, texts
from zerogravity.worker import PATIENCE_S, BackgroundWorker

BATCH, BATCH_SIZE = 20, 4 << 20  # turns of a transaction, and characters, after which it ends: others wait for it
PAUSE_S = 0.5  # a turn can be found that long after its end, in a rush of turns later
QUEUED = 10_000
HELD = 16 << 20  # characters of answers that wait in memory
REST_S = 0.05  # after each batch: turns that run share the interpreter with it
RETRY_S = 5.0  # after which an index that could not be written is tried again


# -- a turn → its entry --------------------------------------------------------------------------------------------


def entry(trace: Trace, folder: str, changed: int, said: Said | None = None) -> Entry:
    """``folder``: as the index names it; ``changed``: the folder's time of change, in ns; ``said``: where that is known
    without reading the records. Whatever the folder holds, this raises OSError only."""
    said = Said.of(trace.state) if said is None else said
    info = trace.info
    created = trace_folders.started(trace.folder) or _finite(info.get("created"))
    row = {**summary.stored_row(info), "created": created, "google": trace.google}
    usage = members(info.get("usage"))
    names = ("client", "session", "previous", "branch", "run", "conversation", "surface", "model", "target", "question")
    values = {
        **{name: _clean(text(row.get(name))) for name in names},
        "folder": folder, "changed": changed, "id": _clean(trace.id), "started": _iso(created), "created": created,
        "code": _clean(text(row["code"])) or None, "google": _clean(trace.google), "failed": int(bool(row["failed"])),
        "prompt_tokens": count(usage.get("prompt")), "cached_tokens": count(usage.get("cached")),
        "output_tokens": count(usage.get("candidates")), "thought_tokens": count(usage.get("thoughts")),
        "price": number(row["price"]), "total_ms": _finite(row["total_ms"]),
        "tools": _clean(jsonio.text(texts(info.get("called")))), "note": _clean(text(info.get("note"))),
        "star": int(trace.starred), "row": _clean(jsonio.text(row)),
    }  # fmt: skip
    source = cast("TurnSource", trace)  # pyright does not see that a cached_property has the type of what it caches
    parts = {name: _clean(part) for name, part in turn_texts.of(source, said).items()}
    results = [_clean(call) for call in summary.results(turn_texts.fresh(source))]
    return Entry(values, parts, _awaited(trace, said), results)


def _awaited(trace: Trace, said: Said) -> list[tuple[str, str]]:
    """The calls whose results its client was to bring."""
    if trace.info.get("code") != Termination.TOOL:
        return []
    from zerogravity.surfaces import REGISTRY  # heavy, and not for who finds the index as it should be

    found = summary.awaited_calls(trace.readable_turn, said.calls, REGISTRY)
    return [(_clean(own), _clean(upstream)) for own, upstream in found]


def _clean(value: str) -> str:
    """Without what SQLite has no text for."""
    return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _finite(value: object) -> float:
    found = number(value)
    return found if found is not None and math.isfinite(found) else 0.0


def _iso(seconds: float) -> str:
    try:
        return moments.utc(seconds)
    except (ValueError, OverflowError, OSError):
        return ""


# -- the folders → the index ---------------------------------------------------------------------------------------


class Synced(NamedTuple):
    """How many turns were added or read again, and how many forgotten."""

    added: int
    removed: int


def sync(root: Path, index: TraceIndex, progress: Callable[[int, int], None] = lambda done, total: None) -> Synced:
    """Make ``index`` hold what the folders hold: what has come, changed or gone. ``progress`` gets (done, of how many).
    Raises OSError."""
    known, there = index.known(), dict(_changes(root))
    gone = [name for name in known if name not in there]
    index.remove(gone)
    new = [name for name, changed in there.items() if known.get(name) != changed]
    added = 0
    for entries in _batches(_read(root, name) for name in new):
        index.put(entries)
        added += len(entries)
        progress(added, len(new))
    return Synced(added, len(gone))


def rest(done: int, total: int) -> None:
    """The ``progress`` of a ``sync`` beside turns that run."""
    time.sleep(REST_S)


class Change(NamedTuple):
    """A turn's folder was written, or removed. ``said``: by the turn, where that is known without reading it."""

    folder: Path
    said: Said | None = None


def update(root: Path, index: TraceIndex, changes: Iterable[Change]) -> None:
    """The same of these folders only. Raises OSError."""
    newest = {name_of(root, change.folder): change.said for change in changes}
    there: set[object] = set()
    for entries in _batches(_read(root, name, said) for name, said in newest.items()):
        index.put(entries)
        there.update(made.values["folder"] for made in entries)
    for gone in batched((name for name in newest if name not in there), BATCH):
        index.remove(gone)


def _batches(entries: Iterable[Entry | None]) -> Iterator[list[Entry]]:
    """What is put into the index together."""
    batch: list[Entry] = []
    size = 0
    for made in entries:
        if made is not None:
            batch.append(made)
            size += sum(map(len, made.parts.values()))
        if len(batch) == BATCH or size >= BATCH_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _changes(root: Path) -> Iterable[tuple[str, int]]:
    """(name, time of change) of each trace's folder, newest first. ``root`` may itself be one."""
    return trace_folders.changes(root) if trace_reader.load(root) is None else ((".", root.stat().st_mtime_ns),)


def name_of(root: Path, folder: Path) -> str:
    return folder.relative_to(root).as_posix()


def _read(root: Path, name: str, said: Said | None = None) -> Entry | None:
    """The entry of a folder; None when it holds no trace (yet). The time is read first: what changes meanwhile differs
    from it."""
    folder = root / name
    try:
        changed = folder.stat().st_mtime_ns
        trace = trace_reader.load(folder)
        return None if trace is None else entry(trace, name, changed, said)
    except OSError:  # it is being removed
        return None


# -- the recorder → the index --------------------------------------------------------------------------------------


class Indexer:
    """Keeps the index of ``root`` up to date, in a thread of its own: first with all that is there, then with what it
    is told. ``report`` gets the reason when the index cannot be written, None when it can again; traces never suffer.
    """

    def __init__(self, root: Path, *, report: Callable[[str | None], None] = lambda _: None) -> None:
        self._root = root
        self._index = TraceIndex(root / FILE)
        self._behind = True  # the index may lack more than it is told of
        self._put_size = 0  # characters; written by who tells only
        self._done_size = 0  # written by the thread only
        self.worker: BackgroundWorker[Change] = BackgroundWorker(
            "trace-index", self._write, limit=QUEUED, pause=PAUSE_S, patience=PATIENCE_S, report=report,
            every=lambda: RETRY_S if self.worker.degraded else None,
        )  # fmt: skip

    def start(self) -> None:
        self.worker.start()
        self.changed(self._root)

    def changed(self, folder: Path, said: Said | None = None) -> None:
        """See ``Change``. Never waits. What was said is read again where too much of it waits already."""
        if said is not None and self.waiting + said.size > HELD:
            said = None
        if not self.worker.put(Change(folder, said)):
            self._behind = True
        elif said is not None:
            self._put_size += said.size

    @property
    def waiting(self) -> int:
        """Characters that are held until they are indexed."""
        return self._put_size - self._done_size

    def flush(self) -> bool:
        return self.worker.flush()

    def close(self) -> None:
        self.worker.close()

    def _write(self, changes: list[Change]) -> None:
        held = sum(said.size for _, said in changes if said is not None)
        try:
            if self._root.is_dir():  # else nothing has been recorded yet
                self._update(changes)
        finally:
            self._done_size += held

    def _update(self, changes: list[Change]) -> None:
        behind, self._behind = self._behind or self._index.is_empty(), False
        try:
            if behind:
                sync(self._root, self._index, rest)
            else:
                update(self._root, self._index, changes)
        except OSError:
            self._behind = True
            raise
