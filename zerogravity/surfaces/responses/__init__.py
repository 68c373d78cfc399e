"""OpenAI Responses: ``surface`` is what others need; stored responses are in ``stored``, compaction in ``compact``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.surfaces.base import Place, Surface
from zerogravity.surfaces.common.remote import content_parts, picture, place
from zerogravity.surfaces.openai.errors import openai_error
from zerogravity.surfaces.openai.parameters import table
from zerogravity.surfaces.responses import samples
from zerogravity.surfaces.responses.check import check_responses
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.emit import ResponsesEmitter
from zerogravity.surfaces.responses.request import PARAMETERS, lookups, parse
from zerogravity.surfaces.responses.response import answer


def _media(body: Mapping[str, Any]) -> Iterator[Place]:
    for name in ("content", "output"):
        for path, part in content_parts(body, "input", name):
            yield from picture(part, path)
            yield from place(part, "file_url", f"{path}.file_url", picture=False)


def _shows(channel: CascadeChannel) -> bool:
    """A summary is shown whole, so nothing of it before its end; thinking only to those that asked for it."""
    details = channel.turn.details_as(ResponsesDetails)
    return not details.compacts and channel.state.shows(thinking=details.shows_thinking)


surface = Surface(
    name="responses",
    title="Responses",
    paths=("/v1/responses",),
    root="/v1/responses",
    input="input",
    media=_media,
    lookups=lookups,
    parse=parse,
    schema_param="text.format",
    emitter=lambda channel, secret: ResponsesEmitter(channel.turn, secret),
    answer=lambda channel, secret: answer(channel.turn, channel.state, secret),
    shows=_shows,
    error=openai_error,
    ends_failed=True,
    sample=samples.sample,
    demo=samples.DEMO,
    check=check_responses,
    table=lambda: table(PARAMETERS),
    read=samples.read,
)
