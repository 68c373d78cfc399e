"""Responses that another gateway on the same store runs: their streams, and how they are ended from here.

Where the store cannot tell of other gateways (in memory, a file), they can only be shown: 409 for all else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace

from aiohttp import web

from zerogravity.errors import FaultError, bad_request, internal, shutting_down, too_many_readers
from zerogravity.server.respond import FRAMES, StreamedAnswer
from zerogravity.server.response_writer import ResponseWriter
from zerogravity.server.services import Services
from zerogravity.server.watchdog import Watchdog
from zerogravity.store.base import Unreadable
from zerogravity.store.peers import Command, More, Peers, Shown
from zerogravity.surfaces.responses.emit import ResponsesEmitter
from zerogravity.surfaces.responses.stored import StoredResponse, in_a_row, withdrawn

LOOK_S = 2.0  # without news; at least so often a command is sent again, too
WAIT_S = 30.0  # for a command to be obeyed; longer than it takes to find that a gateway has died
AWAY_S = 30.0  # that a stream waits for a store which does not answer any more, or has lost the response
NOTHING = Shown((), "later")


class Elsewhere:
    """Use from one event loop. Every look-up is by the owner of what was ``found``."""

    def __init__(self, services: Services, writer: ResponseWriter) -> None:
        self._limits = services.config.limits
        self._peers = services.responses.peers
        self._writer = writer
        self._waiting = set[asyncio.Event]()
        self._readings: dict[tuple[str, str], _Reading] = {}  # by owner and id
        self._closed = False

    async def stream(self, request: web.Request, found: StoredResponse, skip: int) -> web.StreamResponse:
        """Its frames from number ``skip`` on, as its gateway sends them to its own clients. Raises FaultError: 429 when
        it has its maximum of readers here, 404 when the stream is lost."""
        async with self._news(found) as (peers, news):
            with self._reading(peers, found, news) as reading:
                follower = _Follower(reading, self._writer, found, skip, news)
                watchdog = Watchdog(self._limits.write_stall_seconds, self._limits.heartbeat_seconds, follower.nudge)
                frames = await follower.next()  # what fails now has a status of its own
                async with StreamedAnswer(request, ResponsesEmitter.content_type, {}) as wire, watchdog.watching():
                    while frames is not None:
                        self._check_open()
                        for begin in range(0, len(frames) or 1, FRAMES):
                            if (room := wire.send(frames[begin : begin + FRAMES])) is not None:
                                await watchdog.wait(room)
                            elif frames:
                                watchdog.written()
                        frames = await follower.next()
                return wire.response

    async def end(self, found: StoredResponse, command: Command) -> StoredResponse | None:
        """What its gateway has left of it. Raises FaultError 503 when that takes too long."""
        async with self._news(found) as (peers, news):
            try:
                async with asyncio.timeout(WAIT_S):
                    while True:
                        self._check_open()
                        news.clear()
                        if not await peers.ask(command, found.owner, found.id):
                            left = await self._writer.get(found.id, found.owner)
                            if left is None or not left.running:
                                return left
                        await _news_or_time(news)
            except TimeoutError:
                text = f"Response '{found.id}' is running in another zerogravity process, which does not answer."
                raise FaultError(internal(text, status=503, code="response_running_elsewhere", retry_after=1)) from None

    async def close(self, _: web.Application) -> None:
        """At shutdown: streams are broken off; their clients may resume them at another gateway."""
        self._closed = True
        for news in self._waiting:
            news.set()

    @contextmanager
    def _reading(self, peers: Peers, found: StoredResponse, news: asyncio.Event) -> Generator[_Reading]:
        key = found.owner, found.id
        if (reading := self._readings.get(key)) is None:
            reading = self._readings[key] = _Reading(peers, found)
        if len(reading.followers) >= self._limits.readers:
            raise FaultError(too_many_readers())
        reading.followers.add(news)
        try:
            yield reading
        finally:
            reading.followers.discard(news)
            if not reading.followers:
                del self._readings[key]

    def _check_open(self) -> None:
        if self._closed:
            raise FaultError(shutting_down())

    @asynccontextmanager
    async def _news(self, found: StoredResponse) -> AsyncGenerator[tuple[Peers, asyncio.Event]]:
        if self._peers is None:
            where = "is running in another zerogravity process on this store"
            text = f"Response '{found.id}' {where}; send the request there."
            raise bad_request(text, code="response_running_elsewhere", status=409)
        async with self._peers.news(found.owner, found.id) as news:
            self._waiting.add(news)
            try:
                yield self._peers, news
            finally:
                self._waiting.discard(news)


class _Reading:
    """One stream, read once for all its followers here.

    ``followers``: by the news of each. ``frames``: all that have been read, from the first one on: whoever is behind
    finds them here, and when the response is deleted, what is open in them must be closed.
    """

    def __init__(self, peers: Peers, found: StoredResponse) -> None:
        self.followers = set[asyncio.Event]()
        self.frames = in_a_row(found.frames)
        self._peers = peers
        self._key = found.owner, found.id
        self._more: More = "later"
        self._lock = asyncio.Lock()

    async def after(self, number: int) -> Shown | None:
        """The frames from that number on; see ``Peers``."""
        async with self._lock:
            if number < len(self.frames):
                return Shown(self.frames[number:], self._more)
            for news in self.followers:
                news.clear()  # for all of them, what is new is read now
            shown = await self._peers.frames(*self._key, len(self.frames))
            if shown is None:
                return None
            self._more = shown.more
            if shown.frames:
                self.frames += shown.frames
                for news in self.followers:
                    news.set()
            return Shown(self.frames[number:], shown.more)

    async def is_deleted(self) -> bool:
        return await self._peers.is_deleted(*self._key)


class _Follower:
    """One reader. ``number``: of the next frame that it wants."""

    def __init__(
        self, reading: _Reading, writer: ResponseWriter, found: StoredResponse, number: int, news: asyncio.Event
    ) -> None:
        self._reading = reading
        self._writer = writer
        self._found = found
        self._number = number
        self._news = news
        self._answered: float | None = None  # when the store last did
        self._last: Shown | None = None
        self._silent = False
        self._over = False

    def nudge(self) -> None:
        """There was silence for so long that the client wants to hear something."""
        self._silent = True
        self._news.set()

    async def next(self) -> Sequence[bytes] | None:
        """What comes next; None after the end. Nothing where there is no more yet; a heartbeat in silence. Raises
        FaultError."""
        if self._over:
            return None
        if self._is_at_the_end():
            await _news_or_time(self._news)
        if self._silent:
            self._silent = False
            return (ResponsesEmitter.heartbeat,)
        return await self._read()

    def _is_at_the_end(self) -> bool:
        """As far as is known: others may have read on meanwhile, and so taken the news."""
        last = self._last
        if last is None or self._number < len(self._reading.frames):
            return False
        return not last.frames or last.more == "later"

    async def _read(self) -> Sequence[bytes]:
        now = asyncio.get_running_loop().time()
        try:
            frames = await self._frames()
        except Unreadable:
            raise
        except FaultError:
            if self._answered is None or now > self._answered + AWAY_S:
                raise
            self._last = NOTHING
            return ()
        self._answered = now
        return frames

    async def _frames(self) -> Sequence[bytes]:
        shown = await self._reading.after(self._number)
        if shown is None:
            return await self._ending()
        self._number += len(shown.frames)
        self._over = shown.more == "end"
        self._last = shown
        return shown.frames

    async def _ending(self) -> Sequence[bytes]:
        """Nobody works on it any more."""
        found, self._last = self._found, NOTHING
        stored = await self._writer.get(found.id, found.owner)
        if stored is not None and stored.running:
            return ()
        if stored is None and not await self._reading.is_deleted():
            raise stream_lost()  # its gateway may live, and stores it anew at its end
        self._over = True
        stored = withdrawn(replace(found, frames=(*self._reading.frames,))) if stored is None else stored
        if self._answered is None and stored.stream_lost:
            raise stream_lost()
        return stored.frames_from(self._number)


async def _news_or_time(news: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_S):
            await news.wait()


def stream_lost() -> FaultError:
    text = "The stream of this response is lost: the store has not kept all of it. Retrieve it without 'stream'."
    return bad_request(text, param="stream", code="response_stream_lost", status=404)


ELSEWHERE: web.AppKey[Elsewhere] = web.AppKey("elsewhere", Elsewhere)
