"""Anthropic's Messages API: ``surface`` is all that others need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.surfaces.base import Surface
from zerogravity.surfaces.messages import samples
from zerogravity.surfaces.messages.check import check_messages
from zerogravity.surfaces.messages.counting import COUNTING
from zerogravity.surfaces.messages.details import MessagesDetails
from zerogravity.surfaces.messages.emit import MessagesEmitter
from zerogravity.surfaces.messages.errors import messages_error
from zerogravity.surfaces.messages.message import answer
from zerogravity.surfaces.messages.models import MODELS, is_client
from zerogravity.surfaces.messages.request import parse
from zerogravity.wire import narrow


def _tools(body: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for tool in narrow.objects(body.get("tools")):
        if name := narrow.text(tool.get("name")):
            yield name, tool.get("input_schema")


def _has_output(channel: CascadeChannel) -> bool:
    return channel.state.has_output(thinking=channel.turn.details_as(MessagesDetails).thoughts != "hidden")


surface = Surface(
    name="messages",
    title="Messages",
    paths=("/v1/messages",),
    root="/v1/messages",
    is_client=is_client,
    models=MODELS,
    counting=COUNTING,
    input="messages",
    tools=_tools,
    parse=parse,
    schema_param="output_config.format",
    emitter=lambda channel, secret: MessagesEmitter(channel.turn, secret),
    answer=lambda channel, secret: answer(channel.turn, channel.state, secret),
    has_output=_has_output,
    error=messages_error,
    has_failure_event=True,
    sample=samples.sample,
    demo=samples.DEMO,
    check=check_messages,
    describe_event=samples.read,
)
