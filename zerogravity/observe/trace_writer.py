"""``TurnWriter``: the files of one turn's trace, written as the turn goes on. Used by the recorder's thread only.

| file                                              | holds                                                          |
|---------------------------------------------------|----------------------------------------------------------------|
| ``turn.json``                                     | the summary; rewritten when the turn is over                   |
| ``generate.json``                                 | the request in Google's form, before it is put into the LS's   |
| ``client_request.json``                           | headers and body of the client                                 |
| ``upstream_request[.callN].original.json``        | what the language server wanted to send                        |
| ``upstream_request[.callN].json``                 | what was sent instead                                          |
| ``upstream.sse``                                  | Google's events as they came, with our redactions              |
| ``records.jsonl``                                 | seq, time, call, offsets, decoded events (``codec.group_out``) |

A line of ``records.jsonl`` may hold many records, and one that is cut off is not read. What the client got is not
written: its surface renders that from the records again, the same but for the seals on what a client keeps for us.
Older traces have it in ``emitted.jsonl``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

from zerogravity.core import codec
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Record
from zerogravity.core.turn import Turn
from zerogravity.observe import redaction, trace_folders
from zerogravity.observe.replica import paced
from zerogravity.observe.requests import CLIENT, Request
from zerogravity.observe.sessions import NOWHERE, Placement
from zerogravity.observe.summary import summary
from zerogravity.observe.turn_texts import Said
from zerogravity.wire import jsonio, sse

STREAMS = ("upstream.sse", "records.jsonl")
AT_ONCE = 2000  # records that are written to the disk together
_AROUND = len(b"data: \r\n\r\n")


class TurnWriter:
    """Raises OSError from every method.

    ``records``  the turn's own list of records: eviction gives the channel a new one.
    """

    def __init__(
        self,
        folder: Path,
        channel: CascadeChannel,
        records: Sequence[Record],
        placed: Callable[[], Placement] = lambda: NOWHERE,
    ) -> None:
        self.folder = folder
        self.channel = channel
        self.size = 0  # bytes written, at least as many as the folder holds
        self._given = records
        self._placed = placed
        self._origin = channel.marks["received"]
        self._listed = False  # whether there is a summary, so that others look into the folder
        self._masked = False  # whether the records that are written are others than the turn's
        self._redactor = redaction.RecordRedactor()
        self._begin()
        self._take(channel.turn)
        self._summarised = False

    def _take(self, turn: Turn) -> None:
        """The request, as it is for the model that is asked now."""
        self._target, self._turn = turn.target, redaction.redacted_turn(turn)
        self._file("generate.json", self._turn.google_request)

    def _begin(self) -> None:
        self._written = self._position = self._attempt_no = 0
        self._closed = False

    def request(self, request: Request) -> None:
        """Write a request of the client's or the language server's."""
        self._file(trace_folders.body_name(request.name, request.attempt_no), request.redacted())
        if request.name != CLIENT:
            self._summarised = False  # so that even a turn that never ends shows its calls

    def advance(self) -> bool:
        """Write what is new. True: the turn is over and all of its records are written."""
        self._write(self._given[self._written :])
        if self._closed and "done" in self.channel.marks:  # the mark is set just after the record
            return True
        if not self._summarised:
            self._summarise()
        return False

    def finish(self) -> Said | None:
        """Write the final summary: the turn is over, or the recorder closes. Returns what it has said; None: only what
        is written knows it, since that is redacted, or the turn is not over."""
        if self._closed and (masked := self._redactor.masked(self._given[: self._written])) is not None:
            for name in STREAMS:
                (self.folder / name).unlink(missing_ok=True)
            self._begin()
            self._write(masked)
            self._masked = True
        self._summarise()
        is_whole = self._closed and self.channel.closed
        return Said.of(self.channel.state) if is_whole and not self._masked else None

    def _summarise(self) -> None:
        if (turn := self.channel.turn).target is not self._target:
            self._take(turn)
        self._file(trace_folders.SUMMARY, summary(self.channel, self._placed(), self._turn))
        self._summarised = True

    def _write(self, records: Sequence[Record]) -> None:
        for start in range(0, len(records), AT_ONCE):
            events: list[bytes] = []
            lines: list[bytes] = []
            for some in paced(records[start : start + AT_ONCE]):
                redacted = self._redactor.feed(some)
                if redacted is not some and not self._masked:
                    self._masked = any(one.events != given.events for one, given in zip(redacted, some, strict=True))
                lines += (self._line(group, events) for group in codec.groups(redacted))
                self._written += len(redacted)
            self._append("upstream.sse", b"".join(events))
            self._append("records.jsonl", b"".join(lines))
        if records:
            self._closed = records[-1].terminal is not None

    def _line(self, group: Sequence[Record], events: list[bytes]) -> bytes:
        places = self._events(group, events)
        if len(group) == 1:
            return jsonio.dumps(codec.record_out(group[0], self._origin, places[0])) + b"\n"
        return jsonio.dumps(codec.group_out(group, self._origin, places)) + b"\n"

    def _events(self, group: Sequence[Record], into: list[bytes]) -> list[tuple[int, int]]:
        """Google's events of a group, for ``upstream.sse``. Returns their offsets there."""
        if not group[0].data:
            return [(0, 0)]
        if (attempt_no := group[0].attempt_no) > self._attempt_no:
            self._attempt_no = attempt_no
            into.append(b": call %d\r\n\r\n" % attempt_no)
            self._position += len(into[-1])
        payloads = [record.data for record in group]
        if sse.has_line_end(b"".join(payloads)):
            payloads = [payload.replace(b"\r", b"").replace(b"\n", b"\r\ndata: ") for payload in payloads]
        into.append(b"data: " + b"\r\n\r\ndata: ".join(payloads) + b"\r\n\r\n")
        ends = list(accumulate([len(payload) + _AROUND for payload in payloads], initial=self._position))
        self._position = ends[-1]
        return list(pairwise(ends))

    # -- files -------------------------------------------------------------------------------------------------

    def _append(self, name: str, data: bytes) -> None:
        if data:
            trace_folders.append(f"{self.folder}/{name}", data)
            self.size += len(data)

    def _file(self, name: str, value: Mapping[str, object]) -> None:
        data = jsonio.dumps(value)
        self._listed = self._listed or name == trace_folders.SUMMARY
        put = trace_folders.write if self._listed else trace_folders.put
        put(f"{self.folder}/{name}", data)
        self.size += len(data)
