"""A gateway that runs, as another process of this machine sees it: whether it is one of ours, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from zerogravity.observe.health import Check
from zerogravity.wire.narrow import Json, members, objects, text

NOTHING: Json = {}
TIMEOUT = aiohttp.ClientTimeout(total=5)
SILENT = (aiohttp.ClientError, TimeoutError, ValueError)


def nobody(url: str) -> OSError:
    """No gateway answers there."""
    return OSError(f"no gateway answers on {url}; start one with: zerogravity serve")


def stranger(url: str) -> OSError:
    """Something else answers there."""
    return OSError(f"{url} answers, but it is not zerogravity")


@dataclass(frozen=True, slots=True)
class Gateway:
    """``url``: without a slash at its end. ``key``: one that it accepts; None: it asks for none."""

    url: str
    key: str | None = field(default=None, repr=False)

    async def is_there(self) -> bool:
        """False: nobody listens. Raises OSError when somebody else does; no key has been sent by then."""
        try:
            _, body = await self._answer("GET", "/health", {})
        except aiohttp.ClientConnectorError:
            return False
        except SILENT:
            body = NOTHING
        if body.get("server") != "zerogravity":
            raise OSError(f"{self.url} is taken: something answers there, but it is not zerogravity")
        return True

    async def broken(self) -> Check | None:
        """The first hop that keeps turns from being served; None: it is ready. Raises OSError if it does not answer."""
        status, body = await self._asked("/ready")
        if status == 200:
            return None
        checks = [Check.from_json(check) for check in objects(body.get("checks"))]
        return next((check for check in checks if not check.ok), Check("gateway", False, "it is not ready"))

    async def models(self) -> list[str]:
        """Names of the models it offers. Raises OSError."""
        status, body = await self._asked("/v1/models")
        if status != 200:
            remedy = "; its key belongs into ZEROGRAVITY_KEY" if status == 401 else ""
            raise OSError(f"{self.url} refuses: {text(members(body.get('error')).get('message')) or status}{remedy}")
        return [text(model.get("id")) for model in objects(body.get("data"))]

    async def totals(self, run: str, *, ended: bool = False) -> Json:
        """What a run has caused so far, see ``Runs``. ``ended``: tells that its program has. Raises OSError."""
        status, body = await self._asked(f"/run/{run}", "POST" if ended else "GET")
        if status != 200:
            raise OSError(f"{self.url} does not tell what the run used ({status})")
        return body

    async def _asked(self, path: str, method: str = "GET") -> tuple[int, Json]:
        try:
            return await self._answer(method, path, {"Authorization": f"Bearer {self.key}"} if self.key else {})
        except SILENT as error:
            raise OSError(f"the gateway on {self.url} no longer answers") from error

    async def _answer(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, Json]:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, headers=headers) as session,
            session.request(method, self.url + path, allow_redirects=False) as answer,
        ):
            body: object = await answer.json()
            return answer.status, members(body)
