"""What must stand in a text for a regular expression to match it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.observe.regex_literals import literals


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("rate limit", ["rate limit"]), ("Par.s is", ["s is", "Par"]), ("^Error: .*denied$", ["Error: ", "denied"]),
        (r"a\.b\.c", ["a.b.c"]), ("one|two", []), ("(one|two) three", [" three"]), ("[abc]def", ["def"]),
        ("abcd?", ["abc"]),
        ("abcd*efg", ["abc", "efg"]), ("abcd+efg", ["abcd", "efg"]), ("abcd{2}efg", ["abcd", "efg"]),
        ("abcd{0,2}", ["abc"]),
        ("abcd{,2}", ["abc"]), ("(?i)abc", []), ("(abc)def", ["def"]), ("((a)b)cde", ["cde"]),
        (r"\d+ tokens", [" tokens"]),
        (r"\x41bcd", ["bcd"]), (r"\101bcd", ["bcd"]), ("ab", []), (r"\(abc\)", ["(abc)"]), (r"[\]|]abc", ["abc"]),
        ("a[|]bcd", ["bcd"]),
        ("x" * 200, ["x" * 100]), ("aaa.bbb.ccc.ddd.eee.fff", ["aaa", "bbb", "ccc", "ddd", "eee"]),
    ],
)  # fmt: skip
def test_what_is_certain(pattern, found):
    assert literals(re.compile(pattern)) == found


def test_case_beyond_ascii_is_left_to_the_expression():
    assert literals(re.compile("Größe")) == ["Größe"]
    assert literals(re.compile("Größe", re.IGNORECASE)) == []
    assert literals(re.compile("abc # def", re.VERBOSE)) == []


ATOMS = st.sampled_from(["a", "b", "ab", "abc", ".", "[ab]", "(a|b)", "(ab)", r"\w", r"\.", "|", r"\x61", r"[^]a]"])
REPEATS = st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{0,1}", "{1,2}", "+?", "*?"])
PATTERNS = st.lists(
    st.tuples(ATOMS, REPEATS).map(lambda pair: pair[0] if pair[0] == "|" else "".join(pair)), max_size=6
)


@given(PATTERNS.map("".join), st.text("abc.]", max_size=30))
def test_no_match_lacks_a_literal(source, text):
    pattern = re.compile(source)
    if pattern.search(text) is not None:
        assert all(literal in text for literal in literals(pattern))
