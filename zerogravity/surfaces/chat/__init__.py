"""OpenAI Chat Completions: ``surface`` is all that others need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.surfaces.base import MediaUrl, Surface
from zerogravity.surfaces.chat import samples
from zerogravity.surfaces.chat.check import check_chat
from zerogravity.surfaces.chat.completion import answer
from zerogravity.surfaces.chat.details import ChatDetails
from zerogravity.surfaces.chat.emit import ChatEmitter
from zerogravity.surfaces.chat.request import PARAMETERS, parse
from zerogravity.surfaces.chat.tools import schemas
from zerogravity.surfaces.common.parameters import table
from zerogravity.surfaces.common.remote import content_parts, picture
from zerogravity.surfaces.openai.errors import openai_error


def _media(body: Mapping[str, Any]) -> Iterator[MediaUrl]:
    for path, part in content_parts(body, "messages", "content"):
        yield from picture(part, path)


def _has_output(channel: CascadeChannel) -> bool:
    return channel.state.has_output(thinking=bool(channel.turn.details_as(ChatDetails).reasoning))


surface = Surface(
    name="chat",
    title="Chat",
    paths=("/v1/chat/completions",),
    root="/v1/chat",
    input="messages",
    media=_media,
    tools=schemas,
    parse=parse,
    schema_param="response_format",
    emitter=lambda channel, secret: ChatEmitter(channel.turn),
    answer=lambda channel, secret: answer(channel.turn, channel.state),
    has_output=_has_output,
    error=openai_error,
    sample=samples.sample,
    demo=samples.DEMO,
    check=check_chat,
    table=lambda: table(PARAMETERS),
    describe_event=samples.read,
)
