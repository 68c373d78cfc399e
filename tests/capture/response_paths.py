"""The middle of the path in one process, on either response path: a client's connection, mitmproxy's own layers, our
addons in their order, and a server that answers as a test's script says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Literal, cast

from mitmproxy import http, options
from mitmproxy.addons import next_layer, proxyserver, tlsconfig
from mitmproxy.net.http.http1 import assemble_request
from mitmproxy.proxy import events, mode_specs, server
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode, _events
from mitmproxy.test import taddons, tflow
from mitmproxy.utils import asyncio_utils

from zerogravity.capture import proxy_guard, relayed_call
from zerogravity.capture.interceptor import Deps, Interceptor
from zerogravity.capture.ls_copy import HOLD_S
from zerogravity.capture.relay import LayerChoice, Relay
from zerogravity.carrier.calls import Target
from zerogravity.carrier.pool import Carrier
from zerogravity.wire.http1 import AnswerReader, Head
from zerogravity.wire.request import Request

ResponsePath = Literal["relay", "hooks"]
RESPONSE_PATHS: tuple[ResponsePath, ...] = ("relay", "hooks")
Google = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


class Handler(server.SimpleConnectionHandler):
    """mitmproxy's, and ``middle`` sees what it does."""

    middle: Middle

    async def handle_hook(self, hook: Any) -> None:
        await self.middle.handle_hook(self, hook)

    async def server_event(self, event: events.Event) -> None:
        self.middle.events.append(event)
        await super().server_event(event)


class Middle:
    """``client``: sends a flow's request as a language server would. ``hooks``: what ran, in order. ``carried``: how
    many calls the relay has taken. ``events``: what mitmproxy's layers got; ``writes``: to clients.
    ``handle_hook``: runs one, with its connection's handler. ``tunnelled``: the language server calls through one.
    ``addons``: whose hooks run."""

    def __init__(self, deps: Deps, response_path: ResponsePath, google: int) -> None:
        self.hooks: list[str] = []
        self.events: list[events.Event] = []
        self.writes: list[bytes] = []
        self.handle_hook: Callable[[Any, Any], Coroutine[Any, Any, None]] = server.SimpleConnectionHandler.handle_hook
        self.tunnelled = False
        self.flows: list[http.HTTPFlow] = []
        self.handlers: list[server.SimpleConnectionHandler] = []
        self.failures: list[None] = []
        self.relay = Relay(lambda flow: self.interceptor.turn_of(flow), lambda: self.failures.append(None))
        self.interceptor = Interceptor(abort=self.relay.abort, given_up=lambda _: False)
        self.interceptor.deps = deps
        self.carrier = Carrier()
        if response_path == "relay":
            self.relay.carrier = self.carrier
        self.target = Target("127.0.0.1", google, False, "127.0.0.1")
        self._chooser = next_layer.NextLayer()
        self.addons: list[Any] = [self.interceptor, self.relay]

    @property
    def connections(self) -> dict[int, server.SimpleConnectionHandler]:
        """As mitmproxy's proxy server has them."""
        return dict(enumerate(self.handlers))

    def _hook(self, name: str) -> Callable[[http.HTTPFlow], None]:
        def run(flow: http.HTTPFlow) -> None:
            self.hooks.append(name)
            if flow not in self.flows:
                self.flows.append(flow)
            for addon in self.addons:
                if (hook := getattr(addon, name, None)) is not None:
                    hook(flow)

        return run

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        write = writer.write
        writer.write = lambda data: (self.writes.append(bytes(data)), write(data))[1]  # type: ignore[method-assign]
        layers = LayerChoice(self.relay)
        names = ("requestheaders", "request", "responseheaders", "response", "error")
        hooks: dict[str, Any] = {name: self._hook(name) for name in names}
        hooks["next_layer"] = lambda asked: (self._chooser.next_layer(asked), layers.next_layer(asked))
        spec = "regular" if self.tunnelled else f"reverse:http://127.0.0.1:{self.target.port}"
        made = Handler(reader, writer, self._context.options, mode_specs.ProxyMode.parse(spec), hooks)
        made.middle = self
        made.layer = (modes.HttpProxy if self.tunnelled else modes.ReverseProxy)(made.layer.context)
        self.handlers.append(made)
        await made.handle_client()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Middle]:
        addons = proxyserver.Proxyserver(), tlsconfig.TlsConfig(), self._chooser
        with taddons.context(*addons) as self._context, asyncio_utils.set_eager_task_factory():  # as mitmproxy runs
            self._context.options.update(connection_strategy="lazy")
            listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port: int = listening.sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                listening.close()
                await self.carrier.close()
                reading = [
                    io.handler for one in self.handlers for io in one.transports.values() if io.handler is not None
                ]
                for task in reading:
                    task.cancel()
                await asyncio.gather(*reading, return_exceptions=True)

    async def ask(self, flow: http.HTTPFlow) -> tuple[AnswerReader, bytes]:
        """(the answer as its reader has it, its body), on a connection of its own."""
        stream, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            if self.tunnelled:
                writer.write(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % self.target.port)
                await stream.readuntil(b"\r\n\r\n")
            writer.write(assemble_request(flow.request))
            reader, body = AnswerReader(), b""
            async with asyncio.timeout(10):
                while not reader.done and reader.error is None:
                    if data := await stream.read(65536):
                        body += reader.feed(data)
                    else:
                        reader.end()
            return reader, body
        finally:
            writer.close()


class Carried:
    """A carrier that is told what to tell: the listener of its one call."""

    def __init__(self) -> None:
        self.sent = b""
        self.listener: Any = None
        self.cancelled = 0

    def call(self, target: Target, request: Request, listener: Any) -> Carried:
        self.sent, self.listener = b"".join(request.http1()), listener
        return self

    def cancel(self) -> None:
        self.cancelled += 1


class Relayed:
    """A call past mitmproxy between stand-ins, without a loop. ``events``: what the HTTP layer got; ``timers``: what
    waits for its time; ``failures``: our own faults."""

    def __init__(self, flow: http.HTTPFlow | None = None) -> None:
        self.flow = flow or tflow.tflow()
        self.events: list[Any] = []
        self.timers: list[Callable[[], None]] = []
        self.failures: list[None] = []
        self.carrier = Carried()
        context = Context(self.flow.client_conn, options.Options())
        self.layer = HttpLayer(context, HTTPMode.regular)
        target = Target("example.com", 443, True, "example.com")
        self.call = relayed_call.RelayedCall(
            self.flow,
            self.layer,
            cast("Any", self),
            cast("Any", self.carrier),
            target,
            timers=cast("Any", self),
            failed=lambda: self.failures.append(None),
        )
        self.call.register()

    def call_later(self, _: float, then: Callable[[], None]) -> Any:
        self.timers.append(then)
        return self

    def time(self) -> float:
        return 0.0

    def when(self) -> float:
        return HOLD_S

    def cancel(self) -> None:
        self.timers.clear()

    async def server_event(self, event: Any) -> None:
        self.events += [command.event for command in self.call.handle_event(event)]

    async def drain_writers(self) -> None: ...

    def send(self, *body: bytes) -> None:
        """The request, as the HTTP layer sends it."""
        sent = [_events.RequestHeaders(7, self.flow.request, False)]
        sent += [_events.RequestData(7, piece) for piece in body]
        for event in [*sent, _events.RequestEndOfMessage(7)]:
            assert list(self.call.handle_event(event)) == []

    def begin(self, *headers: tuple[bytes, bytes], status: int = 200, reader: Any = None) -> None:
        """The answer's head; ``reader``: the stream callable that a hook sets."""
        self.call.begun(Head("1.1", status, b"OK", headers), cast("Any", self))
        response = self.events[-1].response
        response.stream = reader
        self.call.attach(response)

    def info(self, name: str) -> Any:
        return ("192.0.2.1", 443) if name == "peername" else None

    born = 1.0

    @property
    def body(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, _events.ResponseData))


def relayed(reader: Callable[[bytes], list[bytes]], pieces: Sequence[bytes], *, end: bool = True) -> bytes:
    """What the language server gets of an answer in these pieces, past mitmproxy."""
    made = Relayed()
    made.send()
    made.begin(reader=reader)
    for piece in pieces:
        made.call.data(piece)
    if end:
        made.call.ended()
    for timer in made.timers[:]:
        timer()
    return made.body


def spawn_at_once(work: Coroutine[Any, Any, None], *_: object) -> None:
    """In place of ``mitm.spawn``."""
    with contextlib.suppress(StopIteration):
        work.send(None)


@contextlib.asynccontextmanager
async def middle(monkeypatch: Any, deps: Deps, response_path: ResponsePath, google: Google) -> AsyncIterator[Middle]:
    """``google``: serves one connection."""
    async with await asyncio.start_server(google, "127.0.0.1", 0) as listening:
        made = Middle(deps, response_path, listening.sockets[0].getsockname()[1])
        monkeypatch.setattr(proxy_guard, "_proxyserver", lambda: made)
        async with made.running():
            yield made
