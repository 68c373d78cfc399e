"""Where the language-server stand-in's calls go, which can be set while it runs, and what it has learnt there.

Facts: language-server-schema (SetCloudCodeURL, GetLoadCodeAssist, GetAvailableModels).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import urlsplit

from zerogravity.testing.simulator import Json, Object
from zerogravity.testing.simulator.language_server.google_client import GoogleClient, GoogleGone, GoogleRefused
from zerogravity.testing.simulator.language_server.options import LsOptions
from zerogravity.testing.simulator.language_server.rpc_error import RpcError

METADATA: Json = {"metadata": {"ideType": "ANTIGRAVITY"}}


class CloudCode:
    """``unary``: its methods, as those of ``Service``."""

    def __init__(self, options: LsOptions, google: GoogleClient) -> None:
        self._options = options
        self._google = google
        self._learnt: dict[str, Object] = {}
        self.unary: dict[str, Callable[[Object], Awaitable[Json]]] = {
            "SetCloudCodeURL": self._set_url,
            "GetLoadCodeAssist": partial(self._learn, "loadCodeAssist", METADATA),
            "GetAvailableModels": partial(self._learn, "fetchAvailableModels", {"project": options.project}),
        }

    async def _set_url(self, body: Object) -> Json:
        url = body.get("url", "")
        if not isinstance(url, str):
            raise ValueError("url is no string")
        if urlsplit(url).scheme not in ("http", "https"):
            raise RpcError(400, "invalid_argument", f"invalid URL: {url}")
        if self._options.repointable:
            self._options.endpoint = url
        return {}

    async def _learn(self, method: str, request: Json, body: Object) -> Json:
        """Google's answer: the last one, unless there is none or ``forceRefresh`` asks for another."""
        if method not in self._learnt or body.get("forceRefresh") is True:
            try:
                self._learnt[method] = await self._google.ask(method, request)
            except GoogleRefused as error:
                raise RpcError(500, "unknown", str(error)) from None
            except GoogleGone as error:
                raise RpcError(503, "unavailable", str(error)) from None
        return {"response": self._learnt[method]}
