"""Request → running turn: body, lookups, the surface's parser, the engine. Used by every route that starts a turn, and
by those that only need to know what it would be; only started turns are recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from aiohttp import web

from zerogravity import ids
from zerogravity.agents.recognise import recognise
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import Turn
from zerogravity.server.body import Body, read_json
from zerogravity.server.conversation_writer import CONVERSATIONS
from zerogravity.server.fallbacks import with_fallbacks
from zerogravity.server.fetch import fetch_media
from zerogravity.server.lookup_budget import LookupBudget
from zerogravity.server.response_writer import RESPONSE_WRITER
from zerogravity.server.services import EXCHANGE, RUN, SERVICES
from zerogravity.surfaces.base import Context, Lookups, Surface
from zerogravity.surfaces.responses.conversation import Conversation
from zerogravity.surfaces.responses.stored import StoredResponse
from zerogravity.wire.narrow import Json

Local = Mapping[str, StoredResponse]
Parse = Callable[[Json, Context], Turn]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A turn, and the request it came with. ``conversation``: what it belongs to, as it was read for it."""

    turn: Turn
    body: bytes
    headers: Mapping[str, str]
    conversation: Conversation | None = None


async def read_turn(
    request: web.Request,
    surface: Surface,
    *,
    overrides: Json | None = None,
    defaults: Json | None = None,
    parse: Parse | None = None,
) -> Incoming:
    """The request's turn. ``overrides``: members of the body that the path and the query decide; ``defaults``: members
    that the body may leave out. ``parse``: instead of the surface's own parser."""
    services = request.app[SERVICES]
    body = await read_json(request, services.config.limits, services.parses)
    members = {**(defaults or {}), **body.members, **(overrides or {})}
    return await turn_of(request, surface, members, body, parse=parse)


async def turn_of(
    request: web.Request,
    surface: Surface,
    members: Json,
    body: Body,
    *,
    local: Local | None = None,
    parse: Parse | None = None,
) -> Incoming:
    """The turn that ``members`` describe, which came as ``body``. ``local``: responses that only this connection
    knows."""
    services = request.app[SERVICES]
    budget = LookupBudget(body.raw, services.config.limits)
    if services.config.remote_urls:
        members = await fetch_media(members, surface, services.fetch)
        budget.replace(members)
    wanted = surface.lookups(members)
    conversation = await conversation_of(request, wanted, budget)
    read, context = (
        parse or surface.parse,
        await context_of(request, surface, wanted, local or {}, budget, conversation),
    )
    turn = read(members, context)
    caller = recognise(request.headers, members)
    size, notes, run = budget.memory, body.notes, request.get(RUN, "")

    def whole(turn: Turn) -> Turn:
        return replace(
            turn, size=size, notes=(*turn.notes, *notes), client=caller.client,
            conversation=turn.conversation or caller.conversation, agent=caller.agent, run=run,
        )  # fmt: skip

    def ask(name: str) -> Turn:
        other = read({**members, "model": name}, again)
        return replace(whole(other), model=turn.model, served_by=name)

    again = replace(context, recall=services.store.calls.of(context.owner))  # what it brings has been counted
    skipped = int(members.get("model") is None)
    turn = with_fallbacks(whole(turn), services.config.fallbacks, context.target, ask, skipped=skipped)
    return Incoming(turn, body.raw, request.headers, conversation)


async def conversation_of(request: web.Request, wanted: Lookups, budget: LookupBudget) -> Conversation | None:
    """What the request names as its conversation, if that is there."""
    if wanted.conversation is None:
        return None
    found = await request.app[CONVERSATIONS].find(wanted.conversation, request[EXCHANGE].owner)
    if found is not None:
        budget.take(found.sent, "conversation")
    return found


async def context_of(
    request: web.Request,
    surface: Surface,
    wanted: Lookups,
    local: Local,
    budget: LookupBudget,
    conversation: Conversation | None = None,
) -> Context:
    """All that the parser may look up, fetched in advance because parsers are not async. It has to fit ``budget``."""
    services, writer, owner = request.app[SERVICES], request.app[RESPONSE_WRITER], request[EXCHANGE].owner
    known, items = dict(local), dict[str, Json | None]()
    created = round(services.wall(), 3)
    previous = wanted.previous_response_id
    if previous and previous not in known:
        stored = await writer.get(previous, owner)
        if stored is not None and not stored.running and not stored.is_bare:
            known[previous] = stored
    if previous in known:
        before = known[previous].turn
        summary = () if before.summary is None else (*before.users, before.summary)  # in place of the contents
        budget.take((before.contents, before.system, before.tools, summary), "previous_response_id")
    for path, item_id in wanted.items:
        if item_id not in items:
            here = (response.items[item_id] for response in local.values() if item_id in response.items)
            items[item_id] = next(here, None) or await writer.item(item_id, owner)
        budget.take(items[item_id], path)
    return Context(
        turn_id=ids.new("turn"),
        created=created,
        target=services.catalogue.resolve,
        owner=owner,
        recall=budget.counting(services.store.calls.of(owner), surface.input),
        stored=lambda identity: found.turn if (found := known.get(identity)) is not None else None,
        item=items.get,
        conversation=lambda identity: None if conversation is None else conversation.history,
        fresh_from=created - services.config.limits.mcp_list_seconds,
        secret=services.secret,
    )


async def start(app: web.Application, incoming: Incoming) -> CascadeChannel:
    """Hand the turn to the engine. Raises FaultError 400 when something else is at its conversation."""
    services, turn = app[SERVICES], incoming.turn
    await hold(app, incoming)
    try:
        if services.recorder is not None:
            services.recorder.client_request(turn, incoming.body, incoming.headers)
        channel = services.engine.run(turn)
    except BaseException:
        app[CONVERSATIONS].release(turn)
        raise
    app[RESPONSE_WRITER].save_start(channel)
    return channel


async def hold(app: web.Application, incoming: Incoming) -> None:
    """Its conversation is the turn's until it is over."""
    if incoming.conversation is not None:
        await app[CONVERSATIONS].hold(incoming.turn, incoming.conversation)
