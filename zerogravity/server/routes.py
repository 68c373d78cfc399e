"""Paths → handlers: every surface's turns, then the other routes of the APIs, each from its module."""

from __future__ import annotations

from aiohttp import web

from zerogravity.errors import bad_request
from zerogravity.server import conversations, models, responses, status, websocket
from zerogravity.server.middleware import Handler, rendered, unknown_url
from zerogravity.server.respond import answer
from zerogravity.server.services import SERVICES
from zerogravity.server.turns import read_turn, start
from zerogravity.surfaces.base import Counting, Surface, Surfaces
from zerogravity.surfaces.gemini.urls import CALL

RESPONSE = "/v1/responses/{id}"
CONVERSATION = "/v1/conversations/{id}"
RUN = "/run/{id:[0-9a-z]{4,32}}"


def turns_of(surface: Surface) -> Handler:
    """A request → its turn → the answer, on one surface."""

    async def create(request: web.Request) -> web.StreamResponse:
        overrides = surface.from_url(request.match_info, request.query, request.headers)
        channel = await start(request.app, await read_turn(request, surface, overrides=overrides))
        if channel.turn.background:
            return await responses.in_background(request, surface, channel)
        return await answer(request, surface, channel)

    return create


def counts_of(surface: Surface, counting: Counting) -> Handler:
    """A request → how many tokens it has: Google's count, else an estimate. No turn begins, and none is waited for."""

    async def count(request: web.Request) -> web.Response:
        services = request.app[SERVICES]
        overrides = surface.from_url(request.match_info, request.query, request.headers)
        defaults = {"model": services.catalogue.list()[0].id} if counting.any_model else {}
        incoming = await read_turn(request, surface, overrides=overrides, defaults=defaults, parse=counting.parse)
        counted = await services.count_tokens(incoming.turn) if services.count_tokens is not None else None
        return rendered(counting.answer(incoming.turn, counted))

    return count


async def unserved(request: web.Request) -> web.Response:
    """POST /{version}/models/{model}:{method} of another method."""
    model, _, method = request.match_info["call"].rpartition(":")
    if not model:
        raise unknown_url(request)
    raise bad_request(f"the method {method[:60]} is not served", code="unknown_url", status=404)


def add_routes(app: web.Application, surfaces: Surfaces) -> None:
    """Every route of the front server."""
    add = app.router
    for surface in surfaces.values():
        for path in surface.paths:
            add.add_post(path, turns_of(surface))
        if surface.counting is not None:
            add.add_post(surface.counting.path, counts_of(surface, surface.counting))
    add.add_get("/v1/responses", websocket.serve, allow_head=False)
    add.add_post("/v1/responses/compact", responses.compact)
    add.add_get(RESPONSE, responses.retrieve)
    add.add_delete(RESPONSE, responses.delete)
    add.add_post(RESPONSE + "/cancel", responses.cancel)
    add.add_get(RESPONSE + "/input_items", responses.input_items)
    add.add_post("/v1/conversations", conversations.create)
    add.add_get(CONVERSATION, conversations.retrieve)
    add.add_post(CONVERSATION, conversations.update)
    add.add_delete(CONVERSATION, conversations.delete)
    add.add_get(CONVERSATION + "/items", conversations.list_items)
    add.add_post(CONVERSATION + "/items", conversations.create_items)
    add.add_get(CONVERSATION + "/items/{item}", conversations.retrieve_item)
    add.add_delete(CONVERSATION + "/items/{item}", conversations.delete_item)
    add.add_post(CALL + "/{call:.+}", unserved)
    add.add_get("/{version:v1|v1beta|v1alpha}/models", models.listing)
    add.add_get("/{version:v1|v1beta|v1alpha}/models/{name:.+}", models.entry)
    add.add_get("/", status.root)
    add.add_get("/health", status.health)
    add.add_get("/ready", status.ready)
    add.add_get("/metrics", status.metrics)
    add.add_get(RUN, status.run)
    add.add_post(RUN, status.end_run)
    add.add_post("/v1/token", status.token)
