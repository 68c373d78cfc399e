"""Anthropic's Messages API: ``surface`` is all that others need."""

from __future__ import annotations

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Finished
from zerogravity.surfaces.base import Surface
from zerogravity.surfaces.common.parameters import table
from zerogravity.surfaces.messages import samples
from zerogravity.surfaces.messages.check import check_messages
from zerogravity.surfaces.messages.counting import COUNTING
from zerogravity.surfaces.messages.details import MessagesDetails
from zerogravity.surfaces.messages.emit import MessagesEmitter
from zerogravity.surfaces.messages.errors import messages_error
from zerogravity.surfaces.messages.message import answer
from zerogravity.surfaces.messages.models import MODELS, is_client
from zerogravity.surfaces.messages.remote import media_urls
from zerogravity.surfaces.messages.request import PARAMETERS, parse
from zerogravity.surfaces.messages.tools import schemas


def _has_output(channel: CascadeChannel) -> bool:
    """The text of a search waits for the end, when its sources are known."""
    details, state = channel.turn.details_as(MessagesDetails), channel.state
    if details.search == "alone" and not isinstance(channel.terminal, Finished):
        return details.thoughts != "hidden" and state.has_thinking
    return state.has_output(thinking=details.thoughts != "hidden")


surface = Surface(
    name="messages",
    title="Messages",
    paths=("/v1/messages",),
    root="/v1/messages",
    is_client=is_client,
    models=MODELS,
    counting=COUNTING,
    input="messages",
    media=media_urls,
    tools=schemas,
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
    table=lambda: table(PARAMETERS),
    describe_event=samples.read,
)
