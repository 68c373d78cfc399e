"""What is wrong with the names in the configuration's fallbacks."""

from __future__ import annotations

import pytest
from aiohttp import web

from zerogravity.config import Config
from zerogravity.observe.fallbacks import LOOK, check, known_here, strange


@pytest.mark.parametrize(
    ("fallbacks", "found"),
    [
        ({"gemini-3-flash": ["gemini-3.1-pro", "google/claude-sonnet-4-6"]}, []),
        ({"gemini-3-flash": ["gemini-3.1-pro"], "gemini-3.1-pro": ["gemini-3-flash"]}, []),  # each list stands alone
        ({"what": ["gemini-3.1-pro"]}, ["'what' is not offered"]),
        ({"gpt-5": ["a", "b"]}, ["'gpt-5' names 'a', 'b', which is not offered"]),
        ({"gpt-5": ["gemini-3.1-pro-high"]}, ["'gpt-5' names itself as 'gemini-3.1-pro-high'"]),
    ],
)
def test_names(fallbacks: dict[str, list[str]], found: list[str]) -> None:
    made = Config(fallbacks=fallbacks)  # pyright: ignore[reportArgumentType]
    assert [*strange(made, known_here(made))] == found


async def test_a_gateway_that_runs_knows_better(aiohttp_server) -> None:
    app = web.Application()
    listed = {"models": [{"name": "models/gemini-3-flash"}, {"name": "models/new-model"}]}

    async def models(request: web.Request) -> web.Response:
        return web.json_response(listed)

    async def health(request: web.Request) -> web.Response:
        return web.json_response({})

    app.router.add_get("/v1beta/models", models)
    app.router.add_get("/health", health)
    url = str((await aiohttp_server(app)).make_url("/")).rstrip("/")
    made = Config(fallbacks={"gpt-5-mini": ["new-model", "models/new-model", "gemini-3-pro"]})  # pyright: ignore
    here, there = await check(made, None), await check(made, url)
    assert here.text == "'gpt-5-mini' names 'new-model', 'models/new-model', which is not offered"
    assert there.text == "'gpt-5-mini' names 'gemini-3-pro', which is not offered"
    assert (here.ok, here.fix, there.ok, there.fix) == (True, LOOK, True, LOOK)


async def test_good_names_and_a_gateway_that_does_not_answer(unused_tcp_port: int) -> None:
    made = Config(fallbacks={"gpt-5": ["gemini-3-flash"]})  # pyright: ignore
    found = await check(made, f"http://127.0.0.1:{unused_tcp_port}")
    assert (found.ok, found.text, found.fix) == (True, "all of their models are known", "")
