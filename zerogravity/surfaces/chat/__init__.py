"""OpenAI Chat Completions: ``surface`` is all that others need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault
from zerogravity.surfaces.base import Answer, Context, Emitter, Surface
from zerogravity.surfaces.chat.completion import answer, reasoning_names
from zerogravity.surfaces.chat.emit import ChatEmitter
from zerogravity.surfaces.chat.request import parse
from zerogravity.surfaces.openai.errors import openai_error


class _Chat:
    name = "chat"
    ends_failed = False

    def parse(self, body: Mapping[str, Any], context: Context) -> Turn:
        return parse(body, context)

    def emitter(self, channel: CascadeChannel, secret: bytes) -> Emitter:
        return ChatEmitter(channel.turn)

    def answer(self, channel: CascadeChannel, secret: bytes) -> Answer:
        return answer(channel.turn, channel.state)

    def shows(self, channel: CascadeChannel) -> bool:
        return channel.state.shows(thinking=bool(reasoning_names(channel.turn)))

    def error(self, fault: Fault) -> Answer:
        return openai_error(fault)


surface: Surface = _Chat()
