"""The Gemini API: ``surface`` is all that others need; ``parse_request`` takes what stands in the URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed
from zerogravity.core.turn import Turn
from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Context, Surface
from zerogravity.surfaces.common import parameters
from zerogravity.surfaces.gemini import remote, samples, urls
from zerogravity.surfaces.gemini.check import check_gemini
from zerogravity.surfaces.gemini.counting import COUNTING
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.surfaces.gemini.emit import GeminiEmitter
from zerogravity.surfaces.gemini.errors import google_error
from zerogravity.surfaces.gemini.merge import answer
from zerogravity.surfaces.gemini.models import MODELS
from zerogravity.surfaces.gemini.request import parse_request, table
from zerogravity.wire import narrow

__all__ = ["parse_request", "surface"]

SCHEMAS = ("parameters", "parametersJsonSchema", "parameters_json_schema")  # of a declared function


def parse(body: Mapping[str, Any], context: Context) -> Turn:
    """What the URL says (``model``, ``stream``, ``alt`` and ``fields``) is read from the body, and taken off it, as
    are the other ``models``. None of them is a member of Google's request, so nothing of the client's is lost."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise bad_request("* GenerateContentRequest.model: unexpected model name format", param="model")
    return parse_request(
        {name: value for name, value in body.items() if name not in (*urls.FROM_URL, "models")},
        context,
        model=model,
        models=tuple(parameters.MODELS.read(body) or ()),
        stream=body.get("stream") is True,
        sse=body.get("alt", "sse") == "sse",
        mask=mask if isinstance(mask := body.get("fields"), str) else "",
    )


def _tools(body: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """In proto-JSON's spelling, or in proto's own."""
    for tool in narrow.objects(body.get("tools")):
        for function in narrow.objects(tool.get("functionDeclarations") or tool.get("function_declarations")):
            if name := narrow.text(function.get("name")):
                yield name, next((function[key] for key in SCHEMAS if key in function), None)


def _has_output(channel: CascadeChannel) -> bool:
    """Google's own word for a failure is an answer, too."""
    refused = isinstance(channel.terminal, Failed) and bool(channel.terminal.fault.finish)
    return refused or channel.state.has_output(thinking=channel.turn.details_as(GeminiDetails).thoughts)


surface = Surface(
    name="gemini",
    title="Gemini",
    paths=(urls.TURN,),
    urls=urls.OF_TURN,
    root="/v1beta",
    also_owns=urls.also_owns,
    is_client=urls.is_client,
    models=MODELS,
    counting=COUNTING,
    from_url=urls.from_url,
    input="contents",
    media=remote.media,
    tools=_tools,
    parse=parse,
    schema_param="generationConfig.responseSchema",
    emitter=lambda channel, secret: GeminiEmitter(channel.turn),
    answer=lambda channel, secret: answer(channel),
    has_output=_has_output,
    error=google_error,
    assigns_call_ids=False,
    operation="generate_content",
    sample=samples.sample,
    demo=samples.DEMO,
    check=check_gemini,
    table=table,
    describe_event=samples.read,
)
