"""How many tokens a request has: Google's own count, asked for with a bearer of the user's own.

Google's ``countTokens`` behind the language server takes contents and nothing else. A request with more than that, a
missing bearer, and every failure give None, and the client gets an estimate. Facts: language-server-and-google C.6.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from zerogravity.core.turn import Turn
from zerogravity.hosts import GOOGLE
from zerogravity.server.services import Bearer
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import members, whole

PATH = "/v1internal:countTokens"
TIMEOUT_S = 5.0
LIMIT = 64 * 1024
UNCOUNTED = ("systemInstruction", "tools", "cachedContent")
UNCOUNTED_FORMS = ("responseSchema", "responseJsonSchema")


@dataclass(frozen=True, slots=True)
class GoogleCount:
    """``base``: where the language server's calls go; ``proxy``: through which proxy; ``bundle``: roots to trust."""

    bearer: Bearer
    base: str = GOOGLE
    proxy: str | None = None
    bundle: Path | None = None
    timeout_s: float = TIMEOUT_S

    async def __call__(self, turn: Turn) -> int | None:
        if self.bearer.value is None or not countable(turn):
            return None
        payload = {
            "model": f"models/{turn.target.wire_model or turn.target.name}",
            "contents": turn.google_request["contents"],
        }
        headers = {"Authorization": f"Bearer {self.bearer.value}", "Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=self.timeout_s)
        try:
            trust = True if self.bundle is None else ssl.create_default_context(cafile=self.bundle)
            async with (
                aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=trust)) as http,
                http.post(
                    self.base + PATH, data=jsonio.dumps({"request": payload}), headers=headers, proxy=self.proxy,
                    allow_redirects=False,
                ) as answer,
            ):  # fmt: skip
                return total(await answer.content.read(LIMIT)) if answer.status == 200 else None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return None


def countable(turn: Turn) -> bool:
    """Whether the contents are all there is to count."""
    request, config = turn.google_request, members(turn.google_request.get("generationConfig"))
    more = [request.get(name) for name in UNCOUNTED] + [config.get(name) for name in UNCOUNTED_FORMS]
    return bool(request.get("contents")) and not any(more)


def total(data: bytes) -> int | None:
    """``totalTokens`` of an answer. Raises ValueError for what is not JSON."""
    return whole(members(jsonio.loads(data)).get("totalTokens"))
