"""The Gemini API: ``surface`` is what the server drives; ``parse_request`` takes what stands in the URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, bad_request
from zerogravity.surfaces.base import Answer, Context, Emitter, Surface
from zerogravity.surfaces.gemini.emit import GeminiEmitter
from zerogravity.surfaces.gemini.errors import google_error
from zerogravity.surfaces.gemini.merge import answer
from zerogravity.surfaces.gemini.request import parse_request

__all__ = ["parse_request", "surface"]

FROM_URL = ("model", "stream", "alt", "fields")


class _Gemini:
    name = "gemini"
    ends_failed = False

    def parse(self, body: Mapping[str, Any], context: Context) -> Turn:
        """For callers that know no URL: ``model``, ``stream``, ``alt`` and ``fields`` are read from the body, and taken
        off it.

        None of them is a member of Google's request, so nothing of the client's is lost.
        """
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise bad_request("* GenerateContentRequest.model: unexpected model name format", param="model")
        return parse_request(
            {name: value for name, value in body.items() if name not in FROM_URL},
            context,
            model=model,
            stream=body.get("stream") is True,
            sse=body.get("alt", "sse") == "sse",
            mask=mask if isinstance(mask := body.get("fields"), str) else "",
        )

    def emitter(self, channel: CascadeChannel, secret: bytes) -> Emitter:
        return GeminiEmitter(channel.turn)

    def answer(self, channel: CascadeChannel, secret: bytes) -> Answer:
        return answer(channel)

    def shows(self, channel: CascadeChannel) -> bool:
        """Google's own word for a failure is an answer, too."""
        told = isinstance(channel.terminal, Failed) and bool(channel.terminal.fault.finish)
        return told or channel.state.shows(thinking=bool(channel.turn.echo.get("thoughts", True)))

    def error(self, fault: Fault) -> Answer:
        return google_error(fault)


surface: Surface = _Gemini()
