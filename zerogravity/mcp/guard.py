"""What stands between the SDK's HTTP client and a server: where it may connect, and how much it may read.

The name of a server that a request names is resolved for each request, all its addresses must be public, and one of
these is connected to, so that a second look-up cannot give another one (threat T11). Redirects stay within the origin
(the SDK sees to that), and are requests like any other here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import httpx2

from zerogravity.addresses import Resolve, is_public, resolve


class Refused(httpx2.TransportError):
    """The server must not be reached, or its answer is not read on."""


@dataclass(slots=True)
class Guard(httpx2.AsyncBaseTransport):
    """``public``: only public addresses. ``max_bytes``: of one answer; of a stream the SDK bounds each event.
    ``status``: what the newest POST was answered; ``failure``: why the guard has refused something, if it has. Only
    tests change ``resolve``, ``allowed`` and ``inner``."""

    public: bool
    max_bytes: int
    resolve: Resolve = resolve
    allowed: Callable[[str], bool] = is_public
    inner: httpx2.AsyncBaseTransport = field(default_factory=lambda: httpx2.AsyncHTTPTransport(trust_env=False))
    status: int = 0
    failure: str = ""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The server's answer. Raises httpx2.TransportError."""
        response = await self._answer(request)
        if request.method == "POST":
            self.status = response.status_code
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise self.refuse("its answer is compressed")
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Bounded(response.stream, self)
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()

    def refuse(self, why: str) -> Refused:
        self.failure = self.failure or why
        return Refused(why)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        """By the first of its addresses that can be connected to."""
        if not self.public:
            return await self.inner.handle_async_request(request)
        failed: httpx2.ConnectError | None = None
        for address in await self._addresses(request.url):
            there = httpx2.Request(
                request.method, request.url.copy_with(host=address), headers=request.headers, stream=request.stream,
                extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
            )  # fmt: skip
            try:
                return await self.inner.handle_async_request(there)
            except httpx2.ConnectError as error:
                failed = error
        raise failed or self.refuse("its host has no address")

    async def _addresses(self, url: httpx2.URL) -> Sequence[str]:
        if url.scheme != "https":
            raise self.refuse("only https is spoken with it")
        try:
            found = await self.resolve(url.raw_host.decode("ascii"), url.port or 443)
        except OSError:
            raise httpx2.ConnectError("its host is not known") from None
        if not all(self.allowed(address) for address in found):
            raise self.refuse("its host is not public")
        return found


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, guard: Guard) -> None:
        self._inner = inner
        self._guard = guard

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._inner:
            size += len(piece)
            if size > self._guard.max_bytes:
                raise self._guard.refuse(f"it answers with more than {self._guard.max_bytes} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()
