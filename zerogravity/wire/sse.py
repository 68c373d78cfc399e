"""Server-sent events both ways, sans-I/O: bytes in → events out, in linear time, with limits.

Knows nothing of JSON. Lines end at CR, LF or CRLF and nowhere else (``str.splitlines`` splits at more: the classical
bug). Facts: language-server-and-google C.4, C.5; wire-gemini-and-mapping 1.3.
"""

from __future__ import annotations

import re

from zerogravity.core.values import value

MAX_LINE = 16 << 20
MAX_EVENT = 32 << 20

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_SEPARATORS = (  # patterns that begin with one literal byte are found many times as fast
    (re.compile(rb"\xe2(?=\x80[\xa8\xa9])"), ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))),
    (re.compile(rb"\xc2(?=\x85)"), ((b"\xc2\x85", b"\\u0085"),)),
)
_FIELDS = (b"", b"event", b"id", b"retry")  # without a name: a comment
_CR = 13


class SseError(Exception):
    """A limit was passed: this is no event stream any more."""


@value
class SseEvent:
    """One event: its data lines joined by LF, its ``event:`` field, and its (start, end) offsets in the stream."""

    data: bytes
    event: str | None
    span: tuple[int, int]


class SseParser:
    """Give it bytes as they come; take the events that are complete.

    One thing is beyond the standard: a block that begins with ``{``, ``[`` or ``<`` at the start of a line (Google's
    raw JSON error in the middle of a stream, a proxy's page) is an event of its own with ``event="raw"``.

    ``boundary``  offset in the stream after the last complete block: nothing before it is held.
    ``odd``       a line has come that belongs to no event stream (and was passed over).
    """

    __slots__ = (
        "_base", "_buffer", "_data", "_event", "_max_event", "_max_line", "_raw", "_searched", "_size", "boundary",
        "odd",
    )  # fmt: skip

    def __init__(self, *, max_line: int = MAX_LINE, max_event: int = MAX_EVENT) -> None:
        self.boundary = 0
        self.odd = False
        self._max_line = max_line
        self._max_event = max_event
        self._buffer = bytearray()
        self._searched = 0  # how much of the buffer holds no line end: keeps the cost linear
        self._base = 0  # stream offset of the buffer's first byte
        self._data: list[bytes] = []
        self._raw: list[bytes] = []
        self._event: str | None = None
        self._size = 0

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that ``chunk`` completes. Raises SseError beyond the limits."""
        events: list[SseEvent] = []
        if self.boundary == self._base and not self._buffer and len(chunk) <= self._max_line:
            taken = self._whole_events(chunk, events)
            if taken == len(chunk):
                return events
            if taken:
                chunk = chunk[taken:]
        self._buffer += chunk
        self._lines(events, last=False)
        return events

    def end(self) -> list[SseEvent]:
        """The body is over: what is left, also without its blank line."""
        events: list[SseEvent] = []
        self._lines(events, last=True)
        if self._buffer:
            line, start = bytes(self._buffer), self._base
            self._base += len(line)
            self._buffer.clear()
            self._searched = 0
            self._line(line, start, events)
        self._dispatch(self._base, events)
        return events

    def _whole_events(self, chunk: bytes, events: list[SseEvent]) -> int:
        """The common case, ``data: …`` and a blank line, without a copy of each line; how many bytes that were."""
        position, base, find, starts = 0, self._base, chunk.find, chunk.startswith
        begin = base
        while starts(b"data: ", position):
            end = find(b"\n", position)
            if end < 0:
                break
            text_end = end - 1 if chunk[end - 1] == _CR else end
            if find(b"\r", position, text_end) >= 0:
                break
            if starts(b"\r\n", end + 1):
                stop = end + 3
            elif starts(b"\n", end + 1):
                stop = end + 2
            else:
                break
            events.append(SseEvent(chunk[position + 6 : text_end], None, (begin, begin := base + stop)))
            position = stop
        self._base = self.boundary = begin
        return position

    def _lines(self, events: list[SseEvent], *, last: bool) -> None:
        buffer, position, search = self._buffer, 0, self._searched
        while (found := _LINE_END.search(buffer, search)) is not None:
            end = found.end()
            if end == len(buffer) and buffer[end - 1] == _CR and not last:
                search = found.start()
                break  # a CR at the very end: an LF may follow
            line = bytes(buffer[position : found.start()])
            if line:
                self._line(line, self._base + position, events)
            else:
                self._dispatch(self._base + end, events)
            position = search = end
        else:
            search = len(buffer)
        del buffer[:position]
        self._base += position
        self._searched = search - position
        if len(buffer) > self._max_line:
            raise SseError(f"a line of more than {self._max_line} bytes")

    def _line(self, line: bytes, start: int, events: list[SseEvent]) -> None:
        if start == 0 and line.startswith(_BOM):
            line = line[3:]
        name, colon, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            if self._raw:
                self._dispatch(start, events)
            self._data.append(value)
            self._size += len(value)
        elif self._raw or line[:1] in (b"{", b"[", b"<"):
            if self._data:
                self._dispatch(start, events)
            self._raw.append(line)
            self._size += len(line)
        elif name == b"event" and colon:
            self._event = value.decode("utf-8", "replace")
        elif name.strip() not in _FIELDS:
            self.odd = True
        if len(line) > self._max_line:
            raise SseError(f"a line of more than {self._max_line} bytes")
        if self._size > self._max_event:
            raise SseError(f"an event of more than {self._max_event} bytes")

    def _dispatch(self, end: int, events: list[SseEvent]) -> None:
        lines, event, span = self._data, self._event, (self.boundary, end)
        if self._raw:
            lines, event = self._raw, "raw"
        if lines:
            events.append(SseEvent(lines[0] if len(lines) == 1 else b"\n".join(lines), event, span))
            self._data, self._raw, self._size = [], [], 0
        self._event = None
        self.boundary = end


def encode(data: bytes, *, event: str | None = None, eol: bytes = b"\n") -> bytes:
    """One event frame around one line of ``data``. Raises ValueError on a raw line end anywhere (threats T16, T17)."""
    if has_line_end(data):
        raise ValueError("SSE data holds a raw line end")
    if event is None:
        return b"".join((b"data: ", data, eol, eol))
    if "\n" in event or "\r" in event:
        raise ValueError("an SSE event name holds a line end")
    return b"".join((b"event: ", event.encode(), eol, b"data: ", data, eol, eol))


def has_line_end(data: bytes) -> bool:
    """Whether CR or LF stand in it. ``in`` would try them as numbers first, and be ten times as dear."""
    return data.find(b"\n") >= 0 or data.find(b"\r") >= 0


def escape_separators(data: bytes) -> bytes:
    """JSON text with U+2028, U+2029 and U+0085 escaped: several clients split lines at them."""
    if data.isascii():
        return data
    for found, pairs in _SEPARATORS:
        if found.search(data) is not None:
            for raw, escaped in pairs:
                data = data.replace(raw, escaped)
    return data
