"""Turns of the Gemini surface from what Google sent, through the real decoder and policy."""

from __future__ import annotations

from typing import Any

from tests.surfaces.playing import SECRET, frames
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import Details, Turn
from zerogravity.surfaces.gemini import surface
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.testing import builders
from zerogravity.testing.check import check_gemini

CALL = {"functionCall": {"name": "f", "args": {"a": 1}}}
SIGNED = {"text": "", "thoughtSignature": "U0lH"}
THOUGHT = {"text": "hm", "thought": True}
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
    return frames("gemini", channel)


def stream(*calls: list[Any], **options: Any) -> list[dict[str, Any]]:
    return check_gemini(frames_of(captured(*calls, **options)))


def parts(chunks: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The parts of each chunk."""
    return [
        candidate.get("content", {}).get("parts", []) for value in chunks for candidate in value.get("candidates", [])
    ]


def whole(*calls: list[Any], **options: Any) -> dict[str, Any]:
    answer = surface.answer(captured(*calls, **options), SECRET)
    assert answer.status == 200
    return answer.body
