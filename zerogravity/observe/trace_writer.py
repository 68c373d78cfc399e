"""``TurnWriter``: the files of one turn's trace, written as the turn goes on. Used by the recorder's thread only.

| file                                              | holds                                                          |
|---------------------------------------------------|----------------------------------------------------------------|
| ``turn.json``                                     | the summary; rewritten when the turn is over                   |
| ``generate.json``                                 | the request in Google's form, before it is put into the LS's   |
| ``client_request.json``                           | headers and body of the client                                 |
| ``upstream_request[.callN].original.json``        | what the language server wanted to send                        |
| ``upstream_request[.callN].json``                 | what was sent instead                                          |
| ``upstream.sse``                                  | Google's events as they came, with our redactions              |
| ``records.jsonl``                                 | seq, time, call, offsets, decoded events                       |
| ``emitted.jsonl``                                 | frames the client got, each with the record that caused it     |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from zerogravity.core import codec
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Record
from zerogravity.observe import trace_folders
from zerogravity.observe.replica import Replica
from zerogravity.observe.requests import Request
from zerogravity.observe.sessions import NOWHERE, Placement
from zerogravity.observe.source import Emitted
from zerogravity.surfaces.base import Surface
from zerogravity.wire import jsonio

STREAMS = ("upstream.sse", "records.jsonl", "emitted.jsonl")


class TurnWriter:
    """Raises OSError from every method but ``abandon``."""

    def __init__(
        self,
        folder: Path,
        channel: CascadeChannel,
        records: Sequence[Record],
        surface: Surface | None,
        secret: bytes,
        placed: Callable[[], Placement] = lambda: NOWHERE,
    ) -> None:
        self.folder = folder
        self.channel = channel
        self.size = 0
        self._replica = Replica(channel, records, surface, secret, placed=placed)
        self._files: dict[str, BinaryIO] = {}
        self._position = 0
        self._attempt_no = 0
        self._file("generate.json", self._replica.google_request)

    def request(self, request: Request) -> None:
        """Write a request of the client's or the language server's."""
        self._file(trace_folders.body_name(request.name, request.attempt_no), request.redacted())

    def advance(self) -> bool:
        """Write new records. True: the turn is over and completely written."""
        self._write(self._replica.grow())
        for file in self._files.values():
            file.flush()
        return self._replica.channel.closed and "done" in self.channel.marks  # the mark is set just after the record

    def finish(self) -> None:
        """Close the files and write the final summary: the turn is over, or the recorder closes."""
        if self._replica.mask_spread_secrets():
            self._rewrite()
        if not self.channel.turn.stream:
            self._emit(self._replica.emitted)
        self.summarise()
        self.abandon()
        self.size = trace_folders.size(self.folder)

    def abandon(self) -> None:
        """Close all files, ignoring errors."""
        files, self._files = self._files, {}
        for file in files.values():
            try:
                file.close()
            except OSError:
                continue

    def summarise(self) -> None:
        self._file("turn.json", self._replica.turn_json)

    def _write(self, records: Iterable[Record]) -> None:
        for record in records:
            self._line("records.jsonl", codec.record_out(record, 0, self._event(record)))
            if self.channel.turn.stream:
                self._emit(self._replica.take_frames())

    def _emit(self, emitted: Sequence[Emitted]) -> None:
        for one in emitted:
            self._line("emitted.jsonl", one.as_json())

    def _event(self, record: Record) -> tuple[int, int]:
        """Write one event of Google's to ``upstream.sse``. Returns its offsets there."""
        if not record.data:
            return (0, 0)
        if record.attempt_no > self._attempt_no:
            self._attempt_no = record.attempt_no
            self._raw(b": call %d\r\n\r\n" % record.attempt_no)
        start = self._position
        lines = record.data.replace(b"\r", b"").split(b"\n")
        self._raw(b"".join(b"data: " + line + b"\r\n" for line in lines) + b"\r\n")
        return (start, self._position)

    def _rewrite(self) -> None:
        """Write everything again after secrets were found that are spread over deltas."""
        self.abandon()
        for name in STREAMS:
            (self.folder / name).unlink(missing_ok=True)
        self._position = self._attempt_no = 0
        self._write(self._replica.records)

    # -- files -------------------------------------------------------------------------------------------------

    def _raw(self, data: bytes) -> None:
        self._append("upstream.sse", data)
        self._position += len(data)

    def _line(self, name: str, value: Mapping[str, object]) -> None:
        self._append(name, jsonio.dumps(value) + b"\n")

    def _append(self, name: str, data: bytes) -> None:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = open(self.folder / name, "wb", opener=trace_folders.private_opener)  # noqa: SIM115
        file.write(data)
        self.size += len(data)

    def _file(self, name: str, value: Mapping[str, object]) -> None:
        data = jsonio.dumps(value)
        trace_folders.write(self.folder / name, data)
        self.size += len(data)
