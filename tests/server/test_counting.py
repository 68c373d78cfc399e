"""Token counts by Google: when it is asked, what it is asked, and what stays an estimate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from zerogravity.core.turn import Target, Turn
from zerogravity.server.counting import EDITOR, GEMINI, VERTEX, CountApi, GoogleCount
from zerogravity.testing.simulator.google import GoogleOptions, GoogleSimulator

HI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
Google = Callable[..., Any]


def turn(generate: dict[str, Any], **target: Any) -> Turn:
    target = {"name": "gemini-3-flash", "ls_model": "MODEL_PLACEHOLDER_M18", **target}
    return Turn("turn_1", "gemini", "m", Target(**target), generate)


class Stand:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.status, self.body, self.wait = 200, b'{"totalTokens": 42}', asyncio.Event()
        self.wait.set()

    async def answer(self, request: web.Request) -> web.Response:
        credential = request.headers.get("Authorization") or request.headers["x-goog-api-key"]
        self.asked.append((request.path, credential, json.loads(await request.read())))
        await self.wait.wait()
        return web.Response(status=self.status, body=self.body)


@pytest.fixture
async def google() -> AsyncIterator[tuple[Stand, GoogleCount]]:
    stand, app = Stand(), web.Application()
    app.router.add_post("/{path:.+}", stand.answer)
    async with TestServer(app) as server:
        yield stand, GoogleCount(EDITOR, lambda: "ya29.mine", str(server.make_url("")).rstrip("/"))


@pytest.mark.parametrize(("wire", "name"), [(None, "gemini-3-flash"), ("gemini-3-flash-x", "gemini-3-flash-x")])
async def test_google_counts_contents(google: Any, wire: str | None, name: str) -> None:
    stand, count = google
    assert await count(turn({**HI, "generationConfig": {"temperature": 0}}, wire_model=wire)) == 42
    asked = {"request": {"model": f"models/{name}", **HI}}
    assert stand.asked == [("/v1internal:countTokens", "Bearer ya29.mine", asked)]


@pytest.mark.parametrize("nothing", [None, ""])
async def test_without_a_credential_google_is_not_called(google: Any, nothing: str | None) -> None:
    stand, count = google
    for api in (EDITOR, GEMINI, VERTEX):
        assert await replace(count, api=api, credential=lambda: nothing)(turn(HI)) is None
    assert not stand.asked


SYSTEM = {"systemInstruction": {"parts": [{"text": "be kind"}]}}
TOOLS = {"tools": [{"functionDeclarations": [{"name": "f"}]}]}
MODE = {"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}}
CACHE = {"cachedContent": "cachedContents/x"}
FORM = {"responseMimeType": "application/json", "responseSchema": {"type": "STRING"}}
CONFIG = {"generationConfig": {"temperature": 0, "maxOutputTokens": 10**9, **FORM}}
ALL = {**HI, **SYSTEM, **TOOLS, **MODE, **CONFIG, "safetySettings": [{}]}
M = "gemini-3.8-flash"


def gemini(**members: Any) -> Any:
    return {"generateContentRequest": {"model": f"models/{M}", **members}}


@pytest.mark.parametrize(
    ("api", "generate", "path", "body"),
    [
        (GEMINI, HI, f"/v1beta/models/{M}:countTokens", gemini(**HI)),
        (GEMINI, {**ALL, **CACHE}, f"/v1beta/models/{M}:countTokens",
         gemini(**HI, **SYSTEM, **TOOLS, **MODE, **CACHE, generationConfig=FORM)),
        (GEMINI, {**HI, "generationConfig": {"responseMimeType": "application/json"}},
         f"/v1beta/models/{M}:countTokens", gemini(**HI)),
        (VERTEX, HI, f"/v1beta1/publishers/google/models/{M}:countTokens", HI),
        (VERTEX, ALL, f"/v1beta1/publishers/google/models/{M}:countTokens",
         {**HI, **SYSTEM, **TOOLS, "generationConfig": FORM}),
    ],
)  # fmt: skip
async def test_the_public_apis_count_the_whole_request(
    google: Any, api: CountApi, generate: dict[str, Any], path: str, body: Any
) -> None:
    stand, count = google
    asked = Turn("turn_1", "gemini", "m", Target(M, M), generate)
    assert await replace(count, api=api, credential=lambda: "AIza-mine")(asked) == 42
    assert stand.asked == [(path, "AIza-mine", body)]


async def test_vertex_does_not_count_a_cache(google: Any) -> None:
    stand, count = google
    assert await replace(count, api=VERTEX)(turn({**HI, **CACHE})) is None
    assert not stand.asked


@pytest.mark.parametrize("api", [GEMINI, VERTEX])
async def test_the_stand_in_for_google_counts_what_it_is_asked(api: CountApi) -> None:
    """More with a system text and tools; nothing with a bad key, or for a model that is not there."""
    async with GoogleSimulator(GoogleOptions(tls=False)) as stand:
        count = GoogleCount(api, lambda: "AIza-mine", stand.url)
        few, many = await count(turn(HI, name=M)), await count(turn({**HI, **SYSTEM, **TOOLS}, name=M))
        assert few is not None
        assert many is not None
        assert few < many
        assert await count(turn(HI, name="no-such-model")) is None
        assert await replace(count, credential=lambda: "bad")(turn(HI, name=M)) is None


def test_the_credential_is_in_no_text() -> None:
    assert "AIza-mine" not in repr(GoogleCount(GEMINI, "AIza-mine".format))


@pytest.mark.parametrize(
    "generate",
    [
        {},
        {"contents": []},
        {**HI, "systemInstruction": {"parts": [{"text": "be kind"}]}},
        {**HI, "tools": [{"functionDeclarations": [{"name": "f"}]}]},
        {**HI, "cachedContent": "cachedContents/x"},
        {**HI, "generationConfig": {"responseSchema": {"type": "STRING"}}},
    ],
)
async def test_what_google_would_not_count_whole_stays_an_estimate(google: Any, generate: dict[str, Any]) -> None:
    stand, count = google
    assert await count(turn(generate)) is None
    assert not stand.asked


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (200, b'{"totalTokens": "42"}', 42),
        (200, b'{"totalTokens": true}', None),
        (200, b"{}", None),
        (200, b"[]", None),
        (200, b"<html>", None),
        (200, b'{"totalTokens": "many"}', None),
        (401, b'{"totalTokens": 42}', None),
        (302, b'{"totalTokens": 42}', None),
    ],
)
async def test_what_google_answers(google: Any, status: int, body: bytes, wanted: int | None) -> None:
    stand, count = google
    stand.status, stand.body = status, body
    assert await count(turn(HI)) == wanted


async def test_counting_is_bounded_in_time_and_breaks_nothing(google: Any) -> None:
    stand, count = google
    stand.wait.clear()
    assert await replace(count, timeout_s=0.01)(turn(HI)) is None
    stand.wait.set()
    assert await replace(count, base="http://127.0.0.1:9")(turn(HI)) is None
