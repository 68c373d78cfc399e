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
from zerogravity.server.counting import GoogleCount
from zerogravity.server.services import Bearer

HI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
Google = Callable[..., Any]


def turn(generate: dict[str, Any], **target: Any) -> Turn:
    return Turn("turn_1", "gemini", "m", Target("gemini-3-flash", "MODEL_PLACEHOLDER_M18", **target), generate)


class Stand:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.status, self.body, self.wait = 200, b'{"totalTokens": 42}', asyncio.Event()
        self.wait.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.headers.get("Authorization", ""), json.loads(await request.read())))
        await self.wait.wait()
        return web.Response(status=self.status, body=self.body)


@pytest.fixture
async def google() -> AsyncIterator[tuple[Stand, GoogleCount]]:
    stand, app = Stand(), web.Application()
    app.router.add_post("/v1internal:countTokens", stand.answer)
    async with TestServer(app) as server:
        yield stand, GoogleCount(Bearer("ya29.mine"), str(server.make_url("")).rstrip("/"))


@pytest.mark.parametrize(("wire", "name"), [(None, "gemini-3-flash"), ("gemini-3-flash-x", "gemini-3-flash-x")])
async def test_google_counts_contents(google: Any, wire: str | None, name: str) -> None:
    stand, count = google
    assert await count(turn({**HI, "generationConfig": {"temperature": 0}}, wire_model=wire)) == 42
    asked = {"request": {"model": f"models/{name}", **HI}}
    assert stand.asked == [("/v1internal:countTokens", "Bearer ya29.mine", asked)]


async def test_without_a_bearer_google_is_not_called(google: Any) -> None:
    stand, count = google
    assert await replace(count, bearer=Bearer())(turn(HI)) is None
    assert not stand.asked


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
