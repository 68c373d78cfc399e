"""What the front server uses, handed in by ``compose``; and the typed keys to reach it.

Every service is a Protocol or a plain value, so that tests can hand in fakes.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from zerogravity.config import Config
from zerogravity.cooldowns import Cooldowns
from zerogravity.core.budget import Budget
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import Termination
from zerogravity.observe.health import Health
from zerogravity.observe.mcp_servers import McpServers
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.runs import Runs
from zerogravity.server.fetch import Fetch
from zerogravity.store.base import ResponseStore
from zerogravity.surfaces.base import Surface, Surfaces
from zerogravity.surfaces.common.models import ModelInfo


class TurnRunner(Protocol):
    """The engine, as the server sees it."""

    def run(self, turn: Turn) -> CascadeChannel: ...
    def cancel(self, channel: CascadeChannel, termination: Termination = Termination.CANCELLED) -> bool: ...


class ModelCatalogue(Protocol):
    """The models. ``resolve`` and ``get`` (an entry of the list) raise FaultError 404."""

    def resolve(self, name: str) -> Target: ...
    def get(self, name: str) -> ModelInfo: ...
    def list(self) -> Sequence[ModelInfo]: ...


class RequestRecorder(Protocol):
    """The trace recorder, as the server sees it. Must never wait and never raise."""

    def client_request(self, turn: Turn, body: bytes, headers: Mapping[str, str]) -> None: ...


class Bearer:
    """The Google bearer that replaces the language server's own on claimed calls. In memory only."""

    __slots__ = ("value",)

    def __init__(self, value: str | None = None) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Bearer({'set' if self.value else 'unset'})"


@dataclass(slots=True)
class Services:
    """``responses``  stored responses; the server closes them when it stops.
    ``secret``  32 bytes that authenticate ``encrypted_content``; a fixed one keeps it valid across restarts.
    ``surfaces``  the APIs that are spoken, by name.
    ``mount``  adds further routes, e.g. the inspector's, before the application is frozen.
    ``count_tokens``  Google's own count (``counting.py``), if there is a way to get one.
    ``fetch``  how remote media are fetched, where the configuration allows it.
    ``budget``  how much memory may be used.
    ``mcp_servers``  the configured ones, and what is known of each.
    ``cooldowns``  which models Google has asked to leave alone.
    ``runs``  what each ``zerogravity run`` has caused.
    ``wall``  wall-clock seconds, for display only. ``parses``  bounds how many large bodies are parsed at a time.
    """

    store: MitmStore
    engine: TurnRunner
    catalogue: ModelCatalogue
    config: Config
    responses: ResponseStore
    health: Health
    metrics: Metrics
    surfaces: Surfaces
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    bearer: Bearer = field(default_factory=Bearer)
    mount: Callable[[web.Application], None] | None = None
    recorder: RequestRecorder | None = None
    count_tokens: Callable[[Turn], Awaitable[int | None]] | None = None
    fetch: Fetch = field(default_factory=Fetch)
    wall: Callable[[], float] = time.time
    budget: Budget = field(default_factory=Budget)
    runs: Runs = field(default_factory=Runs)
    cooldowns: Cooldowns = field(default_factory=lambda: Cooldowns(0))
    mcp_servers: McpServers = field(default_factory=lambda: McpServers({}))
    parses: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))


@dataclass(slots=True)
class Exchange:
    """One HTTP request as the access log will show it. ``owner``: a hash of the key it came with; ``authorized``: it is
    one that is accepted, or none is needed."""

    id: str
    started: float
    surface: Surface
    owner: str = ""
    authorized: bool = False
    channel: CascadeChannel | None = None
    first_byte: float | None = None  # when it was sent
    sent_bytes: int = 0
    client_gone: bool = False
    code: str = ""


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
EXCHANGE: web.RequestKey[Exchange] = web.RequestKey("exchange", Exchange)
RUN: web.RequestKey[str] = web.RequestKey("run", str)  # the id in front of its path; without one: missing
