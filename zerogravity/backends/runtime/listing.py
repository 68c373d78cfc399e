"""Which models Google's public API offers to this key: asked through the same route as the runtime's calls."""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp

from zerogravity.backends.base import Route
from zerogravity.backends.runtime import models
from zerogravity.backends.runtime.settings import Settings
from zerogravity.core.turn import Model
from zerogravity.errors import Fault, FaultError
from zerogravity.wire import google_errors, jsonio

logger = logging.getLogger("zerogravity.language_server")
TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)
FRESH_S, RETRY_S = 600.0, 10.0
PAGES = 20
REFUSED = (400, 401, 403)  # of a key or login; anything else says nothing about whether turns can be served


class Listing:
    """``fault``: why Google has refused the key, as far as is known."""

    def __init__(self, settings: Settings, route: Route, clock: Callable[[], float]) -> None:
        self.fault: Fault | None = None
        self._settings = settings
        self._route = route
        self._clock = clock
        self._next = -math.inf  # when to ask again
        self._models: tuple[Model, ...] = models.TABLE
        self._asking = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def models(self) -> tuple[Model, ...]:
        """Google's list, at most ``FRESH_S`` old; the usual names where it cannot be had. Raises FaultError: Google
        refuses the key."""
        async with self._asking:
            if self._clock() >= self._next:
                answered = await self._ask()
                self._next = self._clock() + (FRESH_S if answered else RETRY_S)
        if self.fault is not None:
            raise FaultError(self.fault)
        return self._models

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(self) -> bool:
        """Whether Google has answered with a list, or never will."""
        vertex = self._settings.vertex
        if vertex is not None and not self._settings.key:
            return True  # a project's login is the runtime's: there is none to ask with
        try:
            found = await self._pages("/v1beta/models" if vertex is None else "/v1beta1/publishers/google/models")
        except FaultError as error:
            why = error.fault.message
            self.fault = error.fault if error.fault.upstream_status in REFUSED else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            why, self.fault = type(error).__name__, None
        else:
            self._models, self.fault = found or models.TABLE, None
            return True
        logger.info("Google's list of models cannot be had: %s", why)
        return False

    async def _pages(self, path: str) -> tuple[Model, ...]:
        pages: list[object] = []
        token = ""
        for _ in range(PAGES):
            query = {"pageSize": "1000", **({"pageToken": token} if token else {})}
            pages.append(await self._page(path, query))
            if not (token := models.next_page(pages[-1])):
                break
        return models.read(pages)

    async def _page(self, path: str, query: dict[str, str]) -> object:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT, trust_env=False)
        url = (self._route.endpoint or self._settings.google) + path
        headers = {"x-goog-api-key": self._settings.key}
        asking = self._session.get(url, params=query, headers=headers, allow_redirects=False, **self._way())
        async with asking as response:
            body = await response.read()
            if response.status != 200:
                raise FaultError(google_errors.decode_error(response.status, dict(response.headers), body))
            return jsonio.loads(body)

    def _way(self) -> dict[str, Any]:
        """Through our proxy, whose authority signs for Google there."""
        route = self._route
        if route.proxy is None:
            return {}
        context = ssl.create_default_context(cafile=None if route.bundle is None else str(route.bundle))
        return {"proxy": route.proxy, "ssl": context}
