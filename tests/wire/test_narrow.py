"""What is of another kind than wanted counts as absent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.wire import narrow

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("function", "value", "made"),
    [
        (narrow.an_object, {"a": 1}, {"a": 1}), (narrow.an_object, {}, {}), (narrow.an_object, [], None),
        (narrow.members, {"a": 1}, {"a": 1}), (narrow.members, "a", {}),
        (narrow.items, [1, None], [1, None]), (narrow.items, {"a": 1}, []), (narrow.items, "ab", []),
        (narrow.objects, [1, {"a": 1}, None, {}], [{"a": 1}, {}]), (narrow.objects, {"a": 1}, []),
        (narrow.numbered, [1, {"a": 1}, None, {}], [(1, {"a": 1}), (3, {})]), (narrow.numbered, None, []),
        (narrow.text, "a", "a"), (narrow.text, 1, ""), (narrow.text, None, ""),
        (narrow.texts, ["a", 1, "b", None], ["a", "b"]), (narrow.texts, "ab", []),
        (narrow.number, 1, 1.0), (narrow.number, 0.5, 0.5), (narrow.number, True, None), (narrow.number, "1", None),
        (narrow.number, 10**400, None), (narrow.number, -(10**400), None), (narrow.number, 2**60, float(2**60)),
        (narrow.count, 12, 12), (narrow.count, "12", 12), (narrow.count, 12.0, 12), (narrow.count, -1, 0),
        (narrow.count, 2**63 - 1, 2**63 - 1), (narrow.count, 2**63, 0), (narrow.count, True, 0), (narrow.count, "x", 0),
        (narrow.count, float("nan"), 0), (narrow.count, float("inf"), 0), (narrow.count, None, 0),
    ],
    ids=lambda value: getattr(value, "__name__", None) or repr(value)[:24],
)  # fmt: skip
def test_what_is_wanted(function: Any, value: object, made: object) -> None:
    found = function(value)
    assert (type(found), found) == (type(made), made)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5), ("5", 5), (5.0, 5), ("5.0", 5), (5.9, 5), ("-5.9", -5), ("5e2", 500), (True, None), (None, None),
        ("x", None), ([5], None), ("", None), ("1_0", None), ("٣", None), ("5\n", None), ("0x5", None),
        (float("nan"), None), (float("inf"), None), ("nan", None), ("Infinity", None),
        (2**53 + 1, 2**53 + 1), ("9007199254740993", 2**53 + 1), ("9007199254740993.0", 2**53 + 1),
        ("-9007199254740993", -(2**53) - 1), ("1e23", 10**23), ("1" + "0" * 300, 10**300), (10**400, 10**400),
        ("1e999", None), ("1e999999999", None), ("1e99999999999999999999", None), ("1e-99999999999999999999", None),
        ("9" * 4300, None), ("9" * 4301, None), ("9" * 5_000_000, None), ("0." + "9" * 5_000_000, None),
    ],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_an_integer_in_any_spelling(value: object, number: int | None) -> None:
    assert narrow.whole(value) == number


@pytest.mark.parametrize(
    ("names", "found"), [((), {"a": {"b": [1]}}), (("a", "b"), [1]), (("a", "b", "c"), None), (("x", "b"), None)]
)
def test_a_member_of_a_member(names: tuple[str, ...], found: object) -> None:
    assert narrow.lookup({"a": {"b": [1]}}, *names) == found


@given(ANY_JSON)
def test_nothing_raises(value: object) -> None:
    for function in (
        narrow.an_object, narrow.members, narrow.items, narrow.objects, narrow.numbered, narrow.text, narrow.texts,
        narrow.number, narrow.whole, narrow.count,
    ):  # fmt: skip
        function(value)
    narrow.lookup(value, "a", "b")


def test_to_narrow_in_the_hot_path_costs_no_call_of_ours() -> None:
    assert narrow.is_a is isinstance
