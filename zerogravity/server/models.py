"""The model lists, in OpenAI's and in Google's form. ``/v1/models`` is both: the headers decide (wire-gemini 1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from zerogravity.errors import bad_request
from zerogravity.server.guard import rendered, speaks_gemini
from zerogravity.server.services import SERVICES, Services
from zerogravity.surfaces.surface import Answer

METHODS = ["generateContent", "streamGenerateContent", "countTokens"]
PAGE = 50


async def listing(request: web.Request) -> web.Response:
    """GET /v1/models"""
    if speaks_gemini(request):
        return await google_listing(request)
    data = [openai_model(info) for info in request.app[SERVICES].catalogue.list()]
    return rendered(Answer(200, {"object": "list", "data": data}))


async def entry(request: web.Request) -> web.Response:
    """GET /v1/models/{id}"""
    if speaks_gemini(request):
        return await google_entry(request)
    name = request.match_info["name"]
    return rendered(Answer(200, {**openai_model(find(request.app[SERVICES], name)), "id": name}))


async def google_listing(request: web.Request) -> web.Response:
    """GET /v1beta/models, paged; a page token only when there is more (the SDK's pager follows it without end)."""
    found = request.app[SERVICES].catalogue.list()
    size = _whole(request.query.get("pageSize", ""), "pageSize", PAGE)
    start = _whole(request.query.get("pageToken", ""), "pageToken", 0)
    size = min(size, 1000) or PAGE
    body: dict[str, Any] = {"models": [google_model(info) for info in found[start : start + size]]}
    if start + size < len(found):
        body["nextPageToken"] = str(start + size)
    return rendered(Answer(200, body))


async def google_entry(request: web.Request) -> web.Response:
    """GET /v1beta/models/{id}"""
    return rendered(Answer(200, google_model(find(request.app[SERVICES], request.match_info["name"]))))


def find(services: Services, name: str) -> Any:
    """The entry of a name or alias. Raises FaultError 404."""
    target = services.catalogue.resolve(bare(name))
    found: Sequence[Any] = services.catalogue.list()
    return next(info for info in found if info.id == target.name)


def bare(name: str) -> str:
    """A model name without the prefixes that clients put before it."""
    while name.startswith(("models/", "tunedModels/")):
        name = name.partition("/")[2]
    return name


def openai_model(info: Any) -> dict[str, Any]:
    return {"id": info.id, "object": "model", "created": info.created, "owned_by": info.owned_by}


def google_model(info: Any) -> dict[str, Any]:
    return {
        "name": f"models/{info.id}",
        "version": "001",
        "displayName": info.display_name,
        "description": f"{info.display_name}, served through the language server",
        "inputTokenLimit": info.input_limit,
        "outputTokenLimit": info.output_limit,
        "supportedGenerationMethods": METHODS,
        "thinking": info.thinking,
    }


def _whole(text: str, name: str, default: int) -> int:
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise bad_request(f"{name} must be a whole number", param=name)
    return int(text)
