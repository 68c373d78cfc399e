"""What a gateway offers, as it tells it."""

from __future__ import annotations

import pytest
from aiohttp import web

from zerogravity.observe import offered

LISTED = {"models": [{"name": "models/gemini-3-flash", "displayName": "Gemini 3 Flash", "inputTokenLimit": 1_048_576,
                      "outputTokenLimit": 65_536}, {"name": "models/other"}]}  # fmt: skip


async def serve(aiohttp_server, answer, told=None):
    app = web.Application()

    async def models(request):
        assert request.headers.get("Authorization") in (None, "Bearer k")
        return answer()

    async def health(request):
        return web.json_response(told or {})

    app.router.add_get("/v1beta/models", models)
    app.router.add_get("/health", health)
    return str((await aiohttp_server(app)).make_url("/")).rstrip("/")


async def test_models_with_their_limits_and_other_names(aiohttp_server):
    url = await serve(aiohttp_server, lambda: web.json_response(LISTED))
    rows = await offered.fetch(url, "k", {"gpt-5-mini": "gemini-3-flash", "a": "gemini-3-flash", "b": "c"})
    assert [row.as_json() for row in rows] == [
        {"name": "gemini-3-flash", "label": "Gemini 3 Flash", "input_limit": 1_048_576, "output_limit": 65_536,
         "aliases": ["a", "gpt-5-mini"], "cooldown": 0},
        {"name": "other", "label": "", "input_limit": 0, "output_limit": 0, "aliases": [],
         "cooldown": 0},
    ]  # fmt: skip


@pytest.mark.parametrize(("shared", "alone"), [(False, [True, False]), (True, [True, True])])
async def test_models_that_are_left_alone(aiohttp_server, shared, alone):
    cooldown = {
        "model": "all models" if shared else "gemini-3-flash",
        "shared": shared,
        "until": "2996-02-02T02:42:22Z",
    }
    url = await serve(aiohttp_server, lambda: web.json_response(LISTED), {"cooldowns": [cooldown]})
    assert [row.cooldown > 1e9 for row in await offered.fetch(url, None, {})] == alone


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda: web.Response(status=401), "does not list its models: HTTP 401"),
        (lambda: web.Response(text="hello"), "it is not zerogravity"),
    ],
)
async def test_what_is_no_gateway_is_said(aiohttp_server, answer, words):
    url = await serve(aiohttp_server, answer)
    with pytest.raises(OSError, match=words):
        await offered.fetch(url, None, {})


async def test_nobody_there_says_what_to_do(unused_tcp_port):
    with pytest.raises(OSError, match="start one with: zerogravity serve"):
        await offered.fetch(f"http://127.0.0.1:{unused_tcp_port}", None, {})
