"""Functions as Google takes them: names both ways, schemas, limits."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.errors import FaultError
from zerogravity.surfaces.common import declarations
from zerogravity.surfaces.common.declarations import Declared, NameMap, declare

LEGAL = re.compile(r"[A-Za-z_][A-Za-z0-9_.:\-]{0,63}")


@pytest.mark.parametrize("name", ["f", "_", "get_weather", "a.b:c-d", "A" * 64])
def test_legal_names_stay(name: str) -> None:
    names = NameMap()
    assert names.to_google(name) == name
    assert names.to_client == {}


@pytest.mark.parametrize(
    ("name", "begins"),
    [("my tool", "my_tool_"), ("1st", "_1st_"), ("", "__"), ("naïve", "na_ve_"), ("工具", "___"), ("-x", "_-x_"),
     ("x" * 65, "x" * 55 + "_"), ("a/b", "a_b_"), ("a\nb", "a_b_"), ("\ud800", "__")],
)  # fmt: skip
def test_illegal_names_are_cleaned_and_found_again(name: str, begins: str) -> None:
    names = NameMap()
    made = names.to_google(name)
    assert made.startswith(begins)
    assert LEGAL.fullmatch(made)
    assert names.to_client == {made: name}
    assert names.to_google(name) == made
    assert NameMap().to_google(name) == made  # the same in every turn


alphabet = st.text(st.sampled_from("aA1 _-./é工\n"), max_size=70)


@given(st.lists(alphabet, max_size=12))
def test_names_are_legal_reversible_and_apart(given_names: list[str]) -> None:
    names = NameMap()
    made = {name: names.to_google(name) for name in given_names}
    assert len(set(made.values())) == len(made)
    for name, google in made.items():
        assert LEGAL.fullmatch(google)
        assert names.to_client.get(google, google) == name


def test_a_cleaned_name_never_equals_a_declared_one() -> None:
    """A client may declare the very name that another of its names would be cleaned to."""
    taken = NameMap().to_google("my tool")
    names = NameMap()
    assert names.to_google(taken) == taken
    other = names.to_google("my tool")
    assert other != taken
    assert names.to_client == {other: "my tool"}
    names = NameMap()
    assert names.to_google("my tool") == taken
    mangled = names.to_google(taken)
    assert mangled != taken
    assert names.to_client == {taken: "my tool", mangled: taken}


def test_colliding_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declarations, "_cleaned", lambda name, attempt: f"same_{attempt}")
    names = NameMap()
    assert [names.to_google("a b"), names.to_google("a/b")] == ["same_0", "same_1"]


SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "multipleOf": 1}}}


def test_declarations() -> None:
    names = NameMap()
    made, notes = declare([Declared("f x", "d", SCHEMA), Declared("g"), Declared("h", "", {"type": "object"})], names)
    assert [entry["name"] for entry in made] == [names.to_google("f x"), "g", "h"]
    assert made[0]["description"] == "d"
    assert made[0]["parameters"]["properties"]["a"]["type"] == "string"
    assert made[1:] == [{"name": "g"}, {"name": "h"}]
    assert notes == ("tools: not in Google's schemas: multipleOf (f x/a)",)


def test_losses_of_many_schemas_are_one_note() -> None:
    schema = {**SCHEMA, "additionalProperties": False, "minLength": -1}
    _, notes = declare([Declared(f"t{n}", None, schema) for n in range(17)], NameMap())
    assert notes == (
        "tools: not in Google's schemas: minLength (t0, t1, t2 and 14 more)",
        "tools: not in Google's schemas: multipleOf (t0/a, t1/a, t2/a and 14 more)",
        "tools: not in Google's schemas: additionalProperties (t0, t1, t2 and 14 more)",
    )
    _, notes = declare([Declared(f"t{n}", None, SCHEMA) for n in range(4)], NameMap())
    assert notes == ("tools: not in Google's schemas: multipleOf (t0/a, t1/a, t2/a, t3/a)",)


OPEN = "Arguments: May hold members of any name (additionalProperties: true)."


@pytest.mark.parametrize(
    ("schema", "description"),
    [
        ({"type": "object"}, "d"),
        ({"type": "object", "properties": {}}, "d"),
        ({"type": "object", "properties": {}, "additionalProperties": False}, "d"),
        ({}, "d"),
        ({"type": "object", "additionalProperties": True}, f"d\n\n{OPEN}"),
        ({"type": "object", "properties": {}, "additionalProperties": {}}, f"d\n\n{OPEN}"),
        ({"type": "dict[str, any]"}, f"d\n\n{OPEN}"),
        ({"additionalProperties": True}, f"d\n\n{OPEN}"),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "object", "additionalProperties": True}}}, f"d\n\n{OPEN}"),
        ({"allOf": [{"type": "object", "additionalProperties": True}]}, f"d\n\n{OPEN}"),
        ({"anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}]}, f"d\n\n{OPEN}"),
        ({"type": "object", "description": "by name", "additionalProperties": {"type": "string"}},
         'd\n\nArguments: by name. May hold members of any name (additionalProperties: {"type":"string"}).'),
        ({"type": "object", "patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": False},
         'd\n\nArguments: May hold members by their names (patternProperties: {"^x-": {"type":"string"}}).'),
        ({"type": "object", "description": "any filter"}, "d\n\nArguments: any filter"),
        ({"type": "object", "required": ["a"]}, f'd\n\n{OPEN} required: ["a"].'),
        ({"type": "object", "minProperties": 1}, f"d\n\n{OPEN}"),
        ({"type": "object", "not": {"required": ["x"]}},
         'd\n\nArguments: not: {"required":["x"]}.'),
    ],
)  # fmt: skip
def test_open_objects_are_described_in_words(schema: Any, description: str) -> None:
    (made,), _ = declare([Declared("f", "d", schema)], NameMap())
    assert made == {"name": "f", "description": description}


def test_additional_arguments_are_described_in_words() -> None:
    schema = {**SCHEMA, "additionalProperties": {"type": "string"}, "description": "filters"}
    (made,), _ = declare([Declared("f", None, schema)], NameMap())
    assert made["parameters"]["description"] == (
        'filters. May hold further members (additionalProperties: {"type":"string"}).'
    )


def test_the_last_declaration_of_a_name_wins_once() -> None:
    made, _ = declare([Declared("f", "one"), Declared("g"), Declared("f", "two")], NameMap())
    assert made == [{"name": "f", "description": "two"}, {"name": "g"}]
    many, _ = declare([Declared(f"t{number}") for number in range(512)] * 2, NameMap())
    assert len(many) == 512, "they count once, too"


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ([Declared("", param="tools[0].function")], "tools[0].function.name", "invalid_value"),
        ([Declared("f", None, {"type": "string"}, "tools[0]")], "tools[0].parameters", "invalid_function_parameters"),
        ([Declared("f", None, 7, "tools[0]")], "tools[0].parameters", "invalid_type"),
    ],
)
def test_declarations_that_are_refused(given: list[Declared], param: str, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        declare(given, NameMap())
    assert (caught.value.fault.param, caught.value.fault.code) == (param, code)


def test_the_schemas_of_all_tools_share_one_limit() -> None:
    large = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(2000)}}
    assert len(declare([Declared(f"t{n}", None, large) for n in range(10)], NameMap())[0]) == 10
    with pytest.raises(FaultError) as caught:
        declare([Declared(f"t{n}", None, large, f"tools[{n}]") for n in range(20)], NameMap())
    assert caught.value.fault.param == "tools[14]"
