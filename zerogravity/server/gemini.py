"""Gemini's methods besides those that make a turn: ``POST /{version}/models/{model}:countTokens``."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from zerogravity import ids
from zerogravity.core.turn import Turn
from zerogravity.errors import bad_request
from zerogravity.server.body import read_json
from zerogravity.server.middleware import rendered, unknown_url
from zerogravity.server.services import EXCHANGE, SERVICES
from zerogravity.server.turns import count_tokens
from zerogravity.surfaces.gemini import field_mask
from zerogravity.surfaces.gemini.models import count_answer, estimate
from zerogravity.surfaces.gemini.request import count_request
from zerogravity.surfaces.gemini.urls import asked_fields


async def call(request: web.Request) -> web.StreamResponse:
    """POST /{version}/models/{model}:{method}"""
    model, colon, method = request.match_info["call"].rpartition(":")
    if not colon or not model:
        raise unknown_url(request)
    if method != "countTokens":
        raise bad_request(f"the method {method[:60]} is not served", code="unknown_url", status=404)
    return await count(request, model)


async def count(request: web.Request, model: str) -> web.Response:
    """How many tokens a request has: as the service says that can count, else an estimate that is marked as one."""
    services, exchange = request.app[SERVICES], request[EXCHANGE]
    target = services.catalogue.resolve(model)
    mask = field_mask.parse(asked_fields(request.query, request.headers), field_mask.COUNT)
    body, _ = await read_json(request, services.config.limits, services.parses)
    generate = count_request(body)
    total = await count_tokens(services, Turn(ids.new("turn"), "gemini", model, target, generate, owner=exchange.owner))
    found = estimate(generate) if total is None else count_answer(total, estimated=False)
    return rendered(replace(found, body=field_mask.masked(found.body, mask)))
