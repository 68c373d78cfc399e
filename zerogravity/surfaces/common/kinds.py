"""What type a JSON schema or a JSON value is of, in JSON Schema's words."""

from __future__ import annotations

from zerogravity.surfaces.common.compose import Json, sequence

TYPES = {"string", "number", "integer", "boolean", "array", "object"}


def types_of(schema: Json) -> list[str | None]:
    """The type words in lower case; None stands for null; unknown words are dropped."""
    given = schema.get("type")
    found: list[str | None] = []
    for word in [given] if isinstance(given, str) else sequence(given):
        name = word.lower() if isinstance(word, str) else None
        if name == "null":
            found.append(None)
        elif name in TYPES:
            found.append(name)
    return list(dict.fromkeys(found))


def is_null(schema: Json) -> bool:
    """Whether null is all it takes."""
    return types_of(schema) == [None] or ("const" in schema and schema["const"] is None) or schema.get("enum") == [None]


def inferred(schema: Json) -> str:
    """The type of a schema that names none."""
    if "properties" in schema or "additionalProperties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    values = [*sequence(schema.get("enum")), *([schema["const"]] if "const" in schema else [])]
    kinds = {kind_of_value(value) for value in values} - {"null"}
    if kinds and kinds <= {"integer", "number"}:
        return "integer" if kinds == {"integer"} else "number"
    return "boolean" if kinds == {"boolean"} else "string"


def kind_of_value(value: object) -> str:
    """The type word of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def is_number(value: object) -> bool:
    """A finite JSON number that fits a double."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e308
