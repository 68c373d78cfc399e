"""A channel → one HTTP answer: the only way. Headers wait for the first content, so that an early failure is a plain
HTTP status; then one write per wake-up, heartbeats in silence, one terminal, and the connection closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from zerogravity.core.channel import CascadeChannel, Cursor
from zerogravity.core.events import Failed
from zerogravity.errors import FaultError, Termination
from zerogravity.server.guard import rendered
from zerogravity.server.services import EXCHANGE, SERVICES, Services
from zerogravity.surfaces.surface import Emitter, Surface

FLUSH = 128 << 10  # a replay of a long turn is written in pieces of this size, and lets others run in between
PHASES = (
    ("queue", "received", "admitted"), ("ls", "admitted", "told"), ("match", "told", "matched"),
    ("upstream", "matched", "first_byte"), ("thinking", "received", "first_thinking"),
    ("text", "received", "first_text"), ("call", "received", "first_call"), ("turn", "received", "done"),
)  # fmt: skip
Send = Callable[[bytes], Awaitable[None]]


class Stalled(Exception):
    """The client has taken nothing for too long."""


async def answer(request: web.Request, surface: Surface, channel: CascadeChannel) -> web.StreamResponse:
    """The turn's answer, in the way it was asked for."""
    if channel.turn.stream:
        return await stream(request, surface, channel)
    return await whole(request, surface, channel)


async def whole(request: web.Request, surface: Surface, channel: CascadeChannel) -> web.Response:
    """Wait for the end, then one JSON answer. A client that leaves leaves the channel."""
    services = request.app[SERVICES]
    request[EXCHANGE].channel = channel
    with channel.cursor():
        await channel.wait_closed()
    response = rendered(surface.answer(channel, services.secret))
    response.headers.update(timing(channel))
    return response


async def stream(
    request: web.Request, surface: Surface, channel: CascadeChannel, *, resume_from: int | None = None
) -> web.StreamResponse:
    """Frames as they come. ``resume_from``: the stream is read again, and that many of its frames are left out."""
    services, exchange = request.app[SERVICES], request[EXCHANGE]
    exchange.channel = channel
    limits = services.config.limits
    with channel.cursor() as cursor:
        if resume_from is None:
            await first_content(channel, limits.grace_seconds)
        emitter = surface.emitter(channel, services.secret)
        response = web.StreamResponse(
            headers={
                "Content-Type": emitter.content_type,
                "Cache-Control": "no-cache, no-transform",
                "X-Accel-Buffering": "no",
                **timing(channel),
            }
        )
        response.force_close()
        await response.prepare(request)

        async def send(data: bytes) -> None:
            try:
                async with asyncio.timeout(limits.write_stall_seconds):
                    await response.write(data)
            except TimeoutError:
                raise Stalled from None
            exchange.sent += len(data)
            if exchange.first is None:
                exchange.first = asyncio.get_running_loop().time()

        pump = Pump(cursor, emitter, send, heartbeat=limits.heartbeat_seconds, skip=resume_from or 0)
        try:
            await pump.run()
            await response.write_eof()
        except Stalled:
            leave_stalled(services, channel)
            exchange.code = Termination.CLIENT_STALL.value
            cut(request)
        except ConnectionError:
            exchange.gone = not channel.closed
        finally:
            services.metrics.reader_left(pump.largest)
    return response


async def first_content(channel: CascadeChannel, grace: float) -> None:
    """Wait up to ``grace`` seconds for something to show. Raises FaultError when the turn failed before that."""
    try:
        async with asyncio.timeout(grace):
            while not channel.state.emitted and not channel.closed:
                await channel.changed()
    except TimeoutError:
        return
    if not channel.state.emitted and isinstance(channel.terminal, Failed):
        raise FaultError(channel.terminal.fault)


class Pump:
    """Moves one reader's frames from the channel to ``send``: whatever has arrived since goes out as one piece."""

    def __init__(self, cursor: Cursor, emitter: Emitter, send: Send, *, heartbeat: float, skip: int = 0) -> None:
        self._cursor = cursor
        self._emitter = emitter
        self._send = send
        self._heartbeat = heartbeat
        self._skip = skip
        self._frames: list[bytes] = []
        self._size = 0
        self.largest = 0

    async def run(self) -> None:
        """Until the terminal record has been sent."""
        clock = asyncio.get_running_loop().time
        cursor, feed = self._cursor, self._emitter.feed
        self._take(self._emitter.begin())
        await self._flush()
        last = clock()
        while True:
            batch = cursor.take_nowait()
            if batch:
                self.largest = max(self.largest, len(batch))
                for record in batch:
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
                    await self._send(self._emitter.heartbeat)
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
        data = b"".join(self._frames) if len(self._frames) > 1 else self._frames[0]
        self._frames, self._size = [], 0
        await self._send(data)


def timing(channel: CascadeChannel) -> dict[str, str]:
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


def leave_stalled(services: Services, channel: CascadeChannel) -> None:
    """A stalled reader is closed; the turn goes on only if somebody else reads it, or nobody has to."""
    if channel.readers <= 1 and not channel.turn.background and not channel.closed:
        services.engine.cancel(channel, Termination.CLIENT_STALL)


def cut(request: web.Request) -> None:
    """Break the connection off: what is not sent yet would never be taken."""
    if request.transport is not None:
        request.transport.abort()
