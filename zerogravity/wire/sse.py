"""Server-sent events both ways, sans-I/O: bytes in → events out, in linear time, with limits.

Knows nothing of JSON. Lines end at CR, LF or CRLF and nowhere else (``str.splitlines`` splits at more: the classical
bug). Facts: language-server-and-google C.4; wire-gemini-and-mapping 1.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LINE = 16 << 20
MAX_EVENT = 32 << 20

_LINE_END = re.compile(rb"\r\n|\n|\r")
_SEPARATORS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))


class SseError(Exception):
    """A limit was passed: this is no event stream any more."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: its data lines joined by LF, its ``event:`` field, and its (start, end) offsets in the stream."""

    data: bytes
    event: str | None
    span: tuple[int, int]


class SseParser:
    """Give it bytes as they come; take the events that are complete. Lines without a field name that look like no
    SSE at all (a raw JSON error in the body) are kept as an event of their own with ``event="raw"``."""

    __slots__ = (
        "_base",
        "_buffer",
        "_data",
        "_event",
        "_event_start",
        "_max_event",
        "_max_line",
        "_raw",
        "_searched",
        "_size",
    )

    def __init__(self, *, max_line: int = MAX_LINE, max_event: int = MAX_EVENT) -> None:
        self._max_line = max_line
        self._max_event = max_event
        self._buffer = bytearray()
        self._searched = 0  # how much of the buffer holds no line end: keeps the cost linear
        self._base = 0  # stream offset of the buffer's first byte
        self._data: list[bytes] = []
        self._raw: list[bytes] = []
        self._event: str | None = None
        self._event_start = 0
        self._size = 0

    @property
    def pending(self) -> bool:
        """Whether part of an event is held: its bytes have come, its end has not."""
        return bool(self._buffer or self._data or self._raw)

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that ``chunk`` completes. Raises SseError beyond the limits."""
        self._buffer += chunk
        return self._lines(last=False)

    def end(self) -> list[SseEvent]:
        """The body is over: what is left, also without its blank line."""
        events = self._lines(last=True)
        if self._buffer:
            line = bytes(self._buffer)
            self._base += len(line)
            self._buffer.clear()
            self._searched = 0
            self._line(line)
        if (event := self._dispatch(self._base)) is not None:
            events.append(event)
        return events

    def _lines(self, *, last: bool) -> list[SseEvent]:
        events: list[SseEvent] = []
        buffer, position = self._buffer, 0
        search = self._searched
        while (found := _LINE_END.search(buffer, search)) is not None:
            end = found.end()
            if end == len(buffer) and buffer[end - 1] == 13 and not last:
                search = found.start()
                break  # a CR at the very end: an LF may follow
            line = bytes(buffer[position : found.start()])
            position = search = end
            if line:
                self._line(line)
            elif (event := self._dispatch(self._base + end)) is not None:
                events.append(event)
            else:
                self._event_start = self._base + end
        else:
            search = len(buffer)
        del buffer[:position]
        self._base += position
        self._searched = search - position
        if len(buffer) > self._max_line:
            raise SseError(f"a line of more than {self._max_line} bytes")
        return events

    def _line(self, line: bytes) -> None:
        if self._base == 0 and not self._data and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        name, colon, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data" and colon:
            self._data.append(value)
            self._size += len(value)
        elif line == b"data":
            self._data.append(b"")
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name in (b"", b"id", b"retry"):
            return
        else:
            self._raw.append(line)
            self._size += len(line)
        if self._size > self._max_event:
            raise SseError(f"an event of more than {self._max_event} bytes")

    def _dispatch(self, end: int) -> SseEvent | None:
        lines, event = self._data, self._event
        if not lines and self._raw:
            lines, event = self._raw, "raw"
        start, self._event_start = self._event_start, end
        self._data, self._raw, self._event, self._size = [], [], None, 0
        if not lines:
            return None
        return SseEvent(lines[0] if len(lines) == 1 else b"\n".join(lines), event, (start, end))


def encode(data: bytes, *, event: str | None = None, eol: bytes = b"\n") -> bytes:
    """One event frame around one line of ``data``. Raises ValueError on a raw line end (threat T17)."""
    if b"\n" in data or b"\r" in data:
        raise ValueError("SSE data holds a raw line end")
    head = b"" if event is None else b"event: " + event.encode() + eol
    return head + b"data: " + data + eol + eol


def escape_separators(data: bytes) -> bytes:
    """JSON text with U+2028, U+2029 and U+0085 escaped: several clients split lines at them."""
    if data.isascii():
        return data
    for raw, escaped in _SEPARATORS:
        if raw in data:
            data = data.replace(raw, escaped)
    return data
