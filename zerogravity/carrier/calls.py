"""A request on its way, and its answer.

A kept connection that was closed meanwhile costs a call nothing: it goes out once more on a new one, as browsers do
with a POST. One that is closed later ends the call, or Google would work on it twice.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from zerogravity.wire.http1 import Head
from zerogravity.wire.request import Request

if TYPE_CHECKING:
    from zerogravity.carrier.connections import Connection

CUT = "server closed connection"
TRIES = 3  # of a request on which no server has begun to work


@dataclass(frozen=True, slots=True)
class Target:
    """``name``: in TLS, and what the certificate is checked for."""

    host: str
    port: int
    tls: bool
    name: str


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


class Carrying(Protocol):
    """What a call needs of who carries it."""

    def place(self, call: Call, *, anew: bool = False) -> None:
        """Send it on some connection; ``anew``: on none that was kept."""
        ...

    def only_http1(self, target: Target) -> None:
        """That server wants nothing else."""
        ...

    def crossed(self, sent: float) -> bool:
        """Whether a connection that is closed now was closed before it could bring what was sent then."""
        ...


class Call:
    """``cancel`` ends it at any time. ``request``: until the first byte of the answer, or nobody waits any more.
    ``sent``: when it went out last, by the loop's clock."""

    def __init__(self, carrier: Carrying, target: Target, request: Request, listener: Listener) -> None:
        self.target = target
        self.request: Request | None = request
        self._carrier = carrier
        self._listener: Listener | None = listener
        self._connection: Connection | None = None
        self._kept = False  # the connection was there before the call
        self.sent = 0.0
        self._tries = 0

    @property
    def over(self) -> bool:
        """Nobody waits for it any more."""
        return self._listener is None

    def send(self, connection: Connection, *, kept: bool) -> None:
        """Go out on this connection."""
        assert self.request is not None
        self._connection, self._kept, self.sent = connection, kept, asyncio.get_running_loop().time()
        self._tries += 1
        connection.carry(self, self.request)

    def unsent(self, why: str) -> None:
        """There is no connection."""
        self._over(why)

    def again(self) -> None:
        """The connection that it waited for is gone."""
        if self.over:
            return
        self._tries += 1
        if self._tries < TRIES:
            self._carrier.place(self)
        else:
            self.unsent(CUT)

    def cancel(self) -> None:
        """Nobody waits for it any more, and it tells nothing."""
        connection = self._connection
        self._listener = self._connection = self.request = None
        if connection is not None:
            connection.drop(self)

    # -- the connection's side -------------------------------------------------------------------------------

    def answered(self) -> None:
        """A first byte is here: it cannot go out again."""
        self.request = None

    def begun(self, head: Head) -> None:
        """The head of its answer."""
        if self._listener is not None and self._connection is not None:
            self._listener.begun(head, self._connection)

    def data(self, data: bytes) -> None:
        """Some of its body."""
        if self._listener is not None:
            self._listener.data(data)

    def ended(self) -> None:
        """It is whole, and its connection has let it go."""
        self._over(None)

    def broken(self, why: str, *, lost: bool = False, unprocessed: bool = False, http1: bool = False) -> None:
        """It will not come any further. ``lost``: as the connection is gone, which has brought nothing since
        it was sent. ``unprocessed``: the server has not begun to work on it, and says so. ``http1``: it wants it by
        HTTP/1.1."""
        if http1:
            self._carrier.only_http1(self.target)
        sent, self._connection = self._connection is not None, None
        again = unprocessed or (lost and self._kept and self._carrier.crossed(self.sent))
        if sent and again and self.request is not None and self._tries < TRIES:
            self._carrier.place(self, anew=not unprocessed)
            return
        self._over(why)

    def _over(self, why: str | None) -> None:
        listener, self._listener = self._listener, None
        self._connection = self.request = None
        if listener is None:
            return
        if why is None:
            listener.ended()
        else:
            listener.broken(why)


def _words(error: BaseException) -> str:
    """Why there is no connection, as mitmproxy says it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"the TLS handshake failed: {error.reason or error}"
    if isinstance(error, ConnectionError) and not str(error):  # asyncio's, in the middle of a handshake
        return CUT
    return str(error) or type(error).__name__


def opened[T](task: asyncio.Task[T]) -> T | str:
    """What has become of it. Nothing may raise in a callback, or a call would wait for ever; the task logs why."""
    if task.cancelled():
        return CUT
    return task.result() if (error := task.exception()) is None else _words(error)
