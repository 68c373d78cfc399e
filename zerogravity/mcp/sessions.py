"""The sessions of all turns: one of each server in a turn, opened at its first use, closed with the turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zerogravity import background
from zerogravity.config import Limits
from zerogravity.core.channel import CascadeChannel
from zerogravity.mcp.failures import gone
from zerogravity.mcp.servers import Endpoint

if TYPE_CHECKING:
    from zerogravity.mcp.connection import Connection

CLOSE_S = 10.0


class ServerSessions:
    """``connect``: makes a connection; by default the SDK's, which is only then imported: that takes a second."""

    def __init__(self, limits: Limits, connect: Callable[[Endpoint, Limits], Any] | None = None) -> None:
        self._limits = limits
        self._connect = connect
        self._open: dict[str, dict[str, Connection]] = {}  # turn id → label → session
        self._tasks = background.Tasks()

    async def of(self, channel: CascadeChannel, endpoint: Endpoint) -> Connection:
        """The turn's session with that server. Raises ServerError when the turn is over."""
        if self._connect is None:
            self._connect = await asyncio.to_thread(_sdk)
        if channel.closed:
            raise gone("the turn is over")
        sessions = self._open.setdefault(channel.id, {})
        if endpoint.label not in sessions:
            sessions[endpoint.label] = self._connect(endpoint, self._limits)
        return sessions[endpoint.label]

    def turn_closed(self, channel: CascadeChannel) -> None:
        """What is still being asked is cancelled at the servers, too."""
        for session in self._open.pop(channel.id, {}).values():
            self._tasks.spawn(session.close(), f"close an MCP session of turn {channel.id}")

    async def close(self) -> None:
        """Wait until all are closed. Every turn is over by then."""
        await self._tasks.end(CLOSE_S)


def _sdk() -> Callable[[Endpoint, Limits], Connection]:
    from zerogravity.mcp.connection import Connection

    return Connection
