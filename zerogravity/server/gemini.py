"""Gemini's paths: ``/{version}/models/{model}:{method}``, with the model percent-encoded or prefixed as clients do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from zerogravity import ids
from zerogravity.core.turn import Turn
from zerogravity.errors import bad_request
from zerogravity.server.body import read_json
from zerogravity.server.middleware import rendered, unknown_url
from zerogravity.server.models import asked_fields
from zerogravity.server.respond import answer
from zerogravity.server.services import EXCHANGE, SERVICES
from zerogravity.server.turns import counted, read_turn, start
from zerogravity.surfaces.gemini import field_mask
from zerogravity.surfaces.gemini.models import count_answer, estimate
from zerogravity.surfaces.gemini.request import count_request


async def call(request: web.Request) -> web.StreamResponse:
    """POST /{version}/models/{model}:{method}"""
    model, colon, method = request.match_info["call"].rpartition(":")
    if not colon or not model:
        raise unknown_url(request)
    match method:
        case "generateContent":
            return await generate(request, model, stream=False)
        case "streamGenerateContent":
            return await generate(request, model, stream=True)
        case "countTokens":
            return await count(request, model)
        case _:
            raise bad_request(f"the method {method[:60]} is not served", code="unknown_url", status=404)


async def generate(request: web.Request, model: str, *, stream: bool) -> web.StreamResponse:
    """A turn; without ``alt=sse`` a stream is one JSON array."""
    services = request.app[SERVICES]
    surface = services.surfaces["gemini"]
    alt = request.query.get("alt", "json")
    if alt not in ("json", "sse"):
        text = f"Invalid value at 'alt', \"{alt[:40]}\": answers are json or sse"
        raise bad_request(text, param="alt", code="invalid_argument")
    said: dict[str, Any] = {"model": model, "stream": stream, "alt": alt, "fields": asked_fields(request)}
    return await answer(request, surface, start(request.app, await read_turn(request, surface, said=said)))


async def count(request: web.Request, model: str) -> web.Response:
    """How many tokens a request has: as the service says that can count, else an estimate that is marked as one."""
    services, exchange = request.app[SERVICES], request[EXCHANGE]
    target = services.catalogue.resolve(model)
    mask = field_mask.parse(asked_fields(request), field_mask.COUNT)
    body, _ = await read_json(request, services.config.limits, services.parses)
    generate = count_request(body)
    total = await counted(services, Turn(ids.new("turn"), "gemini", model, target, generate, owner=exchange.owner))
    found = estimate(generate) if total is None else count_answer(total, estimated=False)
    return rendered(replace(found, body=field_mask.masked(found.body, mask)))
