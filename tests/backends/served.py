"""A whole gateway in this process: around a back end, with a mitmproxy on the way to the stand-in of Google."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mitmproxy.addons import next_layer, proxyserver
from mitmproxy.test import taddons

from zerogravity import config as configuration
from zerogravity.backends.base import Backend, Route
from zerogravity.capture.interceptor import Deps, Interceptor
from zerogravity.compose import Gateway, gateway
from zerogravity.testing.simulator.google import GoogleSimulator


@asynccontextmanager
async def proxy(google: GoogleSimulator) -> AsyncIterator[tuple[str, Any]]:
    """A mitmproxy in front of Google, in this process: where it listens, and its addons."""
    server = proxyserver.Proxyserver()
    with taddons.context(server, next_layer.NextLayer()) as context:
        context.configure(
            server, mode=[f"reverse:{google.url}"], listen_host="127.0.0.1", listen_port=0, connection_strategy="lazy"
        )
        assert await server.setup_servers()
        server.running()
        host, port, *_ = server.listen_addrs()[0]
        try:
            yield f"http://{host}:{port}", context.master.addons
        finally:
            context.configure(server, server=False)
            assert await server.setup_servers()


@asynccontextmanager
async def served(backend: Backend, route: Route, addons: Any, data: Path, **settings: Any) -> AsyncIterator[Gateway]:
    """A gateway around a back end that is nothing to it but a ``Backend``; ``addons``: the proxy's."""
    given = {"listen": "127.0.0.1:0", "data_dir": str(data), "intercept": backend.captured} | settings
    config = configuration.load(given, env={}).config
    async with gateway(config, route, backend) as made:
        services, interceptor = made.services, Interceptor()
        interceptor.deps = Deps(
            services.store, services.health, services.metrics, made.request_sinks, reads_answers=backend.reads_answers
        )
        if backend.captured:
            addons.add(interceptor)
        yield made
