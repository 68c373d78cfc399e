"""How many tokens a request has: Google's own count, by the API that its calls go to and with the same credentials.

What that API would not count whole, a missing credential, and every failure give None, and the client gets an estimate.
Facts: language-server-and-google C.6; wire-gemini-and-mapping 1.1.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import aiohttp

from zerogravity.core.turn import Turn
from zerogravity.hosts import GOOGLE
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import Json, members, whole

TIMEOUT_S = 5.0
LIMIT = 64 * 1024
SCHEMAS = ("responseSchema", "responseJsonSchema")  # all of generationConfig that has tokens


@dataclass(frozen=True, slots=True)
class CountApi:
    """One of Google's APIs. ``path`` with ``{model}``; ``header``: how the credential is sent, ``{}`` in its place.
    ``form``: Google's name of the model, the request → the body; None: more than this API counts."""

    path: str
    header: tuple[str, str]
    form: Callable[[str, Json], Json | None]


def _contents_alone(model: str, request: Json) -> Json | None:
    config = members(request.get("generationConfig"))
    more = [request.get(name) for name in ("systemInstruction", "tools", "cachedContent")]
    if any(more) or any(config.get(name) for name in SCHEMAS):
        return None
    return {"request": {"model": f"models/{model}", "contents": request.get("contents")}}


def _whole_request(model: str, request: Json) -> Json:
    counted = _members(request, "contents", "systemInstruction", "tools", "toolConfig", "cachedContent")
    return {"generateContentRequest": {"model": f"models/{model}", **counted}}


def _vertex_request(model: str, request: Json) -> Json | None:
    return None if request.get("cachedContent") else _members(request, "contents", "systemInstruction", "tools")


def _members(request: Json, *names: str) -> Json:
    """Those members, and of generationConfig the schema of the answer: nothing else of it has tokens."""
    config = members(request.get("generationConfig"))
    form = {name: config[name] for name in ("responseMimeType", *SCHEMAS) if config.get(name)}
    counted = {name: request[name] for name in names if request.get(name)}
    return {**counted, "generationConfig": form} if form.keys() & set(SCHEMAS) else counted


BEARER, KEY = ("Authorization", "Bearer {}"), ("x-goog-api-key", "{}")
EDITOR = CountApi("/v1internal:countTokens", BEARER, _contents_alone)
GEMINI = CountApi("/v1beta/models/{model}:countTokens", KEY, _whole_request)
VERTEX = CountApi(
    "/v1beta1/publishers/google/models/{model}:countTokens", KEY, _vertex_request
)  # a key needs no project
APIS = {"editor": EDITOR, "gemini": GEMINI, "vertex": VERTEX}


@dataclass(frozen=True, slots=True)
class GoogleCount:
    """``credential``: a bearer or a key, as the API wants it; None while there is none. ``base``: where the calls to
    Google go; ``proxy``: through which proxy; ``bundle``: roots to trust."""

    api: CountApi
    credential: Callable[[], str | None] = field(repr=False)
    base: str = GOOGLE
    proxy: str | None = None
    bundle: Path | None = None
    timeout_s: float = TIMEOUT_S

    async def __call__(self, turn: Turn) -> int | None:
        name, credential, request = turn.target.wire_model or turn.target.name, self.credential(), turn.google_request
        payload = self.api.form(name, request) if credential and request.get("contents") else None
        if credential is None or payload is None:
            return None
        header, value = self.api.header
        headers = {header: value.format(credential), "Content-Type": "application/json"}
        url = self.base + self.api.path.format(model=quote(name, safe=""))
        timeout = aiohttp.ClientTimeout(total=self.timeout_s)
        try:
            trust = True if self.bundle is None else ssl.create_default_context(cafile=self.bundle)
            async with (
                aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=trust)) as http,
                http.post(
                    url, data=jsonio.dumps(payload), headers=headers, proxy=self.proxy, allow_redirects=False
                ) as answer,
            ):
                return total(await answer.content.read(LIMIT)) if answer.status == 200 else None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return None


def total(data: bytes) -> int | None:
    """``totalTokens`` of an answer. Raises ValueError for what is not JSON."""
    return whole(members(jsonio.loads(data)).get("totalTokens"))
