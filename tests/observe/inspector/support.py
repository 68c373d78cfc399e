"""A front server with the inspector mounted, over a store whose turns are scripted by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from zerogravity import ids
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Failed,
    Finished,
    FunctionCall,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.registry import MitmStore
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination, upstream
from zerogravity.observe.witnesses import Bodies
from zerogravity.server.app import FrontServer
from zerogravity.testing import builders

TOKEN = "a-token-for-the-inspector"
HOSTILE = '</script><img src=x onerror="document.title=1"><b>&amp;\u202e'
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}


@dataclass
class Scene:
    """What is looked at. Turns are opened and fed by the test; the clock moves only when it says so."""

    store: MitmStore
    bodies: Bodies
    advance: Callable[[float], None]
    health: dict[str, Any] = field(default_factory=lambda: {"line": "ready", "active": 1})
    offsets: dict[str, int] = field(default_factory=dict)

    def client_request(self, channel: CascadeChannel, body: bytes) -> None:
        self.bodies.client_request(channel.turn, body, {})

    def upstream_request(self, channel: CascadeChannel, original: bytes, sent: bytes, call: int = 0) -> None:
        self.bodies.upstream_request(channel.id, call, original, sent, {})

    def turn(self, text: str = "hi", surface: str = "chat", **fields: Any) -> Turn:
        given = {"id": ids.new("turn"), "google_request": builders.google_request(text), "stream": True}
        return builders.turn(surface=surface, **{**given, "created": 1e9, **fields})

    def open(self, text: str = "hi", surface: str = "chat", *, to: str = "matched", **fields: Any) -> CascadeChannel:
        """A new turn, as far as phase ``to``."""
        running = self.store.open(self.turn(text, surface, **fields))
        for phase in ("queued", "admitted", "told", "matched"):
            running.mark(phase)  # type: ignore[arg-type]
            if phase == "told":
                self.store.bind(running, f"cascade-{running.id}")
            if phase == to:
                break
        return running.channel

    def inside(self, channel: CascadeChannel) -> RunningTurn:
        """The running turn whose channel it is."""
        running = self.store.running(channel.id)
        assert running is not None
        return running

    def say(self, channel: CascadeChannel, part: dict[str, Any] | None, *events: Event, call: int = 0) -> None:
        """One upstream event with its bytes; without ``part`` a step of our own."""
        if part is None:
            self.inside(channel).append(call, b"", events)
            return
        data = json.dumps({"response": {"candidates": [{"content": {"parts": [part]}}]}}).encode()
        start = self.offsets.get(channel.id, 0)
        end = self.offsets[channel.id] = start + len(data) + 8
        self.inside(channel).append(call, data, events, (start, end))

    def think(self, channel: CascadeChannel, text: str) -> None:
        self.say(channel, {"thought": True, "text": text}, ThinkingDelta(text))

    def text(self, channel: CascadeChannel, text: str) -> None:
        self.say(channel, {"text": text}, TextDelta(text))

    def call(self, channel: CascadeChannel, name: str = "read_file", args: str = '{"path":"a.py"}') -> None:
        part = {"functionCall": {"name": name, "args": json.loads(args)}}
        self.say(channel, part, FunctionCall(ids.derive("call", channel.id, len(channel.records)), name, args, "c2ln"))

    def begin(self, channel: CascadeChannel) -> None:
        self.say(channel, None, AttemptOpened("gemini-3-flash"))

    def end(self, channel: CascadeChannel, reason: str = "stop") -> CascadeChannel:
        self.say(channel, {"text": ""}, Usage(1200, 1000, 30, 12, 0, 1242), AttemptClosed("STOP"))
        self.inside(channel).close(Finished(reason))  # type: ignore[arg-type]
        return channel

    def fail(self, channel: CascadeChannel, message: str = "Google's answer broke off") -> CascadeChannel:
        self.inside(channel).close(Failed(upstream(502, "upstream_dropped", message, Termination.UPSTREAM_DROP)))
        return channel

    def whole(
        self, text: str = "Hello there", asked: str = "hi", surface: str = "chat", **fields: Any
    ) -> CascadeChannel:
        """A good turn: thinking, then ``text`` word by word."""
        channel = self.open(asked, surface, **fields)
        self.begin(channel)
        self.think(channel, "let me see")
        for word in text.split(" "):
            self.advance(0.05)
            self.text(channel, word + " ")
        return self.end(channel)


@dataclass
class Looked:
    """A running server, its scene, and a client that has the inspector's cookie."""

    scene: Scene
    running: FrontServer
    http: aiohttp.ClientSession
    stopped: bool = False

    @property
    def url(self) -> str:
        return self.running.url

    async def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            await self.running.stop()

    @property
    def link(self) -> str:
        return f"{self.url}/inspector?token={TOKEN}"

    @property
    def cookie(self) -> dict[str, str]:
        return {f"zg_inspector_{self.running.port}": TOKEN}

    async def ask(self, path: str, *, method: str = "GET", **options: Any) -> tuple[int, Any, bytes]:
        """(status, headers, body), with the cookie unless told otherwise. ``path`` is sent as it is."""
        options = {"cookies": self.cookie, "allow_redirects": False, **options}
        async with self.http.request(method, URL(self.url + path, encoded=True), **options) as answer:
            return answer.status, answer.headers, await answer.read()

    async def get(self, path: str) -> Any:
        """The JSON of an endpoint that must answer well; ``path`` below ``/inspector/api/``."""
        status, _, body = await self.ask(f"/inspector/api/{path}")
        assert status == 200, body
        return json.loads(body)
