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
        (narrow.count, 12, 12), (narrow.count, "12", 12), (narrow.count, 12.0, 12), (narrow.count, -1, 0),
        (narrow.count, 2**63 - 1, 2**63 - 1), (narrow.count, 2**63, 0), (narrow.count, True, 0), (narrow.count, "x", 0),
        (narrow.count, float("nan"), 0), (narrow.count, float("inf"), 0), (narrow.count, None, 0),
    ],
)  # fmt: skip
def test_what_is_wanted(function: Any, value: object, made: object) -> None:
    found = function(value)
    assert (type(found), found) == (type(made), made)


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), ("5", 5), (5.0, 5), ("5.0", 5), (True, None), (None, None), ("x", None), ([5], None), ("1e999", None)],
)
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
