"""Responses that another gateway on the same store runs: their streams, and how they are ended from here.

Where the store cannot tell of other gateways (in memory, a file), they can only be shown: 409 for all else.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

from aiohttp import web

from zerogravity.errors import FaultError, bad_request, internal, shutting_down, too_many_readers
from zerogravity.server.respond import FRAMES, StreamedAnswer
from zerogravity.server.response_writer import ResponseWriter
from zerogravity.server.services import Services
from zerogravity.server.watchdog import Watchdog
from zerogravity.store.peers import Command, Peers
from zerogravity.surfaces.responses.emit import ResponsesEmitter
from zerogravity.surfaces.responses.stored import StoredResponse, withdrawn

LOOK_S = 2.0  # without news; at least so often a command is sent again, too
WAIT_S = 30.0  # for a command to be obeyed; longer than it takes to find that a gateway has died
AWAY_S = 30.0  # that a stream waits for a store which does not answer any more


class Elsewhere:
    """Use from one event loop. Every look-up is by the owner of what was ``found``."""

    def __init__(self, services: Services, writer: ResponseWriter) -> None:
        self._limits = services.config.limits
        self._peers = services.responses.peers
        self._writer = writer
        self._waiting = set[asyncio.Event]()
        self._readers = Counter[tuple[str, str]]()  # of streams, by owner and id
        self._closed = False

    async def stream(self, request: web.Request, found: StoredResponse, skip: int) -> web.StreamResponse:
        """Its frames from number ``skip`` on, as its gateway sends them to its own clients. Raises FaultError 429 when
        it has its maximum of readers here."""
        with self._counted((found.owner, found.id)):
            return await self._stream(request, found, skip)

    async def _stream(self, request: web.Request, found: StoredResponse, skip: int) -> web.StreamResponse:
        async with self._news(found) as (peers, news):
            follower = _Follower(peers, self._writer, found, skip, news)
            watchdog = Watchdog(self._limits.write_stall_seconds, self._limits.heartbeat_seconds, follower.nudge)
            async with StreamedAnswer(request, ResponsesEmitter.content_type, {}) as wire, watchdog.watching():
                while (frames := await follower.next()) is not None:
                    self._check_open()
                    for begin in range(0, len(frames) or 1, FRAMES):
                        if (room := wire.send(frames[begin : begin + FRAMES])) is not None:
                            await watchdog.wait(room)
                        elif frames:
                            watchdog.written()
            return wire.response

    async def end(self, found: StoredResponse, command: Command) -> StoredResponse | None:
        """What its gateway has left of it. Raises FaultError 503 when that takes too long."""
        async with self._news(found) as (peers, news):
            try:
                async with asyncio.timeout(WAIT_S):
                    while True:
                        self._check_open()
                        news.clear()
                        await peers.ask(command, found.owner, found.id)
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
    def _counted(self, key: tuple[str, str]) -> Generator[None]:
        if self._readers[key] >= self._limits.readers:
            raise FaultError(too_many_readers())
        self._readers[key] += 1
        try:
            yield
        finally:
            self._readers -= Counter((key,))  # which leaves out what is 0

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


class _Follower:
    """One reader. ``number``: of the next frame that it wants."""

    def __init__(
        self, peers: Peers, writer: ResponseWriter, found: StoredResponse, number: int, news: asyncio.Event
    ) -> None:
        self._peers = peers
        self._writer = writer
        self._found = found
        self._number = number
        self._news = news
        self._answered: float | None = None  # when the store last did
        self._silent = False
        self._over = False

    def nudge(self) -> None:
        """There was silence for so long that the client wants to hear something."""
        self._silent = True
        self._news.set()

    async def next(self) -> Sequence[bytes] | None:
        """What comes next; None after the end. Nothing at first, so that the headers go out, and when there is no
        more; a heartbeat in silence."""
        if self._over:
            return None
        if self._answered is not None:
            await _news_or_time(self._news)
        self._news.clear()
        if self._silent:
            self._silent = False
            return (ResponsesEmitter.heartbeat,)
        frames = await self._read()
        if frames:
            self._number += len(frames)
            self._news.set()  # there may be more of them
        return frames

    async def _read(self) -> Sequence[bytes]:
        now = asyncio.get_running_loop().time()
        try:
            frames = await self._frames()
        except FaultError:
            if self._answered is None or now > self._answered + AWAY_S:
                raise
            return ()
        self._answered = now
        return frames

    async def _frames(self) -> Sequence[bytes]:
        """Once nobody works on it any more, the entry has all of them."""
        found = self._found
        frames = await self._peers.frames(found.owner, found.id, self._number)
        if frames is not None:
            return frames
        stored = await self._writer.get(found.id, found.owner)
        if stored is not None and stored.running:
            return ()
        self._over = True
        return (withdrawn(found) if stored is None else stored).frames_from(self._number)


async def _news_or_time(news: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_S):
            await news.wait()


ELSEWHERE: web.AppKey[Elsewhere] = web.AppKey("elsewhere", Elsewhere)
