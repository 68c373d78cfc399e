"""Turns of the Gemini surface from what Google sent, through the real decoder and policy."""

from __future__ import annotations

from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import Details, Turn
from zerogravity.surfaces.gemini import surface
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.testing import builders

WHOLE = GeminiDetails()


def turn(details: Details = WHOLE) -> Turn:
    return builders.turn(surface="gemini", stream=True, details=details, google_request={"contents": []})


def chunk(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk of Google's, with further members beside its candidates."""
    return {**builders.chunk(*parts, finish=finish), **more}


def captured(
    *calls: list[Any], details: Details = WHOLE, envelope: bool = True, dropped: bool = False
) -> CascadeChannel:
    """A closed channel of these upstream calls; each is a list of chunks (or of raw payloads)."""
    return builders.captured(turn(details), *calls, envelope=envelope, dropped=dropped)


def frames_of(channel: CascadeChannel) -> list[bytes]:
    emitter = surface.emitter(channel, bytes(32))
    return [*emitter.begin(), *(frame for record in channel.records for frame in emitter.feed(record))]
