"""``build_app(services)`` → the aiohttp application; ``start_server`` → a running one on its port."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from zerogravity import logs
from zerogravity.config import split_address, url_of
from zerogravity.hosts import BACKLOG
from zerogravity.server import middleware
from zerogravity.server.body import ARRIVALS, Arrivals
from zerogravity.server.connection_memory import ConnectionMemory
from zerogravity.server.conversation_writer import CONVERSATIONS, ConversationWriter
from zerogravity.server.elsewhere import ELSEWHERE, Elsewhere
from zerogravity.server.protocol import Runner, framework_logger
from zerogravity.server.response_writer import RESPONSE_WRITER, ResponseWriter
from zerogravity.server.routes import add_routes
from zerogravity.server.services import SERVICES, Services
from zerogravity.server.websocket import CONNECTION_MEMORY, SOCKETS, close_sockets

__all__ = ["FrontServer", "Services", "build_app", "start_server"]


def build_app(services: Services) -> web.Application:
    """The front server as an application without globals; several may run in one process. From then on this process
    logs without secrets."""
    logs.install()
    app = web.Application(
        middlewares=[
            middleware.access_log,
            middleware.errors_as_answers,
            middleware.host_and_origin,
            middleware.authenticate,
            middleware.ConcurrencyLimit(services.config.limits.requests).middleware,
        ],
        client_max_size=services.config.limits.body_bytes,
        logger=framework_logger(),
    )
    app[SERVICES] = services
    app[RESPONSE_WRITER] = ResponseWriter(services)
    app[CONVERSATIONS] = ConversationWriter(services, app[RESPONSE_WRITER].pending)
    services.store.on_closed.append(app[CONVERSATIONS].turn_over)
    services.store.on_closed.append(app[RESPONSE_WRITER].save_end)  # last: where it is over, its conversation is free
    app[ELSEWHERE] = Elsewhere(services, app[RESPONSE_WRITER])
    app[SOCKETS] = set()
    app[CONNECTION_MEMORY] = memory = ConnectionMemory(services.budget.share("connections"))
    services.budget.watch("connections", lambda: memory.bytes)
    app[ARRIVALS] = Arrivals()
    add_routes(app, services.surfaces)
    if services.mount is not None:
        services.mount(app)
    app.on_response_prepare.append(middleware.common_headers)
    app.on_shutdown.append(app[ARRIVALS].end)
    app.on_shutdown.append(close_sockets)
    app.on_shutdown.append(app[ELSEWHERE].close)
    app.on_cleanup.append(close_store)
    return app


async def close_store(app: web.Application) -> None:
    """After the last answer: write what is still to be stored, then close the store."""
    await app[RESPONSE_WRITER].close()


@dataclass(frozen=True, slots=True)
class FrontServer:
    """A server that answers on ``host``:``port``; ``url``: what a client on this machine uses."""

    services: Services
    host: str
    port: int
    _runner: Runner

    @property
    def url(self) -> str:
        return url_of(self.host, self.port)

    async def stop(self) -> None:
        """Stop listening, wait for running answers as long as configured, then abort them. Close the engine first:
        it ends every open turn, so that streams end by themselves."""
        await self._runner.cleanup()


async def start_server(services: Services) -> FrontServer:
    """Listen and answer. Raises OSError when the address is taken."""
    limits = services.config.limits
    runner = Runner(
        build_app(services),
        surfaces=services.surfaces,
        connections=limits.connections,
        peer_connections=limits.peer_connections,
        handler_cancellation=True,
        access_log=None,
        auto_decompress=False,  # see body.inflate
        logger=framework_logger(),
        keepalive_timeout=limits.keepalive_seconds,
        lingering_time=2.0,
        shutdown_timeout=limits.shutdown_seconds,
    )
    host, port = split_address(services.config.listen)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, reuse_address=True, backlog=BACKLOG)
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    return FrontServer(services, host, site.port, runner)
