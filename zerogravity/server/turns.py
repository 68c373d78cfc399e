"""Request → running turn: body, lookups, the surface's parser, the engine. Used by every route that starts a turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from zerogravity import ids
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import Turn
from zerogravity.server.body import read_json
from zerogravity.server.services import EXCHANGE, SERVICES, Services
from zerogravity.server.shelf import SHELF
from zerogravity.surfaces.responses.request import lookups
from zerogravity.surfaces.responses.stored import StoredResponse
from zerogravity.surfaces.surface import Context, Surface

Json = Mapping[str, Any]
Parse = Callable[[Json, Context], Turn]


async def read_turn(
    request: web.Request,
    surface: Surface,
    *,
    said: Json | None = None,
    unsaid: Json | None = None,
    parse: Parse | None = None,
) -> Turn:
    """The request's turn. ``said``: what the path and the query say, as members of the body; ``unsaid``: what counts
    where the body says nothing. ``parse``: by another parser than the surface's first one."""
    services, exchange = request.app[SERVICES], request[EXCHANGE]
    body, raw = await read_json(request, services.config.limits, services.parses)
    body = {**(unsaid or {}), **body, **(said or {})}
    turn = (parse or surface.parse)(body, await context_of(request.app, surface, body, exchange.owner))
    if services.recorder is not None:
        services.recorder.client_request(turn, raw, request.headers)
    return turn


async def context_of(
    app: web.Application, surface: Surface, body: Json, owner: str, local: Mapping[str, StoredResponse] | None = None
) -> Context:
    """Everything the parser may look up, fetched before: parsers do not wait. ``local``: responses that only this
    connection knows."""
    services = app[SERVICES]
    known, items = dict(local or {}), dict[str, Json]()
    if surface.name == "responses":
        wanted = lookups(body)
        previous = wanted.previous_response_id
        if previous and previous not in known and (stored := await app[SHELF].get(previous, owner)) is not None:
            known[previous] = stored
        for item_id in wanted.item_ids:
            if (item := await app[SHELF].item(item_id, owner)) is not None:
                items[item_id] = item
    return Context(
        turn_id=ids.new("turn"),
        created=int(services.wall()),
        target=services.catalogue.resolve,
        owner=owner,
        recall=services.store.calls.get,
        stored=lambda identity: found.turn if (found := known.get(identity)) is not None else None,
        item=items.get,
        secret=services.secret,
    )


def start(app: web.Application, turn: Turn) -> CascadeChannel:
    """Hand the turn to the engine; what is to be stored is, once it is over."""
    channel = app[SERVICES].engine.run(turn)
    if turn.surface == "responses" and turn.store:
        app[SHELF].keep(channel)
    return channel


async def counted(services: Services, turn: Turn) -> int | None:
    """How many tokens the turn's request has, from whoever can count; None: nobody can."""
    return await services.count_tokens(turn) if services.count_tokens is not None else None
