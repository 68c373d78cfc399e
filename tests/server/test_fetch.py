"""URLs in requests → data URIs: which answers are refused. No name is looked
up and nothing but loopback is reached: the resolver and the rule for loopback are the tests' own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from zerogravity.errors import FaultError
from zerogravity.server.fetch import Fetch, Pinned, fetch_media
from zerogravity.surfaces import REGISTRY

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
PDF = b"%PDF-1.7\n"


async def test_only_the_name_that_was_checked_has_addresses() -> None:
    """A second look-up could give another address (DNS rebinding)."""
    pinned = Pinned("pictures.example", ["8.8.8.8", "2001:4860:4860::8888"])
    found = await pinned.resolve("pictures.example", 443)
    assert [(one["host"], one["port"]) for one in found] == [("8.8.8.8", 443), ("2001:4860:4860::8888", 443)]
    with pytest.raises(OSError, match=r"^elsewhere\.example has not been checked$"):
        await pinned.resolve("elsewhere.example", 443)


# -- over real sockets --------------------------------------------------------------------------------------------

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _png(_: web.Request) -> web.Response:
    return web.Response(body=PNG, content_type="text/html")


async def _huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(64):
        await response.write(bytes(1024))
    return response


async def _silent(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


def _to(location: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": location.replace("{port}", str(request.url.port))})

    return handler


def _with(status: int = 200, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, body=PNG, headers={name.replace("_", "-"): v for name, v in headers.items()})

    return handler


async def _told(request: web.Request) -> web.Response:
    assert "Cookie" not in request.headers
    assert "Authorization" not in request.headers
    assert request.headers["Accept-Encoding"] == "identity"
    return web.Response(body=PNG, headers={"Set-Cookie": "a=b"})


HOSTS: dict[str, list[str]] = {
    "good.test": ["127.0.0.1"],
    "inner.test": ["10.0.0.1"],
    "both.test": ["127.0.0.1", "10.0.0.1"],
    "none.test": [],
    "xn--bcher-kva.test": ["127.0.0.1"],
    "xn--strae-oqa.test": ["10.0.0.1"],  # straße, which is not strasse
}


@pytest.fixture
async def site() -> AsyncIterator[tuple[str, Fetch]]:
    """(base URL, how to fetch from it): ``*.test`` names, of which loopback counts as public."""
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*HOSTS).configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    app = web.Application()
    for path, handler in {
        "/a.png": _png, "/huge": _huge, "/silent": _silent, "/told": _told, "/404": _with(404),
        "/gzip": _with(Content_Encoding="gzip"), "/hop1": _to("/hop2"), "/hop2": _to("/hop3"), "/hop3": _to("/a.png"),
        "/hop0": _to("/hop1"), "/plain": _to("http://good.test/a.png"), "/nowhere": _to(""),
        "/idn": _to("https://bücher.test:{port}/a.png"), "/puny": _to("https://XN--bcher-kva.test:{port}/a.png"),
        "/idn-inner": _to("https://straße.test/a.png"),
        "/inner": _to("https://inner.test/a.png"), "/metadata": _to("https://169.254.169.254/latest"),
    }.items():  # fmt: skip
        app.router.add_get(path, handler)
    server = TestServer(app, port=0)
    await server.start_server(ssl=server_side)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return HOSTS.get(host, [host])

    fetch = Fetch(resolve, lambda address: address == "127.0.0.1", client_side, max_bytes=4096, seconds=5)
    yield f"https://good.test:{server.port}", fetch
    await server.close()


@pytest.mark.parametrize("path", ["/a.png", "/hop1", "/told", "/idn", "/puny"])
@pytest.mark.parametrize("host", ["good.test", "bücher.test", "BÜCHER.test", "xn--bcher-kva.test"])
async def test_what_is_fetched(site: tuple[str, Fetch], host: str, path: str) -> None:
    base, fetch = site
    assert await fetch.get(base.replace("good.test", host) + path, "p") == PNG


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/404", "answered 404"),
        ("/gzip", "compressed"),
        ("/huge", "larger"),
        ("/hop0", "redirects"),
        ("/plain", "only plain https"),
        ("/inner", "its host is not public"),
        ("/idn-inner", "its host is not public"),
        ("/metadata", "its host is not public"),
        ("/nowhere", "redirects"),
    ],
)
async def test_answers_that_are_refused(site: tuple[str, Fetch], path: str, why: str) -> None:
    base, fetch = site
    with pytest.raises(FaultError, match=why) as caught:
        await fetch.get(base + path, "messages[0].content[0].image_url.url")
    fault = caught.value.fault
    assert (fault.status, fault.code, fault.param) == (400, "invalid_url", "messages[0].content[0].image_url.url")


@pytest.mark.parametrize(
    "url",
    [
        "http://good.test/a.png", "https://user@good.test/", "https://user:secret@good.test/", "https:///a.png", "https://",
        "https://inner.test/", "https://straße.test/", "https://both.test/", "https://none.test/", "https://10.0.0.1/", "https://[::1]/",
        "https://169.254.169.254/latest/meta-data", "https://127.1/", "https://2130706433/", "https://[fe80::1%25eth0]/",
        "https://[", "https://good.test:99999/", "https://good.test:x/",
    ],
)  # fmt: skip
async def test_urls_that_are_refused_before_anything_is_sent(site: tuple[str, Fetch], url: str) -> None:
    with pytest.raises(FaultError) as caught:
        await site[1].get(url, "p")
    assert caught.value.fault.code == "invalid_url"
    assert "secret" not in caught.value.fault.message


async def test_a_certificate_that_is_not_trusted(site: tuple[str, Fetch]) -> None:
    base, fetch = site
    with pytest.raises(FaultError, match="could not be fetched"):
        await replace(fetch, ssl=True).get(base + "/a.png", "p")


async def test_an_answer_that_never_comes(site: tuple[str, Fetch]) -> None:
    base, fetch = site
    with pytest.raises(FaultError, match="did not arrive"):
        await replace(fetch, seconds=0.05).get(base + "/silent", "p")


async def test_a_name_is_resolved_once_per_hop(site: tuple[str, Fetch]) -> None:
    """A second answer of the resolver (rebinding) is never asked for."""
    base, fetch = site
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    assert await replace(fetch, resolve=resolve).get(base + "/a.png", "p") == PNG
    assert asked == ["good.test"]


# -- where URLs stand -----------------------------------------------------------------------------------------------

X = "https://good.test/x"


def chat(url: str) -> dict[str, Any]:
    picture = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": X}, picture]}]}


class Files(Fetch):
    """Answers without a network."""

    async def get(self, url: str, param: str) -> bytes:
        return {"png": PNG, "pdf": PDF, "bad": b"\x00\x01"}[url[-3:]]


async def test_pictures_become_data_uris() -> None:
    made = await fetch_media(chat("https://good.test/a.png"), REGISTRY["chat"], Files())
    assert made["messages"][0]["content"][1]["image_url"] == {
        "url": "data:image/png;base64,iVBORw0KGgoAAAAAAAAAAA==", "detail": "low",
    }  # fmt: skip
    assert made["messages"][0]["content"][0]["text"] == X


async def test_files_become_inline_data_on_the_gemini_surface() -> None:
    body = {"contents": [{"parts": [{"fileData": {"fileUri": "https://good.test/a.pdf", "mimeType": "text/html"}}]}]}
    made = await fetch_media(body, REGISTRY["gemini"], Files())
    assert made["contents"][0]["parts"] == [{"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0xLjcK"}}]


@pytest.mark.parametrize("name", ["a.pdf", "a.bad"])
async def test_what_is_no_picture_by_its_bytes_is_refused(name: str) -> None:
    with pytest.raises(FaultError, match="not an image"):
        await fetch_media(chat(f"https://good.test/{name}"), REGISTRY["chat"], Files())


async def test_how_many_and_how_large() -> None:
    many = {"messages": [chat(f"https://good.test/{n}.png")["messages"][0] for n in range(17)]}
    with pytest.raises(FaultError, match="16 URLs"):
        await fetch_media(many, REGISTRY["chat"], Files())
    two = {"messages": [chat(f"https://good.test/{n}.png")["messages"][0] for n in range(2)]}
    with pytest.raises(FaultError, match="larger"):
        await fetch_media(two, REGISTRY["chat"], Files(total_bytes=len(PNG)))
