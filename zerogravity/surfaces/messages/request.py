"""A Messages request → ``Turn``: every member is served, accepted, or refused by name, as ``PARAMETERS`` says. Members
that the table does not have are taken and noted: clients grow faster than it.

| served   | model, models, messages, system, max_tokens, stop_sequences, stream, temperature, top_p, top_k, tools,
|          | tool_choice, thinking, output_config (effort, format), output_format
| accepted | cache_control, context_management, metadata (user_id), service_tier, speed, inference_geo, diagnostics,
|          | user_profile_id, workspace_id, fallbacks, billing_policy, safeguards
| refused  | container, mcp_servers, thread, compaction

Facts: wire-anthropic 1, 2, 5, 8.
"""

from __future__ import annotations

from typing import Any

from zerogravity.core import token_estimate
from zerogravity.core.turn import Turn
from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.answer_form import TEXT, Form, apply_form, schema_form
from zerogravity.surfaces.common.claude import for_model
from zerogravity.surfaces.common.declarations import NameMap
from zerogravity.surfaces.common.generation_config import within_model
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
    Kind,
    Parameter,
    choice,
    integer,
    is_given,
    named_models,
    number,
    refuse,
    settings,
    unserved,
)
from zerogravity.surfaces.common.tool_choice import request_members
from zerogravity.surfaces.messages.details import MessagesDetails, Search
from zerogravity.surfaces.messages.thinking import EFFORTS, thinking
from zerogravity.surfaces.messages.tools import one_call, read_tools, tool_choice
from zerogravity.surfaces.messages.turns import Turns
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json


def _stops(body: Json, name: str, path: str) -> tuple[str, ...]:
    given = fields.array(body, name, path=path) or []
    words = [fields.as_string(word, f"{name}[{index}]") for index, word in enumerate(given)]
    for index, word in enumerate(words):
        if not word.strip():
            text = "each stop sequence must contain non-whitespace"
            raise bad_request(text, param=f"{name}[{index}]", code="invalid_value")
    return tuple(words)


def _accepted(name: str, kind: Kind = ANY) -> Parameter:
    return Parameter(name, kind, accepted=True)


STOPS = Parameter("stop_sequences", Kind("an array of strings", _stops), "watched for, and named in the answer")
MAX_TOKENS = Parameter("max_tokens", integer(0, INT32), "maxOutputTokens, within the model's own; 0: an empty answer")
PARAMETERS = (
    Parameter("model", STRING, "who answers"), MODELS,
    Parameter("messages", ARRAY, "contents"),
    Parameter("system", TEXT_OR_ARRAY, "systemInstruction"),
    MAX_TOKENS, STOPS,
    Parameter("stream", BOOLEAN, "the answer in events"),
    Parameter("temperature", number(0, 1), config="temperature"),
    Parameter("top_p", number(0, 1), config="topP"),
    Parameter("top_k", integer(1, INT32), config="topK"),
    Parameter("tools", ARRAY, "functionDeclarations, googleSearch"),
    Parameter("tool_choice", OBJECT, "toolConfig; disable_parallel_tool_use: only the first call is handed on"),
    Parameter("thinking", OBJECT, "thinkingConfig; thoughts come back as display says"),
    Parameter("output_config", OBJECT, "as below"),
    Parameter("output_config.effort", choice(*EFFORTS), "thinkingConfig"),
    Parameter("output_config.format", OBJECT, "responseMimeType and a schema"),
    Parameter("output_format", OBJECT, "as output_config.format, whose old name it is"),
    _accepted("cache_control", OBJECT), _accepted("context_management", OBJECT),
    _accepted("metadata", OBJECT), _accepted("metadata.user_id", STRING),
    _accepted("service_tier", STRING), _accepted("speed", STRING), _accepted("inference_geo", STRING),
    *(_accepted(name) for name in ("diagnostics", "user_profile_id", "workspace_id", "fallbacks", "billing_policy",
                                   "safeguards")),
    Parameter("container", ANY, refused="is not supported: there are no containers here", asks=is_given),
    Parameter("mcp_servers", ARRAY, refused="is not supported: no MCP server is called from here"),
    Parameter("thread", ANY, refused="is not supported: send the whole conversation as 'messages'", asks=is_given),
    Parameter("compaction", ANY, refused="is not supported: shorten the conversation yourself", asks=is_given),
)  # fmt: skip


def parse(body: Json, context: Context) -> Turn:
    """Raises FaultError naming the parameter."""
    model, models = named_models(body)
    messages = _messages(body)
    limit: int | None = MAX_TOKENS.read(body)
    if limit is None:
        raise fields.missing("max_tokens")
    refuse(body, PARAMETERS)
    ignored = unserved(body, PARAMETERS) + unserved(_output(body), PARAMETERS, "output_config")
    target = context.target(model)
    names = NameMap()
    tools = read_tools(body)
    members, notes = request_members(tools, lambda: tool_choice(body, tools), names, target.family)
    history = History(context.recall, names, target)
    turns = Turns(history, context, target.family)
    turns.system(body)
    turns.read(messages)
    contents, system = history.build(param="messages")
    generate: dict[str, Any] = {"contents": contents, **members}
    if system is not None:
        generate["systemInstruction"] = system
    effort = fields.choice(_output(body), "effort", EFFORTS, path="output_config")
    thinks, thoughts, thought = thinking(fields.obj(body, "thinking"), turns.effort or effort, limit, target)
    wanted = {**settings(body, PARAMETERS), "maxOutputTokens": limit or None, "thinkingConfig": thinks}
    config, lowered = within_model(wanted, target)
    if config:
        generate["generationConfig"] = config
    form, param = _form(body, target.family)
    formed = apply_form(form, generate, target.family, param=param, forced="any")
    request, suited = for_model(generate, target, context.recall)
    return Turn(
        id=context.turn_id,
        surface="messages",
        model=model,
        models=models,
        target=target,
        google_request=request,
        stream=fields.boolean(body, "stream"),
        details=MessagesDetails(
            thoughts=thoughts,
            one_call=one_call(body),
            input_tokens=token_estimate.total(request),
            search=_search(members),
        ),
        tool_names=names.to_client,
        servers=tuple(tools.servers),
        owner=context.owner,
        created=context.created,
        stops=STOPS.read(body),
        at_once=limit == 0,
        notes=(*notes, *turns.notes, *history.notes, *thought, *lowered, *formed, *suited, *ignored),
    )


def _messages(body: Json) -> list[object]:
    messages = fields.array(body, "messages")
    if messages is None:
        raise fields.missing("messages")
    if not messages:
        raise bad_request("at least one message is required", param="messages", code="empty_array")
    return messages


def _search(members: Json) -> Search:
    """Of the tools that Google gets: a search that is left out is not waited for."""
    sent = {name for tool in narrow.objects(members.get("tools")) for name in tool}
    return "none" if "googleSearch" not in sent else "beside" if "functionDeclarations" in sent else "alone"


def _output(body: Json) -> Json:
    return fields.obj(body, "output_config") or {}


def _form(body: Json, family: str) -> tuple[Form, str]:
    """The form that the answer is to have, and the member that says so. Raises FaultError 400."""
    param, given = "output_config.format", fields.obj(_output(body), "format", path="output_config")
    if given is None:
        param, given = "output_format", fields.obj(body, "output_format")
    if given is None:
        return TEXT, param
    if (kind := fields.required_string(given, "type", path=param)) != "json_schema":
        raise fields.invalid_value(f"{param}.type", kind, ("json_schema",))
    schema = fields.required_obj(given, "schema", path=param)
    return schema_form(schema, family, param=f"{param}.schema"), param
