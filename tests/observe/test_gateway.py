"""What another process learns of a gateway, a stranger, nobody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from tests.ports import free_port
from tests.running import taken
from zerogravity.observe.gateway import Gateway

Answer = tuple[int, object]


@asynccontextmanager
async def answering(answer: Callable[[web.Request], Answer]) -> AsyncIterator[str]:
    async def serve(request: web.Request) -> web.Response:
        status, body = answer(request)
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "text/plain" if isinstance(body, str) else "application/json"
        return web.Response(status=status, text=text, content_type=kind, headers={"Location": "/x"})

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_it_is_recognised_without_a_key() -> None:
    seen: list[str | None] = []

    def answer(request: web.Request) -> Answer:
        seen.append(request.headers.get("Authorization"))
        return 200, {"server": "zerogravity"}

    async with answering(answer) as url:
        assert await Gateway(url, "s3cret").is_there()
    assert seen == [None]
    assert "s3cret" not in repr(Gateway(url, "s3cret"))


async def test_nobody_is_there() -> None:
    assert not await Gateway(f"http://127.0.0.1:{free_port()}").is_there()


@pytest.mark.parametrize("body", ["hello", {}, {"server": "nginx"}, [], "{", {"status": "ok", "version": "1.0"}])
async def test_a_stranger_is_there(body: object) -> None:
    async with answering(lambda _: (200, body)) as url:
        with pytest.raises(OSError, match="is taken: something answers there, but it is not zerogravity"):
            await Gateway(url).is_there()


async def test_somebody_who_says_nothing_is_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerogravity.observe.gateway.TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    async with taken() as port:
        with pytest.raises(OSError, match="is taken"):
            await Gateway(f"http://127.0.0.1:{port}").is_there()


async def test_what_keeps_it_from_being_ready() -> None:
    checks = [{"name": "a", "ok": True, "text": "fine"}, {"name": "b", "ok": False, "text": "broken", "fix": "mend it"}]
    async with answering(lambda _: (503, {"ready": False, "checks": checks})) as url:
        check = await Gateway(url).broken()
    assert check is not None
    assert (check.name, check.text, check.fix) == ("b", "broken", "mend it")
    async with answering(lambda _: (503, {})) as url:
        check = await Gateway(url).broken()
    assert check is not None and not check.ok
    async with answering(lambda _: (200, {"ready": True})) as url:
        assert await Gateway(url).broken() is None


async def test_models_and_totals_need_the_key() -> None:
    def answer(request: web.Request) -> Answer:
        if request.headers.get("Authorization") != "Bearer right":
            return 401, {"error": {"message": "Incorrect API key provided."}}
        return 200, {"data": [{"id": "a"}, {"id": "b"}]} if request.path == "/v1/models" else {"turns": 2}

    async with answering(answer) as url:
        assert await Gateway(url, "right").models() == ["a", "b"]
        assert await Gateway(url, "right").totals("k3f9") == {"turns": 2}
        with pytest.raises(OSError, match="refuses: Incorrect API key provided"):
            await Gateway(url, "wrong").models()
        with pytest.raises(OSError, match=r"does not tell what the run used \(401\)"):
            await Gateway(url).totals("k3f9")


async def test_one_that_is_gone() -> None:
    gone = Gateway(f"http://127.0.0.1:{free_port()}")
    for asks in (gone.broken, gone.models, lambda: gone.totals("k3f9")):
        with pytest.raises(OSError, match="no longer answers"):
            await asks()
