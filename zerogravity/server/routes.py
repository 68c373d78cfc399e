"""Paths → handlers: every surface's turns, then the other routes of the APIs, each from its module."""

from __future__ import annotations

from aiohttp import web

from zerogravity.server import models, responses, status, websocket
from zerogravity.server.middleware import Handler
from zerogravity.server.respond import answer
from zerogravity.server.turns import read_turn, start
from zerogravity.surfaces.base import Surface, Surfaces
from zerogravity.surfaces.gemini.urls import CALL

RESPONSE = "/v1/responses/{id}"


def turns_of(surface: Surface) -> Handler:
    """A request → its turn → the answer, on one surface."""

    async def create(request: web.Request) -> web.StreamResponse:
        overrides = surface.from_url(request.match_info, request.query, request.headers)
        channel = start(request.app, await read_turn(request, surface, overrides=overrides))
        if channel.turn.background:
            return await responses.in_background(request, surface, channel)
        return await answer(request, surface, channel)

    return create


def add_routes(app: web.Application, surfaces: Surfaces) -> None:
    """Every route of the front server."""
    add = app.router
    for surface in surfaces.values():
        for path in surface.paths:
            add.add_post(path, turns_of(surface))
    add.add_get("/v1/responses", websocket.serve, allow_head=False)
    add.add_post("/v1/responses/compact", responses.compact)
    add.add_post("/v1/responses/input_tokens", responses.input_tokens)
    add.add_get(RESPONSE, responses.retrieve)
    add.add_delete(RESPONSE, responses.delete)
    add.add_post(RESPONSE + "/cancel", responses.cancel)
    add.add_get(RESPONSE + "/input_items", responses.input_items)
    add.add_post(CALL + "/{call:.+}", models.call)
    add.add_get("/v1/models", models.listing)
    add.add_get("/v1/models/{name:.+}", models.entry)
    add.add_get("/{version:v1beta|v1alpha}/models", models.google_listing)
    add.add_get("/{version:v1beta|v1alpha}/models/{name:.+}", models.google_entry)
    add.add_get("/health", status.health)
    add.add_get("/ready", status.ready)
    add.add_get("/metrics", status.metrics)
    add.add_post("/v1/token", status.token)
