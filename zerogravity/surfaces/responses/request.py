"""A Responses request → ``Turn``: every parameter is served, repeated, or refused by name, as ``PARAMETERS`` says.

What the emitter, the store and the next turn need is in ``turn.details`` (``ResponsesDetails``), and in
``turn.tool_kinds``: key → ``custom`` or one of ``CLIENT_TOOLS``; the key of a call is its ``turn.client_name``.

Facts: wire-openai 2, 5, 14; wire-gemini-and-mapping 2.4, 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zerogravity.core.family import rules
from zerogravity.core.google import GenerateContentRequest
from zerogravity.core.turn import Target, Turn
from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Context, Lookups, StoredTurn
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.answer_form import TEXT, apply_form
from zerogravity.surfaces.common.claude import for_model
from zerogravity.surfaces.common.declarations import NameMap
from zerogravity.surfaces.common.generation_config import EFFORTS, thinking_config, within_model
from zerogravity.surfaces.common.history import History
from zerogravity.surfaces.common.parameters import (
    ANY,
    ARRAY,
    BOOLEAN,
    INT32,
    MODELS,
    OBJECT,
    STRING,
    TEXT_OR_ARRAY,
    TEXT_OR_OBJECT,
    Parameter,
    choice,
    integer,
    is_given,
    named_models,
    refuse,
    repeated,
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
    TEMPERATURE,
    TOP_K,
    TOP_P,
    VERBOSITY,
    of_other_api,
    stream_options,
)
from zerogravity.surfaces.responses import compaction, conversation
from zerogravity.surfaces.responses.choice import shown_choice, tool_choice
from zerogravity.surfaces.responses.cross_family import for_target
from zerogravity.surfaces.responses.details import ResponsesDetails
from zerogravity.surfaces.responses.items import Entry, Items, reference, resolve
from zerogravity.surfaces.responses.listed import listed
from zerogravity.surfaces.responses.loose_ends import without_loose_ends
from zerogravity.surfaces.responses.server_input import fresh, with_listings
from zerogravity.surfaces.responses.tools import read_tools
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

TIERS = ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")
INCLUDES = (
    "reasoning.encrypted_content", "message.output_text.logprobs", "web_search_call.action.sources",
    "web_search_call.results", "file_search_call.results", "code_interpreter_call.outputs",
    "message.input_image.image_url", "computer_call_output.output.image_url",
)  # fmt: skip

AVAILABLE = ("reasoning.encrypted_content", "web_search_call.action.sources", "message.input_image.image_url")
SUMMARIES = ("auto", "concise", "detailed", "none")
API = "Responses"
OF_CHAT = (
    of_other_api("messages", "send 'input'", API),
    of_other_api("response_format", "send 'text.format'", API),
    of_other_api("max_tokens", "send 'max_output_tokens'", API),
    of_other_api("max_completion_tokens", "send 'max_output_tokens'", API),
    of_other_api("reasoning_effort", "send 'reasoning.effort'", API),
    of_other_api("functions", "send 'tools'", API),
    of_other_api("function_call", "send 'tool_choice'", API),
    of_other_api("web_search_options", "send a tool of the type 'web_search'", API),
    of_other_api("stop", "it has no stop sequences; /v1/chat/completions has", API),
    of_other_api("logprobs", "log probabilities are not available", API),
    of_other_api("logit_bias", "the upstream models do not support it", API),
)
WITHOUT_COUNTERPART = (
    Parameter("prompt", ANY, refused="is not supported: there are no stored prompts", asks=is_given),
    Parameter("context_management", ANY, refused="is not supported: call /v1/responses/compact", asks=is_given),
    Parameter("moderation", ANY, refused="is not supported", asks=is_given),
)
REPEATED = (  # in the order of the Response object
    Parameter("instructions", STRING, "systemInstruction, before the input's", shown=None),
    Parameter("metadata", METADATA, shown=None),
    Parameter("parallel_tool_calls", BOOLEAN, "false: only the first call of an answer is handed on", shown=True),
    replace(TEMPERATURE, shown=1.0), replace(TOP_P, shown=1.0),
    Parameter("tool_choice", TEXT_OR_OBJECT, "toolConfig", shown="auto"),
    Parameter("tools", ARRAY, "functionDeclarations, googleSearch; MCP servers, whose tools are run here", shown=()),
    Parameter("previous_response_id", STRING, "contents: the dialogue that the input continues", shown=None),
    Parameter("truncation", choice("auto", "disabled"), shown="disabled"),
    Parameter("text", OBJECT, "format: responseMimeType and a schema", shown=None),
    replace(PRESENCE, shown=0.0), replace(FREQUENCY, shown=0.0),
    Parameter("top_logprobs", integer(0, 20), refused=NO_LOGPROBS, shown=0),
    Parameter("reasoning", OBJECT, "thinkingConfig", shown=None),
    Parameter("user", STRING, shown=None),
    Parameter("max_output_tokens", integer(16, INT32), config="maxOutputTokens", shown=None),
    Parameter("max_tool_calls", integer(1), "how many calls of MCP tools are run at most", shown=None),
    Parameter("store", BOOLEAN, "false: the answer cannot be fetched or continued", shown=True),
    Parameter("background", BOOLEAN, "the answer is made without a waiting client; requires store", shown=False),
    Parameter("service_tier", choice(*TIERS), "default, in the answer", shown="default"),
    Parameter("safety_identifier", STRING, shown=None),
    Parameter("prompt_cache_key", STRING, shown=None),
)  # fmt: skip
PARAMETERS = (
    Parameter("model", STRING, "who answers"), MODELS,
    Parameter("input", TEXT_OR_ARRAY, "contents"),
    Parameter("conversation", TEXT_OR_OBJECT, "contents: its items, to which this turn's are added"),
    *REPEATED,
    TOP_K, SEED,
    Parameter("text.format", OBJECT, "responseMimeType and a schema"),
    Parameter("text.verbosity", VERBOSITY, "repeated in the answer"),
    Parameter("reasoning.effort", choice(*EFFORTS), "thinkingConfig"),
    Parameter("reasoning.summary", choice(*SUMMARIES), "whether thoughts are shown"),
    Parameter("reasoning.generate_summary", choice(*SUMMARIES), "as summary"),
    Parameter("reasoning.context", choice("auto", "current_turn", "all_turns"), "repeated in the answer"),
    Parameter("reasoning.mode", STRING, "repeated in the answer"),
    Parameter("include", ARRAY, "encrypted reasoning, sources of a search"),
    Parameter("stream", BOOLEAN, "the answer in events"),
    Parameter("stream_options", OBJECT, "checked"),
    Parameter("n", integer(1), refused=ONE_ANSWER, asks=lambda value: (value or 1) > 1, noted=True),
    *CACHE,
    *(Parameter(name, ANY) for name in ("access_programs", "background_options", "image")),
    *WITHOUT_COUNTERPART,
    *OF_CHAT,
)  # fmt: skip
REASONING = ("effort", "summary", "generate_summary", "context", "mode")
FORM = ("type", "name", "description", "schema", "strict")


def lookups(body: Json) -> Lookups:
    """Never raises: ``parse`` refuses what is malformed."""
    previous = body.get("previous_response_id")
    wanted = [(f"input[{index}]", reference(item)) for index, item in narrow.numbered(body.get("input"))]
    found = tuple((path, item_id) for path, item_id in wanted if item_id is not None)
    return Lookups(previous if isinstance(previous, str) else None, found, conversation.looked_up(body))


def parse(body: Json, context: Context) -> Turn:
    """Raises FaultError naming the parameter."""
    refuse(body, OF_CHAT)
    model, models = named_models(body)
    refuse(body, PARAMETERS)
    there, previous = _conversation(body, context), _previous(body, context)
    held, left_out = without_loose_ends(there)
    entries, skipped = _entries(body, context, there, previous)
    target = context.target(model)
    given, added = fields.array(body, "tools") or [], _added_tools(held, entries, previous)
    tools = read_tools([("tools", given), *added], pictures=target.family.endswith("image"))
    members, notes = request_members(tools, lambda: tool_choice(body, tools), names := NameMap(), target.family)
    history = History(context.recall, names, target, shows_ran=True)
    reader = Items(history, context, target, tools)
    compacts = bool(entries) and entries[-1].kind == compaction.TRIGGER
    reader.servers.begin((*held, *(entry.item for entry in entries)))
    _before(body, previous, held, target, history, reader)
    reader.read(entries[:-1] if compacts else entries)
    contents, system = history.build(closing=[{"text": compaction.PROMPT}] if compacts else ())
    members = {"contents": contents, **members, **({"systemInstruction": system} if system else {})}
    request, suited = _finished(body, members, target, context, compacts=compacts, pictures=tools.pictures)
    listings = fresh((*(previous.listings if previous else ()), *reader.servers.listings), context.fresh_from)
    servers = () if compacts else with_listings(tools.servers, listings)
    echo = echoed_members(body, tools.shown, request.get("generationConfig") or {})
    details = ResponsesDetails(
        echo=echo,
        include=_include(body),
        namespaces=tools.namespaces,
        compacts=compacts,
        input=tuple(listed(entries, context.turn_id)),
        users=previous.users if previous else tuple(compaction.users(held)),
        system=(*(previous.system if previous else ()), *reader.system),
        tools=tuple(narrow.members(tool) for _, group in added for tool in group),  # valid: they were read
        dialogue=None if contents is history.dialogue else tuple(history.dialogue),
        listings=listings,
        known=tuple(server.label for server in servers if server.listed is not None),
        approved=reader.servers.approved,
    )
    return Turn(
        id=context.turn_id,
        surface="responses",
        model=model,
        models=models,
        target=target,
        google_request=request,
        stream=_stream(body),
        store=echo["store"],
        background=echo["background"],
        previous_id=echo["previous_response_id"],
        details=details,
        tool_names=names.to_client,
        tool_kinds=tools.kinds,
        servers=servers,
        approvals=tuple(reader.servers.approvals),
        max_calls=fields.integer(body, "max_tool_calls"),
        conversation=conversation.named(body) or "",
        owner=context.owner,
        created=context.created,
        notes=(*left_out, *skipped, *notes, *reader.notes, *history.notes, *suited, *_unserved(body)),
    )


def _finished(
    body: Json, generate: dict[str, Any], target: Target, context: Context, *, compacts: bool, pictures: bool
) -> tuple[GenerateContentRequest, tuple[str, ...]]:
    """Google's request with its configuration and the form of the answer, as the model takes it; and notes."""
    config, lost = generation_config(body, target, pictures=pictures)
    if config:
        generate["generationConfig"] = config
    given = fields.obj(fields.obj(body, "text") or {}, "format", path="text")
    form = wanted_form(given, target.family, path="text.format", flat=True)
    formed = apply_form(TEXT if compacts else form, generate, target.family, param="text.format")
    if compacts:
        generate = compaction.request(generate, target.output_limit or rules(target.family).output_limit)
    request, suited = for_model(generate, target, context.recall)
    return request, (*lost, *formed, *suited)


# -- the input -----------------------------------------------------------------------------------------------


def _conversation(body: Json, context: Context) -> Sequence[Json]:
    """What comes before the input in its conversation."""
    if (wanted := conversation.named(body)) is None:
        return ()
    if (found := context.conversation(wanted)) is None:
        raise conversation.not_found(wanted)
    return found


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


def _entries(
    body: Json, context: Context, there: Sequence[Json], previous: StoredTurn | None
) -> tuple[list[Entry], tuple[str, ...]]:
    """The input, which may repeat nothing of its conversation; and notes."""
    continues = bool(there) or previous is not None
    if body.get("input") is None and not continues:
        raise fields.missing("input")
    if body.get("input") == [] and not continues:
        text = "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array."
        raise bad_request(text, param="input", code="empty_array")
    entries, notes = resolve(body, context)
    if body.get("conversation") is not None:
        conversation.check_new([entry.item for entry in entries], {item.get("id") for item in there}, "input")
    return entries, notes


def _added_tools(
    held: Sequence[Json], entries: Sequence[Entry], previous: StoredTurn | None
) -> list[tuple[str, list[object]]]:
    """Tools that are declared in the input, of this turn and of those that it continues."""
    groups: list[tuple[str, list[object]]] = []
    if previous is not None and previous.tools:
        groups.append(("previous_response_id.tools", list(previous.tools)))
    for entry in (*conversation.entries_of(held), *entries):
        if entry.kind in ("additional_tools", "tool_search_output"):
            groups.append((f"{entry.path}.tools", fields.array(entry.item, "tools", path=entry.path) or []))
    return groups


def _before(
    body: Json, previous: StoredTurn | None, held: Sequence[Json], target: Target, history: History, reader: Items
) -> None:
    """Read what comes before the input: instructions, and the dialogue or the conversation that it continues."""
    if instructions := fields.string(body, "instructions"):
        history.system(instructions)
    conversation.read(held, reader, history, target)
    if previous is None:
        return
    for text in previous.system:
        history.system(text)
    history.extend(for_target(previous, target))
    reader.remember_calls(previous.items.values())
    reader.servers.asked(previous.items.values())
    if previous.summary is not None:  # the dialogue was compacted
        reader.read([Entry("previous_response_id", item) for item in (*previous.users, previous.summary)])


# -- generationConfig ----------------------------------------------------------------------------------------


def generation_config(body: Json, target: Target, *, pictures: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
    """generationConfig and notes."""
    wanted = settings(body, PARAMETERS)
    wanted |= {"responseModalities": ["TEXT", "IMAGE"] if pictures else None, "thinkingConfig": _thinking(body, target)}
    config, notes = within_model(wanted, target)
    if wanted["thinkingConfig"] is None and (fields.obj(body, "reasoning") or {}).get("effort") is not None:
        notes.append("reasoning.effort left out: this model does not think")
    return config, tuple(notes)


def _thinking(body: Json, target: Target) -> dict[str, Any] | None:
    """``summary`` asks for thoughts; an effort alone does not."""
    reasoning = fields.obj(body, "reasoning") or {}
    effort = fields.string(reasoning, "effort", path="reasoning")
    wanted = _summary(reasoning) is not None
    return thinking_config(effort, target, summaries=wanted if wanted or effort is not None else None)


def _summary(reasoning: Json) -> str | None:
    old = fields.choice(reasoning, "generate_summary", SUMMARIES, path="reasoning")
    wanted = fields.choice(reasoning, "summary", SUMMARIES, path="reasoning") or old
    return None if wanted == "none" else wanted


# -- the echo ------------------------------------------------------------------------------------------------


def echoed_members(body: Json, tools: Sequence[Json], config: Json) -> dict[str, Any]:
    """What the Response object repeats, with the API's defaults. Sampling and limits are shown as they are sent to the
    model (``config``)."""
    special = {
        "tool_choice": shown_choice(body),
        "tools": [*tools],
        "text": _text(body),
        "reasoning": _reasoning(body),
        "top_logprobs": None,
        "service_tier": None,
    }
    made = repeated(body, REPEATED, config, special)
    if (named := conversation.named(body)) is not None:
        made["conversation"] = {"id": named}
    if made["background"] and not made["store"]:
        text = "Invalid 'background': a background response has to be stored, but 'store' is false."
        raise bad_request(text, param="background", code="invalid_value")
    return made


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


def _include(body: Json) -> tuple[str, ...]:
    wanted: list[str] = []
    for index, value in enumerate(fields.array(body, "include") or []):
        wanted.append(fields.as_string(value, f"include[{index}]"))
        if value not in INCLUDES:
            raise fields.invalid_value(f"include[{index}]", value, INCLUDES)
    return tuple(wanted)


def _stream(body: Json) -> bool:
    stream = fields.boolean(body, "stream")
    stream_options(body, stream=stream)
    return stream


def _unserved(body: Json) -> list[str]:
    notes = unserved(body, PARAMETERS) + unserved(fields.obj(body, "reasoning") or {}, PARAMETERS, "reasoning")
    return notes + [
        f"include {name}: ignored, there is nothing to include" for name in _include(body) if name not in AVAILABLE
    ]
