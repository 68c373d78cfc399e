"""https URLs of pictures and files in a request → data URIs, where that is allowed (``remote_urls``).

The guard of threat T11: https only, no user info; the name is resolved once, all its addresses must be public, and only
these are connected to; each redirect is checked anew, at most 3; 10 MiB, 10 s, no cookies, no credentials, no
compression; the media type is what the bytes say. A host's name is its ASCII form (``xn--…``) throughout. Surfaces stay
pure: they see data URIs only.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ssl import SSLContext

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from zerogravity.addresses import Resolve, is_public, resolve
from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.base import MediaUrl, Surface
from zerogravity.surfaces.common import media

HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "zerogravity"}
REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class Fetch:
    """How to fetch. Only tests change ``resolve``, ``allowed`` and ``ssl``."""

    resolve: Resolve = resolve
    allowed: Callable[[str], bool] = is_public
    ssl: SSLContext | bool = True
    max_bytes: int = 10 << 20
    total_bytes: int = 20 << 20
    seconds: float = 10
    redirects: int = 3
    max_urls: int = 16

    async def get(self, url: str, param: str) -> bytes:
        """The body of a URL. Raises FaultError 400 naming ``param``, which never quotes what the host answered."""
        try:
            async with asyncio.timeout(self.seconds):
                return await self._follow(URL(url), param)
        except TimeoutError:
            raise refused(param, f"it did not arrive within {self.seconds:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise refused(param, "it could not be fetched") from None

    async def _follow(self, url: URL, param: str) -> bytes:
        for _ in range(self.redirects + 1):
            addresses = await self._addresses(url, param)
            async with self._session(url, addresses) as session, session.get(url, allow_redirects=False) as response:
                if response.status not in REDIRECTS:
                    return await self._read(response, param)
                url = url.join(URL(response.headers.get("Location", "")))
        raise refused(param, f"it redirects more than {self.redirects} times")

    async def _addresses(self, url: URL, param: str) -> Sequence[str]:
        """All of the name's addresses. Raises FaultError when one of them must not be reached."""
        if url.scheme != "https" or not url.raw_host or url.user is not None or url.password is not None:
            raise refused(param, "only plain https URLs are fetched")
        addresses = await self.resolve(url.raw_host, url.port or 443)
        if not addresses or not all(self.allowed(address) for address in addresses):
            raise refused(param, "its host is not public")
        return addresses

    def _session(self, url: URL, addresses: Sequence[str]) -> aiohttp.ClientSession:
        assert url.raw_host is not None
        connector = aiohttp.TCPConnector(
            resolver=Pinned(url.raw_host, addresses), ssl=self.ssl, use_dns_cache=False, force_close=True
        )
        return aiohttp.ClientSession(
            connector=connector, headers=HEADERS, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    async def _read(self, response: aiohttp.ClientResponse, param: str) -> bytes:
        if response.status != 200:
            raise refused(param, f"its server answered {response.status}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise refused(param, "its server compressed it")
        data = bytearray()
        async for piece in response.content.iter_any():
            data += piece
            if len(data) > self.max_bytes:
                raise refused(param, f"it is larger than {self.max_bytes >> 20} MiB")
        return bytes(data)


class Pinned(AbstractResolver):
    """Knows one name, already resolved and checked, so that a second look-up cannot give another address."""

    def __init__(self, host: str, addresses: Sequence[str]) -> None:
        self._host = host
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host != self._host:
            raise OSError(f"{host} has not been checked")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in self._addresses
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing to close."""


async def fetch_media(body: Mapping[str, object], surface: Surface, fetch: Fetch) -> Mapping[str, object]:
    """The body with its URLs replaced by what they name, in place: nobody else has it yet.

    Raises FaultError 400 naming the member.
    """
    urls = list(surface.media(body))
    if len(urls) > fetch.max_urls:
        raise refused(urls[fetch.max_urls].param, f"a request may name {fetch.max_urls} URLs")
    found: dict[str, bytes] = {}
    for url in urls:
        if url.url not in found:
            found[url.url] = await fetch.get(url.url, url.param)
        if sum(map(len, found.values())) > fetch.total_bytes:
            raise refused(url.param, f"the files of this request are larger than {fetch.total_bytes >> 20} MiB")
        put(url, found[url.url])
    return body


def put(url: MediaUrl, data: bytes) -> None:
    """Put ``data`` in the URL's place."""
    mime = media.sniff(data)
    if mime is None or (url.picture and not mime.startswith("image/")):
        raise refused(url.param, "it is not an image" if url.picture else "its media type is unknown")
    text = base64.b64encode(data).decode()
    if url.blob:
        del url.holder[url.member]
        url.holder["inlineData"] = {"mimeType": mime, "data": text}
    else:
        url.holder[url.member] = f"data:{mime};base64,{text}"


def refused(param: str, why: str) -> FaultError:
    """The client's URL cannot be used."""
    return bad_request(f"Invalid '{param}': {why}.", param=param, code="invalid_url")
