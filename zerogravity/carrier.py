"""Calls over kept HTTP/1.1 connections, to Google and to the language server: no more than asyncio's own TLS and a
reader.

The bytes of an answer reach the listener in the turn of the event loop that reads them, without a task. No mitmproxy in
here. A kept connection that was closed meanwhile costs a call nothing: it goes out once more on a new one, as browsers
do with a POST. One that is closed later ends the call, or Google would work on it twice.
"""

from __future__ import annotations

# long: connections and calls, which know each other
import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol, Self, cast

import certifi

from zerogravity.background import Tasks
from zerogravity.wire.http1 import AnswerReader, Head

IDLE_S = 90.0  # Google keeps them for four minutes
MAX_IDLE = 256  # as many as turns may come at once: a new one costs ten times as much as a call (measured)
CROSSING_S = 5.0  # a close that crosses a request on its way is here by then; later, Google has begun to work on it
JOINED = 64 * 1024  # smaller requests go out in one write
CUT = "server closed connection"


@dataclass(frozen=True, slots=True)
class Target:
    """``name``: in TLS, and what the certificate is checked for."""

    host: str
    port: int
    tls: bool
    name: str


@dataclass(frozen=True, slots=True)
class Trust:
    """Which servers are believed: those whose certificate ``ca`` (a file) or ``folder`` verifies, by default certifi's;
    ``insecure``: all."""

    ca: str | None = None
    folder: str | None = None
    insecure: bool = False


class Unopened(str):
    """Why there is no connection. ``error``: the reason itself."""

    __slots__ = ("error",)

    def __new__(cls, error: BaseException) -> Self:
        self = super().__new__(cls, _words(error))
        self.error = error
        return self


class Listener(Protocol):
    """Who has asked. Nothing is called after ``ended`` or ``broken``, nor after the call was cancelled."""

    def begun(self, head: Head, connection: Connection) -> None:
        """The answer's head is here."""
        ...

    def data(self, data: bytes) -> None:
        """Some of its body."""
        ...

    def ended(self) -> None:
        """It is whole."""
        ...

    def broken(self, why: str) -> None:
        """It will not come, or not any further. ``Unopened``: nothing has been sent."""
        ...


@dataclass(eq=False, slots=True)
class Connection(asyncio.Protocol):
    """A connection. ``call``: the one that it carries. ``born``: when it was opened, by the wall clock."""

    target: Target
    forget: Callable[[Connection], None]
    call: Call | None = None
    transport: asyncio.Transport | None = None
    born: float = field(default_factory=time.time)
    idle_since: float = 0.0
    gone: bool = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        if self.call is None:  # nobody has asked
            self.abort()
        else:
            self.call.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        call, self.call = self.call, None
        self.forget(self)
        if call is not None:
            call.lost(exc)

    def write(self, request: Sequence[bytes]) -> None:
        assert self.transport is not None
        if sum(map(len, request)) <= JOINED:
            self.transport.write(b"".join(request))
            return
        for piece in request:
            self.transport.write(piece)

    @property
    def written(self) -> bool:
        """Whether everything has been sent."""
        return self.transport is not None and not self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Close it at once: nothing more comes."""
        self.gone = True
        if self.transport is not None:
            self.transport.abort()

    def settle(self) -> None:
        """An answer begins, and with it comes what a TLS 1.3 server says of later sessions. Reading that, OpenSSL takes
        16 KiB to write in, and gives them back at the next write, even of nothing."""
        if (tls := self.info("ssl_object")) is not None:
            with suppress(ssl.SSLError):  # it is being closed
                tls.write(b"")

    def info(self, name: str) -> Any:
        """What asyncio knows about it: ``peername``, ``ssl_object`` …"""
        return None if self.transport is None else self.transport.get_extra_info(name)


class Call:
    """A request on its way, and its answer. ``cancel`` ends it at any time."""

    def __init__(self, carrier: Carrier, target: Target, request: Sequence[bytes], listener: Listener) -> None:
        self._carrier = carrier
        self._target = target
        self._request: Sequence[bytes] = request  # until the first byte of the answer
        self._large = sum(map(len, request)) > JOINED
        self._listener: Listener | None = listener
        self._connection: Connection | None = None
        self._kept = False  # the connection was there before the call
        self._sent = 0.0
        self._reader = AnswerReader()
        self._begun = False

    def send(self, connection: Connection, *, kept: bool) -> None:
        """Go out on this connection."""
        if self._listener is None:
            self._carrier.keep(connection)
            return
        self._connection, self._kept, self._sent = connection, kept, asyncio.get_running_loop().time()
        connection.call = self
        connection.write(self._request)

    def received(self, data: bytes) -> None:
        """Called by the connection."""
        if self._request:
            self._request = ()
            if self._connection is not None and not self._kept:
                self._connection.settle()
        reader = self._reader
        self._tell(reader.feed(data))
        if reader.error is not None:
            self._fail(f"HTTP/1 protocol error: {reader.error}")
        elif reader.done:
            self._finish()

    def lost(self, error: Exception | None) -> None:
        """Called by the connection: it is gone."""
        connection, self._connection = self._connection, None
        if connection is not None and self._kept and self._request and self._carrier.crossed(self._sent):
            self._carrier.connect(self, self._target)
            return
        self._reader.end()
        why = self._reader.error
        if why is None and isinstance(error, ConnectionError):  # a body may end with its connection, but not so
            why = CUT
        if why is None:
            self._finish()
        else:
            self._fail(why if error is None else f"{why} ({error.args[-1] if error.args else error!r})")

    def unsent(self, why: str) -> None:
        """There is no connection."""
        self._fail(why)

    def cancel(self) -> None:
        """Nobody waits for it any more: its connection is closed, and tells nothing."""
        self._listener = None
        self._release()

    def _tell(self, body: bytes) -> None:
        listener, reader, connection = self._listener, self._reader, self._connection
        if not self._begun and reader.head is not None and listener is not None and connection is not None:
            self._begun = True
            listener.begun(reader.head, connection)
        if body and (listener := self._listener) is not None:
            listener.data(body)

    def _finish(self) -> None:
        listener, self._listener = self._listener, None
        self._release(keep=self._reader.keeps and not self._may_be_unread)
        if listener is not None:
            listener.ended()

    @property
    def _may_be_unread(self) -> bool:
        """Who refuses a large request often does so before its end, and never reads that; what of it is still to be
        sent, TLS does not tell."""
        return self._large and self._reader.head is not None and self._reader.head.status >= 400

    def _fail(self, why: str) -> None:
        listener, self._listener = self._listener, None
        self._release()
        if listener is not None:
            listener.broken(why)

    def _release(self, *, keep: bool = False) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.call = None
        if keep and connection.written:
            self._carrier.keep(connection)
        else:
            connection.abort()


class Carrier:
    """All calls and connections. ``trust`` is asked at each new connection, and says whom to believe, or how;
    ``refuses``: why not to talk to an address after all, or None; ``connect_s``: how long a connection may take;
    ``crossing_s``: how long after a request a close may have crossed it, 0: no request goes out twice."""

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
        self._idle: list[Connection] = []  # the newest last
        self._warming: list[tuple[Target, asyncio.Task[Connection | str]]] = []
        self._tasks = Tasks()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def idle(self) -> int:
        """Connections that wait for a call."""
        return len(self._idle)

    def call(self, target: Target, request: Sequence[bytes], listener: Listener) -> Call:
        """Send a request; what becomes of it is told to ``listener``, never before this returns."""
        call = Call(self, target, request, listener)
        if (connection := self._take(target)) is not None:
            call.send(connection, kept=True)
        else:
            self.connect(call, target, self._warm_one(target))
        return call

    def warm(self, target: Target, wanted: int) -> None:
        """That many calls are about to come: one more connection, unless as many are ready or on their way."""
        wanted = min(wanted, self._max_idle) - sum(one == target for one, _ in self._warming)
        ready = (one for one in reversed(self._idle) if one.target == target and not one.gone)
        if len(list(islice(ready, max(wanted, 0)))) < wanted:
            task = self._spawn(target)
            self._warming.append((target, task))
            task.add_done_callback(self._warmed)

    async def close(self) -> None:
        """Close all connections; calls that run are told."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self._connections):
            connection.abort()
        await self._tasks.end()
        await asyncio.sleep(0)  # asyncio tells them

    # -- connections -----------------------------------------------------------------------------------------

    def connect(self, call: Call, target: Target, opening: asyncio.Task[Connection | str] | None = None) -> None:
        """Send a call on a connection of its own; ``opening``: one that is on its way."""
        opening = opening or self._spawn(target)

        def opened(task: asyncio.Task[Connection | str]) -> None:
            found = _opened(task)
            if isinstance(found, str):
                call.unsent(found)
            elif found.gone:
                call.unsent(CUT)
            else:
                call.send(found, kept=False)

        opening.add_done_callback(opened)

    def keep(self, connection: Connection) -> None:
        """For the next call."""
        if self._closed or connection.gone:
            connection.abort()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)
        if len(self._idle) > self._max_idle:
            self._idle.pop(0).abort()
        self._watch()

    def crossed(self, sent: float) -> bool:
        """Whether a connection that is closed now was closed before it could bring what was sent then."""
        return asyncio.get_running_loop().time() < sent + self._crossing_s

    def _take(self, target: Target) -> Connection | None:
        for at in range(len(self._idle) - 1, -1, -1):
            connection = self._idle[at]
            if connection.target == target and not connection.gone:
                del self._idle[at]
                return connection
        return None

    def _warm_one(self, target: Target) -> asyncio.Task[Connection | str] | None:
        for entry in self._warming:
            if entry[0] == target:
                self._warming.remove(entry)
                return entry[1]
        return None

    def _warmed(self, task: asyncio.Task[Connection | str]) -> None:
        waiting = [entry for entry in self._warming if entry[1] is not task]
        unclaimed, self._warming = len(waiting) < len(self._warming), waiting
        if unclaimed and isinstance(found := _opened(task), Connection):
            self.keep(found)

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _watch(self) -> None:
        """One timer for all that are idle."""
        if self._timer is None and self._idle:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._expire)

    def _expire(self) -> None:
        self._timer = None
        oldest = asyncio.get_running_loop().time() - self._idle_s
        for connection in [one for one in self._idle if one.idle_since <= oldest]:
            self._forget(connection)
            connection.abort()
        self._watch()

    def _spawn(self, target: Target) -> asyncio.Task[Connection | str]:
        return self._tasks.spawn(self._open(target), f"connection to {target.host}")

    async def _open(self, target: Target) -> Connection | str:
        """A new connection, or why there is none."""
        if self._closed:
            return CUT
        trust = self._trust()
        try:
            context = (context_of(trust) if isinstance(trust, Trust) else trust) if target.tls else None
        except OSError as error:
            assert isinstance(trust, Trust)
            return f"the trusted certificates in {trust.ca or trust.folder} cannot be read: {error}"
        if context is not None:
            context.sslobject_class = _Tls
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(target, self._forget), target.host, target.port,
                    ssl=context, server_hostname=target.name if context else None,
                )  # fmt: skip
        except (OSError, ValueError) as error:  # ValueError: a name that cannot be one
            return Unopened(error)
        self._connections.add(connection)
        try:
            peer = connection.info("peername")
            why = await self._refuses(peer) if self._refuses is not None and peer is not None else None
        except BaseException:
            connection.abort()
            raise
        if why is None:
            return connection
        connection.abort()
        return why


class _Tls(ssl.SSLObject):
    """asyncio keeps the server's certificate, taken apart, with each connection. OpenSSL has verified it, and nobody
    asks for it again."""

    def getpeercert(self, binary_form: bool = False) -> Any:
        return None


@lru_cache(8)
def context_of(trust: Trust) -> ssl.SSLContext:
    """As mitmproxy would verify a server."""
    ca = certifi.where() if trust.ca is None and trust.folder is None else trust.ca
    made = ssl.create_default_context(cafile=ca, capath=trust.folder)
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    made.set_alpn_protocols(["http/1.1"])
    if trust.insecure:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def _opened(task: asyncio.Task[Connection | str]) -> Connection | str:
    """What has become of it. Nothing may raise in a callback, or a call would wait for ever; the task logs why."""
    if task.cancelled():
        return CUT
    return task.result() if (error := task.exception()) is None else _words(error)


def _words(error: BaseException) -> str:
    """Why there is no connection, as mitmproxy says it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"the TLS handshake failed: {error.reason or error}"
    if isinstance(error, ConnectionError) and not str(error):  # asyncio's, in the middle of a handshake
        return CUT
    return str(error) or type(error).__name__
