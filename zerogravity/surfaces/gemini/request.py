"""A Gemini request → ``Turn``: no translation. The client's body, spelled in one way, is what reaches Google, but for
what ``RULES`` says, for what Claude needs (``common.claude``), and for calls that were run here (``ran_calls``). A
function ``mcp:NAME`` stands for the tools of an MCP server of the configuration.

The model, the method, ``alt`` and ``fields`` stand in the URL: ``parse_request`` takes them as arguments. Unknown
members are kept; Google judges them. Facts: wire-gemini-and-mapping 1.1, 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zerogravity.core.family import lower_limit
from zerogravity.core.google import session_of
from zerogravity.core.turn import Target, ToolServer, Turn
from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common import parameters
from zerogravity.surfaces.common.claude import for_model
from zerogravity.surfaces.common.declarations import Tools
from zerogravity.surfaces.common.functions import MAX_FUNCTIONS, calling_mode, form_with_functions, too_many
from zerogravity.surfaces.common.nameless import NOTE, named
from zerogravity.surfaces.common.parameters import MODELS
from zerogravity.surfaces.common.tool_servers import configured
from zerogravity.surfaces.gemini import field_mask
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.surfaces.gemini.proto_json import GENERATION, REQUEST, normalise
from zerogravity.surfaces.gemini.ran_calls import with_ran_calls
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

Request = dict[str, Any]


def parse_request(
    body: Json,
    context: Context,
    *,
    model: str,
    models: Sequence[str] = (),
    stream: bool = False,
    sse: bool = True,
    mask: str = "",
) -> Turn:
    """``sse``: the stream was asked for with ``alt=sse``; otherwise it is one JSON array. ``mask``: ``fields=``.

    Raises FaultError 400 naming the field, 404 for an unknown model.
    """
    target = context.target(model)
    wanted = field_mask.parse(mask, field_mask.GENERATE)
    given: Request = normalise(body, REQUEST)
    notes = [note for rule in RULES for note in rule.apply(given, target)]
    given["contents"] = with_ran_calls(given["contents"], context.recall, target)
    servers = take_servers(given)
    request, suited = for_model(given, target, context.recall)
    thoughts = narrow.lookup(request, "generationConfig", "thinkingConfig", "includeThoughts")
    return Turn(
        id=context.turn_id,
        surface="gemini",
        model=model,
        models=tuple(models),
        target=target,
        google_request=request,
        stream=stream,
        # the language server always asks for thoughts: a client that did not would take one for the answer
        conversation=session_of(body),
        details=GeminiDetails("sse" if sse else "json", thoughts is True, wanted),
        owner=context.owner,
        created=context.created,
        servers=tuple(servers),
        notes=(*notes, *suited),
    )


def take_servers(request: Request) -> Sequence[ToolServer]:
    """Take the functions out that stand for MCP servers, and the choices that name them. Raises FaultError 400."""
    tools = Tools()
    if "tools" in request:
        left = [_taken(tool, index, tools) for index, tool in narrow.numbered(request["tools"])]
        if tools.servers:
            request["tools"] = [tool for tool in left if tool]
    config = narrow.members(narrow.lookup(request, "toolConfig", "functionCallingConfig"))
    names = narrow.items(config.get("allowedFunctionNames"))
    kept = [name for name in names if (found := configured(name, "")) is None or not tools.choose(found.label, None)]
    if tools.chosen:
        inner = {**config, "allowedFunctionNames": kept} if kept else without(config, "allowedFunctionNames")
        request["toolConfig"] = {**narrow.members(request["toolConfig"]), "functionCallingConfig": inner}
    if tools.servers and not request["tools"]:
        del request["tools"]
    return () if calling_mode(request) == "NONE" else tools.servers


def _taken(tool: Json, index: int, into: Tools) -> Json:
    """A tool without the functions that stand for servers."""
    declarations = narrow.items(tool.get("functionDeclarations"))
    kept: list[object] = []
    for number, declaration in enumerate(declarations):
        param = f"tools[{index}].functionDeclarations[{number}].name"
        if (server := configured(narrow.members(declaration).get("name"), param)) is not None:
            into.server(server)
        else:
            kept.append(declaration)
    if len(kept) == len(declarations):
        return tool
    return {**tool, "functionDeclarations": kept} if kept else without(tool, "functionDeclarations")


def without(given: Json, name: str) -> Request:
    return {key: value for key, value in given.items() if key != name}


# -- what becomes of a member ----------------------------------------------------------------------------------


def _without_model(request: Request, _: Target) -> Notes:
    request.pop("model", None)
    return ()


def _without(name: str) -> Apply:
    def apply(request: Request, _: Target) -> Notes:
        return () if request.pop(name, None) is None else (f"{name}: the language server's own is kept",)

    return apply


def _schema(request: Request, _: Target) -> Notes:
    schema = narrow.lookup(request, "generationConfig", "responseSchema")
    places = ", ".join(empty_objects(schema, "responseSchema"))
    return (f"can only be {{}}, responseJsonSchema says what it may hold: {places}",) if places else ()


def _answer_form(request: Request, target: Target) -> Notes:
    return form_with_functions(request, target.family, param="responseMimeType") or ()


def _contents(request: Request, _: Target) -> Notes:
    contents = narrow.objects(request.get("contents"))
    if not contents:
        raise _invalid("contents", "contents is not specified")
    for index, content in enumerate(contents):
        if not content.get("parts"):
            raise _invalid(f"contents[{index}].parts", "contents.parts must not be empty.")
    kept, lost = named(contents)
    if kept:
        request["contents"] = kept
    return (NOTE,) if kept and lost else ()


def _tools(request: Request, _: Target) -> Notes:
    """Google's own limit, reported at once instead of by a turn that fails."""
    count = sum(len(narrow.items(tool.get("functionDeclarations"))) for tool in narrow.objects(request.get("tools")))
    if count > MAX_FUNCTIONS:
        raise _invalid("tools", f"[FIELD_INVALID] {too_many(count)}", "tools[0].function_declarations")
    return ()


def _limit(request: Request, target: Target) -> Notes:
    return lower_limit(narrow.members(request.get("generationConfig")), target.family, target.output_limit)


def _invalid(param: str, why: str, field: str = "") -> FaultError:
    text = f"* GenerateContentRequest.{field or param}: {why}"
    return bad_request(text, param=param, code="invalid_argument")


Notes = Sequence[str]
Apply = Callable[[Request, Target], Notes]


@dataclass(frozen=True, slots=True)
class Rule:
    """``becomes``: in words for people. ``apply``: changes the request in place and returns notes; raises FaultError
    400."""

    member: str
    becomes: str
    apply: Apply


SERVERS_OWN = "left out and noted: the language server's own is kept"
RULES = (  # in the order in which they are applied
    Rule("model", "left out: the URL names it", _without_model),
    Rule("labels", SERVERS_OWN, _without("labels")),  # by these two Google knows the language server's cascade
    Rule("sessionId", SERVERS_OWN, _without("sessionId")),
    Rule("generationConfig.responseSchema", "the same; noted where an object can only be {}", _schema),
    Rule(
        "generationConfig.responseMimeType",
        "the same; with functions that the model refuses with it, as the mode says",
        _answer_form,
    ),
    Rule("contents", "the same, without calls that have no name", _contents),
    Rule("tools", f"the same; at most {MAX_FUNCTIONS} functions", _tools),
    Rule("generationConfig.maxOutputTokens", "the same, at most what the model gives", _limit),
)


def table() -> list[tuple[str, str, str]]:
    """(name, what it takes, what comes of it) of each member, for people."""
    changed = {rule.member: rule.becomes for rule in RULES}
    known = [*REQUEST.members, *(f"generationConfig.{name}" for name in GENERATION.members)]
    rows = [(name, "as Google takes it", changed.get(name, "the same")) for name in dict.fromkeys((*known, *changed))]
    return [*rows, *parameters.table([MODELS])]


def empty_objects(schema: object, path: str) -> Iterator[str]:
    """Where a Schema has objects without properties: as a constraint, these hold nothing."""
    if (node := narrow.an_object(schema)) is None:
        return
    inner = narrow.members(node.get("properties"))
    if str(node.get("type")).upper() == "OBJECT" and not inner and not node.get("additionalProperties"):
        yield path
    for name, one in inner.items():
        yield from empty_objects(one, f"{path}.{name}")
    yield from empty_objects(node.get("items"), f"{path}.items")
    for branch in narrow.items(node.get("anyOf")):
        yield from empty_objects(branch, f"{path}.anyOf")


def count_request(body: Json) -> dict[str, Any]:
    """A countTokens body → the request to be counted: ``contents`` or ``generateContentRequest``, not both."""
    inner = body.get("generateContentRequest", body.get("generate_content_request"))
    contents = body.get("contents")
    if (inner is None) == (contents is None):
        text = "Exactly one of 'contents' and 'generateContentRequest' must be given."
        raise bad_request(text, param="contents", code="invalid_argument")
    if inner is None:
        return normalise(body, REQUEST)
    made: Request = normalise(inner, REQUEST, "generateContentRequest")
    made.pop("model", None)
    return made
