"""Gemini's paths: ``/{version}/models/{model}:{method}``, with the model percent-encoded or prefixed as clients do."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zerogravity.errors import bad_request
from zerogravity.server.guard import unknown_url
from zerogravity.server.models import bare
from zerogravity.server.respond import answer
from zerogravity.server.services import SERVICES
from zerogravity.server.turns import read_turn, start


async def call(request: web.Request) -> web.StreamResponse:
    """POST /{version}/models/{model}:{method}"""
    model, colon, method = request.match_info["call"].rpartition(":")
    if not colon or not model:
        raise unknown_url(request)
    match method:
        case "generateContent":
            return await generate(request, bare(model), stream=False)
        case "streamGenerateContent":
            return await generate(request, bare(model), stream=True)
        case _:
            raise bad_request(f"the method {method[:60]} is not served", code="unknown_url", status=404)


async def generate(request: web.Request, model: str, *, stream: bool) -> web.StreamResponse:
    """A turn; without ``alt=sse`` a stream is one JSON array."""
    services = request.app[SERVICES]
    surface = services.surfaces["gemini"]
    said: dict[str, Any] = {"model": model, "stream": stream, "alt": request.query.get("alt", "json")}
    turn = await read_turn(request, surface, said)
    return await answer(request, surface, start(services, turn))
