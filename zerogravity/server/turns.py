"""Request → running turn: body, lookups, the surface's parser, the engine. Used by every route that starts a turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from zerogravity import ids
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import Turn
from zerogravity.server.body import read_json
from zerogravity.server.services import EXCHANGE, SERVICES, Services
from zerogravity.surfaces.surface import Context, Surface


async def read_turn(request: web.Request, surface: Surface, extra: Mapping[str, Any] | None = None) -> Turn:
    """The request's turn. ``extra``: what the path and the query say, as members of the body."""
    services, exchange = request.app[SERVICES], request[EXCHANGE]
    body, raw = await read_json(request, services.config.limits, services.parses)
    if extra:
        body = {**body, **extra}
    turn = surface.parse(body, await context_of(services, body, exchange.owner))
    if services.recorder is not None:
        services.recorder.client_request(turn, raw, request.headers)
    return turn


async def context_of(services: Services, body: Mapping[str, Any], owner: str) -> Context:
    """Everything the parser may look up, fetched before: parsers do not wait."""
    return Context(
        turn_id=ids.new("turn"),
        created=int(services.wall()),
        target=services.catalogue.resolve,
        owner=owner,
        recall=services.store.calls.get,
        secret=services.secret,
    )


def start(services: Services, turn: Turn) -> CascadeChannel:
    """Hand the turn to the engine."""
    return services.engine.run(turn)
