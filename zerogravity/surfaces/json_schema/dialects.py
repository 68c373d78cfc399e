"""Google's two dialects of JSON Schema: what each can say of one schema besides its structure, and what its JSON Schema
(``responseJsonSchema``) demands of the whole.

Each knows keywords that the other does not. A hint is a sentence of the description, ``keyword: value.``, short or
left out.

Only cycles are left as references, and Google takes them in properties that are not required (that they are nullable is
not enough). Facts: wire-gemini-and-mapping 2.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from zerogravity.surfaces.json_schema.json_types import is_number
from zerogravity.surfaces.json_schema.merge import Out
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

MAX_HINT = 120
_PROTO_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength")
_BOUNDS = ("minimum", "maximum")
_STRUCTURE = {
    "type", "description", "nullable", "enum", "const", "properties", "required", "items", "prefixItems", "anyOf",
    "oneOf", "allOf", "$ref", "$defs", "definitions", "default", "propertyOrdering", "additionalProperties",
    "patternProperties", "unevaluatedProperties",
}  # fmt: skip
_SILENT = {"$schema", "$id", "$anchor", "$comment", "$vocabulary", "deprecated", "readOnly", "writeOnly", "strict"}
Lose = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Dialect:
    """``whole``: it says open objects, references, numbers as enums; null is a type of its own. Otherwise an object has
    the members that are listed, and no others."""

    whole: bool
    counts: tuple[str, ...]
    texts: tuple[str, ...]
    formats: Mapping[str, tuple[str, ...]]


PROTO = Dialect(
    False, _PROTO_COUNTS, ("title", "pattern"),
    {"string": ("date-time",), "integer": ("int32", "int64"), "number": ("float", "double")},
)  # fmt: skip
JSON = Dialect(True, _PROTO_COUNTS[:2], ("title",), {"string": ("date-time", "date", "time")})


def copied(node: Json, kind: str, dialect: Dialect, hints: list[str], lose: Lose) -> Out:
    """Keywords Google knows are taken over; what it does not know becomes a hint."""
    out: Out = {}
    for key, value in node.items():
        if key in _STRUCTURE or key in _SILENT:
            continue
        text = key in dialect.texts and isinstance(value, str)
        if text or (key == "format" and isinstance(value, str) and value in dialect.formats.get(kind, ())):
            out[key] = value
        elif key in dialect.counts and _is_count(value):
            out[key] = int(value)
        elif key in _BOUNDS and is_number(value):
            out[key] = value
        else:
            lose(key)
            hints += hint(key, value)
    return out


def _is_count(value: object) -> TypeGuard[float]:
    return is_number(value) and value == int(value) and 0 <= value < 2**63


def hint(key: str, value: object, limit: int = MAX_HINT) -> list[str]:
    """A removed keyword in a few words; empty where it constrains nothing."""
    if key.startswith("x-") or value in ({}, [], "", None):
        return []
    text = jsonio.text(value)
    return [f"{key}: {text}."] if len(text) <= limit else []


def enum(node: Json, out: Out, kind: str, dialect: Dialect, hints: list[str], lose: Lose) -> bool:
    """enum and const; returns whether null was among the values."""
    values = [node["const"]] if "const" in node else narrow.items(node.get("enum"))
    word = "const" if "const" in node else "enum"
    real = [value for value in values if value is not None and value != ""]
    if "" in values:
        lose(f"the empty string in {word}")
    texts = kind == "string" and all(isinstance(value, str) for value in real)
    numbers = dialect.whole and kind in ("integer", "number") and all(is_number(value) for value in real)
    if real and (texts or numbers):
        out["enum"] = list(dict.fromkeys(real))
        out.pop("format", None)
    elif real:
        shown = ", ".join(jsonio.text(value) for value in real[:50])
        hints.append(f"Must be {shown}." if len(real) == 1 else f"Allowed: {shown}.")
        lose(f"{word} of other than strings")
    return None in values


def default(node: Json, out: Out, dialect: Dialect, hints: list[str], lose: Lose) -> None:
    """A scalar is kept where the dialect knows the keyword; anything else is reported."""
    value = node.get("default")
    if not dialect.whole and (isinstance(value, str | bool) or is_number(value)):
        out["default"] = value
    elif value is not None:
        lose("default")
        hints += hint("default", value)


def described(given: object, hints: Sequence[str]) -> str:
    """The description, and the hints as sentences of their own."""
    text = given if isinstance(given, str) else ""
    if text and hints and text.rstrip()[-1:] not in ".!?:;…":
        text = f"{text.rstrip()}."
    return " ".join([*([text] if text else []), *hints])


# -- the whole, in Google's JSON Schema -------------------------------------------------------------------------


_NULL: Out = {"type": "null"}


def finished(schema: Out, lose: Callable[[str, str], None], path: str = "") -> Out:
    """``lose`` is called with (path, what) for what is left out."""
    if "$ref" in schema:
        made: Out = {"$ref": schema["$ref"]}
    else:
        made = {key: value for key, value in schema.items() if key != "nullable"}
        for key in ("items", "additionalProperties"):
            if isinstance(made.get(key), dict):
                made[key] = finished(made[key], lose, f"{path}/{key}")
        for key in ("properties", "$defs"):
            if key in made:
                made[key] = {name: finished(one, lose, f"{path}/{name}") for name, one in made[key].items()}
        _loosened(made, lose, path)
    nullable = schema.get("nullable") is True
    if "anyOf" in made:
        nullable |= any(branch.get("nullable") is True for branch in made["anyOf"])
        branches = [{**branch, "nullable": False} for branch in made["anyOf"]]
        made["anyOf"] = [finished(branch, lose, f"{path}/anyOf") for branch in branches]
    if not nullable:
        return made
    defs = {"$defs": made.pop("$defs")} if "$defs" in made else {}
    return {"anyOf": [*made.get("anyOf", [made]), dict(_NULL)], **defs}


def _loosened(made: Out, lose: Callable[[str, str], None], path: str) -> None:
    properties = narrow.members(made.get("properties"))
    loose = [name for name in narrow.texts(made.get("required")) if _refers(properties.get(name))]
    if not loose:
        return
    lose(path, "required inside a recursion")
    made["required"] = [name for name in made["required"] if name not in loose]
    if not made["required"]:
        del made["required"]
    made["description"] = described(made.get("description"), hint("required", loose))


def _refers(schema: object) -> bool:
    """Whether a reference lies in it before the next property."""
    if (node := narrow.an_object(schema)) is None:
        return False
    inner = [node.get("items"), node.get("additionalProperties"), *narrow.items(node.get("anyOf"))]
    return "$ref" in node or any(map(_refers, inner))
