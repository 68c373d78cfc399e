"""Trace folders → ``Trace``: found by what people type, read back as a ``TurnSource``. Tolerates traces of running
turns and of other versions.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerogravity.core import codec
from zerogravity.core.channel import CascadeChannel, Snapshot
from zerogravity.core.events import AttemptOpened, Record, RequestLine
from zerogravity.core.fold import TurnState, fold
from zerogravity.core.google import as_request
from zerogravity.core.turn import PASSIVE, Target, Turn
from zerogravity.errors import Fault, FaultError, Origin, Termination, join_sentences
from zerogravity.observe import notes, trace_folders
from zerogravity.observe.sessions import Placement
from zerogravity.observe.source import ChannelCopy, Emitted
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import an_object, count, members, number, objects, text

if TYPE_CHECKING:
    from zerogravity.observe.replica import Replica

MAY_RUN_S = 3600.0  # a turn without an end that began longer ago was cut off
EMITTED = "emitted.jsonl"  # older traces have it
_REFERENCE = re.compile(r"(?:turn_)?([0-9a-z]{1,64})")


@dataclass(frozen=True)
class Trace:
    """One turn's folder. ``info`` is ``turn.json``, with the members of ``note.json`` if there is one."""

    folder: Path
    info: Mapping[str, object]

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
        """What Google answered to a turn that failed: ``403 PERMISSION_DENIED``; empty unless Google refused it. Older
        traces have it in their records only."""
        failure = self.failure
        if failure.get("origin") != Origin.UPSTREAM:
            return ""
        status = failure.get("upstream_status")
        if status is None and "upstream_status" not in failure:
            opened = (event for record in self.records for event in record.events if isinstance(event, AttemptOpened))
            status = next((event.status for event in opened if event.status != 200), None)
        return "" if status is None else f"{status} {failure.get('rpc_status') or ''}".rstrip()

    @property
    def conversation(self) -> str:
        """Which conversation it belongs to; empty: unknown, as in older traces."""
        return text(self.info.get("conversation"))

    @property
    def failure(self) -> dict[str, object]:
        """The fault of a failed turn; empty for any other."""
        return codec.fault_members(members(self.info.get("failure")))

    @property
    def failure_text(self) -> str:
        """What went wrong, and what to do."""
        return join_sentences(text(self.failure.get("message")), text(self.failure.get("remedy")))

    @cached_property
    def google_request(self) -> dict[str, object]:
        """The request in Google's form."""
        return members(self._json("generate.json"))

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
                made += codec.records_in(members(jsonio.loads(line)), self._payload)
            except ValueError:
                break
        return made

    def _payload(self, start: int, end: int) -> bytes:
        return _payload(self.upstream[start:end])

    @cached_property
    def state(self) -> TurnState:
        return fold(self.records)

    @cached_property
    def channel(self) -> CascadeChannel:
        """The turn as it was in memory, as far as it can be read."""
        copy = ChannelCopy(self.readable_turn)
        for record in self.records:
            copy.add(record)
        late = count(members(self.info.get("counts")).get("late"))
        marks = {phase: round(at * 1e6) for phase, at in self.marks_ms.items()}
        marks = {"received": 0, **marks} if marks else dict(copy.channel.marks)
        copy.adopt(Snapshot(text(self.info.get("cascade_id")) or None, late, marks, self.lines()))
        return copy.channel

    @property
    def marks_ms(self) -> dict[str, float]:
        """Phase → when it was reached."""
        marks = members(self.info.get("marks_ms"))
        return {phase: at for phase, value in marks.items() if (at := number(value)) is not None}

    @property
    def readable_turn(self) -> Turn:
        """The turn; of another version, what every version has."""
        try:
            return self.turn
        except ValueError:
            model, surface = text(self.info.get("model")), text(self.info.get("surface"))
            return Turn(
                self.id, surface or PASSIVE, model, Target(model, ""), as_request(self.google_request),
                stream=bool(self.info.get("stream")), created=number(self.info.get("created")) or 0,
            )  # fmt: skip

    @cached_property
    def emitted(self) -> Sequence[Emitted]:
        """What the client got."""
        if (data := self._bytes(EMITTED)) is None:
            return self._replica.emitted
        made: list[Emitted] = []
        for line in data.splitlines():
            try:
                frame: dict[str, Any] = members(jsonio.loads(line))
                made.append(Emitted(**frame))
            except (ValueError, TypeError):
                break
        return made

    @property
    def starred(self) -> bool:
        return self.info.get("star") is True

    def is_running(self, now_s: float) -> bool:
        """Whether its turn may still run, for all that its folder tells: it has no end, and is not old."""
        return not self.closed and now_s - trace_folders.started(self.folder) < MAY_RUN_S

    @property
    def frames(self) -> Sequence[Emitted]:
        return self.emitted if (self.folder / EMITTED).exists() else self._replica.frames

    @property
    def trouble(self) -> str | None:
        return text(self.info.get("trouble")) or self._replica.trouble

    @cached_property
    def _replica(self) -> Replica:
        """It renders what the client got as its surface did then, but for the seals on what a client keeps for us:
        their key stays with the server."""
        from zerogravity.observe.replica import Replica
        from zerogravity.surfaces import REGISTRY

        made = Replica(self.channel, self.records, REGISTRY.get(self.channel.turn.surface), bytes(32))
        deque(made.grow(), 0)
        return made

    @property
    def placed(self) -> Placement:
        return Placement.of_json(self.info)

    def body(self, name: str, attempt_no: int = 0) -> dict[str, object] | None:
        """One of BODIES: ``{"headers": …, "body": …}``."""
        return an_object(self._json(trace_folders.body_name(name, attempt_no)))

    def lines(self) -> dict[int, RequestLine]:
        """The request line of each call to Google; older traces have none."""
        calls = objects(self.info.get("upstream"))
        return {call: codec.line_in(entry) for entry in calls if isinstance(call := entry.get("call"), int)}

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.is_file() and path.suffix != ".tmp")

    def _json(self, name: str) -> object:
        data = self._bytes(name)
        try:
            return None if data is None else jsonio.loads(data)
        except ValueError:
            return None

    def _bytes(self, name: str) -> bytes | None:
        try:
            with open(f"{self.folder}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 - a Path is as dear as reading
                return file.read()
        except FileNotFoundError:
            return None


def load(folder: Path) -> Trace | None:
    """The trace in ``folder``, or None when there is none (yet)."""
    try:
        info = an_object(jsonio.loads((folder / "turn.json").read_bytes()))
    except (OSError, ValueError):
        return None
    return None if info is None else Trace(folder, notes.joined(info, notes.read(folder)))


def folders(root: Path) -> Iterator[Path]:
    """Those that may hold a trace, newest first, then the undated ones. ``root`` may itself be a trace's."""
    if load(root) is not None:
        return iter((root,))
    return chain(trace_folders.newest_first(root), trace_folders.undated(root))


def scan(root: Path) -> Iterator[Trace]:
    """All traces, in the order of ``folders``."""
    return (trace for folder in folders(root) if (trace := load(folder)) is not None)


def no_traces(root: Path) -> str:
    """Why ``root`` is empty, for people."""
    return f"there are no traces in {root}; `zerogravity serve` keeps one of each turn, unless trace = false"


def find(root: Path, reference: str = "last") -> Trace:
    """``last``, an id, or the beginning of one. Raises FaultError 404."""
    if reference == "last":
        newest = next(scan(root), None)
        if newest is None:
            raise _unknown(no_traces(root))
        return newest
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise _unknown(f"{reference!r} is not a turn id")
    wanted = match.group(1)
    short = wanted[: trace_folders.SHORT]
    near = (folder for folder in trace_folders.newest_first(root) if folder.name.partition("-")[2].startswith(short))
    traces = [trace for trace in map(load, near) if trace is not None]
    found = [trace for trace in traces if trace.id.rpartition("_")[2].startswith(wanted)]
    if not found:
        raise _unknown(f"there is no trace {reference!r} in {root}")
    if len(found) > 1:
        raise _unknown(
            f"{reference!r} is ambiguous; it is the beginning of {', '.join(trace.short for trace in found[:5])}"
        )
    return found[0]


def _payload(event: bytes) -> bytes:
    """The data of one event of ``upstream.sse``: nearly always of one line."""
    if event.startswith(b"data: ") and event.find(b"\r\n") == len(event) - 4:
        return event[6:-4]
    return b"\n".join(line[6:] for line in event.split(b"\r\n") if line.startswith(b"data: "))


def _unknown(message: str) -> FaultError:
    return FaultError(
        Fault(Origin.CLIENT, 404, "trace_not_found", message, termination=Termination.REJECTED, retryable=False)
    )
