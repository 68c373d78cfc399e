"""Routes about ourselves: live, ready, metrics, and the bearer that can be set at run time."""

from __future__ import annotations

import re

from aiohttp import web

from zerogravity import __version__
from zerogravity.errors import bad_request
from zerogravity.observe import metrics as measured
from zerogravity.observe import quotas
from zerogravity.server import welcome
from zerogravity.server.body import read_json
from zerogravity.server.middleware import json_response
from zerogravity.server.services import EXCHANGE, SERVICES

NO_STORE = {"Cache-Control": "no-store"}
VARY = {"Vary": "Accept"}
_TOKEN = re.compile(r"[\x21-\x7e]{8,4096}")


async def root(request: web.Request) -> web.Response:
    """GET or HEAD /: some clients look there first whether anybody is at home (wire-anthropic 0). A browser gets
    a page."""
    if request.method != "GET" or not welcome.wants_page(request.headers.get("Accept", "")):
        return web.Response(headers=VARY)
    inspected = request.app[SERVICES].mount is not None
    page = welcome.page(str(request.url.origin()), inspected=inspected)
    return web.Response(body=page, headers={**VARY, **welcome.HEADERS})


async def health(request: web.Request) -> web.Response:
    """GET /health: this process answers. Always 200; what does not work, or less well, is named to who has a key."""
    health = request.app[SERVICES].health
    is_ready, checks = health.ready()
    body: dict[str, object] = {
        "server": "zerogravity", "status": "degraded" if health.degraded or not is_ready else "ok", "ready": is_ready,
    }  # fmt: skip
    if not request[EXCHANGE].authorized:
        return json_response(body, NO_STORE)
    body |= {"version": __version__, "uptime_seconds": round(health.uptime, 1)}
    if left := quotas.of(request.app[SERVICES].catalogue.list()):
        body["quota"] = [quota.as_json() for quota in left]
    if broken := [check.as_json() for check in checks if not check.ok]:
        body["broken"] = broken
    if health.degraded:
        body["degraded"] = health.degraded
    if cooldowns := request.app[SERVICES].cooldowns.as_json():
        body["cooldowns"] = cooldowns
    if servers := request.app[SERVICES].mcp_servers.as_json():
        body["mcp_servers"] = servers
    return json_response(body, NO_STORE)


async def ready(request: web.Request) -> web.Response:
    """GET /ready: 200 when a turn can be served now, else 503; who has a key is told each hop and what to do, and what
    works less well."""
    health = request.app[SERVICES].health
    is_ready, checks = health.ready()
    body: dict[str, object] = {"ready": is_ready}
    if request[EXCHANGE].authorized:
        body["checks"] = [check.as_json() for check in checks]
        if health.degraded:
            body["degraded"] = health.degraded
        if cooldowns := request.app[SERVICES].cooldowns.as_json():
            body["cooldowns"] = cooldowns
    if is_ready:
        return json_response(body, NO_STORE)
    return json_response(body, {**NO_STORE, "Retry-After": "1"}, status=503)


async def run(request: web.Request) -> web.Response:
    """GET /run/{id}: what the program of one ``zerogravity run`` has caused so far, with the key that this comes with;
    ``traces``: the folder, if there is one."""
    services, run_id, owner = request.app[SERVICES], request.match_info["id"], request[EXCHANGE].owner
    traces = str(services.config.trace_path) if services.config.trace else None
    return json_response({"run": run_id, **services.runs.totals(run_id, owner).as_json(), "traces": traces}, NO_STORE)


async def end_run(request: web.Request) -> web.Response:
    """POST /run/{id}: its program has ended. What it has caused, as above."""
    request.app[SERVICES].runs.end(request.match_info["id"], request[EXCHANGE].owner)
    return await run(request)


async def metrics(request: web.Request) -> web.Response:
    """GET /metrics"""
    services = request.app[SERVICES]
    if not services.config.metrics:
        raise web.HTTPNotFound
    return web.Response(body=services.metrics.render(), headers={"Content-Type": measured.CONTENT_TYPE})


async def token(request: web.Request) -> web.Response:
    """POST /v1/token ``{"token": "…" | null}``: the bearer for Google on claimed calls. Kept in memory, never shown."""
    services = request.app[SERVICES]
    body = (await read_json(request, services.config.limits, services.parses)).members
    if "token" not in body:
        raise bad_request("'token' is missing.", param="token", code="missing_required_parameter")
    value = body["token"]
    if value is not None and not (isinstance(value, str) and _TOKEN.fullmatch(value)):
        raise bad_request("token must be a bearer token, or null to use the language server's own", param="token")
    if value != services.bearer.value:
        services.cooldowns.clear()
    services.bearer.value = value
    services.health.bearer_changed()
    return json_response({"object": "token", "set": value is not None}, NO_STORE)
