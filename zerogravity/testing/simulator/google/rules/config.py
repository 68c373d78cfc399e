"""What Google says about tools, schemas and generationConfig whose types are right and whose values are not.

Each rule yields the message of the 400 it would be. Facts: wire-gemini-and-mapping 2.3-2.5, 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from zerogravity.testing.simulator import Object
from zerogravity.testing.simulator.google.families import LISTED, Family
from zerogravity.testing.simulator.google.generate_request import declarations, get, listed, messages
from zerogravity.wire.narrow import an_object, items, members, text, texts, whole

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
BUILT_IN = ("googleSearch", "urlContext", "codeExecution", "googleMaps", "fileSearch", "computerUse",
            "googleSearchRetrieval")  # fmt: skip
MIME_TYPES = ("text/plain", "application/json", "application/xml", "application/yaml", "text/x.enum")
REQUEST = "* GenerateContentRequest"
MIXED = "Tool use with function calling is unsupported"
SERVER_SIDE = (
    "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling."
)
WITHOUT = "Function calling config is set without function_declarations."
MOST_TOKENS = (
    "Unable to submit request because it has a maxOutputTokens value of {limit} but the supported range is from 1 "
    "(inclusive) to {end} (exclusive). Update the value and try again."
)
TOO_MANY = (
    "The GenerateContentRequest proto is invalid:\n"
    "  * tools[0].function_declarations: [FIELD_INVALID] At most 512 function declarations can be specified."
)
ALLOWED = "Allowed function names should only be set when function calling mode is set to ANY or VALIDATED."


def tools_errors(request: Object, family: Family, *, internal: bool) -> Iterator[str]:
    """Everything wrong with tools and toolConfig."""
    names: list[str] = []
    for index, tool in enumerate(messages(request, "tools")):
        for number, declared in enumerate(messages(tool, "functionDeclarations")):
            where = f"{REQUEST}.tools[{index}].function_declarations[{number}]"
            yield from _declaration(declared, where, 64 if internal else 128)
            name = text(declared.get("name"))
            if name in names:
                yield f"Duplicate function declaration found: {name}"
            names.append(name)
    if len(names) > 512:
        yield TOO_MANY
    built_in = any(get(tool, name) is not None for tool in messages(request, "tools") for name in BUILT_IN)
    if names and built_in:
        if not family.mixed_tools:
            yield MIXED
        elif not get(request, "toolConfig", "includeServerSideToolInvocations"):
            yield SERVER_SIDE
    if (calling := an_object(get(request, "toolConfig", "functionCallingConfig"))) is not None:
        yield from _calling(calling, names)


def _calling(calling: Object, names: list[str]) -> Iterator[str]:
    mode, allowed = get(calling, "mode") or "AUTO", texts(listed(get(calling, "allowedFunctionNames")))
    if not names and mode in ("ANY", "VALIDATED", 2, 4):
        yield WITHOUT
    if allowed and mode not in ("ANY", "VALIDATED", 2, 4):
        yield ALLOWED
    for name in allowed:
        if name not in names:
            yield f"{REQUEST}.tool_config.function_calling_config.allowed_function_names: unknown function {name}\n"


def _declaration(declared: Object, where: str, longest: int) -> Iterator[str]:
    name = text(declared.get("name"))
    if not NAME.fullmatch(name) or len(name) > longest:
        yield (
            f"{where}.name: [FIELD_INVALID] Invalid function name. Must start with a letter or an underscore. Must be "
            "alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length "
            f"of {longest}.\n"
        )
    schema = an_object(get(declared, "parameters"))
    if schema is not None and get(declared, "parametersJsonSchema") is not None:
        yield f"{where}: only one of parameters and parameters_json_schema may be set.\n"
    if schema is not None:
        if str(get(schema, "type") or "").upper() not in ("OBJECT", "6"):
            yield f"{where}.parameters.type: should be OBJECT\n"
        yield from schema_errors(schema, f"{where}.parameters")


def schema_errors(schema: Object, where: str) -> Iterator[str]:
    """Everything wrong with a Schema message, inside out."""
    kind, branches = str(schema.get("type") or "").upper(), messages(schema, "anyOf")
    properties = members(get(schema, "properties"))
    if not kind and not branches:
        yield f"{where}.type: must be specified\n"
    nested = an_object(get(schema, "items"))
    if kind == "ARRAY" and nested is None:
        yield f"{where}.items: missing field.\n"
    for index, word in enumerate(listed(get(schema, "enum"))):
        if kind not in ("STRING", ""):
            yield f"{where}.enum: only allowed for STRING type\n"
            break
        if word == "":
            yield f"{where}.enum[{index}]: cannot be empty\n"
    if properties and kind not in ("OBJECT", ""):
        yield f"{where}.properties: only allowed for OBJECT type\n"
    for index, name in enumerate(listed(get(schema, "required"))):
        if name not in properties:
            yield f"{where}.required[{index}]: property is not defined\n"
    for name, one in properties.items():
        yield from schema_errors(members(one), f"{where}.properties[{name}]")
    if nested is not None:
        yield from schema_errors(nested, f"{where}.items")
    for index, branch in enumerate(branches):
        yield from schema_errors(branch, f"{where}.any_of[{index}]")


def json_schema_errors(schema: object, where: str) -> Iterator[str]:
    """Everything wrong with a JSON Schema: its references. Keywords that Google does not know have no effect."""
    for path, one in _schemas(schema, ""):
        if "$ref" not in one:
            continue
        if others := [name for name in one if not name.startswith("$")]:
            yield f"{where}{path}: no other properties may be set beside $ref: {', '.join(others)}\n"
        if _target(one["$ref"], schema) is None:
            yield f"{where}{path}: $ref {one['$ref']} cannot be resolved\n"
    for start in ("#", *(f"#/$defs/{name}" for name in members(get(schema, "$defs")))):
        reached, open_ = set[str](), _required_references(_target(start, schema))
        while open_:
            reached |= open_
            open_ = {inner for one in open_ for inner in _required_references(_target(one, schema))} - reached
        if start in reached:
            yield f"{where}: cyclic references may only be used within non-required properties: {start}\n"


def _schemas(schema: object, path: str) -> Iterator[tuple[str, Object]]:
    """A JSON Schema and those in it, as far as Google reads it."""
    if (found := an_object(schema)) is None:
        return
    yield path, found
    for name in ("items", "additionalProperties"):
        yield from _schemas(found.get(name), f"{path}.{name}")
    for name in ("properties", "$defs"):
        for key, one in members(found.get(name)).items():
            yield from _schemas(one, f"{path}.{name}[{key}]")
    for name in ("anyOf", "oneOf", "prefixItems"):
        for index, one in enumerate(items(found.get(name))):
            yield from _schemas(one, f"{path}.{name}[{index}]")


def _required_references(schema: object) -> set[str]:
    """The references that every value of the schema follows: not those in properties that may be absent."""
    if (found := an_object(schema)) is None:
        return set()
    required = items(found.get("required"))
    inner = [found.get("items"), found.get("additionalProperties")]
    inner += [one for name in ("anyOf", "oneOf", "prefixItems") for one in items(found.get(name))]
    inner += [one for name, one in members(found.get("properties")).items() if name in required]
    own = {str(found["$ref"])} if "$ref" in found else set[str]()
    return own.union(*map(_required_references, inner))


def _target(reference: object, root: object) -> object:
    if reference == "#":
        return root
    found = root
    for token in str(reference).removeprefix("#/").split("/"):
        found = members(found).get(token.replace("~1", "/").replace("~0", "~"))
    return found


def generation_errors(request: Object, family: Family, model: str) -> Iterator[str]:
    """Everything wrong with generationConfig."""
    config = get(request, "generationConfig")
    where = f"{REQUEST}.generation_config"
    temperature, stops = get(config, "temperature"), listed(get(config, "stopSequences"))
    if isinstance(temperature, int | float | str) and not 0 <= float(temperature) <= 2:
        yield f"{where}.temperature: temperature must be in the range [0.0, 2.0].\n"
    if len(stops) > 5:
        yield f"{where}.stop_sequences: the number of stop sequences must be at most 5\n"
    if "" in stops:
        yield f"{where}.stop_sequences: stop sequences must not be empty\n"
    if (whole(get(config, "candidateCount")) or 1) != 1:
        yield "Multiple candidates is not enabled for this model"
    if not family.penalties and (get(config, "presencePenalty") or get(config, "frequencyPenalty")):
        yield f"Penalty is not enabled for models/{model}"
    limit, known = whole(get(config, "maxOutputTokens")), LISTED.get(model.removeprefix("models/"))
    most = min(family.most_tokens, known.output_limit) if known else family.most_tokens
    if limit is not None and limit < 1:
        yield f"{where}.max_output_tokens: must be positive\n"
    elif limit is not None and limit > most and family.kind != "claude":
        yield MOST_TOKENS.format(limit=limit, end=most + 1)
    yield from _response_format(request, config, family, where)
    if (thinking := an_object(get(config, "thinkingConfig"))) is not None:
        if family.thinking == "none" or (known and not known.thinking):
            yield f"Thinking is not enabled for models/{model}"
        else:
            yield from _thinking(thinking, family)


def _response_format(request: Object, config: object, family: Family, where: str) -> Iterator[str]:
    """The answer's MIME type and schema."""
    mime = text(get(config, "responseMimeType"))
    schema, json_schema = an_object(get(config, "responseSchema")), get(config, "responseJsonSchema")
    if mime and mime not in MIME_TYPES:
        shown = ", ".join(f"`{one}`" for one in MIME_TYPES[:-1])
        yield f"{where}.response_mime_type: allowed mimetypes are {shown} and `{MIME_TYPES[-1]}`.\n"
    if schema is not None and json_schema is not None:
        yield f"{where}: only one of response_schema and response_json_schema may be set.\n"
    if (schema is not None or json_schema is not None) and mime in ("", "text/plain"):
        yield f"{where}.response_schema: only allowed when response_mime_type is application/json or text/x.enum\n"
    if schema is not None:
        yield from schema_errors(schema, f"{where}.response_schema")
    yield from json_schema_errors(json_schema, f"{where}.response_json_schema")
    if mime == "application/json" and declarations(request) and not family.mixed_tools and family.kind == "gemini":
        yield "Function calling with a response mime type: 'application/json' is unsupported"


def _thinking(thinking: Object, family: Family) -> Iterator[str]:
    level, budget = get(thinking, "thinkingLevel"), whole(get(thinking, "thinkingBudget"))
    if level is not None and budget is not None:
        yield "You can only set only one of thinking budget and thinking level."
    if level is not None:
        word = str(level).upper()
        if not family.levels:
            yield "Thinking level is not supported for this model."
        elif word not in family.levels and word != "THINKING_LEVEL_UNSPECIFIED":
            yield f"Thinking level {word} is not supported for this model. Please retry with other thinking level."
    if budget is not None and family.budget is not None:
        yield from _budget(budget, *family.budget, may_be_off=family.budget_off)


def _budget(budget: int, least: int, most: int, *, may_be_off: bool) -> Iterator[str]:
    if budget == 0 and not may_be_off:
        yield "Budget 0 is invalid. This model only works in thinking mode."
    elif budget not in (0, -1) and not max(least, 1) <= budget <= most:
        yield f"The thinking budget {budget} is invalid. Please choose a value between {least} and {most}."
