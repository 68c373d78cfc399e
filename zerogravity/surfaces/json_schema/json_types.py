"""What type a JSON schema or a JSON value is of, in JSON Schema's words. Type words of programming languages
(``list[int]``, ``int?``, ``Optional[int]``, ``Type.STRING``) mean what they mean there; an unknown word is no type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeGuard

from zerogravity.surfaces.json_schema.merge import Out
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

TYPES = {"string", "number", "integer", "boolean", "array", "object"}
MAX_WORD = 200
_WORDS = {
    word: kind
    for kind, words in {
        "string": "str text char character varchar symbol date datetime date-time time timestamp uuid guid url uri "
        "email file path filepath binary bytes base64 password enum regex",
        "integer": "int long short int8 int16 int32 int64 uint uint8 uint16 uint32 uint64 bigint",
        "number": "float double decimal numeric real float32 float64",
        "boolean": "bool",
        "array": "list tuple set frozenset sequence iterable",
        "object": "dict dictionary map mapping record struct hash hashmap",
        "null": "none nil nonetype undefined void",
        "": "any unknown mixed json jsonvalue value variant union optional type_unspecified",
    }.items()
    for word in (*words.split(), kind)
}
_GENERIC = re.compile(r"([\w.-]+)\s*[\[<](.*)[\]>]")
_SPEAKS_OF = (
    ("object", ("properties", "additionalProperties", "required", "patternProperties", "propertyNames",
                "minProperties", "maxProperties", "unevaluatedProperties", "dependentRequired")),
    ("array", ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains")),
    ("string", ("pattern", "minLength", "maxLength", "contentEncoding", "contentMediaType")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)  # fmt: skip


def read(schema: Json) -> tuple[Json, tuple[str, ...]]:
    """The schema with JSON Schema's own type words, and the unknown words."""
    given = schema.get("type")
    if given is None or (isinstance(given, str) and given in TYPES):
        return schema, ()
    words: list[object] = [given] if isinstance(given, str) else narrow.items(given)
    if words and all(word == "null" or word in TYPES for word in words if isinstance(word, str)):
        return schema, ()
    made = {key: value for key, value in schema.items() if key != "type"}
    meant: list[Out] = []
    unknown: list[str] = []
    for word in words:
        if isinstance(word, str):
            found = _meanings(word)
            meant += found or ()
            unknown += () if found else (word[:MAX_WORD],)
    if {} in meant:
        return made, tuple(unknown)
    for key in ("items", "additionalProperties"):
        if key not in made and (inner := [one[key] for one in meant if key in one]):
            made[key] = inner[0] if len(inner) == 1 else {"anyOf": inner}
    types = list(dict.fromkeys(one["type"] for one in meant))
    if types == ["null"] and unknown:
        return {**made, "nullable": True}, tuple(unknown)
    return ({**made, "type": types} if types else made), tuple(unknown)


def _meanings(word: str) -> list[Out]:
    """The alternatives that one word stands for, as schemas; ``{}`` is any value. Empty: nobody knows the word."""
    text = word.strip()
    if len(text) > MAX_WORD:
        return []
    kind = _WORDS.get(text.lower().removeprefix("typing.").removeprefix("type.")) if text else ""
    if kind is not None:
        return [{"type": kind} if kind else {}]
    if (bare := text.strip("?")) != text:
        return _all([bare, "null"])
    if len(parts := _split(text, "|")) > 1:
        return _all(parts)
    if text.endswith("[]"):
        return [{"type": "array", "items": {"type": text[:-2]}}]
    found = _GENERIC.fullmatch(text)
    head, inner = (found[1].lower().removeprefix("typing."), _split(found[2], ",")) if found else ("", [])
    if head in ("optional", "union"):
        return _all([*inner, "null"] if head == "optional" else inner)
    match _WORDS.get(head):
        case "array":
            return [{"type": "array", "items": {"type": inner[0]}}]
        case "object":
            return [{"type": "object", "additionalProperties": {"type": inner[-1]}}]
        case _:
            return []


def _all(words: Sequence[str]) -> list[Out]:
    """The alternatives of several words, if all of them are known."""
    found = [_meanings(word) for word in words]
    return [one for meant in found for one in meant] if all(found) else []


def _split(text: str, mark: str) -> list[str]:
    """At the marks that stand in no brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[<(") - (char in "]>)")
        if char == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def types_of(schema: Json) -> list[str | None]:
    """The types that a schema names; None stands for null."""
    given = read(schema)[0].get("type")
    if isinstance(given, str):
        return [None if given == "null" else given]
    found = [None if word == "null" else word for word in narrow.items(given) if isinstance(word, str)]
    return list(dict.fromkeys(found))


def is_null(schema: Json) -> bool:
    """Whether null is all it takes."""
    return types_of(schema) == [None] or ("const" in schema and schema["const"] is None) or schema.get("enum") == [None]


def inferred(schema: Json) -> list[str]:
    """The types of a schema that names none: of its values, its default, its keywords. None found: any JSON value."""
    if "properties" in schema:
        return ["object"]
    values = [*narrow.items(schema.get("enum")), *([schema["const"]] if "const" in schema else [])]
    if kinds := _kinds(values):
        return kinds
    for kind, keywords in _SPEAKS_OF:
        if any(keyword in schema for keyword in keywords):
            return [kind]
    for values in ([schema.get("default")], narrow.items(schema.get("examples")), [schema.get("example")]):
        if kinds := _kinds(values):
            return kinds
    return []


def _kinds(values: Iterable[object]) -> list[str]:
    """The types of values in the order of their coming; integers among other numbers are numbers."""
    kinds = [kind for kind in dict.fromkeys(map(kind_of_value, values)) if kind != "null"]
    return [kind for kind in kinds if kind != "integer"] if "number" in kinds else kinds


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


def is_number(value: object) -> TypeGuard[int | float]:
    """A finite JSON number that fits a double."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e308
