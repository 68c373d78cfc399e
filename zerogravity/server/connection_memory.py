"""Responses that only one WebSocket connection knows: bounded in number for each, in bytes for all. Oldest go first."""

from __future__ import annotations

from collections import OrderedDict

from zerogravity.surfaces.responses.stored import StoredResponse

LocalResponses = OrderedDict[str, StoredResponse]
PER_CONNECTION = 32


class ConnectionMemory:
    """``bytes``: what all connections keep, roughly."""

    def __init__(self, max_bytes: int) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._all: OrderedDict[tuple[int, str], tuple[LocalResponses, int]] = OrderedDict()

    def add(self, known: LocalResponses, stored: StoredResponse, size: int) -> None:
        """One more response of the connection that has ``known``."""
        known[stored.id] = stored
        self._all[id(known), stored.id] = (known, size)
        self.bytes += size
        while len(known) > PER_CONNECTION:
            self._forget(next(key for key in self._all if key[0] == id(known)))
        while self.bytes > self._max_bytes and len(self._all) > 1:
            self._forget(next(iter(self._all)))

    def forget(self, known: LocalResponses, response: str) -> None:
        """That response, if the connection has it."""
        if (id(known), response) in self._all:
            self._forget((id(known), response))

    def leave(self, known: LocalResponses) -> None:
        """The connection is closed."""
        for key in [key for key in self._all if key[0] == id(known)]:
            self._forget(key)

    def _forget(self, key: tuple[int, str]) -> None:
        known, size = self._all.pop(key)
        known.pop(key[1])
        self.bytes -= size
