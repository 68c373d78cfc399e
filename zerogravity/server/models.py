"""The model lists, in OpenAI's and in Google's form. ``/v1/models`` is both: the headers decide (wire-gemini 1.1)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zerogravity.server.middleware import json_response
from zerogravity.server.services import SERVICES
from zerogravity.surfaces.gemini import field_mask
from zerogravity.surfaces.gemini.models import list_json, model_json
from zerogravity.surfaces.gemini.urls import asked_fields, is_client


async def listing(request: web.Request) -> web.Response:
    """GET /v1/models"""
    if is_client(request.headers, request.query):
        return await google_listing(request)
    data = [openai_model(info) for info in request.app[SERVICES].catalogue.list()]
    return json_response({"object": "list", "data": data})


async def entry(request: web.Request) -> web.Response:
    """GET /v1/models/{id}; an id may contain slashes, and the answer repeats the name that was asked for."""
    if is_client(request.headers, request.query):
        return await google_entry(request)
    name = request.match_info["name"]
    return json_response({**openai_model(request.app[SERVICES].catalogue.get(name)), "id": name})


async def google_listing(request: web.Request) -> web.Response:
    """GET /v1beta/models?pageSize=&pageToken="""
    query = request.query
    found = request.app[SERVICES].catalogue.list()
    mask = field_mask.parse(asked_fields(request.query, request.headers), field_mask.MODELS)
    listed = list_json(found, query.get("pageSize", ""), query.get("pageToken", ""))
    return json_response(field_mask.masked(listed, mask))


async def google_entry(request: web.Request) -> web.Response:
    """GET /v1beta/models/{id}"""
    info = request.app[SERVICES].catalogue.get(request.match_info["name"])
    mask = field_mask.parse(asked_fields(request.query, request.headers), field_mask.MODEL)
    return json_response(field_mask.masked(model_json(info), mask))


def openai_model(info: Any) -> dict[str, Any]:
    return {"id": info.id, "object": "model", "created": info.created, "owned_by": info.owned_by}
