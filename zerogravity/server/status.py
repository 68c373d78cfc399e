"""Routes about ourselves: live, ready, metrics, and the bearer that can be set at run time."""

from __future__ import annotations

import re

from aiohttp import web

from zerogravity import __version__
from zerogravity.errors import bad_request
from zerogravity.observe import metrics as measured
from zerogravity.server.body import read_json
from zerogravity.server.middleware import json_response
from zerogravity.server.services import SERVICES
from zerogravity.surfaces.base import Answer

_TOKEN = re.compile(r"[\x21-\x7e]{8,4096}")


async def health(request: web.Request) -> web.Response:
    """GET /health: this process answers. Always 200; what does not work, or less well, is named."""
    told = request.app[SERVICES].health
    is_ready, checks = told.ready()
    body: dict[str, object] = {
        "status": "degraded" if told.degraded or not is_ready else "ok",
        "version": __version__,
        "uptime_seconds": round(told.uptime, 1),
        "ready": is_ready,
    }
    if broken := [check.as_json() for check in checks if not check.ok]:
        body["broken"] = broken
    if told.degraded:
        body["degraded"] = told.degraded
    return _fresh(Answer(200, body))


async def ready(request: web.Request) -> web.Response:
    """GET /ready: 200 when a turn can be served now, else 503 with the first broken hop and what to do."""
    is_ready, checks = request.app[SERVICES].health.ready()
    body = {"ready": is_ready, "checks": [check.as_json() for check in checks]}
    return _fresh(Answer(200 if is_ready else 503, body, {} if is_ready else {"Retry-After": "1"}))


async def metrics(request: web.Request) -> web.Response:
    """GET /metrics"""
    services = request.app[SERVICES]
    if not services.config.metrics:
        raise web.HTTPNotFound
    return web.Response(body=services.metrics.render(), headers={"Content-Type": measured.CONTENT_TYPE})


async def token(request: web.Request) -> web.Response:
    """POST /v1/token ``{"token": "…" | null}``: the bearer for Google on claimed calls. Kept in memory, never shown."""
    services = request.app[SERVICES]
    body, _ = await read_json(request, services.config.limits, services.parses)
    if "token" not in body:
        raise bad_request("token is missing", param="token", code="missing_required_parameter")
    value = body["token"]
    if value is not None and not (isinstance(value, str) and _TOKEN.fullmatch(value)):
        raise bad_request("token must be a bearer token, or null to use the language server's own", param="token")
    services.bearer.value = value
    services.health.bearer_changed()
    return _fresh(Answer(200, {"object": "token", "set": value is not None}))


def _fresh(answer: Answer) -> web.Response:
    response = json_response(answer)
    response.headers["Cache-Control"] = "no-store"
    return response
