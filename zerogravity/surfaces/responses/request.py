"""A Responses request → ``Turn``: every parameter is served, echoed, or refused by name.

| parameter                                   | here                                                                |
|---------------------------------------------|---------------------------------------------------------------------|
| input, instructions, previous_response_id   | contents and systemInstruction (``items.py``); instructions first    |
| tools, tool_choice                          | ``tools.py``                                                        |
| max_output_tokens                           | maxOutputTokens, at most what the model gives                       |
| temperature, top_p, top_k, seed             | generationConfig; the last two are no names of OpenAI's. Nothing of |
|                                             | the language server's own sampling is left, so that unset ones are  |
|                                             | the model's own: 1 is what is echoed                                |
| presence_penalty, frequency_penalty         | the same; left out where the family does not know them              |
| text.format                                 | responseMimeType and a schema (``output.py``)                       |
| reasoning.effort, .summary                  | thinkingConfig                                                      |
| parallel_tool_calls, include, stream        | what the emitter does                                               |
| store, background                           | what the server does; background needs store                        |
| metadata, user, truncation, max_tool_calls, text.verbosity, safety_identifier, prompt_cache_key | echoed          |
| service_tier                                | checked; ``default`` is what serves                                 |
| top_logprobs above 0                        | refused: no log probabilities are captured                          |
| conversation, prompt, context_management, moderation | refused: there is nothing here that could keep their promise |
| names of the Chat Completions API           | refused with what to send in their place                            |
| anything else                               | noted                                                               |

What the emitter, the store and the next turn need is in the turn, all of it plain JSON:

``turn.echo``        the members of the Response object that do not depend on the answer, complete.
``turn.tool_kinds``  key → ``custom`` or one of ``CLIENT_TOOLS``; the key of a call is its ``turn.client_name``.
``turn.metadata``    ``include``: as asked. ``namespaces``: key → {``namespace``, ``name``}, which such a call shows.
                     ``input``: this request's own items with ids, oldest first. ``users``: the user's messages of the
                     responses before. ``compacts``: the answer is a summary. ``system``, ``tools``: what a
                     continuing turn takes over (``StoredTurn``). ``dialogue``: the contents without what only
                     Google's rules demand, where they hold something of that kind.

Facts: wire-openai 2, 5, 14; wire-gemini-and-mapping 2.4, 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from zerogravity.core.family import rules
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Context, Lookups, StoredTurn
from zerogravity.surfaces.common.claude import handed_on
from zerogravity.surfaces.openai import fields
from zerogravity.surfaces.openai.history import History
from zerogravity.surfaces.openai.output import TEXT, apply_form, wanted_form
from zerogravity.surfaces.openai.sampling import INT32, within_family
from zerogravity.surfaces.openai.thinking import thinking_config
from zerogravity.surfaces.openai.tools import NameMap
from zerogravity.surfaces.responses import compaction
from zerogravity.surfaces.responses.choice import shown_choice, tool_request
from zerogravity.surfaces.responses.cross_family import adapted
from zerogravity.surfaces.responses.items import Entry, Items, identified, reference, resolve
from zerogravity.surfaces.responses.tools import read_tools

Json = Mapping[str, Any]
TIERS = ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")
INCLUDES = (
    "reasoning.encrypted_content", "message.output_text.logprobs", "web_search_call.action.sources",
    "web_search_call.results", "file_search_call.results", "code_interpreter_call.outputs",
    "message.input_image.image_url", "computer_call_output.output.image_url",
)  # fmt: skip
PROMISED = ("reasoning.encrypted_content", "web_search_call.action.sources", "message.input_image.image_url")
REFUSED = {
    "conversation": "is not supported: send 'previous_response_id' or the whole input",
    "prompt": "is not supported: there are no stored prompts",
    "context_management": "is not supported: call /v1/responses/compact",
    "moderation": "is not supported",
}
SERVED = frozenset({
    "model", "input", "instructions", "previous_response_id", "tools", "tool_choice", "max_output_tokens",
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "text", "reasoning", "parallel_tool_calls",
    "include", "stream", "stream_options", "store", "background", "metadata", "user", "truncation", "max_tool_calls",
    "safety_identifier", "prompt_cache_key", "service_tier", "top_logprobs", "top_k", "seed", *REFUSED,
})  # fmt: skip
CHAT = {
    "messages": "send 'input'",
    "response_format": "send 'text.format'",
    "max_tokens": "send 'max_output_tokens'",
    "max_completion_tokens": "send 'max_output_tokens'",
    "reasoning_effort": "send 'reasoning.effort'",
    "functions": "send 'tools'",
    "function_call": "send 'tool_choice'",
    "web_search_options": "send a tool of the type 'web_search'",
    "stop": "it has no stop sequences; /v1/chat/completions has",
    "logprobs": "no log probabilities are captured",
    "logit_bias": "the upstream models do not support it",
}
REASONING = ("effort", "summary", "generate_summary", "context", "mode")
FORM = ("type", "name", "description", "schema", "strict")


def lookups(body: Json) -> Lookups:
    """Pure and total: what is malformed is left for ``parse`` to refuse."""
    previous, given = body.get("previous_response_id"), body.get("input")
    items = cast("list[Any]", given) if isinstance(given, list) else []
    wanted = [(f"input[{n}]", reference(cast("Json", item))) for n, item in enumerate(items) if isinstance(item, dict)]
    found = tuple((path, item_id) for path, item_id in wanted if item_id is not None)
    return Lookups(previous if isinstance(previous, str) else None, found)


def parse(body: Json, context: Context) -> Turn:
    """Raises FaultError naming the parameter."""
    fields.refuse_others(body, CHAT, "Responses")
    model = fields.required_string(body, "model")
    for name, why in REFUSED.items():
        if body.get(name) is not None:
            raise fields.unsupported(name, why)
    previous = _previous(body, context)
    entries, skipped = _entries(body, context, continues=previous is not None)
    target = context.target(model)
    given, added = fields.array(body, "tools") or [], _added_tools(entries, previous)
    tools = read_tools([("tools", given), *added], pictures=target.family.endswith("image"))
    names = NameMap()
    members, notes = tool_request(body, tools, names, target.family)
    history = History(context.recall, names, target)
    reader = Items(history, context, target, tools)
    compacts = bool(entries) and entries[-1].kind == compaction.TRIGGER
    _before(body, previous, target, history, reader)
    reader.read(entries[:-1] if compacts else entries)
    contents, system = history.build(closing=[{"text": compaction.PROMPT}] if compacts else ())
    made_up = contents is not history.dialogue
    generate: dict[str, Any] = {"contents": contents, **members}
    if system is not None:
        generate["systemInstruction"] = system
    config, lost = generation_config(body, target, pictures=tools.pictures)
    if config:
        generate["generationConfig"] = config
    given_form = fields.obj(fields.obj(body, "text") or {}, "format", path="text")
    form = wanted_form(given_form, target.family, path="text.format", flat=True)
    formed = apply_form(TEXT if compacts else form, generate, target.family, param="text.format")
    if compacts:
        generate = compaction.request(generate, rules(target.family).output_limit)
    generate, suited = handed_on(generate, target, context.recall)
    echo = echoed_members(body, tools.shown, generate.get("generationConfig") or {})
    return Turn(
        id=context.turn_id,
        surface="responses",
        model=model,
        target=target,
        google_request=generate,
        stream=_stream(body),
        store=echo["store"],
        background=echo["background"],
        previous_id=echo["previous_response_id"],
        echo=echo,
        metadata={
            "include": _include(body),
            "namespaces": tools.namespaces,
            "input": identified(entries, context.turn_id),
            "users": list(previous.users) if previous else [],
            "compacts": compacts,
            "system": [*(previous.system if previous else ()), *reader.system],
            "tools": [tool for _, group in added for tool in group],
            **({"dialogue": history.dialogue} if made_up else {}),
        },
        tool_names=names.to_client,
        tool_kinds=tools.kinds,
        owner=context.owner,
        created=context.created,
        notes=(*skipped, *notes, *reader.notes, *history.notes, *lost, *formed, *suited, *_unserved(body)),
    )


# -- the input -----------------------------------------------------------------------------------------------


def _previous(body: Json, context: Context) -> StoredTurn | None:
    wanted = fields.string(body, "previous_response_id")
    if wanted is None:
        return None
    found = context.stored(wanted)
    if found is None:
        raise bad_request(
            f"Previous response with id '{wanted}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return found


def _entries(body: Json, context: Context, *, continues: bool) -> tuple[list[Entry], tuple[str, ...]]:
    if body.get("input") is None and not continues:
        raise fields.missing("input")
    if body.get("input") == [] and not continues:
        text = "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array."
        raise bad_request(text, param="input", code="empty_array")
    return resolve(body, context)


def _added_tools(entries: Sequence[Entry], previous: StoredTurn | None) -> list[tuple[str, list[Any]]]:
    """Declarations that came inside the input, of this turn and of those it continues."""
    groups: list[tuple[str, list[Any]]] = []
    if previous is not None and previous.tools:
        groups.append(("previous_response_id.tools", list(previous.tools)))
    for entry in entries:
        if entry.kind in ("additional_tools", "tool_search_output"):
            groups.append((f"{entry.path}.tools", fields.array(entry.item, "tools", path=entry.path) or []))
    return groups


def _before(body: Json, previous: StoredTurn | None, target: Target, history: History, reader: Items) -> None:
    """What stands ahead of the input: instructions, and the dialogue that it continues."""
    if instructions := fields.string(body, "instructions"):
        history.system(instructions)
    if previous is None:
        return
    for text in previous.system:
        history.system(text)
    history.extend(adapted(previous, target))
    reader.know(previous.items.values())
    if previous.summary is not None:  # the dialogue was compacted: as if it were input
        reader.read([Entry("previous_response_id", item) for item in (*previous.users, previous.summary)])


# -- generationConfig ----------------------------------------------------------------------------------------


def generation_config(body: Json, target: Target, *, pictures: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
    """generationConfig and notes. 0 is a value, null is none."""
    wanted: dict[str, Any] = {
        "maxOutputTokens": fields.integer(body, "max_output_tokens", lo=16, hi=INT32),
        "temperature": fields.number(body, "temperature", lo=0, hi=2),
        "topP": fields.number(body, "top_p", lo=0, hi=1),
        "topK": fields.integer(body, "top_k", lo=1, hi=INT32),
        "seed": fields.integer(body, "seed", lo=-(2**63), hi=2**63 - 1),
        "presencePenalty": fields.number(body, "presence_penalty", lo=-2, hi=2),
        "frequencyPenalty": fields.number(body, "frequency_penalty", lo=-2, hi=2),
        "responseModalities": ["TEXT", "IMAGE"] if pictures else None,
        "thinkingConfig": _thinking(body, target),
    }
    config, notes = within_family(wanted, target.family)
    if wanted["thinkingConfig"] is None and (fields.obj(body, "reasoning") or {}).get("effort") is not None:
        notes.append("reasoning.effort left out: this model does not think")
    return config, tuple(notes)


def _thinking(body: Json, target: Target) -> dict[str, Any] | None:
    """Thoughts are asked for by ``summary``; with an effort alone they are not wanted."""
    reasoning = fields.obj(body, "reasoning") or {}
    effort = fields.string(reasoning, "effort", path="reasoning")
    wanted = _summary(reasoning) is not None
    return thinking_config(effort, target, summaries=wanted if wanted or effort is not None else None)


def _summary(reasoning: Json) -> str | None:
    words = ("auto", "concise", "detailed", "none")
    old = fields.choice(reasoning, "generate_summary", words, path="reasoning")
    wanted = fields.choice(reasoning, "summary", words, path="reasoning") or old
    return None if wanted == "none" else wanted


# -- the echo ------------------------------------------------------------------------------------------------


def echoed_members(body: Json, tools: Sequence[Json], config: Json) -> dict[str, Any]:
    """What the Response object repeats, with the API's defaults. Of sampling and limits it says what is sent
    (``config``): what the model does not know is not claimed."""
    if (fields.integer(body, "n", lo=1) or 1) > 1:
        raise fields.unsupported("n", "must be 1: one candidate is captured per request")
    if fields.integer(body, "top_logprobs", lo=0, hi=20):
        raise fields.unsupported("top_logprobs", "is not supported: no log probabilities are captured")
    store = fields.boolean(body, "store", default=True)
    background = fields.boolean(body, "background")
    if background and not store:
        text = "Invalid 'background': a background response has to be stored, but 'store' is false."
        raise bad_request(text, param="background", code="invalid_value")
    fields.choice(body, "service_tier", TIERS)
    return {
        "instructions": fields.string(body, "instructions"),
        "metadata": fields.metadata(body),
        "parallel_tool_calls": fields.boolean(body, "parallel_tool_calls", default=True),
        "temperature": config.get("temperature", 1.0),
        "top_p": config.get("topP", 1.0),
        "tool_choice": shown_choice(body),
        "tools": [*tools],
        "previous_response_id": fields.string(body, "previous_response_id"),
        "truncation": fields.choice(body, "truncation", ("auto", "disabled")) or "disabled",
        "text": _text(body),
        "presence_penalty": config.get("presencePenalty", 0.0),
        "frequency_penalty": config.get("frequencyPenalty", 0.0),
        "top_logprobs": 0,
        "reasoning": _reasoning(body),
        "user": fields.string(body, "user"),
        "max_output_tokens": config.get("maxOutputTokens") if body.get("max_output_tokens") is not None else None,
        "max_tool_calls": fields.integer(body, "max_tool_calls", lo=1),
        "store": store,
        "background": background,
        "service_tier": "default",
        "safety_identifier": fields.string(body, "safety_identifier"),
        "prompt_cache_key": fields.string(body, "prompt_cache_key"),
    }


def _text(body: Json) -> dict[str, Any]:
    text = fields.obj(body, "text") or {}
    given: Json = fields.obj(text, "format", path="text") or {"type": "text"}
    form: Json = {"type": given["type"]}
    if given["type"] == "json_schema":
        known = {name: value for name, value in given.items() if name in FORM}
        form = {"description": None, **known, "strict": bool(given.get("strict"))}
    verbosity = fields.choice(text, "verbosity", ("low", "medium", "high"), path="text")
    return {"format": dict(form), "verbosity": verbosity or "medium"}


def _reasoning(body: Json) -> dict[str, Any]:
    given = fields.obj(body, "reasoning") or {}
    fields.choice(given, "context", ("auto", "current_turn", "all_turns"), path="reasoning")
    fields.string(given, "mode", path="reasoning")
    known = {name: value for name, value in given.items() if name in REASONING}
    if known.get("generate_summary") == "none":  # the old name has no such word
        del known["generate_summary"]
    return {"effort": None, **known, "summary": _summary(given)}


def _include(body: Json) -> list[str]:
    wanted = fields.array(body, "include") or []
    for index, value in enumerate(wanted):
        if fields.as_string(value, f"include[{index}]") not in INCLUDES:
            raise fields.invalid_value(f"include[{index}]", value, INCLUDES)
    return list(wanted)


def _stream(body: Json) -> bool:
    stream = fields.boolean(body, "stream")
    options = fields.obj(body, "stream_options")
    if options is not None:
        if not stream:
            text = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            raise bad_request(text, param="stream_options", code="invalid_value")
        fields.boolean(options, "include_obfuscation", path="stream_options")
    return stream


def _unserved(body: Json) -> list[str]:
    """Notes on what was asked for and means nothing upstream; what is known is checked all the same."""
    fields.string(body, "prompt_cache_retention")
    notes = [f"{name}: no counterpart upstream" for name in body if name not in SERVED and body[name] is not None]
    reasoning = fields.obj(body, "reasoning") or {}
    notes += [f"reasoning.{name}: no counterpart upstream" for name in reasoning if name not in REASONING]
    return notes + [f"include {name}: nothing to show" for name in _include(body) if name not in PROMISED]
