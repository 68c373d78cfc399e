"""A channel → one HTTP answer: the only way. Headers wait for the first content, so that an early failure is a plain
HTTP status; then one write per wake-up, heartbeats in silence, one terminal, and the connection closes.

A turn that fails in the middle says so in an error event. Chat and Gemini have none of their own: some clients skip it
(Google's Go SDK takes whatever ends well for a whole answer), so there the body ends without its last chunk, too.
``response.failed`` is the proper end of a Responses stream, which every client of it waits for and some take a
connection that breaks for a reason to ask again: that body ends well.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from socket import SO_LINGER, SOL_SOCKET
from typing import Self

from aiohttp import HttpVersion11, web

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel, Cursor, CursorExpired
from zerogravity.core.events import Failed
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError, Termination
from zerogravity.server.middleware import json_response
from zerogravity.server.response_writer import RESPONSE_WRITER
from zerogravity.server.services import EXCHANGE, SERVICES, Services
from zerogravity.surfaces.base import Answer, Emitter, Surface

FLUSH = 128 << 10  # a replay of a long turn is written in pieces of this size, and lets others run in between
FRAMES = 256  # of a stored stream per write
NOTES, NOTE = 1024, 200  # characters of a header: of all notes, of one
LINGER_S = 0.25
PHASES = (
    ("queue", "received", "admitted"), ("ls", "admitted", "told"), ("match", "told", "matched"),
    ("upstream", "matched", "first_byte"), ("thinking", "received", "first_thinking"),
    ("text", "received", "first_text"), ("call", "received", "first_call"), ("turn", "received", "done"),
)  # fmt: skip
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closed by a reset
Send = Callable[[list[bytes]], Awaitable[None]]


class Stalled(Exception):
    """The client has taken nothing for too long."""


async def answer(request: web.Request, surface: Surface, channel: CascadeChannel) -> web.StreamResponse:
    """The turn's answer, in the way it was asked for."""
    if channel.turn.stream:
        return await stream(request, surface, channel)
    return await json_answer(request, channel, surface.answer)


async def json_answer(
    request: web.Request, channel: CascadeChannel, answer: Callable[[CascadeChannel, bytes], Answer]
) -> web.Response:
    """Wait for the end, then one JSON answer. A client that leaves leaves the channel."""
    services = request.app[SERVICES]
    request[EXCHANGE].channel = channel
    with channel.cursor():
        await channel.wait_closed()
    await request.app[RESPONSE_WRITER].ended(channel)
    response = json_response(answer(channel, services.secret))
    response.headers.update({**timing_headers(channel), **notes_header(channel.turn)})
    return response


async def stream(
    request: web.Request, surface: Surface, channel: CascadeChannel, *, resume_from: int | None = None
) -> web.StreamResponse:
    """Frames as they come. ``resume_from``: the stream is read again, and that many of its frames are left out."""
    services = request.app[SERVICES]
    request[EXCHANGE].channel = channel
    limits = services.config.limits
    with channel.cursor() as cursor:
        if resume_from is None:
            await wait_for_content(surface, channel, limits.grace_seconds)
        emitter = surface.emitter(channel, services.secret)
        headers = {**timing_headers(channel), **notes_header(channel.turn)}
        async with StreamWriter(request, emitter.content_type, headers) as wire:
            pump = Pump(
                cursor, emitter, wire.send, heartbeat=limits.heartbeat_seconds, skip=resume_from or 0,
                ending=partial(request.app[RESPONSE_WRITER].ended, channel),
            )  # fmt: skip
            try:
                await pump.run()
            finally:
                services.metrics.reader_left(pump.largest)
        return wire.response


async def replay(request: web.Request, frames: Sequence[bytes]) -> web.StreamResponse:
    """The frames of a stream that is over, as they were."""
    async with StreamWriter(request, "text/event-stream", {}) as wire:
        for begin in range(0, len(frames), FRAMES):
            await wire.send(frames[begin : begin + FRAMES])
    return wire.response


class StreamWriter:
    """One streamed answer: headers when the block begins, the end of the body when it and the turn end well.

    A client that takes nothing is cut off. One that has gone is no failure of this request.
    """

    def __init__(self, request: web.Request, content_type: str, headers: Mapping[str, str]) -> None:
        self._request = request
        self._exchange = request[EXCHANGE]
        self._stall = request.app[SERVICES].config.limits.write_stall_seconds
        self.response = web.StreamResponse(
            headers={
                "Content-Type": content_type,
                "Cache-Control": "no-cache, no-transform",
                "X-Accel-Buffering": "no",
                **headers,
            }
        )
        self.response.force_close()

    async def __aenter__(self) -> Self:
        await self.response.prepare(self._request)
        return self

    async def send(self, frames: Sequence[bytes]) -> None:
        data = b"".join(frames) if len(frames) > 1 else frames[0]
        async with stall_limit(self._stall):
            await self.response.write(data)
        self._exchange.sent += len(data)
        if self._exchange.first is None:
            self._exchange.first = asyncio.get_running_loop().time()

    async def __aexit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        channel = self._exchange.channel
        match error:
            case None if channel is not None and breaks_off(self._exchange.surface, channel):
                await hang_up(self._request)
            case None:
                with suppress(ConnectionError):  # everything has been sent
                    await self.response.write_eof()
            case Stalled():
                if channel is not None:
                    drop_stalled_reader(self._request.app[SERVICES], channel)
                self._exchange.code = Termination.CLIENT_STALL.value
                cut(self._request)
            case CursorExpired():
                self._exchange.code = Termination.LIMIT_BYTES.value
                cut(self._request)
            case ConnectionError():
                self._exchange.gone = True
            case _:
                return False
        return True


@asynccontextmanager
async def stall_limit(seconds: float) -> AsyncGenerator[None]:
    """Raises Stalled when one write takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Stalled from None


async def wait_for_content(surface: Surface, channel: CascadeChannel, grace: float) -> None:
    """Wait up to ``grace`` seconds for something to show. Raises FaultError when the turn failed before that."""
    try:
        async with asyncio.timeout(grace):
            while not surface.shows(channel) and not channel.closed:
                await channel.changed()
    except TimeoutError:
        return
    if not surface.shows(channel) and isinstance(channel.terminal, Failed):
        raise FaultError(channel.terminal.fault)


class Pump:
    """Moves one reader's frames from the channel to ``send``: whatever has arrived since goes out as one piece.

    ``heartbeat``: seconds of silence. ``skip``: how many frames are left out. ``ending``: awaited before the last
    frames. ``clock``: by default the loop's.
    """

    def __init__(
        self,
        cursor: Cursor,
        emitter: Emitter,
        send: Send,
        *,
        heartbeat: float,
        skip: int = 0,
        ending: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock or asyncio.get_running_loop().time
        self._cursor = cursor
        self._emitter = emitter
        self._send = send
        self._heartbeat = heartbeat
        self._skip = skip
        self._ending = ending
        self._frames: list[bytes] = []
        self._size = 0
        self.largest = 0

    async def run(self) -> None:
        """Until the terminal record has been sent."""
        clock, cursor, feed = self._clock, self._cursor, self._emitter.feed
        self._take(self._emitter.begin())
        await self._flush()
        last = clock()
        while True:
            batch = cursor.take_nowait()
            if batch:
                self.largest = max(self.largest, len(batch))
                for record in batch:
                    if self._ending is not None and record.terminal is not None:
                        await self._flush()
                        await self._ending()
                    self._take(feed(record))
                    if self._size >= FLUSH:
                        await self._flush()
                        await asyncio.sleep(0)
                if self._frames:
                    await self._flush()
                    last = clock()
            elif cursor.at_end:
                return
            elif not await cursor.ready(max(0.001, last + self._heartbeat - clock())):
                if self._emitter.heartbeat:
                    await self._send([self._emitter.heartbeat])
                last = clock()

    def _take(self, frames: list[bytes]) -> None:
        if self._skip:
            seen = min(self._skip, len(frames))
            self._skip -= seen
            frames = frames[seen:]
        self._frames += frames
        self._size += sum(map(len, frames))

    async def _flush(self) -> None:
        if not self._frames:
            return
        frames, self._frames, self._size = self._frames, [], 0
        await self._send(frames)


def timing_headers(channel: CascadeChannel) -> dict[str, str]:
    """``Server-Timing`` with the phases known by now, and OpenAI's own header for the whole."""
    marks = channel.marks
    phases = [
        f"{name};dur={(marks[end] - marks[start]) / 1e6:.1f}"
        for name, start, end in PHASES
        if start in marks and end in marks and marks[end] >= marks[start]
    ]
    headers = {"Server-Timing": ", ".join(phases)} if phases else {}
    latest = marks.get("done") or max(marks.values())
    return {**headers, "openai-processing-ms": str((latest - marks["received"]) // 1_000_000)}


def notes_header(turn: Turn) -> dict[str, str]:
    """What of the request was left out or changed, for whoever looks at the headers."""
    shown, size = list[str](), 0
    for note in turn.notes:
        text = ascii(redact.text(note)[:NOTE])[
            1:-1
        ]  # names in it are the client's: no control characters, nothing but ASCII
        if size + len(text) > NOTES:
            break
        shown.append(text)
        size += len(text)
    if more := len(turn.notes) - len(shown):
        shown.append(f"{more} more in the trace")
    return {"x-zerogravity-notes": "; ".join(shown)} if shown else {}


def drop_stalled_reader(services: Services, channel: CascadeChannel) -> None:
    """A stalled reader is closed; the turn goes on only if somebody else reads it, or nobody has to."""
    if channel.readers <= 1 and not channel.turn.background and not channel.closed:
        services.engine.cancel(channel, Termination.CLIENT_STALL)


def breaks_off(surface: Surface, channel: CascadeChannel) -> bool:
    """Whether the stream's end must not look like the end of an answer."""
    return isinstance(channel.terminal, Failed) and not surface.ends_failed


async def hang_up(request: web.Request) -> None:
    """Close the connection behind what has been sent, unless the client does so first, for which it has a moment: some
    drop what they have not read yet when a body breaks off."""
    try:
        await asyncio.sleep(LINGER_S)
    except asyncio.CancelledError:  # it has, or we stop: nothing is left to be done
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
    if request.version < HttpVersion11:
        cut(request)
    elif request.transport is not None:
        request.transport.close()


def cut(request: web.Request) -> None:
    """Break the connection off: what is not sent yet would never be taken. Bodies of HTTP/1.0 end with the connection,
    so there only a reset is no good end."""
    if request.transport is None:
        return
    if request.version < HttpVersion11:
        request.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, AT_ONCE)
    request.transport.abort()
