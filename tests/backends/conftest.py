"""A language server of a few lines over real TLS sockets, whose answers a test writes; and drivers that are closed."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
from aiohttp import web

from zerogravity.backends.antigravity.client import SERVICE, Endpoint, LsClient

Json = dict[str, Any]
CSRF = "5f0c3c1e-0000-4000-8000-0000000000e1"


class Station:
    """``answers``: method → (status, JSON or bytes), a function of the request, or an exception's type to hang up."""

    def __init__(self, csrf: str = CSRF) -> None:
        self.csrf = csrf
        self.answers: dict[str, Any] = {}
        self.seen: list[tuple[str, Json]] = []
        self.headers: list[dict[str, str]] = []
        self.peers: set[Any] = set()
        self.port = 0
        self.certificate = b""
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.url, self.csrf)

    def methods(self) -> list[str]:
        return [method for method, _ in self.seen]

    async def start(self, port: int = 0) -> None:
        authority = trustme.CA()

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf = authority.issue_cert("localhost")
        leaf.configure_cert(context)
        self.certificate = leaf.cert_chain_pems[0].bytes()
        app = web.Application()
        app.router.add_post(SERVICE + "{method}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        body = await request.read()
        enveloped = request.content_type == "application/connect+json"
        self.seen.append((method, json.loads(body[5:] if enveloped else body)))
        self.headers.append(dict(request.headers))
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        if request.headers.get("X-Codeium-Csrf-Token") != self.csrf:
            return web.Response(status=403, text="Invalid CSRF token")
        answer = self.answers.get(method, (200, {}))
        if answer is ConnectionError:
            request.transport.abort()
            answer = (500, b"")
        if callable(answer):
            answer = answer(request)
            if asyncio.iscoroutine(answer):
                answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        status, value = answer
        return web.Response(status=status, body=value if isinstance(value, bytes) else json.dumps(value).encode())


@pytest_asyncio.fixture
async def station() -> AsyncIterator[Station]:
    made = Station()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def driver() -> AsyncIterator[Callable[..., LsClient]]:
    """Makes clients that are closed at the end."""
    made: list[LsClient] = []

    def make(endpoint: Endpoint | None, **options: Any) -> LsClient:
        made.append(LsClient(endpoint, **options))
        return made[-1]

    yield make
    for client in made:
        await client.close()


@pytest.fixture
def pinned(station: Station, tmp_path: Path) -> Path:
    """The station's own certificate in a file."""
    file = tmp_path / "cert.pem"
    file.write_bytes(station.certificate)
    return file
