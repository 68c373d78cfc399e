"""A Chat Completions request → ``Turn``: every parameter is served, echoed, or refused by name, as ``PARAMETERS`` says.

Facts: wire-openai 9; wire-gemini-and-mapping 2.4, 6.
"""

from __future__ import annotations

from typing import Any

from zerogravity.core.turn import Target, Turn
from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.chat.details import ChatDetails
from zerogravity.surfaces.chat.messages import Messages
from zerogravity.surfaces.chat.thinking import google_extras, reasoning, thinking
from zerogravity.surfaces.chat.tools import read_tools, tool_choice
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.answer_form import apply_form
from zerogravity.surfaces.common.claude import for_model
from zerogravity.surfaces.common.declarations import NameMap
from zerogravity.surfaces.common.generation_config import EFFORTS, within_model
from zerogravity.surfaces.common.history import History
from zerogravity.surfaces.common.parameters import (
    ANY,
    ARRAY,
    BOOLEAN,
    INT32,
    MODELS,
    OBJECT,
    STRING,
    TEXT_OR_OBJECT,
    Kind,
    Parameter,
    choice,
    integer,
    is_given,
    named_models,
    refuse,
    settings,
    unserved,
)
from zerogravity.surfaces.common.tool_choice import request_members
from zerogravity.surfaces.openai.output import wanted_form
from zerogravity.surfaces.openai.parameters import (
    CACHE,
    FREQUENCY,
    METADATA,
    NO_LOGPROBS,
    ONE_ANSWER,
    PRESENCE,
    SEED,
    STOPS,
    TEMPERATURE,
    TOP_K,
    TOP_P,
    VERBOSITY,
    of_other_api,
    stream_options,
)
from zerogravity.wire.narrow import Json

API = "Chat Completions"
TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
REASONING = "thinkingConfig; thoughts come back as reasoning_content"


def _modalities(body: Json, name: str, path: str) -> list[str] | None:
    """``["text"]`` is the default; pictures are asked for as on OpenRouter, ``["image", "text"]``."""
    given = fields.array(body, name, path=path)
    if not given:
        return None
    for index, word in enumerate(given):
        if word == "audio":
            raise fields.unsupported(name, "may not hold 'audio': there are no audio answers")
        if word not in ("text", "image"):
            raise fields.invalid_value(f"{name}[{index}]", word, ("text", "image"))
    return ["TEXT", "IMAGE"] if "image" in given else None


OF_RESPONSES = (
    of_other_api("input", "send 'messages'", API),
    of_other_api("instructions", "send a message with the role 'system'", API),
    of_other_api("prompt", "send 'messages'", API),
    of_other_api("max_output_tokens", "send 'max_completion_tokens'", API),
    of_other_api("previous_response_id", "send the whole conversation as 'messages', or use /v1/responses", API),
    of_other_api("conversation", "send the whole conversation as 'messages'", API),
    of_other_api("background", "use /v1/responses", API),
)
PARAMETERS = (
    Parameter("model", STRING, "who answers"), MODELS,
    Parameter("messages", ARRAY, "contents and systemInstruction"),
    Parameter("stream", BOOLEAN, "the answer in chunks"),
    Parameter("stream_options", OBJECT, "include_usage: a usage chunk"),
    Parameter("tools", ARRAY, "functionDeclarations, googleSearch"),
    Parameter("tool_choice", TEXT_OR_OBJECT, "toolConfig"),
    Parameter("functions", ARRAY, "functionDeclarations; calls come back as function_call"),
    Parameter("function_call", TEXT_OR_OBJECT, "toolConfig"),
    Parameter("web_search_options", OBJECT, "googleSearch"),
    Parameter("parallel_tool_calls", BOOLEAN, "false: only the first call of an answer is handed on"),
    Parameter("max_completion_tokens", integer(1, INT32), config="maxOutputTokens"),
    Parameter("max_tokens", integer(1, INT32), config="maxOutputTokens"),
    TEMPERATURE, TOP_P, TOP_K,
    Parameter("stop", STOPS, config="stopSequences"),
    SEED, PRESENCE, FREQUENCY,
    Parameter("modalities", Kind("of text, image", _modalities), config="responseModalities"),
    Parameter("response_format", OBJECT, "responseMimeType and a schema"),
    Parameter("reasoning_effort", choice(*EFFORTS), REASONING),
    Parameter("reasoning", OBJECT, f"{REASONING} and reasoning"),
    Parameter("include_reasoning", BOOLEAN, "whether thoughts are shown"),
    Parameter("extra_body", OBJECT, "google: as below"),
    Parameter("extra_body.google", OBJECT, "as below"),
    Parameter("google", OBJECT, "as on Google's own OpenAI endpoint"),
    Parameter("google.thinking_config", OBJECT, "thinkingConfig; takes precedence over the members above"),
    Parameter("google.cached_content", STRING, "cachedContent"),
    Parameter("service_tier", choice(*TIERS), "default, in the answer"),
    Parameter("metadata", METADATA, "repeated in the answer"),
    Parameter("n", integer(1, 128), refused=ONE_ANSWER, asks=lambda value: (value or 1) > 1),
    Parameter("logprobs", BOOLEAN, refused=NO_LOGPROBS),
    Parameter("top_logprobs", integer(0, 20), refused=NO_LOGPROBS),
    Parameter("logit_bias", OBJECT, refused="is not supported by the upstream models"),
    Parameter(  # its verbosity means nothing upstream
        "text.format", OBJECT, refused=f"is not a parameter of the {API} API: send 'response_format'",
        asks=lambda value: value is not None and value.get("type") not in (None, "text"),
    ),
    Parameter("moderation", ANY, refused="is not supported", asks=is_given),
    Parameter("audio", ANY, refused="is not supported: there are no audio answers", asks=is_given),
    Parameter("store", BOOLEAN), Parameter("user", STRING), Parameter("safety_identifier", STRING),
    Parameter("prompt_cache_key", STRING), *CACHE,
    Parameter("prediction", OBJECT), Parameter("verbosity", VERBOSITY),
    *OF_RESPONSES,
)  # fmt: skip


def parse(body: Json, context: Context) -> Turn:
    """Raises FaultError naming the parameter."""
    refuse(body, OF_RESPONSES)
    model, models = named_models(body)
    messages = fields.array(body, "messages")
    if messages is None:
        raise fields.missing("messages")
    if not messages:
        text = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array."
        raise bad_request(text, param="messages", code="empty_array")
    target = context.target(model)
    refuse(body, PARAMETERS)
    stream = fields.boolean(body, "stream")
    names = NameMap()
    tools = read_tools(body)
    members, notes = request_members(tools, lambda: tool_choice(body, tools), names, target.family)
    history = History(context.recall, names, target)
    reader = Messages(history, context, target.family)
    reader.read(messages)
    contents, system = history.build(param="messages")
    generate: dict[str, Any] = {"contents": contents, **members}
    if system is not None:
        generate["systemInstruction"] = system
    config, more = generation_config(body, target)
    if config:
        generate["generationConfig"] = config
    form = wanted_form(fields.obj(body, "response_format"), target.family, path="response_format", flat=False)
    formed = apply_form(form, generate, target.family, param="response_format")
    if isinstance(cached := google_extras(body).get("cached_content"), str):
        generate["cachedContent"] = cached
    request, suited = for_model(generate, target, context.recall)
    return Turn(
        id=context.turn_id,
        surface="chat",
        model=model,
        models=models,
        target=target,
        google_request=request,
        stream=stream,
        details=details(body, stream=stream, legacy=tools.legacy),
        tool_names=names.to_client,
        tool_kinds=tools.kinds,
        servers=tuple(tools.servers),
        owner=context.owner,
        created=context.created,
        notes=(*notes, *history.notes, *more, *formed, *suited, *_unserved(body)),
    )


def details(body: Json, *, stream: bool, legacy: bool) -> ChatDetails:
    options = stream_options(body, stream=stream)
    tier = fields.choice(body, "service_tier", TIERS)
    parallel = fields.boolean(body, "parallel_tool_calls", default=True)
    return ChatDetails(
        include_usage=fields.boolean(options, "include_usage", path="stream_options"),
        reasoning=reasoning(body).shown,
        legacy=legacy,
        one_call=legacy or not parallel,
        service_tier="default" if tier is not None else None,
        metadata=fields.metadata(body),
    )


def generation_config(body: Json, target: Target) -> tuple[dict[str, Any], tuple[str, ...]]:
    """generationConfig and notes."""
    thoughts, notes = thinking(body, target)
    config, lowered = within_model({**settings(body, PARAMETERS), "thinkingConfig": thoughts}, target)
    return config, (*notes, *lowered)


def _unserved(body: Json) -> list[str]:
    extra = fields.obj(body, "extra_body") or {}
    notes = unserved(body, PARAMETERS) + unserved(extra, PARAMETERS, "extra_body")
    return notes + unserved(google_extras(body), PARAMETERS, "google")
