"""Trace folders → ``Trace``: finding them by what people type, reading them back as a ``TurnSource``. Tolerates traces
of running turns and of other versions; knows nothing of how they are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from zerogravity.core import codec
from zerogravity.core.channel import CascadeChannel, Snapshot
from zerogravity.core.events import AttemptOpened, Record, RequestLine
from zerogravity.core.fold import TurnState, fold
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import Fault, FaultError, Origin, Termination, join_sentences
from zerogravity.observe import trace_folders
from zerogravity.observe.source import Copied, Emitted
from zerogravity.wire import jsonio, narrow

_REFERENCE = re.compile(r"(?:turn_)?([0-9a-z]{1,64})")


@dataclass(frozen=True)
class Trace:
    """One turn's folder. ``info`` is ``turn.json``."""

    folder: Path
    info: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.info.get("id", ""))

    @property
    def short(self) -> str:
        return trace_folders.short(self.id)

    @property
    def closed(self) -> bool:
        return bool(self.info.get("closed"))

    @cached_property
    def google(self) -> str:
        """What Google itself answered to a turn that failed: ``403 PERMISSION_DENIED``; empty when it did not refuse.
        Older traces tell it only in their records."""
        failure = self.info.get("failure")
        if not isinstance(failure, Mapping) or failure.get("origin") != Origin.UPSTREAM:
            return ""
        status = failure.get("upstream_status")
        if status is None and "upstream_status" not in failure:
            opened = (event for record in self.records for event in record.events if isinstance(event, AttemptOpened))
            status = next((event.status for event in opened if event.status != 200), None)
        return "" if status is None else f"{status} {failure.get('rpc_status') or ''}".rstrip()

    @property
    def told(self) -> str:
        """What the failure says, and what to do."""
        failure = self.info.get("failure")
        found = failure if isinstance(failure, Mapping) else {}
        return join_sentences(str(found.get("message", "")), str(found.get("remedy", "")))

    @cached_property
    def google_request(self) -> dict[str, Any]:
        """The request in Google's form."""
        found = self._json("generate.json")
        return found if isinstance(found, dict) else {}

    @cached_property
    def turn(self) -> Turn:
        """The turn again, redacted. Raises ValueError when this version cannot read it."""
        return codec.turn_in(self.info, self.google_request)

    @cached_property
    def upstream(self) -> bytes:
        """``upstream.sse``."""
        return self._bytes("upstream.sse") or b""

    @cached_property
    def records(self) -> list[Record]:
        """Times are ns since the request's arrival. A line that cannot be read ends the list."""
        made: list[Record] = []
        for line in (self._bytes("records.jsonl") or b"").splitlines():
            try:
                value: dict[str, Any] = narrow.members(jsonio.loads(line))
                start, end = value["file"]
                made.append(codec.record_in(value, _payload(self.upstream[start:end])))
            except (ValueError, KeyError, TypeError):
                break
        return made

    @cached_property
    def state(self) -> TurnState:
        return fold(self.records)

    @cached_property
    def channel(self) -> CascadeChannel:
        """The turn as it was in memory, as far as it can be read."""
        copy = Copied(self._readable)
        for record in self.records:
            copy.add(record)
        counts, told = self.info.get("counts"), self.info.get("marks_ms")
        late = int(counts.get("late") or 0) if isinstance(counts, Mapping) else 0
        marks = copy.channel.marks
        if isinstance(told, Mapping):
            marks = {"received": 0, **{phase: round(at * 1e6) for phase, at in told.items()}}
        copy.adopt(Snapshot(self.info.get("cascade_id"), late, {**marks}, self.lines()))
        return copy.channel

    @property
    def _readable(self) -> Turn:
        """The turn; of another version's what there is in any."""
        try:
            return self.turn
        except ValueError:
            model = str(self.info.get("model", ""))
            return Turn(
                self.id, self.info.get("surface", "passive"), model, Target(model, ""), self.google_request,
                stream=bool(self.info.get("stream")), created=int(self.info.get("created") or 0),
            )  # fmt: skip

    @cached_property
    def emitted(self) -> list[Emitted]:
        made: list[Emitted] = []
        for line in (self._bytes("emitted.jsonl") or b"").splitlines():
            try:
                frame: dict[str, Any] = narrow.members(jsonio.loads(line))
                made.append(Emitted(**frame))
            except (ValueError, TypeError):
                break
        return made

    @property
    def frames(self) -> list[Emitted]:
        return self.emitted

    @property
    def trouble(self) -> str | None:
        return self.info.get("trouble")

    def body(self, name: str, attempt_no: int = 0) -> dict[str, Any] | None:
        """One of BODIES: ``{"headers": …, "body": …}``."""
        found = self._json(trace_folders.body_name(name, attempt_no))
        return found if isinstance(found, dict) else None

    def lines(self) -> dict[int, RequestLine]:
        """Where each call to Google went, and how; older traces do not say."""
        told = self.info.get("upstream")
        return {
            entry["call"]: codec.line_in(entry)
            for entry in (told if isinstance(told, list) else ())
            if isinstance(entry, Mapping) and isinstance(entry.get("call"), int)
        }

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.is_file() and path.suffix != ".tmp")

    def _json(self, name: str) -> Any:
        data = self._bytes(name)
        try:
            return None if data is None else jsonio.loads(data)
        except ValueError:
            return None

    def _bytes(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None


def load(folder: Path) -> Trace | None:
    """The trace in ``folder``, or None when there is none (yet)."""
    try:
        info = jsonio.loads((folder / "turn.json").read_bytes())
    except (OSError, ValueError):
        return None
    found = narrow.an_object(info)
    return None if found is None else Trace(folder, found)


def scan(root: Path) -> Iterator[Trace]:
    """All traces, newest first; then copies without a date. ``root`` may itself be the folder of one."""
    if (single := load(root)) is not None:
        yield single
        return
    for folder in chain(trace_folders.newest_first(root), trace_folders.loose(root)):
        if (trace := load(folder)) is not None:
            yield trace


def nothing(root: Path) -> str:
    """What is said where there is no trace at all."""
    return f"there are no traces in {root}; `zerogravity serve --trace` writes one for each turn"


def find(root: Path, reference: str = "last") -> Trace:
    """``last``, an id, or the beginning of one. Raises FaultError 404."""
    if reference == "last":
        newest = next(scan(root), None)
        if newest is None:
            raise _unknown(nothing(root))
        return newest
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise _unknown(f"{reference!r} is not the id of a turn")
    wanted = match.group(1)
    near = (
        f
        for f in trace_folders.newest_first(root)
        if f.name.partition("-")[2].startswith(wanted[: trace_folders.SHORT])
    )
    traces = [trace for trace in map(load, near) if trace is not None]
    found = [trace for trace in traces if trace.id.rpartition("_")[2].startswith(wanted)]
    if not found:
        raise _unknown(f"there is no trace {reference!r} in {root}")
    if len(found) > 1:
        raise _unknown(f"{reference!r} is the beginning of several: {', '.join(trace.short for trace in found[:5])}")
    return found[0]


def _payload(event: bytes) -> bytes:
    """The data of one event of ``upstream.sse``."""
    return b"\n".join(line[6:] for line in event.split(b"\r\n") if line.startswith(b"data: "))


def _unknown(message: str) -> FaultError:
    return FaultError(
        Fault(Origin.CLIENT, 404, "trace_not_found", message, termination=Termination.REJECTED, retryable=False)
    )
