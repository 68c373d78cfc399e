"""The middle of the path in one process, on either response path: a client's connection, mitmproxy's own layers, our
addons in their order, and a server that answers as a test's script says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

from mitmproxy import http
from mitmproxy.addons import next_layer, proxyserver, tlsconfig
from mitmproxy.net.http.http1 import assemble_request
from mitmproxy.proxy import mode_specs, server
from mitmproxy.proxy.layers import modes
from mitmproxy.test import taddons

from zerogravity.capture import proxy_guard
from zerogravity.capture.carrier import Carrier
from zerogravity.capture.interceptor import Deps, Interceptor
from zerogravity.capture.relay import LayerChoice, Relay
from zerogravity.wire.http1 import AnswerReader

ResponsePath = Literal["relay", "hooks"]
RESPONSE_PATHS: tuple[ResponsePath, ...] = ("relay", "hooks")
Google = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


class Middle:
    """``client``: sends a flow's request as a language server would. ``hooks``: what ran, in order. ``carried``: how
    many calls the relay has taken."""

    def __init__(self, deps: Deps, response_path: ResponsePath, google: int) -> None:
        self.hooks: list[str] = []
        self.flows: list[http.HTTPFlow] = []
        self.handlers: list[server.SimpleConnectionHandler] = []
        self.relay = Relay(lambda flow: self.interceptor.turn_of(flow))
        self.interceptor = Interceptor(abort=self.relay.abort, given_up=lambda _: False)
        self.interceptor.deps = deps
        self.carrier = Carrier()
        if response_path == "relay":
            self.relay.carrier = self.carrier
        self._mode = mode_specs.ProxyMode.parse(f"reverse:http://127.0.0.1:{google}")
        self._chooser = next_layer.NextLayer()
        self._addons: list[Any] = [self.interceptor, self.relay]

    def handler_of(self, client: Any) -> Any:
        return next((one for one in self.handlers if one.client is client), None)

    def _hook(self, name: str) -> Callable[[http.HTTPFlow], None]:
        def run(flow: http.HTTPFlow) -> None:
            self.hooks.append(name)
            if flow not in self.flows:
                self.flows.append(flow)
            for addon in self._addons:
                if (hook := getattr(addon, name, None)) is not None:
                    hook(flow)

        return run

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        layers = LayerChoice(self.relay)
        names = ("requestheaders", "request", "responseheaders", "response", "error")
        hooks: dict[str, Any] = {name: self._hook(name) for name in names}
        hooks["next_layer"] = lambda asked: (self._chooser.next_layer(asked), layers.next_layer(asked))
        made = server.SimpleConnectionHandler(reader, writer, self._context.options, self._mode, hooks)
        made.layer = modes.ReverseProxy(made.layer.context)
        self.handlers.append(made)
        await made.handle_client()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Middle]:
        with taddons.context(proxyserver.Proxyserver(), tlsconfig.TlsConfig(), self._chooser) as self._context:
            self._context.options.update(connection_strategy="lazy")
            listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port: int = listening.sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                listening.close()
                await self.carrier.close()
                for one in self.handlers:
                    for transport in list(one.transports.values()):
                        if transport.handler is not None:
                            transport.handler.cancel()
                await asyncio.sleep(0.01)

    async def ask(self, flow: http.HTTPFlow) -> tuple[AnswerReader, bytes]:
        """(the answer as its reader has it, its body), on a connection of its own."""
        stream, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
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


@contextlib.asynccontextmanager
async def middle(monkeypatch: Any, deps: Deps, response_path: ResponsePath, google: Google) -> AsyncIterator[Middle]:
    """``google``: serves one connection."""
    async with await asyncio.start_server(google, "127.0.0.1", 0) as listening:
        made = Middle(deps, response_path, listening.sockets[0].getsockname()[1])
        monkeypatch.setattr(proxy_guard, "handler_of", made.handler_of)
        async with made.running():
            yield made
