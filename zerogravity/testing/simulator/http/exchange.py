"""``Exchange``: a request that has been read whole, and an answer that can be cut into chunks anywhere, dropped, reset
or half closed; and what the connections of one server share. Which HTTP it is, is in ``http1.py`` and ``http2.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Headers = Iterable[tuple[str, str]]


class ClientGone(Exception):
    """The other side closed the connection, or reset the stream, before the answer was complete."""


class Exchange(ABC):
    """One request, read whole, and the answer to it. ``headers`` has lower-case names."""

    def __init__(self, http: str, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        self.http = http
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.over = False  # ended, dropped, reset: nothing can be written any more
        self.client_gone = False

    @abstractmethod
    def start(self, status: int, headers: Headers, *, length: int | None = None) -> None:
        """Send status and headers; without ``length`` the body is chunked."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send one piece of the body: one HTTP chunk, or DATA frames."""

    def write_all(self, pieces: Sequence[bytes]) -> None:
        """Send several pieces, each as a chunk of its own, with one write."""
        for piece in pieces:
            self.write(piece)

    @abstractmethod
    def raw(self, data: bytes) -> None:
        """Send bytes as they are, past all framing (HTTP/1.1), or as body (HTTP/2)."""

    @abstractmethod
    async def drain(self) -> None:
        """Wait until the client takes more."""

    @abstractmethod
    def end(self) -> None:
        """The proper end of the body."""

    @abstractmethod
    def drop(self) -> None:
        """Close the connection without ending the body."""

    @abstractmethod
    def reset(self) -> None:
        """RST: of the connection (HTTP/1.1), of the stream (HTTP/2)."""

    @abstractmethod
    def half_close(self) -> None:
        """Stop sending, keep reading: the client sees the end of the connection's bytes."""


Handler = Callable[[Exchange], Awaitable[None]]


class Connection(Protocol):
    """One connection, of whichever HTTP."""

    def close(self) -> None: ...


@dataclass(slots=True)
class Shared:
    """What all connections of one server share."""

    handler: Handler
    max_body: int
    connections: set[Connection] = field(default_factory=set[Connection])
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    total: int = 0

    def run(self, exchange: Exchange, after: Callable[[], None]) -> asyncio.Task[None]:
        """Answer one exchange in a task of its own."""
        task = asyncio.create_task(self._answer(exchange, after))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _answer(self, exchange: Exchange, after: Callable[[], None]) -> None:
        try:
            await self.handler(exchange)
        except ClientGone:
            pass
        finally:
            if not exchange.over and not exchange.client_gone:
                exchange.drop()
            after()


class Flow:
    """The pause/resume half of a protocol: ``wait`` returns when the transport takes more."""

    def __init__(self) -> None:
        self.paused = False
        self._waiters: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        while self.paused:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def set(self, paused: bool) -> None:
        self.paused = paused
        if not paused:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)


def hard_reset(transport: asyncio.Transport) -> None:
    """Close with a TCP RST."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def shut_sending(transport: asyncio.Transport) -> None:
    """Send a FIN and go on reading; under TLS this is a truncation, without close_notify."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
