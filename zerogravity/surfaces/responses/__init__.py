"""OpenAI Responses: ``surface`` is what others need; its own routes also read ``stored``, ``compact`` and
``conversation``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.surfaces.base import MediaUrl, Storing, Surface
from zerogravity.surfaces.common.parameters import table
from zerogravity.surfaces.common.remote import content_parts, media_url, picture
from zerogravity.surfaces.openai.errors import openai_error
from zerogravity.surfaces.openai.tools import schemas
from zerogravity.surfaces.responses import samples
from zerogravity.surfaces.responses.check import check_responses
from zerogravity.surfaces.responses.counting import COUNTING
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.emit import ResponsesEmitter
from zerogravity.surfaces.responses.ids import response_id
from zerogravity.surfaces.responses.request import PARAMETERS, lookups, parse
from zerogravity.surfaces.responses.response import answer
from zerogravity.surfaces.responses.stored import stored_at_end, stored_at_start

CONVERSATIONS = "/v1/conversations"


def media_urls(body: Mapping[str, Any], entries: str = "input") -> Iterator[MediaUrl]:
    """The http(s) URLs of media in the items at ``entries``."""
    for name in ("content", "output"):
        for path, part in content_parts(body, entries, name):
            yield from picture(part, path)
            yield from media_url(part, "file_url", f"{path}.file_url", picture=False)


def _has_output(channel: CascadeChannel) -> bool:
    """What is run here is shown, and the list of tools, but not one that failed: its turn has failed, too."""
    details = channel.turn.details_as(ResponsesDetails)
    listed = any(not each.error and each.server not in details.known for each in channel.state.listings)
    return (listed and not details.compacts) or _has_answer(channel)


def _has_answer(channel: CascadeChannel) -> bool:
    """A summary is only shown at its end, thoughts only to clients that ask for them; sealed, once they are whole."""
    details, state = channel.turn.details_as(ResponsesDetails), channel.state
    if details.compacts:
        return False
    sealed = details.seals_thinking and max(len(state.items) - 1, state.answer_at) > 0
    return sealed or bool(state.function_calls) or state.has_output(thinking=details.shows_thinking)


surface = Surface(
    name="responses",
    title="Responses",
    paths=("/v1/responses",),
    root="/v1/responses",
    also_owns=lambda path: path == CONVERSATIONS or path.startswith(f"{CONVERSATIONS}/"),
    counting=COUNTING,
    input="input",
    media=media_urls,
    tools=lambda body: schemas(body.get("tools")),
    lookups=lookups,
    parse=parse,
    schema_param="text.format",
    emitter=lambda channel, secret: ResponsesEmitter(channel.turn, secret),
    answer=lambda channel, secret: answer(channel.turn, channel.state, secret),
    storing=Storing(response_id, stored_at_start, stored_at_end),
    has_output=_has_output,
    has_answer=_has_answer,
    error=openai_error,
    has_failure_event=True,
    sample=samples.sample,
    demo=samples.DEMO,
    check=check_responses,
    table=lambda: table(PARAMETERS),
    describe_event=samples.read,
)
