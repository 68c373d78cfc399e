"""Request → running turn: body, lookups, the surface's parser, the engine. Used by every route that starts a turn, and
by those that only want to know what it would be: nobody is shown a request that has no turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from zerogravity import ids
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import Turn
from zerogravity.server.body import read_json, repair_notes
from zerogravity.server.fetch import fetch_media
from zerogravity.server.lookup_budget import LookupBudget
from zerogravity.server.response_writer import RESPONSE_WRITER
from zerogravity.server.services import EXCHANGE, SERVICES, Services
from zerogravity.surfaces.base import Context, Surface
from zerogravity.surfaces.responses.stored import StoredResponse

Json = Mapping[str, Any]
Local = Mapping[str, StoredResponse]
Parse = Callable[[Json, Context], Turn]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A turn, and what it came as."""

    turn: Turn
    body: bytes
    headers: Mapping[str, str]


async def read_turn(
    request: web.Request,
    surface: Surface,
    *,
    said: Json | None = None,
    unsaid: Json | None = None,
    parse: Parse | None = None,
) -> Incoming:
    """The request's turn. ``said``: what the path and the query say, as members of the body; ``unsaid``: what counts
    where the body says nothing. ``parse``: by another parser than the surface's first one."""
    services = request.app[SERVICES]
    body, raw = await read_json(request, services.config.limits, services.parses)
    body = {**(unsaid or {}), **body, **(said or {})}
    return await turn_of(request, surface, body, raw, parse=parse)


async def turn_of(
    request: web.Request,
    surface: Surface,
    body: Json,
    raw: bytes,
    *,
    local: Local | None = None,
    parse: Parse | None = None,
) -> Incoming:
    """The turn that a body asks for. ``local``: responses that only this connection knows."""
    services = request.app[SERVICES]
    budget = LookupBudget(raw, services.config.limits)
    if services.config.remote_urls:
        body = await fetch_media(body, surface, services.fetch)
        budget.replace(body)
    turn = (parse or surface.parse)(body, await context_of(request, surface, body, local or {}, budget))
    turn = replace(turn, size=budget.memory, notes=(*turn.notes, *await repair_notes(raw)))
    return Incoming(turn, raw, request.headers)


async def context_of(request: web.Request, surface: Surface, body: Json, local: Local, budget: LookupBudget) -> Context:
    """Everything the parser may look up, fetched before: parsers do not wait. It has to fit into ``budget``."""
    services, writer, owner = request.app[SERVICES], request.app[RESPONSE_WRITER], request[EXCHANGE].owner
    known, items = dict(local), dict[str, Json | None]()
    wanted = surface.lookups(body)
    previous = wanted.previous_response_id
    if previous and previous not in known:
        stored = await writer.get(previous, owner)
        if stored is not None and not stored.running:
            known[previous] = stored
    if previous in known:
        before = known[previous].turn
        instead = () if before.summary is None else (*before.users, before.summary)  # of contents
        budget.take((before.contents, before.system, before.tools, instead), "previous_response_id")
    for path, item_id in wanted.items:
        if item_id not in items:
            here = (response.items[item_id] for response in local.values() if item_id in response.items)
            items[item_id] = next(here, None) or await writer.item(item_id, owner)
        budget.take(items[item_id], path)
    return Context(
        turn_id=ids.new("turn"),
        created=int(services.wall()),
        target=services.catalogue.resolve,
        owner=owner,
        recall=budget.counting(services.store.calls.get, surface.input),
        stored=lambda identity: found.turn if (found := known.get(identity)) is not None else None,
        item=items.get,
        secret=services.secret,
    )


def start(app: web.Application, incoming: Incoming) -> CascadeChannel:
    """Hand the turn to the engine."""
    services, turn = app[SERVICES], incoming.turn
    if services.recorder is not None:
        services.recorder.client_request(turn, incoming.body, incoming.headers)
    channel = services.engine.run(turn)
    app[RESPONSE_WRITER].keep_start(channel)
    return channel


async def count_tokens(services: Services, turn: Turn) -> int | None:
    """How many tokens the turn's request has, from whoever can count; None: nobody can."""
    return await services.count_tokens(turn) if services.count_tokens is not None else None
