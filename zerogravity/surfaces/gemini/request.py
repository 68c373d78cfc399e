"""A Gemini request → ``Turn``: no translation. The client's body, spelled in one way, is what reaches Google; only
a limit above the model's is lowered, for Claude it is made what Anthropic takes, and of a form beside functions that
the family refuses, what the tool mode makes moot is left out (``functions.py``).

The model, the method, ``alt`` and ``fields`` stand in the URL: ``parse_request`` takes them as arguments. Unknown
members are kept; Google judges them. Labels and session stay the language server's. Facts:
wire-gemini-and-mapping 1.1, 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from zerogravity.core.family import lower_limit
from zerogravity.core.turn import Turn
from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common.claude import handed_on
from zerogravity.surfaces.common.functions import MAX_FUNCTIONS, beside_functions, too_many
from zerogravity.surfaces.common.nameless import NOTE, named
from zerogravity.surfaces.gemini import field_mask
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.surfaces.gemini.proto_json import GENERATION, REQUEST, normalise

Json = Mapping[str, Any]
LS_OWN = ("labels", "sessionId")  # by these Google knows the language server's cascade
CHANGED = {
    **dict.fromkeys(LS_OWN, "left out and noted: the language server's own is kept"),
    "contents": "the same, without calls that have no name",
    "tools": f"the same; at most {MAX_FUNCTIONS} functions",
    "generationConfig.maxOutputTokens": "the same, at most what the model gives",
    "generationConfig.responseMimeType": "the same; beside functions that the model refuses with it, as the mode says",
}


def parse_request(
    body: Json, context: Context, *, model: str, stream: bool = False, sse: bool = True, mask: str = ""
) -> Turn:
    """``sse``: the stream was asked for with ``alt=sse``; otherwise it is one JSON array. ``mask``: ``fields=``.

    Raises FaultError 400 naming the field, 404 for an unknown model.
    """
    target = context.target(model)
    wanted = field_mask.parse(mask, field_mask.GENERATE)
    generate: dict[str, Any] = normalise(body, REQUEST)
    generate.pop("model", None)  # the path's; the envelope has its own
    notes = [f"{name}: the language server's own is kept" for name in LS_OWN if generate.pop(name, None) is not None]
    schema = cast("Json", generate.get("generationConfig") or {}).get("responseSchema")
    if places := list(empty_objects(schema, "responseSchema")):
        notes.append(f"can only be {{}}, responseJsonSchema says what it may hold: {', '.join(places)}")
    notes += beside_functions(generate, target.family, param="responseMimeType") or ()
    contents = cast("list[Any]", generate.get("contents") or [])
    if not contents:
        text = "* GenerateContentRequest.contents: contents is not specified"
        raise bad_request(text, param="contents", code="invalid_argument")
    for index, content in enumerate(contents):
        if not content.get("parts"):
            text = f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty."
            raise bad_request(text, param=f"contents[{index}].parts", code="invalid_argument")
    kept, lost = named(contents)
    if kept:
        generate["contents"] = kept
        notes += [NOTE] if lost else []
    _count_functions(generate)
    config = cast("dict[str, Any]", generate.get("generationConfig") or {})
    notes += lower_limit(config, target.family)
    generate, suited = handed_on(generate, target, context.recall)
    return Turn(
        id=context.turn_id,
        surface="gemini",
        model=model,
        target=target,
        google_request=generate,
        stream=stream,
        details=GeminiDetails("sse" if sse else "json", asks_for_thoughts(generate), wanted),
        owner=context.owner,
        created=context.created,
        notes=(*notes, *suited),
    )


def table() -> list[tuple[str, str, str]]:
    """(name, what it takes, what comes of it) of each member, for people."""
    rows = [(name, "as Google takes it", CHANGED.get(name, "the same")) for name in REQUEST.members]
    config = [f"generationConfig.{name}" for name in GENERATION.members]
    return rows + [(name, "as Google takes it", CHANGED.get(name, "the same")) for name in config]


def _count_functions(generate: Json) -> None:
    """Google's own bound, told at once instead of by a turn that fails. Raises FaultError 400."""
    tools = cast("list[Json]", generate.get("tools") or [])
    count = sum(len(tool.get("functionDeclarations", ())) for tool in tools)
    if count > MAX_FUNCTIONS:
        text = f"* GenerateContentRequest.tools[0].function_declarations: [FIELD_INVALID] {too_many(count)}"
        raise bad_request(text, param="tools", code="invalid_argument")


def empty_objects(schema: object, path: str) -> Iterator[str]:
    """Where a Schema has objects without properties: as a constraint, these hold nothing."""
    if not isinstance(schema, dict):
        return
    node = cast("Json", schema)
    inner = cast("Json", node.get("properties") or {})
    if str(node.get("type")).upper() == "OBJECT" and not inner and not node.get("additionalProperties"):
        yield path
    for name, one in inner.items():
        yield from empty_objects(one, f"{path}.{name}")
    yield from empty_objects(node.get("items"), f"{path}.items")
    for branch in cast("list[object]", node.get("anyOf") or []):
        yield from empty_objects(branch, f"{path}.anyOf")


def asks_for_thoughts(generate: Json) -> bool:
    """Whether the client wants thought parts. The language server's own request always asks for them, and a client
    that did not would take the first thought for the answer."""
    value: Any = generate
    for name in ("generationConfig", "thinkingConfig", "includeThoughts"):
        value = cast("Json", value).get(name) if isinstance(value, dict) else None
    return value is True


def count_request(body: Json) -> dict[str, Any]:
    """A countTokens body → the request to be counted: ``contents`` or ``generateContentRequest``, not both."""
    inner = body.get("generateContentRequest", body.get("generate_content_request"))
    contents = body.get("contents")
    if (inner is None) == (contents is None):
        text = "Exactly one of 'contents' and 'generateContentRequest' must be given."
        raise bad_request(text, param="contents", code="invalid_argument")
    if inner is None:
        return cast("dict[str, Any]", normalise(body, REQUEST))
    made = cast("dict[str, Any]", normalise(inner, REQUEST, "generateContentRequest"))
    made.pop("model", None)
    return made
