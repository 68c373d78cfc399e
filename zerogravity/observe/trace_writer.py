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

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from zerogravity import redact
from zerogravity.core import codec
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Record
from zerogravity.observe import trace_folders
from zerogravity.observe.replica import Replica, joined
from zerogravity.observe.summary import summary
from zerogravity.surfaces.base import Surface
from zerogravity.wire import jsonio

BREATH = 10  # records between two short sleeps: this thread shares the interpreter with the streams
BREATH_S = 0.0001
UNRENDERABLE = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
STREAMS = ("upstream.sse", "records.jsonl", "emitted.jsonl")


class TurnWriter:
    """Raises OSError from every method but ``abandon``."""

    def __init__(
        self, folder: Path, channel: CascadeChannel, records: Sequence[Record], surface: Surface | None, secret: bytes
    ) -> None:
        self.folder = folder
        self.channel = channel
        self.size = 0
        self._surface = surface
        self._secret = secret
        self._records = records
        self._next = 0
        self._ended = False
        self._origin = channel.marks["received"]
        self._shadow = Replica(channel, surface, secret)
        self._files: dict[str, BinaryIO] = {}
        self._position = 0
        self._call = 0
        self._trouble: str | None = None
        self._write("generate.json", jsonio.dumps(self._shadow.channel.turn.google_request))

    def body(self, name: str, about: Mapping[str, Any], body: bytes) -> None:
        """``<name>.json``: ``about``, and the body as JSON, or as text where it is none."""
        shown = redact.json_bytes(body)
        try:
            value: Any = jsonio.loads(shown)
        except (ValueError, RecursionError):
            value = shown.decode("utf-8", "replace")
        self._write(f"{name}.json", jsonio.dumps({**about, "body": value}))

    def advance(self) -> bool:
        """Write the records that have come. True: the turn is over and all of it is written."""
        records = self._records[self._next :]
        self._next += len(records)
        self._add(records)
        for file in self._files.values():
            file.flush()
        self._ended = self._ended or (bool(records) and records[-1].terminal is not None)
        return self._ended and "done" in self.channel.marks  # the mark is set just after the record

    def finish(self) -> None:
        """The turn is over, or we are: close the files and write the final summary."""
        if (whole := joined(self._records[: self._next])) is not None:
            self._again(whole)
        if self._shadow.channel.closed and not self.channel.turn.stream:
            self._answer()
        self.summarise()
        self.abandon()
        self.size = trace_folders.size(self.folder)

    def abandon(self) -> None:
        """Close what is open, whatever happens."""
        files, self._files = self._files, {}
        for file in files.values():
            try:
                file.close()
            except OSError:
                continue

    def summarise(self) -> None:
        self._shadow.refresh()
        told = summary(self._shadow.channel)
        if self._trouble is not None:
            told["trouble"] = self._trouble
        self._write("turn.json", jsonio.dumps(told))

    def _add(self, records: Iterable[Record]) -> None:
        for number, raw in enumerate(records):
            if number % BREATH == BREATH - 1:
                time.sleep(BREATH_S)
            try:
                record, frames = self._shadow.add(raw)
            except UNRENDERABLE as error:
                # A surface that can not be rendered costs the trace its frames, not its records.
                self._trouble = redact.text(f"the stream could not be rendered: {type(error).__name__}: {error}")
                record, frames = self._shadow.channel.records[-1], []
                self._shadow.give_up_rendering()
            place = self._event(record)
            self._line("records.jsonl", codec.record_out(record, self._origin, place))
            for frame in frames:
                text = frame.decode("utf-8", "replace")
                self._line("emitted.jsonl", {"seq": record.seq, "t_ms": self._ms(record), "frame": text})

    def _event(self, record: Record) -> tuple[int, int]:
        """One event of Google's in ``upstream.sse``; its offsets there."""
        if not record.data:
            return (0, 0)
        if record.attempt_no > self._call:
            self._call = record.attempt_no
            self._raw(b": call %d\r\n\r\n" % record.attempt_no)
        start = self._position
        lines = record.data.replace(b"\r", b"").split(b"\n")
        self._raw(b"".join(b"data: " + line + b"\r\n" for line in lines) + b"\r\n")
        return (start, self._position)

    def _raw(self, data: bytes) -> None:
        self._append("upstream.sse", data)
        self._position += len(data)

    def _line(self, name: str, value: Mapping[str, Any]) -> None:
        self._append(name, jsonio.dumps(value) + b"\n")

    def _append(self, name: str, data: bytes) -> None:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = open(self.folder / name, "wb", opener=trace_folders.descriptor)  # noqa: SIM115
        file.write(data)
        self.size += len(data)

    def _write(self, name: str, data: bytes) -> None:
        trace_folders.write(self.folder / name, data)
        self.size += len(data)

    def _answer(self) -> None:
        """What a client got that did not ask for a stream."""
        try:
            answer = self._shadow.answer()
        except UNRENDERABLE as error:
            self._trouble = redact.text(f"the answer could not be rendered: {type(error).__name__}: {error}")
            return
        if answer is not None:
            last = self._shadow.channel.records[-1]
            self._line("emitted.jsonl", {
                "seq": last.seq, "t_ms": self._ms(last), "status": answer.status, "headers": dict(answer.headers),
                "body": answer.body,
            })  # fmt: skip

    def _again(self, records: list[Record]) -> None:
        """Secrets were found that had been spread over deltas: everything that showed them is written anew."""
        self.abandon()
        for name in STREAMS:
            (self.folder / name).unlink(missing_ok=True)
        self._shadow = Replica(self.channel, self._surface, self._secret)
        self._position = self._call = 0
        self._add(records)

    def _ms(self, record: Record) -> float:
        return (record.t_ns - self._origin) / 1e6
