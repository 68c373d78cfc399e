"""What a search for secrets costs, and what hints say of texts that come in pieces."""

from __future__ import annotations

import re
import string
import sys
from functools import reduce
from itertools import pairwise
from operator import or_
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import texts
from tests.test_redact import SECRETS, TEXTS
from zerogravity import redact, secret_spans
from zerogravity.redact import MASK
from zerogravity.secret_spans import KINDS, OVERLAP, WINDOW

DENSE = [
    "key", "token:", "token=1", "token='", 'token":"', "secret   ", "A", "A_KEY=x1", "AKEY", 'password": {', "token\\",
    "?my_token=", "bearer ", "basic ", "-", "_", "I", "-----BEGIN ", "sk-", "xoxa-", "ya29.", "eyJaaaaaa.", "AKIA",
    "://a:", "cookie:", 'device_id":"', "\u212aey:", "\u0130",
]  # fmt: skip


@pytest.mark.parametrize("end", ["", "(", ":=@?", '"'])
@pytest.mark.parametrize("part", DENSE)
def test_the_time_is_linear_whatever_the_text(part, end):
    """The bound is ten times what the slowest takes; what grows with the square of a window takes longer."""
    value = part * (100_000 // len(part)) + end
    begun = process_time()
    redact.is_clean(value)
    redact.hints(value)
    assert process_time() - begun < 100_000 * 5e-6


def test_lower_case_is_as_patterns_have_it_and_moves_nothing():
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    lowered = secret_spans.lower(everything)
    assert len(lowered) == len(everything)
    assert lowered == "".join(secret_spans.lower(everything[at : at + 999]) for at in range(0, len(everything), 999))
    for letter in string.ascii_lowercase:
        same = {match.start() for match in re.finditer(letter, everything, re.IGNORECASE)}
        assert same == {at for at, char in enumerate(lowered) if char == letter}


# -- hints -----------------------------------------------------------------------------------------------------------

WORDS = sorted({word for kind in KINDS for word in kind.words} | {"api", "PRIVATE KEY", "word", "wd", "phrase"})
SIGNS = [":", "=", "@", "?", "&", ";", '"', "'", "\\", " ", "_", "-", "/", "{", "\n", "user:pass@h", "abcdefgh1"]
ODD = ["\u0130", "\u0131", "\u017f", "\u212a", "to\u212aen", "pa\u017fsword", "\u65e5", "\ud800", "\U0001f600"]
FRAGMENTS = st.lists(
    st.sampled_from(SECRETS)
    | st.sampled_from([given_ for given_, _ in TEXTS if len(given_) < 100])
    | st.sampled_from([*WORDS, *map(str.upper, WORDS)])
    | st.sampled_from(SIGNS)
    | st.sampled_from(ODD)
    | texts(),
    max_size=8,
).map("".join)
CUTS = st.lists(st.integers(0, 200), max_size=8)


@given(FRAGMENTS, st.integers(0, 200), st.integers(0, 200))
def test_where_hints_say_no_every_part_is_clean(value, start, length):
    part = value[start : start + length]
    for one in (value, part):
        assert redact.is_clean(one) or redact.may_hold(redact.hints(value))
    assert redact.hints(part) & ~redact.hints(value) == 0


@given(FRAGMENTS, FRAGMENTS)
def test_more_hints_never_turn_a_yes_to_no(value, other):
    bits = redact.hints(value)
    assert redact.may_hold(bits) <= redact.may_hold(bits | redact.hints(other))


@given(FRAGMENTS, CUTS)
def test_hints_of_pieces_with_their_seams_are_those_of_the_whole(value, cuts):
    borders = sorted({0, len(value), *(min(cut, len(value)) for cut in cuts)})
    bits = reduce(or_, (redact.hints(value[max(a - redact.SEAM, 0) : b]) for a, b in pairwise(borders)), 0)
    assert bits == redact.hints(value)


@given(FRAGMENTS, st.integers(-40, 1))
def test_hints_of_long_texts(value, offset):
    for edge in (WINDOW, WINDOW + OVERLAP):
        before = " " * (edge + offset)
        assert redact.hints(before + value + before) == redact.hints(value)


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_a_hint_wherever_it_is_cut(word):
    whole = redact.hints(word)
    for cut in range(len(word) + 1):
        assert redact.hints(word[:cut]) | redact.hints(word[:cut][-redact.SEAM :] + word[cut:]) == whole


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", False), ("nothing of it: a = 1, x@y? -- I/O_", False), ("a token", False), ("a token:", True),
        ("sk", False), ("sk-", True), ("SK-", False), ("http://x", False), ("http://x @", True), ("BEARER", True),
        ("device_id", False), ("device_id:", True), ("key=", True), ("a key", False), ("-----BEGIN", True),
    ],
)  # fmt: skip
def test_what_hints_say(value, expected):
    assert redact.may_hold(redact.hints(value)) is expected


@pytest.mark.parametrize(
    ("first", "then"), [("a token", ": x"), ("http://", "x:y@"), ("?", "auth="), ("auth=", "?"), ("device_id", ":")]
)
def test_what_belongs_together_may_be_pieces_apart(first, then):
    between = " " * 3 * redact.SEAM
    bits = redact.hints(first + between), redact.hints(between + then)
    assert not any(map(redact.may_hold, bits))
    assert redact.may_hold(bits[0] | bits[1])


def test_every_kind_of_secret_gives_hints():
    for value in [*SECRETS, *(given_ for given_, shown in TEXTS if MASK in shown)]:
        assert redact.may_hold(redact.hints(value))
