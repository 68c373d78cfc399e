"""A channel → one HTTP answer. Headers wait for the first content, so that an early failure is a plain HTTP status;
then one write per wake-up, heartbeats in silence, and one terminal event. The connection stays open for the next turn.

A turn that fails in the middle of a stream says so in an error event. Chat and Gemini define none, and some clients
skip it (Google's Go SDK takes any body that ends well for a whole answer), so there the body also ends without its last
chunk. A Responses stream ends properly with ``response.failed``: all its clients wait for that, and some would retry
after a broken connection.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from socket import SO_LINGER, SOL_SOCKET
from typing import Self

from aiohttp import HttpVersion11, web
from aiohttp.hdrs import METH_HEAD

from zerogravity.core.channel import CascadeChannel, Cursor, CursorExpired
from zerogravity.core.events import Failed, Record
from zerogravity.errors import Fault, FaultError, Termination
from zerogravity.server.following import following
from zerogravity.server.middleware import rendered
from zerogravity.server.response_writer import RESPONSE_WRITER
from zerogravity.server.services import EXCHANGE, SERVICES, Services
from zerogravity.server.turn_headers import turn_headers
from zerogravity.server.watchdog import Room, Stalled, Watchdog
from zerogravity.surfaces.base import Answer, Emitter, Surface

FLUSH = 128 << 10  # bytes of a long replay that are written at once; other tasks run in between
FRAMES = 256  # of a stored stream per write
FEW = 64  # records that are rendered and written in one go, in a callback
LINGER_S = 0.25
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
Send = Callable[[list[bytes]], Room | None]
"""Writes frames. If it returns something, that is still to be waited for before there is room for more."""


async def answer(request: web.Request, surface: Surface, channel: CascadeChannel) -> web.StreamResponse:
    """The turn's answer: streamed or whole, as requested."""
    if channel.turn.stream:
        return await stream(request, surface, channel)
    return await json_answer(request, channel, surface.answer)


async def json_answer(
    request: web.Request, channel: CascadeChannel, answer: Callable[[CascadeChannel, bytes], Answer]
) -> web.Response:
    """Wait for the end, then one JSON answer."""
    services, exchange = request.app[SERVICES], request[EXCHANGE]
    exchange.channel = channel
    with channel.cursor():
        await channel.wait_closed()
    await request.app[RESPONSE_WRITER].end_saved(channel)
    made = answer(channel, services.secret)
    if made.status >= 400 and isinstance(channel.terminal, Failed):
        return _refusal(request, channel, channel.terminal.fault)
    return rendered(made, turn_headers(exchange.surface, channel))


def _refusal(request: web.Request, channel: CascadeChannel, fault: Fault) -> web.Response:
    """A fault as the client's own API says it, with the request's id."""
    exchange = request[EXCHANGE]
    return rendered(exchange.surface.error(fault, exchange.id), turn_headers(exchange.surface, channel))


async def stream(
    request: web.Request, surface: Surface, channel: CascadeChannel, *, resume_from: int | None = None
) -> web.StreamResponse:
    """Frames as they come. ``resume_from``: how many frames to skip of a stream that is read again."""
    services = request.app[SERVICES]
    request[EXCHANGE].channel = channel
    with channel.cursor() as cursor:
        if resume_from is None:
            try:
                await wait_for_content(surface, channel, services.config.limits.grace_seconds)
            except FaultError as error:
                return _refusal(request, channel, error.fault)
        emitter = following(surface, channel, services.secret)
        async with StreamedAnswer(request, emitter.content_type, turn_headers(surface, channel)) as wire:
            await write_frames(request, cursor, emitter, wire.send, skip=resume_from or 0)
        return wire.response


async def write_frames(request: web.Request, cursor: Cursor, emitter: Emitter, send: Send, *, skip: int = 0) -> None:
    """One reader's frames until the terminal event has been sent, and the response saved before that."""
    services = request.app[SERVICES]
    limits = services.config.limits
    watchdog = Watchdog(limits.write_stall_seconds, limits.heartbeat_seconds, cursor.nudge)
    pump = Pump(
        cursor, emitter, send, watchdog, skip=skip,
        ending=partial(request.app[RESPONSE_WRITER].end_saved, cursor.channel),
    )  # fmt: skip
    try:
        async with watchdog.watching():
            await pump.run()
    finally:
        services.metrics.reader_left(pump.largest)


async def replay(request: web.Request, frames: Sequence[bytes]) -> web.StreamResponse:
    """The frames of a stream that is over, byte for byte."""
    watchdog = Watchdog(request.app[SERVICES].config.limits.write_stall_seconds)
    async with StreamedAnswer(request, "text/event-stream", {}) as wire, watchdog.watching():
        for begin in range(0, len(frames), FRAMES):
            if (room := wire.send(frames[begin : begin + FRAMES])) is not None:
                await watchdog.wait(room)
    return wire.response


class _Streamed(web.StreamResponse):
    """One whose headers go out with what is written first, as those of a ``web.Response`` do. aiohttp has no public
    name for that; without it they go out by themselves, which costs a send."""

    _send_headers_immediately = False


class _HeadersOnly(Exception):
    """The client wants no body."""


class StreamedAnswer:
    """One streamed answer: headers with the first write, the end of the body when the block and the turn end well.

    A client that reads nothing is cut off. A client that has gone is no error. A HEAD ends the block at its first
    write: a body would be read as the beginning of the next answer.
    """

    def __init__(self, request: web.Request, content_type: str, headers: Mapping[str, str]) -> None:
        self._request = request
        self._exchange = request[EXCHANGE]
        self.response = _Streamed(
            headers={
                "Content-Type": content_type,
                "Cache-Control": "no-cache, no-transform",
                "X-Accel-Buffering": "no",
                **headers,
            }
        )
        if request.version < HttpVersion11:
            self.response.force_close()  # the body ends with it
        self._begun = False

    async def __aenter__(self) -> Self:
        await self.response.prepare(self._request)
        self._chunked = self.response.headers.get("Transfer-Encoding") == "chunked"
        if self._request.transport is not None:
            self._room = self._request.transport.get_write_buffer_limits()[1]
        return self

    def send(self, frames: Sequence[bytes]) -> Room | None:
        """One write, of one chunk. Only the first is aiohttp's, for the headers, perhaps with nothing behind them: its
        way to the transport would be four calls more for each event."""
        transport, exchange = self._request.transport, self._exchange
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        if not self._begun and self._request.method == METH_HEAD:
            raise _HeadersOnly
        data = b"".join(frames)
        exchange.sent_bytes += len(data)
        if not self._begun:
            self._begun = True
            exchange.first_byte = time.monotonic()
            return partial(self.response.write, data)
        if not data:
            return None  # an empty chunk would end the body
        transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        return self._request.writer.drain if transport.get_write_buffer_size() > self._room else None

    async def __aexit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        channel = self._exchange.channel
        match error:
            case None if channel is not None and breaks_off(self._exchange.surface, channel):
                await hang_up(self._request)
            case None | _HeadersOnly():
                with suppress(ConnectionError):  # everything has been sent
                    await self.response.write_eof()
            case Stalled():
                if channel is not None:
                    drop_stalled_reader(self._request.app[SERVICES], channel)
                self._exchange.code = Termination.CLIENT_STALL.value
                abort(self._request)
            case CursorExpired():
                self._exchange.code = Termination.LIMIT_BYTES.value
                abort(self._request)
            case ConnectionError():
                self._exchange.client_gone = True
            case _:
                return False
        return True


async def wait_for_content(surface: Surface, channel: CascadeChannel, grace: float) -> None:
    """Wait up to ``grace`` seconds for something to show. Raises FaultError when the turn fails before that."""
    try:
        async with asyncio.timeout(grace):
            while not surface.has_output(channel) and not channel.closed:
                await channel.changed()
    except TimeoutError:
        return
    if not surface.has_output(channel) and isinstance(channel.terminal, Failed):
        raise FaultError(channel.terminal.fault)


class Pump:
    """Moves one reader's frames from the channel to ``send``; all that has arrived since the last time is sent as one.

    ``watchdog``: times its writes, and nudges the cursor in silence. ``skip``: how many frames to leave out.
    ``ending``: awaited before the last frames.
    """

    def __init__(
        self,
        cursor: Cursor,
        emitter: Emitter,
        send: Send,
        watchdog: Watchdog,
        *,
        skip: int = 0,
        ending: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._cursor = cursor
        self._emitter = emitter
        self._send = send
        self._watchdog = watchdog
        self._skip = skip
        self._ending = ending
        self._frames: list[bytes] = []
        self._size = 0
        self._parked: asyncio.Future[Room | None]
        self._begun = False
        self.largest = 0

    async def run(self) -> None:
        """Until the terminal record has been sent."""
        self._take(self._emitter.begin())
        if not self._cursor.waiting:  # else in one write with what has come
            await self._flush()
        while not self._cursor.at_end:
            await self._follow()
            if batch := self._cursor.take_nowait():
                await self._render(batch)

    async def _follow(self) -> None:
        """Write what comes, until something has to be waited for: the end, a lot at once, or room. It is written by a
        callback: to wake a task for it would be as dear as all else that an event costs here."""
        if self._cursor.waiting > 0:
            return
        self._parked = parked = asyncio.get_running_loop().create_future()
        self._cursor.call(self._news)
        try:
            room = await parked
        finally:
            self._cursor.forget()
            if parked.done() and not parked.cancelled():
                parked.exception()  # known, even if the client has left at the same moment
        if room is not None:
            await self._watchdog.wait(room)

    def _news(self, whole: bool) -> None:
        """``whole``: else called in the middle of several appends, and written later, but in this round of the loop."""
        if whole:
            self._write_at_once()
        else:
            self._parked.get_loop().call_soon(self._write_at_once)

    def _write_at_once(self) -> None:
        """Guard point: what fails here fails in the task."""
        if self._parked.done():
            return
        try:
            done, room = self._wrote_at_once()
        except Exception as error:  # noqa: BLE001 - guard: handed on
            self._parked.set_exception(error)
        else:
            if done:
                self._cursor.call(self._news)
            else:
                self._parked.set_result(room)

    def _wrote_at_once(self) -> tuple[bool, Room | None]:
        """Whether that was all, and if not, what is to be waited for."""
        cursor = self._cursor
        if cursor.channel.closed or cursor.waiting > FEW:
            return False, None
        batch = cursor.take_nowait()
        self.largest = max(self.largest, len(batch))
        for record in batch:
            self._take(self._emitter.feed(record))
        if not batch and self._emitter.heartbeat:  # nudged
            self._frames.append(self._emitter.heartbeat)
        room = self._write()
        return room is None, room

    async def _render(self, batch: list[Record]) -> None:
        """All that has arrived, in one write unless it is a lot."""
        self.largest = max(self.largest, len(batch))
        feed, last = self._emitter.feed, batch[-1]
        for record in batch:
            if record is last and record.terminal is not None and self._ending is not None:
                await self._flush()
                await self._ending()
            self._take(feed(record))
            if self._size >= FLUSH:
                await self._flush()
                await asyncio.sleep(0)
        await self._flush()

    def _take(self, frames: list[bytes]) -> None:
        if self._skip:
            skipped = min(self._skip, len(frames))
            self._skip -= skipped
            frames = frames[skipped:]
        self._frames += frames
        for frame in frames:
            self._size += len(frame)

    async def _flush(self) -> None:
        if (room := self._write()) is not None:
            await self._watchdog.wait(room)

    def _write(self) -> Room | None:
        """If it returns something, that is to be waited for. The first write is one even if it writes nothing."""
        if not self._frames and self._begun:
            return None
        self._begun = True
        frames, self._frames, self._size = self._frames, [], 0
        if (room := self._send(frames)) is None:
            self._watchdog.written()
        return room


def drop_stalled_reader(services: Services, channel: CascadeChannel) -> None:
    """The turn of a stalled reader goes on only if it has other readers, or runs in the background."""
    if channel.readers <= 1 and not channel.turn.background and not channel.closed:
        services.engine.cancel(channel, Termination.CLIENT_STALL)


def breaks_off(surface: Surface, channel: CascadeChannel) -> bool:
    """Whether the body must not end like that of a whole answer."""
    return isinstance(channel.terminal, Failed) and not surface.has_failure_event


async def hang_up(request: web.Request) -> None:
    """Close the connection after what has been sent. The client may do so first: some drop what they have not read yet
    when a body breaks off, so they get a moment."""
    try:
        await asyncio.sleep(LINGER_S)
    except asyncio.CancelledError:  # the client has closed it, or we stop
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
    if request.version < HttpVersion11:
        abort(request)
    elif request.transport is not None:
        request.transport.close()


def abort(request: web.Request) -> None:
    """Drop the connection with what is still unsent. An HTTP/1.0 body ends where the connection is closed, so only a
    reset says there that it is not whole."""
    if request.transport is None:
        return
    if request.version < HttpVersion11:
        request.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET)
    request.transport.abort()
