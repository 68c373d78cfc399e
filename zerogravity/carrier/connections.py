"""Connections: by HTTP/1.1 one call at a time on each, by HTTP/2 many at once, as the server has chosen (ALPN)."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any, ClassVar, Protocol, cast

from zerogravity.carrier.calls import CUT, Call, Target
from zerogravity.wire.http1 import AnswerReader
from zerogravity.wire.http2 import STREAMS, Begun, Broken, Data, Ended, Event, Http2
from zerogravity.wire.request import Request

logger = logging.getLogger("zerogravity.carrier")

JOINED = 64 * 1024  # smaller requests go out in one write
QUIET_S, PING_S = 30.0, 4.0  # one that is to answer, and says nothing for so long, has so long to tell that it lives


class Owner(Protocol):
    """Whose connections they are."""

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        ...

    def keep(self, connection: Connection) -> None:
        """It carries nothing any more."""
        ...


class Connection(asyncio.Protocol, ABC):
    """``born``: when it was opened, by the wall clock. ``idle_since``: when its last call left it, by the loop's."""

    shared: ClassVar[bool] = False  # carries many calls at once

    def __init__(self, target: Target, owner: Owner) -> None:
        self.target = target
        self.owner = owner
        self.transport: asyncio.Transport | None = None
        self.born = time.time()
        self.idle_since = 0.0
        self.gone = False

    @property
    @abstractmethod
    def room(self) -> int:
        """How many more calls it can carry now."""

    @property
    @abstractmethod
    def idle(self) -> bool:
        """Whether it carries none."""

    @abstractmethod
    def carry(self, call: Call, request: Request) -> None:
        """Send it; what comes is told to the call."""

    @abstractmethod
    def drop(self, call: Call) -> None:
        """Nobody waits for it any more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def abort(self) -> None:
        """Close it at once: nothing more comes."""
        self.gone = True
        if self.transport is not None:
            self.transport.abort()

    def info(self, name: str) -> Any:
        """What asyncio knows about it: ``peername``, ``ssl_object`` …"""
        return None if self.transport is None else self.transport.get_extra_info(name)


class OneByOne(Connection):
    """HTTP/1.1. A call that is cancelled, or whose answer says so, ends its connection."""

    def __init__(self, target: Target, owner: Owner) -> None:
        super().__init__(target, owner)
        self._call: Call | None = None
        self._reader = AnswerReader()
        self._silent = True
        self._begun = False
        self._large = False

    @property
    def room(self) -> int:
        return int(not self.gone and self._call is None)

    @property
    def idle(self) -> bool:
        return self._call is None

    def carry(self, call: Call, request: Request) -> None:
        assert self.transport is not None
        self._call, self._begun, self._large = call, False, request.size > JOINED
        pieces = request.http1()
        for piece in pieces if self._large else (b"".join(pieces),):
            self.transport.write(piece)

    def drop(self, call: Call) -> None:
        if self._call is call:
            self._call = None
            self.abort()

    def data_received(self, data: bytes) -> None:
        call, reader = self._call, self._reader
        if call is None:  # nobody has asked
            self.abort()
            return
        call.answered()
        if self._silent:
            self._settle()
        self._tell(call, reader.feed(data))
        if reader.error is not None:
            self._let_go(call)
            call.broken(f"HTTP/1 protocol error: {reader.error}")
        elif reader.done:
            self._let_go(call, keep=reader.keeps)
            call.ended()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        call, self._call = self._call, None
        self.owner.forget(self)
        if call is None:
            return
        self._reader.end()
        why = self._reader.error
        if why is None and isinstance(exc, ConnectionError):  # a body may end with its connection, but not so
            why = CUT
        if why is None:
            call.ended()
        else:
            call.broken(why if exc is None else f"{why} ({exc.args[-1] if exc.args else exc!r})", lost=True)

    def _tell(self, call: Call, body: bytes) -> None:
        if not self._begun and self._reader.head is not None:
            self._begun = True
            call.begun(self._reader.head)
        if body:
            call.data(body)

    def _let_go(self, call: Call, *, keep: bool = False) -> None:
        """Unless it has been cancelled meanwhile, and the connection with it."""
        if self._call is not call:
            return
        self._call = None
        written = self.transport is not None and not self.transport.get_write_buffer_size()
        if keep and written and not self._may_be_unread:
            self._reader = AnswerReader()  # nothing of an answer is kept while it waits
            self.owner.keep(self)
        else:
            self.abort()

    def _settle(self) -> None:
        """An answer begins, and with it comes what a TLS 1.3 server says of later sessions. Reading that, OpenSSL takes
        16 KiB to write in, and gives them back at the next write, even of nothing."""
        self._silent = False
        if (tls := self.info("ssl_object")) is not None:
            with suppress(ssl.SSLError):  # it is being closed
                tls.write(b"")

    @property
    def _may_be_unread(self) -> bool:
        """Who refuses a large request often does so before its end, and never reads that; what of it is still to be
        sent, TLS does not tell."""
        return self._large and self._reader.head is not None and self._reader.head.status >= 400


class ManyAtOnce(Connection):
    """HTTP/2. A call that is cancelled ends its stream alone."""

    shared = True

    def __init__(self, target: Target, owner: Owner) -> None:
        super().__init__(target, owner)
        self._http2 = Http2()
        self._calls: dict[int, Call] = {}
        self._heard = 0.0
        self._why = CUT
        self._told: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()
        self._check: asyncio.TimerHandle | None = None

    @property
    def streams(self) -> int:
        """How many calls it carries at once, as far as is known."""
        return STREAMS if self._http2.streams is None else self._http2.streams

    async def told(self) -> None:
        """Until the server has told how many calls it takes at once, or is gone."""
        if self._told is not None:
            await self._told

    @property
    def room(self) -> int:
        return 0 if self.gone else self._http2.room

    @property
    def idle(self) -> bool:
        return not self._calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._heard = asyncio.get_running_loop().time()
        self._flush()

    def carry(self, call: Call, request: Request) -> None:
        if self._check is None:
            self._watch()  # before the request: a large one would delay the answer
        self._calls[self._http2.request(request.http2(), request.body)] = call
        self._flush()

    def drop(self, call: Call) -> None:
        number = next((number for number, one in self._calls.items() if one is call), 0)
        if number:
            self._http2.cancel(number)
            self._flush()
            self._let_go(number)

    def data_received(self, data: bytes) -> None:
        self._heard = asyncio.get_running_loop().time()
        for event in self._http2.feed(data):
            self._tell(event)
        if self._told is not None and self._http2.streams is not None:
            self._tell_owner()
        self._flush()
        if self.idle and not self.room:  # it goes away
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self._tell_owner()
        if self._check is not None:
            self._check.cancel()
        self.owner.forget(self)
        for event in self._http2.end(self._why):
            self._tell(event, lost=True)

    def _tell(self, event: Event, *, lost: bool = False) -> None:
        if (call := self._calls.get(event.stream)) is None:
            return
        if isinstance(event, Ended | Broken):
            self._let_go(event.stream)
        try:
            match event:
                case Data():
                    call.data(event.data)
                case Begun():
                    call.answered()
                    call.begun(event.head)
                case Ended():
                    call.ended()
                case Broken():
                    silent = self._heard < call.sent  # else the server may have begun to work on it
                    call.broken(event.why, lost=lost and silent, unprocessed=event.unprocessed, http1=event.http1)
        except Exception:  # guard: it would end what all others are told
            logger.exception("an answer cannot be told")
            self.drop(call)
            asyncio.get_running_loop().call_soon(call.broken, "the answer could not be read on")  # it may fail too

    def _let_go(self, number: int) -> None:
        del self._calls[number]
        if not self._calls and not self.gone:
            self.owner.keep(self)

    def _flush(self) -> None:
        if self.transport is None or self.gone:
            return
        if out := self._http2.take():
            self.transport.write(out)
        if self._http2.error is not None:
            self.abort()

    def _watch(self) -> None:
        """While it carries calls, one timer for all of them; who has been quiet is asked for a sign of life."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._heard + QUIET_S:
            self._check = loop.call_at(self._heard + QUIET_S, self._watch_on)
            return
        self._http2.ping()
        self._check = loop.call_later(PING_S, self._asked, self._heard)
        self._flush()

    def _watch_on(self) -> None:
        self._check = None
        if self._calls:
            self._watch()

    def _asked(self, heard: float) -> None:
        """It had the time to answer."""
        if self._heard == heard:
            self._why = "the server does not answer any more"
            self.abort()
        else:
            self._watch_on()

    def _tell_owner(self) -> None:
        told, self._told = self._told, None
        if told is not None and not told.done():
            told.set_result(None)


class Choosing(asyncio.Protocol):
    """A connection whose protocol is not known yet. ``connection``: it, once it is open."""

    def __init__(self, target: Target, owner: Owner) -> None:
        self._target = target
        self._owner = owner
        self.connection: Connection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        chosen = None if tls is None else tls.selected_alpn_protocol()
        self.connection = (ManyAtOnce if chosen == "h2" else OneByOne)(self._target, self._owner)
        cast("asyncio.Transport", transport).set_protocol(self.connection)
        self.connection.connection_made(transport)
