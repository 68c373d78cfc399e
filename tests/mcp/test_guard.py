"""Where the SDK's client may connect to. No name is looked up and nothing but loopback is reached: the resolver and the
rule for loopback are the tests' own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.ports import free_port
from zerogravity.addresses import is_public
from zerogravity.mcp.guard import Guard, Refused


class Names:
    """What a name is, at each look-up in turn."""

    def __init__(self, *found: Sequence[str] | OSError) -> None:
        self.found = list(found)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answer = self.found.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest_asyncio.fixture
async def server(authority: trustme.CA) -> AsyncIterator[TestServer]:
    async def hello(request: web.Request) -> web.Response:
        if request.path == "/away":
            return web.Response(status=307, headers={"Location": "https://inside.example/"})
        return web.Response(text=request.host)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hello)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("server.example").configure_cert(context)
    made = TestServer(app)
    await made.start_server(ssl=context)
    yield made
    await made.close()


def guard(authority: trustme.CA, names: Names, **more: Any) -> Guard:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    inner = httpx2.AsyncHTTPTransport(verify=context, trust_env=False)
    more.setdefault("allowed", lambda address: address == "127.0.0.1" or is_public(address))
    return Guard(public=True, max_bytes=1 << 20, resolve=names, inner=inner, **more)


async def test_the_address_that_was_checked_is_connected_to(authority: trustme.CA, server: TestServer) -> None:
    names = Names(["127.0.0.1"])
    async with httpx2.AsyncClient(transport=guard(authority, names)) as client:
        answer = await client.get(f"https://server.example:{server.port}/")
    assert (answer.status_code, answer.text) == (200, f"server.example:{server.port}")
    assert str(answer.request.url.host) == "server.example"
    assert names.asked == [("server.example", server.port)]


async def test_a_name_that_has_become_another_is_refused(authority: trustme.CA, server: TestServer) -> None:
    """DNS rebinding: public when it is listed, private when it is called."""
    made = guard(authority, Names(["127.0.0.1"], ["10.0.0.1"]))
    async with httpx2.AsyncClient(transport=made) as client:
        await client.get(f"https://server.example:{server.port}/")
        with pytest.raises(Refused, match="its host is not public"):
            await client.get(f"https://server.example:{server.port}/")
    assert made.failure == "its host is not public"


@pytest.mark.parametrize(
    ("url", "found", "why"),
    [
        ("https://inside.example/", ["10.0.0.1"], "its host is not public"),
        ("https://inside.example/", ["8.8.8.8", "169.254.169.254"], "its host is not public"),
        ("https://[::1]/", ["::1"], "its host is not public"),
        ("https://nothing.example/", [], "its host has no address"),
        ("http://server.example/", ["8.8.8.8"], "only https is spoken with it"),
    ],
)
async def test_addresses_that_are_refused(authority: trustme.CA, url: str, found: list[str], why: str) -> None:
    async with httpx2.AsyncClient(transport=guard(authority, Names(found), allowed=is_public)) as client:
        with pytest.raises(Refused, match=why):
            await client.post(url)


async def test_a_redirect_is_a_request_like_any_other(authority: trustme.CA, server: TestServer) -> None:
    made = guard(authority, Names(["127.0.0.1"], ["192.168.0.1"]))
    async with httpx2.AsyncClient(transport=made, follow_redirects=True) as client:
        with pytest.raises(Refused):
            await client.get(f"https://server.example:{server.port}/away")


async def test_an_address_that_does_not_answer_is_followed_by_the_next(
    authority: trustme.CA, server: TestServer
) -> None:
    names = Names(["127.0.0.2", "127.0.0.1"], ["127.0.0.2"])
    made = guard(authority, names, allowed=lambda _: True)
    async with httpx2.AsyncClient(transport=made) as client:
        assert (await client.get(f"https://server.example:{server.port}/")).status_code == 200
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"https://server.example:{free_port()}/")


async def test_a_name_that_is_not_known(authority: trustme.CA) -> None:
    async with httpx2.AsyncClient(transport=guard(authority, Names(OSError("no")))) as client:
        with pytest.raises(httpx2.ConnectError, match="its host is not known"):
            await client.get("https://server.example/")


async def test_a_certificate_of_another_name_is_refused(authority: trustme.CA, server: TestServer) -> None:
    async with httpx2.AsyncClient(transport=guard(authority, Names(["127.0.0.1"]))) as client:
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(f"https://other.example:{server.port}/")
