"""The list of models, in the form of the API whose path or client it is (``Surface.models``)."""

from __future__ import annotations

from aiohttp import web

from zerogravity.server.middleware import json_response
from zerogravity.server.services import EXCHANGE, SERVICES


async def listing(request: web.Request) -> web.Response:
    """GET /v1/models, /v1beta/models"""
    models = request[EXCHANGE].surface.models
    return json_response(models.listing(request.app[SERVICES].catalogue.list(), request.query, request.headers))


async def entry(request: web.Request) -> web.Response:
    """GET /v1/models/{id}; an id may contain slashes."""
    name, models = request.match_info["name"], request[EXCHANGE].surface.models
    return json_response(models.entry(request.app[SERVICES].catalogue.get(name), name, request.query, request.headers))
