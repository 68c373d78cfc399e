"""OpenAI Responses: ``surface`` is what others need; stored responses are in ``stored``, compaction in ``compact``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault
from zerogravity.surfaces.base import Answer, Context, Emitter, Surface
from zerogravity.surfaces.openai.errors import openai_error
from zerogravity.surfaces.responses.emit import ResponsesEmitter
from zerogravity.surfaces.responses.request import parse
from zerogravity.surfaces.responses.response import answer, shows_thinking


class _Responses:
    name = "responses"
    ends_failed = True

    def parse(self, body: Mapping[str, Any], context: Context) -> Turn:
        return parse(body, context)

    def emitter(self, channel: CascadeChannel, secret: bytes) -> Emitter:
        return ResponsesEmitter(channel.turn, secret)

    def answer(self, channel: CascadeChannel, secret: bytes) -> Answer:
        return answer(channel.turn, channel.state, secret)

    def shows(self, channel: CascadeChannel) -> bool:
        """A summary is shown whole, so nothing of it before its end; thinking only to those that asked for it."""
        turn = channel.turn
        return not turn.metadata.get("compacts") and channel.state.shows(thinking=shows_thinking(turn))

    def error(self, fault: Fault) -> Answer:
        return openai_error(fault)


surface: Surface = _Responses()
