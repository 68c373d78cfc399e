"""The configured MCP servers, and what turns have shown of each: nobody is asked. Turns → JSON → words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from zerogravity import redact
from zerogravity.config import McpServer
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.registry import MitmStore
from zerogravity.observe import moments
from zerogravity.wire.narrow import Json, text

LONGEST = 300  # characters of what has gone wrong


@dataclass(slots=True)
class Server:
    """``kind``: how it is spoken with, http or stdio. ``seen``: wall-clock seconds, when it was last asked; None: not
    yet. ``failure``: why it was not reached then; empty: it was."""

    name: str
    kind: str
    seen: float | None = None
    failure: str = ""

    def as_json(self) -> dict[str, object]:
        """``reachable``: null: not known."""
        seen = None if self.seen is None else moments.utc(self.seen)
        reachable = None if self.seen is None else not self.failure
        told: dict[str, object] = {"name": self.name, "kind": self.kind, "reachable": reachable, "seen": seen}
        return {**told, "failure": self.failure} if self.failure else told


class McpServers:
    """``configured``: by name. ``wall``: wall-clock seconds."""

    def __init__(self, configured: Mapping[str, McpServer], wall: Callable[[], float] = time.time) -> None:
        self._urls = {name: server.url or "" for name, server in configured.items()}
        self._servers = {name: Server(name, "http" if url else "stdio") for name, url in self._urls.items()}
        self._wall = wall

    def watch(self, store: MitmStore) -> None:
        """Learn from every turn of ``store``."""
        if self._servers:
            store.on_closed.append(self.turn_closed)

    def turn_closed(self, channel: CascadeChannel) -> None:
        """Learn from a turn that has ended."""
        for name in self._asked(channel):
            server = self._servers[name]
            for failure in _outcomes(channel, name):
                server.seen, server.failure = self._wall(), redact.text(failure)[:LONGEST]

    def _asked(self, channel: CascadeChannel) -> list[str]:
        """A request may give a name of ours to a server of its own."""
        named = {server.label: server.url for server in channel.turn.servers}
        return [name for name, url in named.items() if name in self._servers and url in ("", self._urls[name])]

    def as_json(self) -> list[dict[str, object]]:
        """For ``/health`` and the like."""
        return [server.as_json() for server in self._servers.values()]


def _outcomes(channel: CascadeChannel, name: str) -> Iterator[str]:
    """Of each time that the server was asked in the turn: why it was not reached, or nothing. A list of tools that came
    with the request says nothing of it."""
    given = {server.label for server in channel.turn.servers if server.listed is not None}
    if (listing := channel.state.listing(name)) is not None and (listing.error or name not in given):
        yield listing.error
    for call in channel.state.function_calls:
        if call.server == name and call.returned is not None:
            match call.returned.error:
                case {"type": "http_error", "message": message}:
                    yield str(message)
                case {"type": "mcp_protocol_error"}:  # also of calls that are not worth asking for
                    pass
                case _:
                    yield ""


def lines(servers: Iterable[Json], now: float) -> list[str]:
    """``docs (http): reachable (12:30:00)``, of each as ``as_json`` tells it. ``now``: wall-clock seconds."""
    return [f"{text(one.get('name'))} ({text(one.get('kind'))}): {_words(one, now)}" for one in servers]


def _words(one: Json, now: float) -> str:
    if (seen := moments.wall(text(one.get("seen")))) is None:
        return "not used yet"
    form = "%H:%M:%S" if moments.local(seen, "%F") == moments.local(now, "%F") else "%m-%d %H:%M"
    failure = text(one.get("failure"))
    return f"{f'failed: {failure}' if failure else 'reachable'} ({moments.local(seen, form)})"
