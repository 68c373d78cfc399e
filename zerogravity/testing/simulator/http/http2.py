"""HTTP/2: one connection, many exchanges; frames and windows are the ``h2`` library's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from zerogravity.testing.simulator.http.exchange import ClientGone, Connection, Exchange, Headers, Shared, decoded

MAX_WAITING = 256 << 10  # bytes of one stream that may wait for the client's window


class _Request:
    __slots__ = ("body", "headers", "method", "target")

    def __init__(self, headers: dict[str, str]) -> None:
        self.method = headers.pop(":method", "GET")
        self.target = headers.pop(":path", "/")
        self.headers = {name: value for name, value in headers.items() if not name.startswith(":")}
        self.headers.setdefault("host", headers.get(":authority", ""))
        self.body = bytearray()


class Http2(Connection):
    """One HTTP/2 connection."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self._requests: dict[int, _Request] = {}
        self._streams: dict[int, tuple[Http2Exchange, asyncio.Task[None]]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 100,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: 64 << 10,
            },
        )
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(15 << 20)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for number in list(self._streams):
            self._abandon(number)

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.flush()
            self.transport.close()
            return
        for event in events:
            self._handle(event)
        self.flush()

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=number, headers=headers) if number and headers:
                self._requests[number] = _Request({str(name): str(value) for name, value in headers})
            case h2.events.DataReceived(stream_id=number, data=data, flow_controlled_length=length) if number:
                request = self._requests.get(number)
                if request is not None:
                    request.body += data or b""
                    if len(request.body) > self.shared.max_body:
                        del self._requests[number]
                        self.h2.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
                        return
                self.h2.acknowledge_received_data(length or 0, number)
            case h2.events.StreamEnded(stream_id=number) if number:
                self._start(number)
            case h2.events.StreamReset(stream_id=number) if number:
                self._requests.pop(number, None)
                self._abandon(number)
            case h2.events.WindowUpdated(stream_id=number):
                self._pump(number or 0)
            case h2.events.RemoteSettingsChanged():
                self._pump(0)
            case h2.events.ConnectionTerminated():
                self.transport.close()
            case _:
                pass

    def _start(self, number: int) -> None:
        request = self._requests.pop(number, None)
        if request is None:
            return
        try:
            body = decoded(bytes(request.body), request.headers.get("content-encoding", ""), self.shared.max_body)
        except ValueError:
            self.h2.reset_stream(number, h2.errors.ErrorCodes.PROTOCOL_ERROR)
            return
        exchange = Http2Exchange(self, number, request, body)
        self._streams[number] = (exchange, self.shared.run(exchange, lambda: self._finished(number)))

    def _finished(self, number: int) -> None:
        exchange, _ = self._streams[number]
        if not exchange.waiting:
            self._streams.pop(number, None)

    def forget(self, number: int) -> None:
        """A stream whose last waiting bytes are out."""
        entry = self._streams.get(number)
        if entry is not None and entry[1].done():
            del self._streams[number]

    def _abandon(self, number: int) -> None:
        entry = self._streams.get(number)
        if entry is None:
            return
        exchange, task = entry
        exchange.waiting.clear()
        if not exchange.over:
            exchange.client_gone = True
            task.cancel()
        elif task.done():
            self._streams.pop(number, None)

    def _pump(self, number: int) -> None:
        for stream in [number] if number else list(self._streams):
            if stream in self._streams:
                self._streams[stream][0].pump()


class Http2Exchange(Exchange):
    """An answer over HTTP/2; what the client's window does not take yet waits."""

    def __init__(self, connection: Http2, number: int, request: _Request, body: bytes) -> None:
        super().__init__("2", request.method, request.target, request.headers, body)
        self._connection = connection
        self._number = number
        self._ended = False
        self._room: asyncio.Future[None] | None = None
        self.waiting = bytearray()

    def start(self, status: int, headers: Headers, *, length: int | None = None) -> None:
        lines = [(":status", str(status)), *((name.lower(), value) for name, value in headers)]
        if length is not None:
            lines.append(("content-length", str(length)))
        self._send(lambda: self._connection.h2.send_headers(self._number, lines))

    def write(self, data: bytes) -> None:
        self.waiting += data
        self.pump()

    raw = write

    def write_all(self, pieces: Sequence[bytes]) -> None:
        self.write(b"".join(pieces))

    async def drain(self) -> None:
        await self._connection.writable.wait()
        while len(self.waiting) > MAX_WAITING and not self.client_gone:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        if self.client_gone:
            raise ClientGone

    def end(self) -> None:
        self.over = True
        self._ended = True
        self.pump()

    def drop(self) -> None:
        self.over = True
        self._connection.transport.close()

    def reset(self) -> None:
        self.over = True
        self.waiting.clear()
        self._send(lambda: self._connection.h2.reset_stream(self._number, h2.errors.ErrorCodes.INTERNAL_ERROR))

    def half_close(self) -> None:
        self.over = True
        self._connection.half_close()

    def pump(self) -> None:
        """Send as much as the windows allow."""
        connection = self._connection.h2
        try:
            while self.waiting:
                room = min(connection.local_flow_control_window(self._number), connection.max_outbound_frame_size)
                if room <= 0:
                    break
                connection.send_data(self._number, bytes(self.waiting[:room]))
                del self.waiting[:room]
            if self._ended and not self.waiting:
                self._ended = False
                connection.end_stream(self._number)
                self._connection.forget(self._number)
        except h2.exceptions.ProtocolError:  # the stream is closed; StreamReset tells the rest
            self.waiting.clear()
        self._connection.flush()
        if self._room is not None and len(self.waiting) <= MAX_WAITING:
            if not self._room.done():
                self._room.set_result(None)
            self._room = None

    def _send(self, action: Callable[[], None]) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):
            action()
        self._connection.flush()
