"""The far side of an HTTP/2 connection, two ways: a server of the h2 library, and frames made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.events import Event as Seen
from hpack.hpack import encode_integer

from zerogravity.wire.http1 import Head
from zerogravity.wire.http2 import Begun, Broken, Data, Ended, Event, Http2

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITIZED = 0x4, 0x8, 0x20
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, REFUSED_STREAM, CANCEL = 0, 1, 3, 5, 7, 8
HTTP_1_1_REQUIRED = 13
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MOST = 2**31 - 1  # of a window
SMALL = 16_384  # the largest frame until the other side allows larger ones

Fields = Sequence[tuple[bytes, bytes]]
REQUEST: Fields = ((b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"there"), (b":path", b"/v1"))


class Frame(NamedTuple):
    kind: int
    stream: int
    payload: bytes
    flags: int

    @property
    def number(self) -> int:
        """What a WINDOW_UPDATE or a RST_STREAM is about."""
        return int.from_bytes(self.payload)


def frame(kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def frames(data: bytes) -> list[Frame]:
    found: list[Frame] = []
    while data:
        end = 9 + int.from_bytes(data[:3])
        assert len(data) >= end, "a frame is cut"
        found.append(Frame(data[3], int.from_bytes(data[5:9]), data[9:end], data[4]))
        data = data[end:]
    return found


def data(stream: int, payload: bytes, flags: int = 0) -> bytes:
    return frame(DATA, stream, payload, flags)


def head(stream: int, *fields: tuple[bytes, bytes], status: bytes = b"200", flags: int = 0) -> bytes:
    """A whole HEADERS frame."""
    return headers(stream, [(b":status", status), *fields], flags)


def headers(stream: int, fields: Fields, flags: int = 0) -> bytes:
    return frame(HEADERS, stream, block(fields), flags | END_HEADERS)


def block(fields: Fields) -> bytes:
    """Names and values as they are, kept in no table."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in fields)


def _string(raw: bytes) -> bytes:
    return bytes(encode_integer(len(raw), 7)) + raw


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, b"".join(code.to_bytes(2) + value.to_bytes(4) for code, value in pairs))


def window(stream: int, more: int) -> bytes:
    return frame(WINDOW_UPDATE, stream, more.to_bytes(4))


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, stream, code.to_bytes(4))


def goaway(last: int, code: int = NO_ERROR, text: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, last.to_bytes(4) + code.to_bytes(4) + text)


def begun(stream: int, *fields: tuple[bytes, bytes], status: int = 200) -> Begun:
    return Begun(stream, Head("2", status, b"", fields))


def merged(events: Iterable[Event]) -> list[Event]:
    """Pieces of one body that follow each other are one."""
    found: list[Event] = []
    for event in events:
        if isinstance(event, Data):
            last = found[-1] if found else None
            if isinstance(last, Data) and last.stream == event.stream:
                found[-1] = Data(event.stream, last.data + event.data)
                continue
            if not event.data:
                continue
        found.append(event)
    return found


def body(events: Iterable[Event], stream: int = 1) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Data) and event.stream == stream)


def broken(events: Iterable[Event]) -> list[int]:
    return [event.stream for event in events if isinstance(event, Broken)]


def bytewise(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


def cut(raw: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted({at for at in cuts if 0 < at < len(raw)}), len(raw)]
    return [raw[a:b] for a, b in pairwise(places)]


def drained(client: Http2) -> bytes:
    return b"".join(iter(client.take, b""))


class Peer:
    """A client whose server speaks by hand. Its SETTINGS have come; ``requests`` without a body are open."""

    def __init__(self, requests: int = 1, *pairs: tuple[int, int]) -> None:
        self.client = Http2()
        self._heads: set[int] = set()
        self._over: set[int] = set()
        sent = drained(self.client)
        assert sent.startswith(PREFACE)
        self.hello = frames(sent.removeprefix(PREFACE))
        assert self.feed(settings(*pairs)) == []
        assert [self.client.request(REQUEST, []) for _ in range(requests)] == list(range(1, 2 * requests, 2))
        self.sent()

    def feed(self, *pieces: bytes) -> list[Event]:
        events = [event for piece in pieces for event in self.client.feed(piece)]
        self._check(events)
        return merged(events)

    def end(self) -> list[Event]:
        events = self.client.end()
        self._check(events)
        return events

    def sent(self, *kinds: int) -> list[Frame]:
        """What the client has sent since the last time; of these kinds, if any are named."""
        return [frame for frame in frames(drained(self.client)) if not kinds or frame.kind in kinds]

    def setting(self, code: int, default: int) -> int:
        """What the client has announced."""
        payload = next(frame.payload for frame in self.hello if frame.kind == SETTINGS)
        pairs = {int.from_bytes(payload[at : at + 2]): payload[at + 2 : at + 6] for at in range(0, len(payload), 6)}
        return int.from_bytes(pairs[code]) if code in pairs else default

    def _check(self, events: Iterable[Event]) -> None:
        """A stream has one head, then its body, then one end."""
        for event in events:
            assert event.stream not in self._over
            match event:
                case Begun(stream, answer):
                    assert stream not in self._heads
                    self._heads.add(stream)
                    assert answer.status >= 200
                    assert not any(name.startswith(b":") for name, _ in answer.headers)
                case Data(stream):
                    assert stream in self._heads
                case Ended(stream):
                    assert stream in self._heads
                    self._over.add(stream)
                case Broken(stream, why):
                    assert why
                    self._over.add(stream)


class Server:
    """A client and an h2 server that judges what it sends. ``bodies``, ``heads``: of the requests, by stream."""

    def __init__(self, **first: int) -> None:
        """``first``: settings, by the names h2 gives them, in its first frame."""
        self.client = Http2()
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.bodies: dict[int, bytearray] = {}
        self.heads: dict[int, list[tuple[bytes, bytes]]] = {}
        self.whole: list[int] = []
        self.resets: list[tuple[int, int]] = []
        for name, value in first.items():
            setattr(self.h2.local_settings, name, value)
        self.h2.local_settings.acknowledge()
        self.h2.max_inbound_frame_size = self.h2.local_settings.max_frame_size
        self.h2.initiate_connection()

    def talk(self) -> list[Event]:
        """Carries over what either has to say, until neither has anything more."""
        told: list[Event] = []
        while True:
            up = self.client.take()
            for seen in self.h2.receive_data(up):
                self._note(seen)
            down = self.h2.data_to_send()
            if not up and not down:
                return merged(told)
            told += self.client.feed(down)
            assert self.client.error is None

    def answer(self, stream: int, *fields: tuple[bytes, bytes], status: bytes = b"200", end: bool = False) -> None:
        self.h2.send_headers(stream, [(b":status", status), *fields], end_stream=end)

    def credit(self, stream: int) -> int:
        """How much body the client lets come on it, up to a frame."""
        return min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)

    def _note(self, seen: Seen) -> None:
        match seen:
            case RequestReceived(stream_id=stream, headers=fields):
                self.heads[stream] = [(bytes(name), bytes(value)) for name, value in fields]
                self.bodies[stream] = bytearray()
            case DataReceived(stream_id=stream, data=piece):
                self.bodies[stream] += piece
            case StreamEnded(stream_id=stream):
                self.whole.append(stream)
            case StreamReset(stream_id=stream, error_code=code):
                self.resets.append((stream, int(code)))
            case _:
                pass
