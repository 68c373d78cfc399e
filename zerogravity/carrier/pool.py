"""All calls and connections: which call goes out on which connection."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

import certifi

from zerogravity.background import Tasks
from zerogravity.carrier.calls import CUT, Call, Listener, Target, Unopened, opened
from zerogravity.carrier.connections import Choosing, Connection, ManyAtOnce
from zerogravity.wire.http2 import STREAMS
from zerogravity.wire.request import Request

IDLE_S = 90.0  # Google keeps them for four minutes
MAX_IDLE = 256  # as many as turns may come at once: a new one costs ten times as much as a call (measured)
TOLD_S = 10.0  # how long a server of HTTP/2 may take to tell how many calls it takes at once
BELIEVED_S = 600.0  # that a server speaks HTTP/1.1 only
CROSSING_S = 5.0  # a close that crosses a request on its way is here by then; later, Google has begun to work on it


@dataclass(frozen=True, slots=True)
class Trust:
    """Which servers are believed: those whose certificate ``ca`` (a file) or ``folder`` verifies, by default certifi's;
    ``insecure``: all. ``http2``: whether they are offered that."""

    ca: str | None = None
    folder: str | None = None
    insecure: bool = False
    http2: bool = True


@dataclass(eq=False, slots=True)
class _Opening:
    """A connection on its way. ``http2``: whether the server is offered that; ``waiting``: the calls that it is for, so
    far; ``claims``: how many there were."""

    target: Target
    trust: Trust | ssl.SSLContext
    http2: bool
    waiting: deque[Call] = field(default_factory=deque[Call])
    claims: int = 0


class Carrier:
    """``trust`` is asked at each new connection, and says whom to believe, or how; ``refuses``: why not to talk to an
    address after all, or None; ``connect_s``: how long a connection may take; ``crossing_s``: how long after a request
    a close may have crossed it, 0: no request goes out twice."""

    def __init__(
        self,
        trust: Callable[[], Trust | ssl.SSLContext] = Trust,
        refuses: Callable[[tuple[Any, ...]], Awaitable[str | None]] | None = None,
        *,
        idle_s: float = IDLE_S,
        max_idle: int = MAX_IDLE,
        connect_s: float | None = None,
        crossing_s: float = CROSSING_S,
    ) -> None:
        self._trust = trust
        self._refuses = refuses
        self._idle_s = idle_s
        self._max_idle = max_idle
        self._connect_s = connect_s
        self._crossing_s = crossing_s
        self._connections: set[Connection] = set()
        self._idle: list[Connection] = []  # of one call at a time, the newest last
        self._shared: list[ManyAtOnce] = []  # of many at once, the oldest first
        self._openings: list[_Opening] = []
        self._only_http1: dict[Target, float] = {}  # until when that is believed
        self._tasks = Tasks()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def idle(self) -> int:
        """Connections that wait for a call."""
        return len(self._idle) + sum(connection.idle for connection in self._shared)

    def call(self, target: Target, request: Request, listener: Listener) -> Call:
        """Send a request; what becomes of it is told to ``listener``, never before this returns."""
        call = Call(self, target, request, listener)
        self.place(call)
        return call

    def warm(self, target: Target, wanted: int) -> None:
        """That many calls are about to come: one more connection, unless there is room for them, or will be."""
        wanted = min(wanted, self._max_idle)
        ready = sum(self._room(one) for one in self._openings if one.target == target)
        for connection in (*self._shared, *reversed(self._idle)):
            if ready >= wanted:
                return
            ready += connection.room if connection.target == target else 0
        if ready < wanted:
            self._spawn(target)

    async def close(self) -> None:
        """Close all connections; calls that run are told."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self._connections):
            connection.abort()
        await self._tasks.end()
        await asyncio.sleep(0)  # who waits for a connection is told
        while self._connections:  # noqa: ASYNC110 - asyncio tells the others, with TLS some rounds later
            await asyncio.sleep(0)

    # -- the side of calls and connections -------------------------------------------------------------------

    def place(self, call: Call, *, anew: bool = False) -> None:
        """Send it on some connection; ``anew``: on none that was kept."""
        if not anew and (connection := self._take(call.target)) is not None:
            call.send(connection, kept=True)
            return
        found = (one for one in self._openings if one.target == call.target and self._room(one))
        opening = next(found, None) or self._spawn(call.target)
        opening.claims += 1
        opening.waiting.append(call)

    def keep(self, connection: Connection) -> None:
        """It is free for the next call."""
        if self._closed or connection.gone or (connection.idle and not connection.room):
            connection.abort()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        if not connection.shared:
            self._idle.append(connection)
            if len(self._idle) > self._max_idle:
                self._idle.pop(0).abort()
        self._watch()

    def only_http1(self, target: Target) -> None:
        """That server wants nothing else, as far as is known; another one behind the same address may."""
        self._only_http1[target] = asyncio.get_running_loop().time() + BELIEVED_S

    def crossed(self, sent: float) -> bool:
        """Whether a connection that is closed now was closed before it could bring what was sent then."""
        return not self._closed and asyncio.get_running_loop().time() < sent + self._crossing_s

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._shared:
            self._shared.remove(cast("ManyAtOnce", connection))

    # -- connections -----------------------------------------------------------------------------------------

    def _take(self, target: Target) -> Connection | None:
        for connection in () if self._speaks_http1(target) else self._shared:
            if connection.target == target and connection.room:
                return connection
        for at in range(len(self._idle) - 1, -1, -1):
            connection = self._idle[at]
            if connection.target == target and connection.room:
                del self._idle[at]
                return connection
        return None

    def _speaks_http1(self, target: Target) -> bool:
        return asyncio.get_running_loop().time() < self._only_http1.get(target, 0.0)

    def _room(self, opening: _Opening) -> int:
        """How many more calls can wait for it: as many as it will probably carry."""
        target, most = opening.target, 1
        if opening.http2 and not self._speaks_http1(target):
            most = min((one.streams for one in self._shared if one.target == target), default=STREAMS)
        return max(0, most - opening.claims)

    def _arrived(self, opening: _Opening, task: asyncio.Task[Connection | str]) -> None:
        """It is open, or will not be."""
        self._openings.remove(opening)
        found, soon = opened(task), asyncio.get_running_loop().call_soon
        for call in [call for call in opening.waiting if not call.over]:
            if isinstance(found, str):  # each by itself: a listener that fails is no matter of the others
                soon(call.unsent, found)
            elif found.gone:
                soon(call.again)
            elif found.room:
                call.send(found, kept=False)
            else:
                self.place(call)
        if isinstance(found, Connection) and found.idle and not found.gone:
            self.keep(found)

    async def _begin(self, opening: _Opening, connection: Connection) -> None:
        """By HTTP/2 the first call goes out at once, the others when the server has told how many it takes."""
        if not connection.room:  # closed while it was found out whether it may be used, or it takes nothing at all
            connection.abort()
            return
        if not isinstance(connection, ManyAtOnce):
            if opening.http2:
                self.only_http1(connection.target)
            return
        self._shared.append(connection)
        self.keep(connection)
        while opening.waiting and connection.room:
            if not (call := opening.waiting.popleft()).over:
                call.send(connection, kept=False)
        try:
            async with asyncio.timeout(TOLD_S):
                await connection.told()
        except TimeoutError:
            connection.abort()

    def _watch(self) -> None:
        """One timer for all that may be idle."""
        if self._timer is None and (self._idle or self._shared):
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._expire)

    def _expire(self) -> None:
        self._timer = None
        oldest = asyncio.get_running_loop().time() - self._idle_s
        for connection in [one for one in (*self._idle, *self._shared) if one.idle and one.idle_since <= oldest]:
            self.forget(connection)
            connection.abort()
        self._watch()

    def _spawn(self, target: Target) -> _Opening:
        trust = self._trust()
        http2 = target.tls and isinstance(trust, Trust) and trust.http2 and not self._speaks_http1(target)
        opening = _Opening(target, trust, http2)
        self._openings.append(opening)
        task = self._tasks.spawn(self._open(opening), f"connection to {target.host}")
        task.add_done_callback(lambda task: self._arrived(opening, task))
        return opening

    async def _open(self, opening: _Opening) -> Connection | str:
        """A new connection, or why there is none."""
        if self._closed:
            return CUT
        target, trust = opening.target, opening.trust
        try:
            context = _context(trust, http2=opening.http2) if target.tls else None
        except OSError as error:
            assert isinstance(trust, Trust)
            return f"the trusted certificates in {trust.ca or trust.folder} cannot be read: {error}"
        try:
            async with asyncio.timeout(self._connect_s):
                _, made = await asyncio.get_running_loop().create_connection(
                    lambda: Choosing(target, self), target.host, target.port,
                    ssl=context, server_hostname=target.name if context else None,
                )  # fmt: skip
        except (OSError, ValueError) as error:  # ValueError: a name that cannot be one
            return Unopened(error)
        connection = made.connection
        if connection is None:
            return CUT
        self._connections.add(connection)
        try:
            peer = connection.info("peername")
            why = await self._refuses(peer) if self._refuses is not None and peer is not None else None
            if why is None:
                await self._begin(opening, connection)
                return connection
        except BaseException:
            connection.abort()
            raise
        connection.abort()
        return why


class _Tls(ssl.SSLObject):
    """asyncio keeps the server's certificate, taken apart, with each connection. OpenSSL has verified it, and nobody
    asks for it again."""

    def getpeercert(self, binary_form: bool = False) -> Any:
        return None


def _context(trust: Trust | ssl.SSLContext, *, http2: bool) -> ssl.SSLContext:
    context = context_of(trust, http2=http2) if isinstance(trust, Trust) else trust
    context.sslobject_class = _Tls
    return context


@lru_cache(8)
def context_of(trust: Trust, *, http2: bool = True) -> ssl.SSLContext:
    """As mitmproxy would verify a server."""
    ca = certifi.where() if trust.ca is None and trust.folder is None else trust.ca
    made = ssl.create_default_context(cafile=ca, capath=trust.folder)
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    made.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
    if trust.insecure:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made
