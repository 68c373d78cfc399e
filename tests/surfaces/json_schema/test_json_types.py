"""Type words of all languages → JSON Schema's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.surfaces.json_schema.json_types import inferred, is_null, read, types_of

ANY: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("word", "made"),
    [
        ("string", {"type": "string"}),
        ("STRING", {"type": ["string"]}),
        ("Type.OBJECT", {"type": ["object"]}),
        *((word, {"type": ["integer"]}) for word in ("int", "Int", "int32", "int64", "long", "bigint")),
        *((word, {"type": ["number"]}) for word in ("float", "double", "decimal", "Float")),
        *((word, {"type": ["boolean"]}) for word in ("bool", "Boolean", "BOOL")),
        *((word, {"type": ["string"]}) for word in ("str", "text", "file", "date", "datetime", "uuid", "url")),
        *((word, {"type": ["array"]}) for word in ("list", "List", "tuple", "set", "Array")),
        *((word, {"type": ["object"]}) for word in ("dict", "Dict", "map", "record")),
        *((word, {"type": ["null"]}) for word in ("None", "NoneType", "nil", "undefined")),
        *((word, ANY) for word in ("any", "Any", "typing.Any", "unknown", "mixed", "json", "", "TYPE_UNSPECIFIED")),
        ("object?", {"type": ["object", "null"]}),
        ("?int", {"type": ["integer", "null"]}),
        ("number|null", {"type": ["number", "null"]}),
        ("int | str | None", {"type": ["integer", "string", "null"]}),
        ("Optional[int]", {"type": ["integer", "null"]}),
        ("Union[int, str]", {"type": ["integer", "string"]}),
        ("int | any", ANY),
        ("string[]", {"type": ["array"], "items": {"type": "string"}}),
        ("list[int]", {"type": ["array"], "items": {"type": "int"}}),
        ("Array<string>", {"type": ["array"], "items": {"type": "string"}}),
        ("List[Dict[str, int]]", {"type": ["array"], "items": {"type": "Dict[str, int]"}}),
        ("dict[str, list[int]]", {"type": ["object"], "additionalProperties": {"type": "list[int]"}}),
        ("Map<string, number>", {"type": ["object"], "additionalProperties": {"type": "number"}}),
        ("list[int] | list[str]", {"type": ["array"], "items": {"anyOf": [{"type": "int"}, {"type": "str"}]}}),
        (["string", "null"], {"type": ["string", "null"]}),
        (["str", "int"], {"type": ["string", "integer"]}),
        (["string", "any"], ANY),
    ],
)  # fmt: skip
def test_words(word: Any, made: dict[str, Any]) -> None:
    found, unknown = read({"type": word})
    assert found == made
    assert unknown == ()


@pytest.mark.parametrize("word", ["Foo", "list[", "list[int", "Literal['a']", "int|Foo", "x" * 300, "Foo[int]"])
def test_unknown_type_words_are_reported(word: str) -> None:
    found, unknown = read({"type": word, "description": "d"})
    assert found == {"description": "d"}
    assert unknown == (word[:200],)


def test_given_items_win_over_the_type_word() -> None:
    assert read({"type": "list[int]", "items": {"type": "string"}})[0]["items"] == {"type": "string"}


@given(st.text("intlsdcr[]<>|?, ", max_size=20) | st.lists(st.text(max_size=5) | st.integers()))
def test_any_word_can_be_read(word: Any) -> None:
    found, _ = read({"type": word})
    assert read(found) == (found, ())
    types_of(found)


@pytest.mark.parametrize(
    ("schema", "kinds"),
    [
        ({}, []),
        ({"description": "x"}, []),
        ({"default": None}, []),
        ({"default": 1, "enum": ["a"]}, ["string"]),
        ({"enum": ["a", 1, None, 2.5]}, ["string", "number"]),
        ({"properties": {}, "default": "x"}, ["object"]),
        ({"items": {}}, ["array"]),
        ({"required": ["a"]}, ["object"]),
        ({"pattern": "a"}, ["string"]),
        ({"multipleOf": 2}, ["number"]),
        ({"default": True}, ["boolean"]),
        ({"examples": [{"a": 1}]}, ["object"]),
    ],
)
def test_types_inferred_from_values_and_keywords(schema: dict[str, Any], kinds: list[str]) -> None:
    assert inferred(schema) == kinds


def test_null() -> None:
    assert all(
        map(is_null, ({"type": "null"}, {"type": "None"}, {"const": None}, {"enum": [None]}, {"type": ["null"]}))
    )
    assert not any(map(is_null, ({}, {"type": "object?"}, {"enum": []}, {"type": []})))
