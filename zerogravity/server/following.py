"""The stream of a turn that may still move to another model, after its first frames have been sent."""

from __future__ import annotations

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Record
from zerogravity.surfaces.base import Emitter, Surface


def following(surface: Surface, channel: CascadeChannel, secret: bytes) -> Emitter:
    """An emitter of the turn's stream, for whoever reads it while it runs."""
    return _Following(surface, channel, secret) if channel.turn.fallbacks else surface.emitter(channel, secret)


class _Following:
    """Once the turn is another model's, its emitter takes over: it gets what the first one has had. The frames of that
    have been sent; it makes as many, since there was nothing for the client in it."""

    def __init__(self, surface: Surface, channel: CascadeChannel, secret: bytes) -> None:
        self._surface = surface
        self._channel = channel
        self._secret = secret
        self._target = channel.turn.target
        self._emitter = surface.emitter(channel, secret)
        self._fed = 0
        self.content_type = self._emitter.content_type
        self.heartbeat = self._emitter.heartbeat

    def begin(self) -> list[bytes]:
        return self._emitter.begin()

    def feed(self, record: Record) -> list[bytes]:
        if (target := self._channel.turn.target) is not self._target:
            self._target = target
            self._emitter = self._surface.emitter(self._channel, self._secret)
            self._emitter.begin()
            for earlier in self._channel.records[: self._fed]:
                self._emitter.feed(earlier)
        self._fed += 1
        return self._emitter.feed(record)
