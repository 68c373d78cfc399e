from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity import ids


def test_new_ids_are_random_and_valid():
    made = {ids.new("turn") for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"turn_[0-9a-f]{32}", turn_id) and ids.valid(turn_id, "turn") for turn_id in made)


@given(st.sampled_from(("msg", "call", "rs")), st.text(max_size=10), st.lists(st.integers() | st.text(max_size=5)))
def test_derived_ids_depend_on_their_input_only(prefix, seed, parts):
    made = ids.derive(prefix, seed, *parts)
    assert made == ids.derive(prefix, seed, *parts)
    assert ids.valid(made, prefix)
    assert len(made) == len(prefix) + 1 + 24


@pytest.mark.parametrize(
    "other",
    [("msg", "turn_b", 0), ("msg", "turn_a", 1), ("msg", "turn_a"), ("msg", "turn_a", 0, 0), ("rs", "turn_a", 0)],
)
def test_derived_ids_differ(other):
    assert ids.derive("msg", "turn_a", 0) != ids.derive(*other)


def test_derived_ids_stay_the_same_over_versions():
    """Clients keep them (``previous_response_id``, call ids in their history)."""
    assert ids.derive("call", "turn_x", 0) == "call_df2dd1235a17849be324c02d"
    assert len(ids.derive("resp", "turn_x", size=48)) == len("resp_") + 48


@pytest.mark.parametrize(
    ("text", "prefix", "expected"),
    [
        ("turn_0123456789abcdef", None, True),
        ("turn_0123456789abcdef", "turn", True),
        ("turn_0123456789abcdef", "resp", False),
        ("turnx_0123456789abcdef", "turn", False),
        ("turn_0123", None, False),
        ("turn_" + "0" * 65, None, False),
        ("turn_" + "0" * 300, None, False),
        ("turn_0123456789abcdef\n", None, False),
        ("turn_0123456789\x00cdef", None, False),
        ("turn_01234567é", None, False),
        ("turn_０１２３４５６７", None, False),
        ("../../etc/passwd", None, False),
        ("turn_../../etc/passwd", None, False),
        ("turn_%2e%2e%2f%2e%2e", None, False),
        ("", None, False),
    ],
)
def test_only_ids_of_our_form_are_valid(text, prefix, expected):
    assert ids.valid(text, prefix) is expected
