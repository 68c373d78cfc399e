"""HTTP/2 by hand, a server's side, beside ``wire``'s HTTP/1.1: ``Chosen`` speaks what the client's ALPN has chosen.

Nothing is sent that the client's windows do not take: it waits for its WINDOW_UPDATE. Requests' headers are read by
``hpack``. What breaks the rules raises ValueError, which asyncio tells on stderr, and ends the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import hpack

from rig import frames, wire

STREAMS = 100  # that a client may have open at once, as at Google's front end
WINDOW, WINDOW_OF_ALL = 1 << 20, 64 << 20  # bytes of requests on their way: of one, and of a connection's


class Stream:
    """One request, and its answer (``wire.Answer``). ``window``: bytes of it that the client takes now."""

    def __init__(self, connection: Http2, number: int, headers: dict[bytes, bytes]) -> None:
        self._connection, self._number = connection, number
        self.request = wire.Request(self, headers[b":method"], headers[b":path"], headers)
        self.pieces: list[bytes] = []
        self.taken = 0  # bytes of the request that were not given back yet
        self.window = connection.initial_window
        self.gone: Callable[[], None] | None = None
        self._waiting = bytearray()
        self._ends = False
        self._empty = asyncio.Event()
        self._empty.set()

    def whole(self, status: int, body: bytes, content_type: bytes = wire.JSON) -> None:
        self._connection.begin(self._number, status, content_type)
        self.end(body)

    def begin(self, content_type: bytes) -> None:
        self._connection.begin(self._number, 200, content_type)

    def send(self, *pieces: bytes) -> None:
        self._out(b"".join(pieces))

    def end(self, *pieces: bytes) -> None:
        self._ends, self.gone = True, None
        self._out(b"".join(pieces))

    async def drain(self) -> None:
        await self._empty.wait()
        await self._connection.writable.wait()

    def flush(self) -> None:
        """Write what fits of what waits; the rest of it lets other streams go first."""
        room = self._room()
        if not room or not self._waiting:
            return
        data = bytes(self._waiting[:room])
        del self._waiting[:room]
        del self._connection.waiting[self._number]
        if self._waiting:
            self._connection.waiting[self._number] = self
        else:
            self._empty.set()
        self._write(data)

    def leave(self) -> None:
        """The client wants no more of it."""
        self._connection.waiting.pop(self._number, None)
        self._empty.set()
        if self.gone is not None:
            self.gone()

    def _room(self) -> int:
        return max(min(self.window, self._connection.window), 0)

    def _out(self, data: bytes) -> None:
        if not self._waiting and len(data) <= self._room():
            self._write(data)
            return
        self._waiting += data
        self._empty.clear()
        self._connection.waiting.setdefault(self._number, self)
        self.flush()

    def _write(self, data: bytes) -> None:
        connection, ends = self._connection, self._ends and not self._waiting
        self.window -= len(data)
        connection.window -= len(data)
        connection.write(frames.data(self._number, data, connection.largest, ends=ends))
        if ends:
            del connection.streams[self._number]


class Http2(asyncio.Protocol):
    """A client's connection. ``window``: bytes of answers that it takes now, ``initial_window``: of a new one;
    ``largest``: bytes of a frame; ``waiting``: streams with more than fits, the next one first."""

    def __init__(self, handle: Callable[[wire.Request], None]) -> None:
        self._handle = handle
        self._decoder = hpack.Decoder()
        self._reader = frames.Reader()
        self._block, self._block_ends = b"", False  # the head under way, and whether it ends its request
        self._newest = self._taken = 0
        self._first = frames.NO_TABLE
        self.streams: dict[int, Stream] = {}
        self.waiting: dict[int, Stream] = {}
        self.window = self.initial_window = frames.DEFAULT_WINDOW
        self.largest = frames.LARGEST
        self.writable = asyncio.Event()
        self.writable.set()
        self._kinds: dict[int, Callable[[int, int, bytes], None]] = {  # PRIORITY and GOAWAY say nothing to us
            frames.DATA: self._data, frames.HEADERS: self._headers, frames.CONTINUATION: self._continued,
            frames.RST_STREAM: self._reset, frames.SETTINGS: self._settings, frames.PING: self._ping,
            frames.WINDOW_UPDATE: self._updated,
        }  # fmt: skip

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.write = transport.write
        more = frames.word(frames.WINDOW_UPDATE, 0, WINDOW_OF_ALL - frames.DEFAULT_WINDOW)
        self.write(frames.settings({frames.MAX_STREAMS: STREAMS, frames.INITIAL_WINDOW: WINDOW}) + more)

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        for stream in tuple(self.streams.values()):
            stream.leave()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        for kind, flags, number, payload in self._reader.feed(data):
            if kind in self._kinds:
                self._kinds[kind](flags, number, payload)

    def begin(self, number: int, status: int, content_type: bytes) -> None:
        """Write the head of an answer."""
        block, self._first = self._first + frames.block(status, content_type), b""
        self.write(frames.frame(frames.HEADERS, frames.END_HEADERS, number, block))

    # -- frames: flags, the stream's number, payload -------------------------------------------------------------------

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        payload = frames.unpadded(flags, payload)
        self._block_ends = bool(flags & frames.END_STREAM)
        self._continued(flags, number, payload[5:] if flags & frames.PRIORITY else payload)

    def _continued(self, flags: int, number: int, payload: bytes) -> None:
        self._block += payload
        if not flags & frames.END_HEADERS:
            return
        block, self._block = self._block, b""
        headers = dict(self._decoder.decode(block, raw=True))
        if number > self._newest:  # else they are trailers
            self._newest = number
            if len(self.streams) >= STREAMS:
                self.write(frames.word(frames.RST_STREAM, number, frames.REFUSED_STREAM))
                return
            self.streams[number] = Stream(self, number, headers)
        if self._block_ends and number in self.streams:
            self._asked(self.streams[number])

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        self._taken = self._given_back(0, self._taken + len(payload), WINDOW_OF_ALL)
        stream = self.streams.get(number)
        if stream is None:  # it was reset
            return
        stream.taken = self._given_back(number, stream.taken + len(payload), WINDOW)
        stream.pieces.append(frames.unpadded(flags, payload))
        if flags & frames.END_STREAM:
            self._asked(stream)

    def _given_back(self, number: int, taken: int, window: int) -> int:
        """Let the client send again what was taken, once it is half of the window; what is still taken."""
        if taken > window:
            raise ValueError(f"{taken} bytes in a window of {window}")
        if taken < window // 2:
            return taken
        self.write(frames.word(frames.WINDOW_UPDATE, number, taken))
        return 0

    def _asked(self, stream: Stream) -> None:
        stream.request.body = b"".join(stream.pieces)
        stream.pieces.clear()
        self._handle(stream.request)

    def _reset(self, _: int, number: int, payload: bytes) -> None:
        if (stream := self.streams.pop(number, None)) is not None:
            stream.leave()

    def _settings(self, flags: int, _: int, payload: bytes) -> None:
        if flags & frames.ACK:
            return
        self.write(frames.frame(frames.SETTINGS, frames.ACK, 0))  # before anything that they allow
        for name, value in frames.SETTING.iter_unpack(payload):
            if name == frames.INITIAL_WINDOW:
                for stream in self.streams.values():
                    stream.window += value - self.initial_window
                self.initial_window = value
            elif name == frames.MAX_FRAME:
                self.largest = value
        self._flush()

    def _ping(self, flags: int, _: int, payload: bytes) -> None:
        if not flags & frames.ACK:
            self.write(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _updated(self, _: int, number: int, payload: bytes) -> None:
        more = int.from_bytes(payload, "big")
        if not number:
            self.window += more
            self._flush()
        elif (stream := self.streams.get(number)) is not None:
            stream.window += more
            stream.flush()

    def _flush(self) -> None:
        for stream in tuple(self.waiting.values()):
            stream.flush()


class Chosen(asyncio.Protocol):
    """A connection that becomes one of HTTP/2 or HTTP/1.1."""

    def __init__(self, handle: Callable[[wire.Request], None]) -> None:
        self._handle = handle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        chosen = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        protocol = (Http2 if chosen == "h2" else wire.Connection)(self._handle)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
