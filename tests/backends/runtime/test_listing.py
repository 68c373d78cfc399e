"""Which models Google offers to a key, asked for where the runtime's calls go."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.backends.runtime.conftest import KEY
from tests.ports import free_port
from zerogravity.backends.base import Route
from zerogravity.backends.runtime import listing as module
from zerogravity.backends.runtime import models
from zerogravity.backends.runtime.listing import FRESH_S, PAGES, RETRY_S, Listing
from zerogravity.backends.runtime.settings import Settings, Vertex
from zerogravity.errors import FaultError
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.http.tls import authority_signed

Make = Callable[..., Listing]
SETTINGS = Settings(key=KEY)


def model(name: str) -> dict[str, Any]:
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": ["generateContent"]}


def error(status: int, code: str, message: str, reason: str = "") -> tuple[int, Any]:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    return status, {"error": {"code": status, "status": code, "message": message, "details": details}}


GOOD = 200, {"models": [model("gemini-3-flash-preview")]}


class Google:
    """Answers as it is told; ``asked``: the queries."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = [GOOD]
        self.asked: list[dict[str, str]] = []
        self.keys: set[str | None] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query) | {"path": request.path})
        self.keys.add(request.headers.get("x-goog-api-key"))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        headers = {"Location": body["location"]} if status == 302 and body else {}
        return web.Response(
            status=status, headers=headers, body=body if isinstance(body, bytes) else json.dumps(body).encode()
        )


@pytest_asyncio.fixture
async def google() -> AsyncIterator[Google]:
    made = Google()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = int(runner.addresses[0][1])
    yield made
    await runner.cleanup()


@pytest_asyncio.fixture
async def make() -> AsyncIterator[Make]:
    made: list[Listing] = []

    def listing(
        url: str, settings: Settings = SETTINGS, clock: Callable[[], float] = lambda: 0.0, **route: Any
    ) -> Listing:
        made.append(Listing(settings, Route(url, **route), clock))
        return made[-1]

    yield listing
    for one in made:
        await one.close()
        await one.close()


def names(found: Any) -> list[str]:
    return [one.wire or one.name for one in found]


# -- what it finds -----------------------------------------------------------------------------------------------


async def test_googles_list(make: Make, google: Google) -> None:
    assert names(await make(google.url).models()) == ["gemini-3-flash-preview"]
    assert google.keys == {KEY}
    assert [one["path"] for one in google.asked] == ["/v1beta/models"]


async def test_every_page_is_read(make: Make, google: Google) -> None:
    google.answers = [
        (200, {"models": [model("gemini-3-flash-preview")], "nextPageToken": "two"}),
        (200, {"models": [model("gemini-2.5-flash")]}),
    ]
    assert names(await make(google.url).models()) == ["gemini-3-flash-preview", "gemini-2.5-flash"]
    assert [one.get("pageToken") for one in google.asked] == [None, "two"]


async def test_pages_without_an_end_have_one(make: Make, google: Google) -> None:
    google.answers = [(200, {"models": [model("gemini-2.5-flash")], "nextPageToken": "again"})]
    assert await make(google.url).models()
    assert len(google.asked) == PAGES


async def test_the_stand_ins_list(make: Make) -> None:
    async with GoogleSimulator(tls=False, http2=False) as google:
        assert "gemini-2.5-pro" in names(await make(google.url).models())


async def test_a_cloud_projects_models_are_not_asked_for(make: Make, google: Google) -> None:
    """The login is the runtime's."""
    assert await make(google.url, Settings(vertex=Vertex("p", "l"))).models() == models.TABLE
    assert google.asked == []


async def test_those_of_vertex_with_a_key(make: Make, google: Google) -> None:
    await make(google.url, Settings(key=KEY, vertex=Vertex())).models()
    assert [one["path"] for one in google.asked] == ["/v1beta1/publishers/google/models"]


class Proxy:
    """Leads whatever is asked for to one port. ``targets``: what that was."""

    def __init__(self, port: int) -> None:
        self.targets: list[str] = []
        self._to = port
        self._relays: list[asyncio.Task[None]] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.targets.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
        back, forth = await asyncio.open_connection("127.0.0.1", self._to)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

        async def relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(1 << 16):
                sink.write(data)
            sink.close()

        await asyncio.gather(relay(reader, forth), relay(back, writer), return_exceptions=True)


@pytest.mark.parametrize(
    ("settings", "target"),
    [
        (SETTINGS, "generativelanguage.googleapis.com:443"),
        (Settings(key=KEY, vertex=Vertex()), "aiplatform.googleapis.com:443"),
    ],
)
async def test_through_our_proxy_whose_authority_signs(
    settings: Settings, target: str, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The certificate is the stand-in's own here; without our bundle it is not trusted."""
    caplog.set_level(logging.INFO)
    identity = authority_signed((target.removesuffix(":443"),))
    async with GoogleSimulator(identity=identity) as google:
        bundle = tmp_path / "ca.pem"
        bundle.write_bytes(google.ca_pem)
        proxy = Proxy(google.port)
        async with await asyncio.start_server(proxy.connected, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            assert await make("", settings, proxy=url).models() == models.TABLE
            assert "cannot be had: ClientConnectorCertificateError" in caplog.text
            assert google.requests == []
            listing = make("", settings, proxy=url, bundle=bundle)
            assert await listing.models()
            await listing.close()
        (asked,) = google.requests
        assert asked.headers["x-goog-api-key"] == KEY
        assert set(proxy.targets) == {target}


# -- what Google refuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"), "key"),
        (error(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", "API_KEY_INVALID"), "key"),
        (error(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), "country"),
        (error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), ""),
        (error(403, "PERMISSION_DENIED", "Requests to this API are blocked.", "API_KEY_SERVICE_BLOCKED"), "key"),
        (error(403, "PERMISSION_DENIED", "Generative Language API has not been used in project 1 before or it is "
               "disabled.", "SERVICE_DISABLED"), "nable the API"),
        ((403, b"<html>no</html>"), ""),
    ],
)  # fmt: skip
async def test_a_key_that_google_refuses(answer: tuple[int, Any], remedy: str, make: Make, google: Google) -> None:
    google.answers = [answer]
    listing = make(google.url)
    assert listing.fault is None
    with pytest.raises(FaultError) as raised:
        await listing.models()
    fault = raised.value.fault
    assert listing.fault is fault
    assert fault.upstream_status == answer[0]
    assert remedy in fault.remedy
    assert fault.remedy
    assert KEY not in fault.full_message


async def test_a_refusal_is_remembered_and_asked_about_again(make: Make, google: Google) -> None:
    now = [0.0]
    google.answers = [error(403, "PERMISSION_DENIED", "no"), GOOD]
    listing = make(google.url, clock=lambda: now[0])
    for now[0] in (0, RETRY_S - 1):
        with pytest.raises(FaultError):
            await listing.models()
    assert len(google.asked) == 1
    now[0] = RETRY_S
    assert names(await listing.models()) == ["gemini-3-flash-preview"]
    assert listing.fault is None


# -- where it cannot be had --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        error(429, "RESOURCE_EXHAUSTED", "slow down"),
        error(500, "INTERNAL", "oh"),
        error(404, "NOT_FOUND", "no"),
        (200, b"no JSON"),
        (200, b""),
        (302, b""),
    ],
)
async def test_the_usual_names_are_taken_and_google_is_asked_again_soon(
    answer: tuple[int, Any], make: Make, google: Google
) -> None:
    now = [0.0]
    google.answers = [answer]
    listing = make(google.url, clock=lambda: now[0])
    for now[0] in (0, 1, RETRY_S - 1):
        assert await listing.models() == models.TABLE
    assert len(google.asked) == 1
    google.answers = [GOOD]
    now[0] = RETRY_S
    for now[0] in (RETRY_S, RETRY_S + FRESH_S - 1):
        assert names(await listing.models()) == ["gemini-3-flash-preview"]
    assert len(google.asked) == 2
    now[0] += 1
    await listing.models()
    assert len(google.asked) == 3


@pytest.mark.parametrize("answer", [(200, []), (200, {}), (200, {"models": None})])
async def test_an_empty_list_is_none(answer: tuple[int, Any], make: Make, google: Google) -> None:
    google.answers = [answer]
    assert await make(google.url).models() == models.TABLE


async def test_the_last_list_is_kept_where_the_next_cannot_be_had(make: Make, google: Google) -> None:
    now = [0.0]
    listing = make(google.url, clock=lambda: now[0])
    await listing.models()
    google.answers = [error(500, "INTERNAL", "oh")]
    now[0] += FRESH_S
    assert names(await listing.models()) == ["gemini-3-flash-preview"]


async def test_the_key_is_not_taken_elsewhere(make: Make, google: Google) -> None:
    google.answers = [(302, {"location": f"{google.url}/elsewhere"})]
    assert await make(google.url).models() == models.TABLE
    assert len(google.asked) == 1


async def test_nobody_there(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert await make(f"http://127.0.0.1:{free_port()}").models() == models.TABLE
    assert "cannot be had: ClientConnectorError" in caplog.text


async def test_google_does_not_answer(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", aiohttp.ClientTimeout(total=0.05))

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await make(url).models() == models.TABLE
        for writer in writers:
            writer.transport.abort()


async def test_many_who_ask_at_once_are_one(make: Make, google: Google) -> None:
    listing = make(google.url)
    found = await asyncio.gather(*(listing.models() for _ in range(10)))
    assert len(google.asked) == 1
    assert len(set(found)) == 1


async def test_one_who_gives_up_leaves_the_others_their_turn(make: Make, google: Google) -> None:
    listing = make(google.url)
    first, second = (asyncio.create_task(listing.models()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert names(await second) == ["gemini-3-flash-preview"]
    await asyncio.gather(first, return_exceptions=True)
