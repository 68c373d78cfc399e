"""A Chat Completions request → ``Turn``: every parameter is served, echoed, or refused by name.

| parameter                                 | here                                                               |
|-------------------------------------------|--------------------------------------------------------------------|
| max_completion_tokens, max_tokens         | maxOutputTokens; the first wins; at most what the model gives      |
| temperature, top_p, top_k, stop           | the same                                                           |
| seed                                      | the same, folded into Google's 31 bits                             |
| presence_penalty, frequency_penalty       | the same; left out where the family does not know them             |
| response_format                           | responseMimeType and a schema (``output.py``)                      |
| reasoning_effort, reasoning,              | thinkingConfig; thoughts come back as ``reasoning_content``        |
| include_reasoning                         | (``thinking.py``)                                                  |
| extra_body.google, google                 | thinking_config and cached_content, as on Google's own bridge      |
| modalities                                | text, or text and image; audio is refused, as is ``audio``         |
| n > 1, logprobs, top_logprobs, logit_bias | refused: one candidate is captured, without log probabilities      |
| moderation                                | refused                                                            |
| names of the Responses API                | refused with what to send in their place                           |
| stream_options.include_usage              | a usage chunk                                                      |
| parallel_tool_calls: false                | only the first call of an answer is handed on                      |
| service_tier, metadata                    | echoed                                                             |
| store, user, prediction, verbosity …      | checked and noted: they mean nothing upstream                      |
| anything else                             | noted                                                              |

Facts: wire-openai 9; wire-gemini-and-mapping 2.4, 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from zerogravity.core.turn import Target, Turn
from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.chat.messages import Messages
from zerogravity.surfaces.chat.thinking import google_extras, thinking, wish
from zerogravity.surfaces.chat.tools import read_tools, tool_request
from zerogravity.surfaces.common.claude import handed_on
from zerogravity.surfaces.openai import fields
from zerogravity.surfaces.openai.history import History
from zerogravity.surfaces.openai.output import apply_form, wanted_form
from zerogravity.surfaces.openai.sampling import INT32, within_family
from zerogravity.surfaces.openai.tools import NameMap

Json = Mapping[str, Any]
MAX_STOPS = 4
TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
GOOGLE = ("thinking_config", "cached_content")
SERVED = frozenset({
    "model", "messages", "stream", "stream_options", "tools", "tool_choice", "functions", "function_call",
    "parallel_tool_calls", "max_completion_tokens", "max_tokens", "temperature", "top_p", "top_k", "stop", "seed",
    "presence_penalty", "frequency_penalty", "response_format", "reasoning_effort", "reasoning", "include_reasoning",
    "modalities", "audio", "n", "logprobs", "top_logprobs", "logit_bias", "service_tier", "metadata",
    "web_search_options", "extra_body", "google",
})  # fmt: skip
RESPONSES = {
    "input": "send 'messages'",
    "instructions": "send a message with the role 'system'",
    "prompt": "send 'messages'",
    "max_output_tokens": "send 'max_completion_tokens'",
    "previous_response_id": "send the whole conversation as 'messages', or use /v1/responses",
    "conversation": "send the whole conversation as 'messages'",
    "background": "use /v1/responses",
}


def parse(body: Json, context: Context) -> Turn:
    """Raises FaultError naming the parameter."""
    fields.refuse_others(body, RESPONSES, "Chat Completions")
    model = fields.required_string(body, "model")
    messages = fields.array(body, "messages")
    if messages is None:
        raise fields.missing("messages")
    if not messages:
        text = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array."
        raise bad_request(text, param="messages", code="empty_array")
    target = context.target(model)
    refuse(body)
    stream = fields.boolean(body, "stream")
    names = NameMap()
    tools = read_tools(body)
    members, notes = tool_request(body, tools, names, target.family)
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
    generate, suited = handed_on(generate, target, context.recall)
    metadata = fields.metadata(body)
    return Turn(
        id=context.turn_id,
        surface="chat",
        model=model,
        target=target,
        google_request=generate,
        stream=stream,
        echo=echo(body, stream=stream, legacy=tools.legacy),
        metadata=metadata,
        tool_names=names.to_client,
        tool_kinds=tools.kinds,
        owner=context.owner,
        created=context.created,
        notes=(*notes, *history.notes, *more, *formed, *suited, *unserved(body)),
    )


def refuse(body: Json) -> None:
    """What can not be served truthfully. Values that ask for nothing are taken."""
    if (fields.integer(body, "n", lo=1, hi=128) or 1) > 1:
        raise fields.unsupported("n", "must be 1: one candidate is captured per request")
    if fields.boolean(body, "logprobs"):
        raise fields.unsupported("logprobs", "is not supported: no log probabilities are captured")
    if fields.integer(body, "top_logprobs", lo=0, hi=20):
        raise fields.unsupported("top_logprobs", "is not supported: no log probabilities are captured")
    if fields.obj(body, "logit_bias"):
        raise fields.unsupported("logit_bias", "is not supported by the upstream models")
    form = fields.obj(fields.obj(body, "text") or {}, "format", path="text") or {}
    if form.get("type") not in (None, "text"):  # its verbosity means nothing upstream
        raise fields.unsupported("text.format", "is none of the Chat Completions API's: send 'response_format'")
    if body.get("moderation") is not None:
        raise fields.unsupported("moderation", "is not supported")
    if body.get("audio") is not None:
        raise fields.unsupported("audio", "is not supported: there are no audio answers")


def echo(body: Json, *, stream: bool, legacy: bool) -> dict[str, Any]:
    """What the answer's form depends on."""
    options = fields.obj(body, "stream_options")
    if options is not None and not stream:
        text = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise bad_request(text, param="stream_options", code="invalid_value")
    options = options or {}
    fields.boolean(options, "include_obfuscation", path="stream_options")
    tier = fields.choice(body, "service_tier", TIERS)
    parallel = fields.boolean(body, "parallel_tool_calls", default=True)
    return {
        "include_usage": fields.boolean(options, "include_usage", path="stream_options"),
        "reasoning": list(wish(body).shown),
        "legacy": legacy,
        "one_call": legacy or not parallel,
        "service_tier": "default" if tier is not None else None,
    }


def generation_config(body: Json, target: Target) -> tuple[dict[str, Any], tuple[str, ...]]:
    """generationConfig and notes. 0 is a value, null is none."""
    thoughts, notes = thinking(body, target)
    first = fields.integer(body, "max_completion_tokens", lo=1, hi=INT32)
    second = fields.integer(body, "max_tokens", lo=1, hi=INT32)
    wanted: dict[str, Any] = {
        "maxOutputTokens": second if first is None else first,
        "temperature": fields.number(body, "temperature", lo=0, hi=2),
        "topP": fields.number(body, "top_p", lo=0, hi=1),
        "topK": fields.integer(body, "top_k", lo=1, hi=INT32),
        "stopSequences": stops(body),
        "seed": fields.integer(body, "seed", lo=-(2**63), hi=2**63 - 1),
        "presencePenalty": fields.number(body, "presence_penalty", lo=-2, hi=2),
        "frequencyPenalty": fields.number(body, "frequency_penalty", lo=-2, hi=2),
        "responseModalities": modalities(body),
        "thinkingConfig": thoughts,
    }
    config, lowered = within_family(wanted, target.family)
    return config, (*notes, *lowered)


def stops(body: Json) -> list[str] | None:
    """``stop``: a string or up to four."""
    value = body.get("stop")
    if value is None:
        return None
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise fields.invalid_type("stop", "a string or an array of strings", value)
    words = cast("list[Any]", value)
    if len(words) > MAX_STOPS:
        text = f"Invalid 'stop': array too long. Expected an array with maximum length {MAX_STOPS}, got {len(words)}."
        raise bad_request(text, param="stop", code="array_above_max_length")
    for index, word in enumerate(words):
        if not fields.as_string(word, f"stop[{index}]"):
            text = f"Invalid 'stop[{index}]': empty string. Expected a string with minimum length 1."
            raise bad_request(text, param=f"stop[{index}]", code="string_below_min_length")
    return words or None


def modalities(body: Json) -> list[str] | None:
    """``["text"]`` is the default; pictures are asked for as on OpenRouter, ``["image", "text"]``."""
    given = fields.array(body, "modalities")
    if not given:
        return None
    for index, word in enumerate(given):
        if word == "audio":
            raise fields.unsupported("modalities", "may not hold 'audio': there are no audio answers")
        if word not in ("text", "image"):
            raise fields.invalid_value(f"modalities[{index}]", word, ("text", "image"))
    return ["TEXT", "IMAGE"] if "image" in given else None


def unserved(body: Json) -> list[str]:
    """Notes on members that mean nothing upstream; the known ones are checked all the same."""
    fields.boolean(body, "store")
    for name in ("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"):
        fields.string(body, name)
    fields.obj(body, "prediction")
    fields.choice(body, "verbosity", ("low", "medium", "high"))
    notes = [f"{name}: no counterpart upstream" for name in body if name not in SERVED and body[name] is not None]
    extra = fields.obj(body, "extra_body") or {}
    notes += [f"extra_body.{name}: no counterpart upstream" for name in extra if name != "google"]
    return notes + [f"google.{name}: no counterpart upstream" for name in google_extras(body) if name not in GOOGLE]
