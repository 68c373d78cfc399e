"""The bytes of an HTTP/2 connection → the answers to the requests on it: a client's side (RFC 9113), sans-I/O.

Own, since each event of a stream comes through here: the ``h2`` library takes as long for a frame as everything else
does for the event in it. Headers are read by ``hpack``; what we send is never compressed. We take an answer as fast
as it comes, so its windows are opened again by halves. What is wrong with one stream ends that one, what is wrong with
the connection ends all of them (5.4).
"""

# long: one protocol, whose frames depend on each other
from __future__ import annotations

import re
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from hpack import Decoder
from hpack.exceptions import HPACKError

from zerogravity.wire.http1 import MAX_HEAD, NO_BODY, Head, Headers
from zerogravity.wire.request import OF_A_CONNECTION

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_BYTES = 16384  # of the largest frame that we take: the smallest limit there may be
STREAM_WINDOW, WINDOW = 4 << 20, 1 << 30  # what may be on its way to us, as Go's client has it
STREAMS = 100  # at once at most: what servers allow as a rule, and what one loss may cost
MOST = (1 << 31) - 1  # of a window, and of a stream's number
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x1, 0x4, 0x8, 0x20
NO_TABLE = b"\x20"  # first in a head: whatever size the server allows, we keep none (RFC 7541, 4.2)
CODES = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
)  # fmt: skip
_HEAD = struct.Struct(">HBBBL")  # of a frame: its length in two parts, kind, flags, stream
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_NO_VALUE = re.compile(rb"[\r\n\0]")
_NEVER = OF_A_CONNECTION | {b"transfer-encoding"}  # in HTTP/2


@dataclass(slots=True)
class Begun:
    """The head of an answer."""

    stream: int
    head: Head


@dataclass(slots=True)
class Data:
    """Some of its body."""

    stream: int
    data: bytes


@dataclass(slots=True)
class Ended:
    """It is whole."""

    stream: int


@dataclass(slots=True)
class Broken:
    """It will not come, or not any further. ``unprocessed``: the server has not begun to work on the request, which may
    go out again. ``http1``: it wants it by HTTP/1.1."""

    stream: int
    why: str
    unprocessed: bool = False
    http1: bool = False


Event = Begun | Data | Ended | Broken


class _ConnectionError(Exception):
    """Nothing that follows can be read. ``code``: the name of the error."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(eq=False, slots=True)
class _Stream:
    """A request and its answer. ``window``: what of its ``body`` may go out now; ``read``: of the answer, since its
    window was last opened; ``left``: of the answer's body, if it has told its length."""

    number: int
    window: int
    body: deque[memoryview] = field(default_factory=deque[memoryview])
    read: int = 0
    begun: bool = False
    left: int | None = None


class Http2:
    """``streams``: how many there may be at once, once the server has told. ``error``: why the connection cannot be
    used any further."""

    def __init__(self) -> None:
        self.streams: int | None = None
        self.error: str | None = None
        settings = b"".join(_setting(number, value) for number, value in ((2, 0), (4, STREAM_WINDOW), (6, MAX_HEAD)))
        self._out = [PREFACE, _frame(SETTINGS, 0, 0, settings), _window(0, WINDOW - 65535)]
        self._rest = b""
        self._events: list[Event] = []
        self._streams: dict[int, _Stream] = {}
        self._run_of = -1  # the stream whose data comes in a row
        self._run: list[bytes] = []
        self._run_bytes = 0  # with its padding
        self._sending: deque[_Stream] = deque()  # whose bodies have not gone out
        self._last = -1  # the number of the newest
        self._read = 0
        self._decoder = Decoder(MAX_HEAD)
        self._head: tuple[int, bool, bytearray] | None = None  # of whom, whether it is all there is, and what has come
        self._away: str | None = None  # no more requests are taken, and why
        self._frame_bytes, self._first_window, self._window = FRAME_BYTES, 65535, 65535

    @property
    def open(self) -> int:
        """Answers that are not whole."""
        return len(self._streams)

    @property
    def room(self) -> int:
        """How many more requests may go out now: one, until the server has told."""
        if self.error is not None or self._away is not None:
            return 0
        most = 1 if self.streams is None else self.streams
        return max(0, min(most - len(self._streams), (MOST - self._last) // 2))

    def take(self) -> bytes:
        """What is to be sent now."""
        out, self._out = self._out, []
        return b"".join(out)

    def request(self, headers: Sequence[tuple[bytes, bytes]], body: Sequence[bytes]) -> int:
        """Send one: ``:method``, ``:scheme``, ``:authority`` and ``:path`` first. The number of its stream."""
        self._last += 2
        stream = _Stream(self._last, self._first_window, deque(memoryview(piece) for piece in body if piece))
        self._streams[stream.number] = stream
        block = NO_TABLE + b"".join(_literal(name, value) for name, value in headers)
        ends = 0 if stream.body else END_STREAM
        kind, size = HEADERS, self._frame_bytes
        while len(block) > size:
            self._out.append(_frame(kind, ends, stream.number, block[:size]))
            kind, ends, block = CONTINUATION, 0, block[size:]
        self._out.append(_frame(kind, ends | END_HEADERS, stream.number, block))
        if stream.body:
            self._sending.append(stream)
            self._send()
        return stream.number

    def cancel(self, number: int) -> None:
        """Nobody waits for that answer any more."""
        if number in self._streams:
            self._forget(number)
            self._out.append(_reset(number, "CANCEL"))

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._out.append(_frame(PING, 0, 0, bytes(8)))

    def feed(self, data: bytes) -> list[Event]:
        """What has come, in order."""
        if self.error is None:
            try:
                self._read_frames(self._rest + data if self._rest else data)
            except _ConnectionError as error:
                self._out.append(_frame(GOAWAY, 0, 0, bytes(4) + CODES.index(error.code).to_bytes(4)))
                self._end(f"HTTP/2 protocol error: {error}")
        events, self._events = self._events, []
        return events

    def end(self, why: str = "server closed connection") -> list[Event]:
        """The connection was closed."""
        if self.error is None:
            self._end(why if self._away is None else f"{why}: {self._away}")
        events, self._events = self._events, []
        return events

    # -- frames ----------------------------------------------------------------------------------------------

    def _read_frames(self, data: bytes) -> None:
        at, end, head = 0, len(data), _HEAD.unpack_from
        try:
            while end - at >= 9:
                high, low, kind, flags, number = head(data, at)
                length, number = high << 8 | low, number & MOST
                if length > FRAME_BYTES:
                    raise _ConnectionError("FRAME_SIZE_ERROR", f"no frame, or one too large: {data[at : at + 9]!r}")
                start, stop = at + 9, at + 9 + length
                if stop > end:
                    break
                at = stop
                if kind == DATA and not flags and number == self._run_of:  # nearly each one
                    self._run.append(data[start:stop])
                    self._run_bytes += length
                else:
                    self._read_frame(kind, flags, number, data[start:stop])
            self._rest = data[at:]
        finally:
            self._flush()

    def _read_frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._head is not None and (kind != CONTINUATION or number != self._head[0]):
            raise _ConnectionError("PROTOCOL_ERROR", "a head is not continued")
        if self.streams is None and kind != SETTINGS:
            raise _ConnectionError("PROTOCOL_ERROR", "no settings come first")
        if kind == DATA:
            self._data(number, flags, payload)
        elif kind <= CONTINUATION:
            self._flush()
            self._TAKE[kind](self, number, flags, payload)

    def _data(self, number: int, flags: int, payload: bytes) -> None:
        """What comes in a row for one stream is one piece."""
        if number != self._run_of:
            self._flush()
            self._stream(number, "data")
            self._run_of = number
        self._run_bytes += len(payload)
        self._run.append(_unpadded(payload) if flags & PADDED else payload)
        if flags & END_STREAM:
            self._flush(whole=True)

    def _flush(self, *, whole: bool = False) -> None:
        """The data of a stream that came in a row. ``whole``: its answer ends with it."""
        if self._run_of < 0:
            return
        number, run, size = self._run_of, self._run, self._run_bytes
        self._run_of, self._run, self._run_bytes = -1, [], 0
        self._read += size  # of the connection's window, whoever gets it
        if self._read > WINDOW // 2:
            self._out.append(_window(0, self._read))
            self._read = 0
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.read += size
        if stream.read > STREAM_WINDOW // 2 and not whole:
            self._out.append(_window(number, stream.read))
            stream.read = 0
        if data := run[0] if len(run) == 1 else b"".join(run):
            self._body(stream, data)
        if whole:
            self._whole(stream)

    def _body(self, stream: _Stream, data: bytes) -> None:
        if not stream.begun:
            self._fail(stream, "PROTOCOL_ERROR", "data before a head")
        elif stream.left is None:
            self._events.append(Data(stream.number, data))
        else:
            due, more = data[: stream.left], len(data) > stream.left
            stream.left -= len(due)
            if due:
                self._events.append(Data(stream.number, due))
            if more:
                self._fail(stream, "PROTOCOL_ERROR", "the body is longer than its content-length")

    def _stream(self, number: int, what: str) -> _Stream | None:
        """None: it is over, and its server does not know yet."""
        stream = self._streams.get(number)
        if stream is None and (not number % 2 or number > self._last):
            raise _ConnectionError("PROTOCOL_ERROR", f"{what} for a stream that was never opened")
        return stream

    # -- answers ---------------------------------------------------------------------------------------------

    def _headers(self, number: int, flags: int, payload: bytes) -> None:
        if flags & PADDED:
            payload = _unpadded(payload)
        if flags & PRIORITISED:
            if len(payload) < 5:
                raise _ConnectionError("FRAME_SIZE_ERROR", "a head without its priority")
            payload = payload[5:]
        self._stream(number, "a head")
        self._head = number, bool(flags & END_STREAM), bytearray()
        self._continuation(number, flags, payload)

    def _continuation(self, _: int, flags: int, payload: bytes) -> None:
        if self._head is None:
            raise _ConnectionError("PROTOCOL_ERROR", "there is no head to be continued")
        number, whole, block = self._head
        block += payload
        if len(block) > MAX_HEAD:
            raise _ConnectionError("ENHANCE_YOUR_CALM", "the head of the answer is too long")
        if not flags & END_HEADERS:
            return
        self._head = None
        try:
            fields = tuple((bytes(name), bytes(value)) for name, value in self._decoder.decode(bytes(block), raw=True))
        except HPACKError as error:
            raise _ConnectionError("COMPRESSION_ERROR", f"a head cannot be read: {error}") from error
        stream = self._streams.get(number)
        if stream is None:
            return
        if not stream.begun:
            self._begin(stream, fields, whole=whole)
        elif not whole or any(name.startswith(b":") for name, _ in fields):
            self._fail(stream, "PROTOCOL_ERROR", "a second head")
        if whole:
            self._whole(stream)

    def _begin(self, stream: _Stream, fields: Headers, *, whole: bool) -> None:
        why, head = _head(fields)
        if head is None or (head.status < 200 and whole):
            self._fail(stream, "PROTOCOL_ERROR", why or "an interim answer is all there is")
        elif head.status >= 200:
            lengths = set(head.tokens(b"content-length"))
            if any(not length.isdigit() or len(length) > 15 for length in lengths) or len(lengths) > 1:
                self._fail(stream, "PROTOCOL_ERROR", "invalid content-length")
                return
            stream.begun = True
            stream.left = int(lengths.pop()) if lengths and head.status not in NO_BODY else None
            self._events.append(Begun(stream.number, head))

    def _whole(self, stream: _Stream) -> None:
        """That was all of it, unless something was wrong with it."""
        if self._streams.get(stream.number) is not stream:
            return
        if not stream.begun:
            self._fail(stream, "PROTOCOL_ERROR", "an answer without a head")
        elif stream.left:
            self._fail(stream, "PROTOCOL_ERROR", "peer closed connection without sending complete message body")
        else:
            if stream.body:  # it does not want the rest
                self._out.append(_reset(stream.number, "CANCEL"))
            self._forget(stream.number)
            self._events.append(Ended(stream.number))

    def _forget(self, number: int) -> None:
        """It is over, and nothing is kept of a body that has not gone out."""
        stream = self._streams.pop(number)
        if stream.body:
            stream.body.clear()
            self._sending.remove(stream)

    def _fail(self, stream: _Stream, code: str, why: str) -> None:
        self._forget(stream.number)
        self._out.append(_reset(stream.number, code))
        self._events.append(Broken(stream.number, f"HTTP/2 protocol error: {why}"))

    def _rst_stream(self, number: int, _: int, payload: bytes) -> None:
        _sized(payload, 4, "RST_STREAM")
        if (stream := self._stream(number, "a reset")) is not None:
            self._forget(number)
            code = _code(payload)
            self._events.append(
                Broken(
                    stream.number, f"the server reset the stream: {code}",
                    unprocessed=code in ("REFUSED_STREAM", "HTTP_1_1_REQUIRED"), http1=code == "HTTP_1_1_REQUIRED",
                )
            )  # fmt: skip

    # -- the connection --------------------------------------------------------------------------------------

    def _priority(self, _: int, __: int, payload: bytes) -> None:
        _sized(payload, 5, "PRIORITY")

    def _push_promise(self, _: int, __: int, ___: bytes) -> None:
        raise _ConnectionError("PROTOCOL_ERROR", "a promise, which nobody allowed")

    def _ping(self, number: int, flags: int, payload: bytes) -> None:
        _sized(payload, 8, "PING")
        _of_the_connection(number)
        if not flags & ACK:
            self._out.append(_frame(PING, ACK, 0, payload))

    def _goaway(self, number: int, _: int, payload: bytes) -> None:
        _of_the_connection(number)
        if len(payload) < 8:
            raise _ConnectionError("FRAME_SIZE_ERROR", "GOAWAY is too short")
        last, code, text = int.from_bytes(payload[:4]) & MOST, _code(payload[4:8]), payload[8:108]
        shown = text.decode("latin-1")
        self._away = f"{code} {shown}".strip() if shown.isascii() and shown.isprintable() else code
        why, http1 = f"the server goes away: {self._away}", code == "HTTP_1_1_REQUIRED"
        for number in [number for number in self._streams if number > last]:
            self._forget(number)
            self._events.append(Broken(number, why, unprocessed=True, http1=http1))

    def _settings(self, number: int, flags: int, payload: bytes) -> None:
        _of_the_connection(number)
        if len(payload) % 6 or (flags & ACK and payload):
            raise _ConnectionError("FRAME_SIZE_ERROR", "SETTINGS of a wrong length")
        if flags & ACK:
            return
        self.streams = STREAMS if self.streams is None else self.streams
        for at in range(0, len(payload), 6):
            self._set(int.from_bytes(payload[at : at + 2]), int.from_bytes(payload[at + 2 : at + 6]))
        self._out.append(_frame(SETTINGS, ACK, 0, b""))
        self._send()

    def _set(self, name: int, to: int) -> None:
        match name:
            case 2 if to:
                raise _ConnectionError("PROTOCOL_ERROR", "a server that wants pushes")
            case 3:
                self.streams = min(to, STREAMS)
            case 4:
                if to > MOST:
                    raise _ConnectionError("FLOW_CONTROL_ERROR", "a window that is too large")
                more, self._first_window = to - self._first_window, to
                for stream in self._streams.values():
                    stream.window += more
                    if stream.window > MOST:
                        raise _ConnectionError("FLOW_CONTROL_ERROR", "a window that is too large")
            case 5:
                if not FRAME_BYTES <= to < 1 << 24:
                    raise _ConnectionError("PROTOCOL_ERROR", "a wrong MAX_FRAME_SIZE")
                self._frame_bytes = to
            case _:
                pass

    def _window_update(self, number: int, _: int, payload: bytes) -> None:
        _sized(payload, 4, "WINDOW_UPDATE")
        more = int.from_bytes(payload) & MOST
        if not number:
            self._window += more
            if not more or self._window > MOST:
                raise _ConnectionError("FLOW_CONTROL_ERROR" if more else "PROTOCOL_ERROR", "a wrong window")
        elif (stream := self._stream(number, "a window")) is not None:
            stream.window += more
            if not more or stream.window > MOST:
                self._fail(stream, "FLOW_CONTROL_ERROR" if more else "PROTOCOL_ERROR", "a wrong window")
        self._send()

    def _send(self) -> None:
        """As much of the requests' bodies as the windows allow: a frame of each in turn."""
        shut: list[_Stream] = []
        while self._sending and self._window > 0:
            stream = self._sending.popleft()
            if stream.window <= 0:
                shut.append(stream)
                continue
            piece = stream.body.popleft()
            size = min(len(piece), self._window, stream.window, self._frame_bytes)
            self._window -= size
            stream.window -= size
            if size < len(piece):
                stream.body.appendleft(piece[size:])
            ends = 0 if stream.body else END_STREAM
            self._out += _frame(DATA, ends, stream.number, b"", size), bytes(piece[:size])
            if stream.body:
                self._sending.append(stream)
        self._sending.extend(shut)

    def _end(self, why: str) -> None:
        self.error = why
        self._events += [Broken(number, why) for number in self._streams]
        self._streams.clear()
        self._sending.clear()

    _TAKE: ClassVar[dict[int, Callable[[Self, int, int, bytes], None]]] = {
        HEADERS: _headers, PRIORITY: _priority, RST_STREAM: _rst_stream, SETTINGS: _settings,
        PUSH_PROMISE: _push_promise, PING: _ping, GOAWAY: _goaway, WINDOW_UPDATE: _window_update,
        CONTINUATION: _continuation,
    }  # fmt: skip


def _head(fields: Headers) -> tuple[str, Head | None]:
    """(why it is none, the head) (8.2, 8.3.2)"""
    status: bytes | None = None
    for at, (name, value) in enumerate(fields):
        if name == b":status" and not at:
            status = value
        elif _NAME.fullmatch(name) is None or _NO_VALUE.search(value) is not None:
            return f"no header: {name[:40] + b': ' + value[:40]!r}", None
    if status is None or re.fullmatch(rb"[1-9][0-9][0-9]", status) is None or status == b"101":
        return f"no status: {(status or b'')[:40]!r}", None
    return "", Head("2", int(status), b"", tuple(field for field in fields[1:] if field[0] not in _NEVER))


def _frame(kind: int, flags: int, number: int, payload: bytes, size: int | None = None) -> bytes:
    """``size``: of a payload that follows by itself."""
    length = len(payload) if size is None else size
    return length.to_bytes(3) + bytes((kind, flags)) + number.to_bytes(4) + payload


def _setting(name: int, value: int) -> bytes:
    return name.to_bytes(2) + value.to_bytes(4)


def _window(number: int, more: int) -> bytes:
    return _frame(WINDOW_UPDATE, 0, number, more.to_bytes(4))


def _reset(number: int, code: str) -> bytes:
    return _frame(RST_STREAM, 0, number, CODES.index(code).to_bytes(4))


def _code(raw: bytes) -> str:
    code = int.from_bytes(raw)
    return CODES[code] if code < len(CODES) else f"error {code}"


def _literal(name: bytes, value: bytes) -> bytes:
    """A header as it is: nobody may keep it in a table (RFC 7541, 6.2.3)."""
    return b"\x10" + _length(len(name)) + name + _length(len(value)) + value


def _length(number: int) -> bytes:
    """An integer with a prefix of seven bits (RFC 7541, 5.1)."""
    if number < 127:
        return bytes((number,))
    made, number = bytearray((127,)), number - 127
    while number >= 128:
        made.append(number % 128 + 128)
        number //= 128
    made.append(number)
    return bytes(made)


def _unpadded(payload: bytes) -> bytes:
    if not payload or payload[0] >= len(payload):
        raise _ConnectionError("PROTOCOL_ERROR", "more padding than there is")
    return payload[1 : len(payload) - payload[0]]


def _sized(payload: bytes, size: int, name: str) -> None:
    if len(payload) != size:
        raise _ConnectionError("FRAME_SIZE_ERROR", f"{name} of a wrong length")


def _of_the_connection(number: int) -> None:
    if number:
        raise _ConnectionError("PROTOCOL_ERROR", "a frame of the connection in a stream")
