"""A string as JSON on one line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.wire import jsonio, sse
from zerogravity.wire.json_text import quoted


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", b'""'),
        ('say "hi"\\\r\n\t\x00\x7f', b'"say \\"hi\\"\\\\\\r\\n\\t\\u0000\x7f"'),
        ("é", '"é"'.encode()),
        ("a\u2028b\u2029c\u0085", b'"a\\u2028b\\u2029c\\u0085"'),
        ("\ud83d", '"\ufffd"'.encode()),  # half of a character
    ],
)
def test_a_string_and_its_bytes(text: str, written: bytes) -> None:
    assert quoted(text) == written


@given(st.text(st.characters(exclude_categories=())))
def test_any_string_is_on_one_line_and_comes_back(text: str) -> None:
    made = quoted(text)
    assert not sse.has_line_end(made)
    assert made == sse.escape_separators(jsonio.dumps(text))
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert json.loads(made) == text
