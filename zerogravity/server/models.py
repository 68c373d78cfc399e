"""The routes below ``models``: the lists in OpenAI's and in Google's form, and ``:countTokens``. The headers decide the
form of ``/v1/models`` (wire-gemini 1.1)."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from zerogravity import ids
from zerogravity.core.google import as_request
from zerogravity.core.turn import Turn
from zerogravity.errors import bad_request
from zerogravity.server.body import read_json
from zerogravity.server.middleware import json_response, rendered, unknown_url
from zerogravity.server.services import EXCHANGE, SERVICES
from zerogravity.server.turns import count_tokens
from zerogravity.surfaces.common.models import ModelInfo
from zerogravity.surfaces.gemini import field_mask
from zerogravity.surfaces.gemini.models import count_answer, estimate, list_json, model_json
from zerogravity.surfaces.gemini.request import count_request
from zerogravity.surfaces.gemini.urls import fields_parameter, is_client


async def listing(request: web.Request) -> web.Response:
    """GET /v1/models"""
    if is_client(request.headers, request.query):
        return await google_listing(request)
    data = [openai_model(info) for info in request.app[SERVICES].catalogue.list()]
    return json_response({"object": "list", "data": data})


async def entry(request: web.Request) -> web.Response:
    """GET /v1/models/{id}; an id may contain slashes, and the answer repeats the requested name."""
    if is_client(request.headers, request.query):
        return await google_entry(request)
    name = request.match_info["name"]
    return json_response({**openai_model(request.app[SERVICES].catalogue.get(name)), "id": name})


async def google_listing(request: web.Request) -> web.Response:
    """GET /v1beta/models?pageSize=&pageToken="""
    query = request.query
    found = request.app[SERVICES].catalogue.list()
    mask = field_mask.parse(fields_parameter(request.query, request.headers), field_mask.MODELS)
    listed = list_json(found, query.get("pageSize", ""), query.get("pageToken", ""))
    return json_response(field_mask.masked(listed, mask))


async def google_entry(request: web.Request) -> web.Response:
    """GET /v1beta/models/{id}"""
    info = request.app[SERVICES].catalogue.get(request.match_info["name"])
    mask = field_mask.parse(fields_parameter(request.query, request.headers), field_mask.MODEL)
    return json_response(field_mask.masked(model_json(info), mask))


async def call(request: web.Request) -> web.StreamResponse:
    """POST /{version}/models/{model}:{method}"""
    model, colon, method = request.match_info["call"].rpartition(":")
    if not colon or not model:
        raise unknown_url(request)
    if method != "countTokens":
        raise bad_request(f"the method {method[:60]} is not served", code="unknown_url", status=404)
    return await count(request, model)


async def count(request: web.Request, model: str) -> web.Response:
    """How many tokens a request has: Google's count, else an estimate that is marked as one."""
    services, exchange = request.app[SERVICES], request[EXCHANGE]
    target = services.catalogue.resolve(model)
    mask = field_mask.parse(fields_parameter(request.query, request.headers), field_mask.COUNT)
    body = (await read_json(request, services.config.limits, services.parses)).members
    counted = count_request(body)
    total = await count_tokens(
        services, Turn(ids.new("turn"), "gemini", model, target, as_request(counted), owner=exchange.owner)
    )
    found = estimate(counted) if total is None else count_answer(total, estimated=False)
    return rendered(replace(found, body=field_mask.masked(found.body, mask)))


def openai_model(info: ModelInfo) -> dict[str, object]:
    return {"id": info.id, "object": "model", "created": info.created, "owned_by": info.owned_by}
