"""Parameters as rows: what each kind takes, and what the rows do to a request."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.errors import FaultError
from zerogravity.surfaces.common.parameters import (
    ANY,
    BOOLEAN,
    STRING,
    Kind,
    Parameter,
    choice,
    ignored,
    integer,
    is_given,
    number,
    refuse,
    repeated,
    settings,
    table,
    unserved,
)

ROWS = (
    Parameter("model", STRING, "who answers"),
    Parameter("temperature", number(0, 2), config="temperature"),
    Parameter("limit", integer(1), config="maxOutputTokens", shown=None),
    Parameter("old_limit", integer(1), config="maxOutputTokens"),
    Parameter("inner.word", choice("a", "b"), "something"),
    Parameter("inner", ANY, "its members"),
    Parameter("user", STRING),
    Parameter("n", integer(1), refused="must be 1", asks=lambda value: (value or 1) > 1),
    Parameter("old", ANY, refused="is gone", asks=is_given, noted=True),
)


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (STRING, "a", "a"), (STRING, None, None), (BOOLEAN, False, False), (BOOLEAN, None, None),
        (number(0, 2), 2, 2), (integer(1), 1.0, 1), (choice("a"), "a", "a"), (ANY, [1], [1]),
    ],
)  # fmt: skip
def test_kinds(kind: Kind, value: Any, read: Any) -> None:
    assert Parameter("inner.name", kind).read({"inner": {"name": value}}) == read


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        (STRING, 1, "invalid_type"), (BOOLEAN, 1, "invalid_type"), (number(0, 2), 3, "decimal_above_max_value"),
        (integer(1), 0, "integer_below_min_value"), (choice("a"), "b", "invalid_value"),
    ],
)  # fmt: skip
def test_what_a_kind_refuses(kind: Kind, value: Any, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        Parameter("name", kind).read({"name": value})
    assert caught.value.fault.code == code
    assert (caught.value.fault.param or "").startswith("name")


def test_a_member_of_what_is_no_object_is_refused() -> None:
    with pytest.raises(FaultError) as caught:
        Parameter("inner.word", STRING).read({"inner": 1})
    assert caught.value.fault.param == "inner"


@pytest.mark.parametrize(
    ("body", "config"),
    [
        ({}, {}),
        ({"temperature": 0, "limit": None, "old_limit": 5}, {"temperature": 0, "maxOutputTokens": 5}),
        ({"limit": 6, "old_limit": 5}, {"maxOutputTokens": 6}),
    ],
)
def test_settings(body: dict[str, Any], config: dict[str, Any]) -> None:
    assert settings(body, ROWS) == config


@pytest.mark.parametrize(
    ("body", "param"), [({"n": 2}, "n"), ({"old": False}, "old"), ({"n": 1}, None), ({"old": None}, None)]
)
def test_refuse(body: dict[str, Any], param: str | None) -> None:
    if param is None:
        refuse(body, ROWS)
        return
    with pytest.raises(FaultError) as caught:
        refuse(body, ROWS)
    assert (caught.value.fault.param, caught.value.fault.code) == (param, "unsupported_parameter")


def test_repeated_shows_what_is_sent() -> None:
    assert repeated({}, ROWS, {}, {}) == {"limit": None}
    assert repeated({"limit": 9}, ROWS, {"maxOutputTokens": 7}, {}) == {"limit": 7}
    assert repeated({"limit": 9}, ROWS, {"maxOutputTokens": 7}, {"limit": "x"}) == {"limit": "x"}


def test_unserved_is_noted_and_still_validated() -> None:
    body = {"model": "m", "user": "u", "new": 1, "n": 1, "nothing": None}
    assert unserved(body, ROWS) == [ignored("user"), ignored("new")]
    assert unserved({"word": "a", "other": 1}, ROWS, "inner") == [ignored("inner.other")]
    with pytest.raises(FaultError):
        unserved({"user": 1}, ROWS)


def test_the_table_says_what_becomes_of_each() -> None:
    assert {name: (takes, becomes) for name, takes, becomes in table(ROWS)} == {
        "model": ("a string", "who answers"),
        "temperature": ("0 to 2", "generationConfig.temperature"),
        "limit": ("an integer from 1", "generationConfig.maxOutputTokens; repeated in the answer"),
        "old_limit": ("an integer from 1", "generationConfig.maxOutputTokens"),
        "inner.word": ("a, b", "something"),
        "inner": ("anything", "its members"),
        "user": ("a string", "no effect; validated and noted"),
        "n": ("an integer from 1", "refused: must be 1"),
        "old": ("anything", "refused: is gone"),
    }
