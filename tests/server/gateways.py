"""Two gateways on one Redis, in this process."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from tests.redis_server import RedisServer
from tests.server.support import Serve, Served, forever
from zerogravity.core.events import AttemptOpened, Event, TextDelta, ThinkingDelta
from zerogravity.core.running import RunningTurn
from zerogravity.store.base import StoreLimits
from zerogravity.store.redis.connection import Connection
from zerogravity.store.redis.entries import RedisStore

PATH = "/v1/responses"
BEHIND: dict[str, Any] = {"model": "gemini-3-flash", "input": "hi", "background": True}
STORY: list[tuple[Event, ...]] = [
    (AttemptOpened(),), (ThinkingDelta("Let me see.\n\u2028"),), (TextDelta("Hel"),), (TextDelta("lo"),),
]  # fmt: skip


@dataclass
class Gateways:
    """``first`` runs what is asked of it for ever; ``second`` is asked about it."""

    first: Served
    second: Served

    async def begin(self, headers: dict[str, str] | None = None) -> tuple[RunningTurn, str]:
        """A background turn at the first one: from inside, and the id of its response."""
        _, _, begun = await self.first.post(PATH, BEHIND, headers=headers)
        return self.first.engine.turns[-1], begun["id"]

    async def ask(
        self, identity: str, method: str = "GET", end: str = "", key: str = "", served: Served | None = None
    ) -> tuple[int, Any]:
        """(status, body) of the second one's answer."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        served = served or self.second
        status, _, body = await served.ask(method, f"{PATH}/{identity}{end}", headers)
        return status, json.loads(body)

    async def status(self, identity: str) -> str:
        return (await self.ask(identity))[1]["status"]


async def gateways(serve: Serve, server: RedisServer, **settings: Any) -> Gateways:
    """Both, with the same settings."""
    made: list[Served] = []
    for _ in range(2):
        store = RedisStore(Connection(server.url), StoreLimits(1000))
        await store.open()
        made.append(await serve(services={"responses": store}, **settings))
    made[0].engine.script = forever
    return Gateways(*made)


async def read(served: Served, identity: str, after: int | None = None) -> bytes:
    """A stream to its end."""
    query = "" if after is None else f"&starting_after={after}"
    async with served.http.get(f"{served.url}{PATH}/{identity}?stream=true{query}") as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        return await answer.read()


def split(data: bytes) -> list[bytes]:
    """Frames; heartbeats are no part of the stream."""
    frames = [frame + b"\n\n" for frame in data.split(b"\n\n")[:-1]]
    assert b"".join(frames) == data
    return [frame for frame in frames if not frame.startswith(b":")]


class Reader:
    """A client that reads a stream frame by frame."""

    def __init__(self, served: Served, identity: str, after: int | None = None) -> None:
        query = "" if after is None else f"&starting_after={after}"
        self._url = f"{served.url}{PATH}/{identity}?stream=true{query}"
        self._http = served.http
        self.frames: list[bytes] = []

    async def __aenter__(self) -> Reader:
        self._answer = await self._http.get(self._url)
        assert self._answer.status == 200, await self._answer.text()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._answer.close()

    async def until(self, name: str) -> None:
        """Read up to the first frame of that event; ``heartbeat``: of a comment."""
        wanted = b":" if name == "heartbeat" else f"event: response.{name}\n".encode()
        async with asyncio.timeout(20):
            while not self.frames or not self.frames[-1].startswith(wanted):
                self.frames.append(await self._answer.content.readuntil(b"\n\n"))

    async def rest(self) -> bytes:
        """What comes to the end. Raises ClientPayloadError where the stream is broken off."""
        async with asyncio.timeout(20):
            return await self._answer.content.read()
