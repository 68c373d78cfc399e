"""The bytes of an HTTP/1.1 answer → its head and its body. One answer, to a request that may have one.

RFC 9112. Interim answers (1xx) and trailers are skipped, as a proxy may; what cannot be framed for certain is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_HEAD = 256 * 1024
MAX_LINE = 8 * 1024  # of a chunk's size
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9][0-9])(?: ([^\r\n]*))?")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)
NO_BODY = (204, 304)

Headers = tuple[tuple[bytes, bytes], ...]


class _HeadError(Exception):
    """The head is none; the message says why."""


@dataclass(frozen=True, slots=True)
class Head:
    """``version``: ``1.1``, ``1.0`` or ``2``. ``headers``: as they came, in order."""

    version: str
    status: int
    reason: bytes
    headers: Headers

    def tokens(self, name: bytes) -> list[bytes]:
        """The members of a list header, in lower case."""
        values = b",".join(value for key, value in self.headers if key.lower() == name)
        return [token.strip().lower() for token in values.split(b",") if token.strip()]


class AnswerReader:
    """``head``: once it has come. ``done``: the answer is whole. ``keeps``: its connection can carry another one.
    ``error``: why it cannot be read, or not any further."""

    __slots__ = ("_buffer", "_chunked", "_in_trailers", "_left", "_line_due", "done", "error", "head", "keeps")

    def __init__(self) -> None:
        self.head: Head | None = None
        self.error: str | None = None
        self.done = False
        self.keeps = False
        self._buffer = b""  # of a head or a line that is not complete
        self._chunked = False
        self._left: int | None = 0  # of the body or the chunk; None: to the connection's end
        self._line_due = False  # the end of line behind a chunk
        self._in_trailers = False

    def feed(self, data: bytes) -> bytes:
        """What of the body is in it."""
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        if self.head is None:
            try:
                data = self._read_heads(data)
            except _HeadError as error:
                self.error = str(error)
            if self.head is None or self.error is not None:
                return b""
        if self.done:
            body = b""
        elif self._chunked:
            body, data = self._read_chunks(data)
        elif self._left is None:
            return data
        else:
            body, data = data[: self._left], data[self._left :]
            self._left -= len(body)
            self.done = not self._left
        if self.done and data:
            self.keeps = False  # nobody asked for more
        return body

    def end(self) -> None:
        """The connection was closed."""
        self.keeps = False
        if self.head is None:
            self.error = self.error or "server closed connection"
        elif not self.done and self._left is not None:
            self.error = self.error or "peer closed connection without sending complete message body"
        else:
            self.done = True

    # -- the head --------------------------------------------------------------------------------------------

    def _read_heads(self, data: bytes) -> bytes:
        """Returns what follows the head."""
        while self.head is None:
            data = data.lstrip(b"\r\n")
            found = _HEAD_END.search(data)
            if (len(data) if found is None else found.start()) > MAX_HEAD:
                raise _HeadError("the head of the answer is too long")
            if found is None:
                self._buffer = data
                return b""
            head, data = _head(data[: found.start()]), data[found.end() :]
            if head.status == 101:
                raise _HeadError("the server switched protocols, which nobody asked for")
            if head.status >= 200:
                self.head = head
                self._frame(head)
        return data

    def _frame(self, head: Head) -> None:
        """Where the body ends."""
        codings, lengths = head.tokens(b"transfer-encoding"), set(head.tokens(b"content-length"))
        self.keeps = head.version == "1.1" and b"close" not in head.tokens(b"connection")
        if head.status in NO_BODY:
            self.done = True
        elif codings:
            if head.version != "1.1":  # whoever said that may not know where such a body ends
                raise _HeadError("a transfer coding, which HTTP/1.0 does not have")
            if codings != [b"chunked"]:
                raise _HeadError(f"unknown transfer coding {_shown(b', '.join(codings))}")
            self._chunked = True
            self.keeps = self.keeps and not lengths
        elif lengths:
            length = lengths.pop()
            if lengths or not length.isdigit() or len(length) > 15:
                raise _HeadError("invalid content-length")
            self._left = int(length)
            self.done = not self._left
        else:
            self._left, self.keeps = None, False

    # -- the body --------------------------------------------------------------------------------------------

    def _read_chunks(self, data: bytes) -> tuple[bytes, bytes]:
        """(body, what follows its end)"""
        found: list[bytes] = []
        at, end = 0, len(data)
        left = self._left or 0
        while at < end:
            if left:
                piece = data[at : at + left]
                found.append(piece)
                at += len(piece)
                left -= len(piece)
                self._line_due = not left
                continue
            stop = data.find(b"\n", at)
            if stop < 0:
                if end - at > MAX_LINE:
                    self.error = "a chunk of the answer has no size"
                self._buffer, at = data[at:], end
                break
            line, at = data[at:stop].removesuffix(b"\r"), stop + 1
            if self._line_due:
                if line:
                    self.error = "a chunk of the answer is longer than its size"
                    break
                self._line_due = False
            elif self._in_trailers:
                if not line:
                    self.done = True
                    break
            elif (size := _SIZE.fullmatch(line)) is None:
                self.error = f"a chunk of the answer has the size {_shown(line)}"
                break
            else:
                left = int(size[1], 16)
                self._in_trailers = not left
        self._left = left
        return found[0] if len(found) == 1 else b"".join(found), data[at:]


def _head(raw: bytes) -> Head:
    first, *lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise _HeadError(f"no HTTP/1.1 answer: {_shown(first)}")
    headers: list[tuple[bytes, bytes]] = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or _NAME.fullmatch(name) is None:
            raise _HeadError(f"no header: {_shown(line)}")
        headers.append((name, value.strip(b" \t")))
    return Head(status[1].decode(), int(status[2]), status[3] or b"", tuple(headers))


def _shown(raw: bytes) -> str:
    return repr(raw[:40])[1:]
