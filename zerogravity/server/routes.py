"""Paths → handlers. What a handler means is in the module it comes from; here is only where it hangs."""

from __future__ import annotations

from aiohttp import web

from zerogravity.server import gemini, models, responses, status, websocket
from zerogravity.server.respond import answer
from zerogravity.server.services import SERVICES
from zerogravity.server.turns import read_turn, start

VERSION = "/{version:v1|v1beta|v1alpha}"
RESPONSE = "/v1/responses/{id}"


async def create_chat_completion(request: web.Request) -> web.StreamResponse:
    """POST /v1/chat/completions"""
    services = request.app[SERVICES]
    surface = services.surfaces["chat"]
    return await answer(request, surface, start(request.app, await read_turn(request, surface)))


def add_routes(app: web.Application) -> None:
    """Every route of the front server."""
    add = app.router
    add.add_post("/v1/responses", responses.create)
    add.add_get("/v1/responses", websocket.serve, allow_head=False)
    add.add_post("/v1/responses/compact", responses.compact)
    add.add_post("/v1/responses/input_tokens", responses.input_tokens)
    add.add_get(RESPONSE, responses.retrieve)
    add.add_delete(RESPONSE, responses.delete)
    add.add_post(RESPONSE + "/cancel", responses.cancel)
    add.add_get(RESPONSE + "/input_items", responses.input_items)
    add.add_post("/v1/chat/completions", create_chat_completion)
    add.add_post(VERSION + "/{kind:models|tunedModels}/{call:.+}", gemini.call)
    add.add_get("/v1/models", models.listing)
    add.add_get("/v1/models/{name:.+}", models.entry)
    add.add_get("/{version:v1beta|v1alpha}/models", models.google_listing)
    add.add_get("/{version:v1beta|v1alpha}/models/{name:.+}", models.google_entry)
    add.add_get("/health", status.health)
    add.add_get("/ready", status.ready)
    add.add_get("/metrics", status.metrics)
    add.add_post("/v1/token", status.token)
