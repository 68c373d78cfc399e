"""What may go to a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.observe.printable import on_one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"), ("two\nlines\tand a tab", "two\nlines\tand a tab"), ("\x1b[2J", r"\x1b[2J"),
        ("a\rb", r"a\x0db"), ("\x9b31m", r"\x9b31m"), ("\u202e", r"\x202e"), ("\u2028", r"\x2028"),
        ("\ud800", r"\xd800"),
        ("\u3000 \u00a0 👩\u200d💻 é", "\u3000 \u00a0 👩\u200d💻 é"),
    ],
)  # fmt: skip
def test_what_a_terminal_would_obey_becomes_visible(text, shown):
    assert printable(text) == shown


def test_one_line_has_single_spaces():
    assert on_one_line("  a\n\n b\x1bc\t") == r"a b\x1bc"


@given(st.text(st.characters()))
def test_every_text_can_be_printed(text):
    assert "\x1b" not in printable(text)
    assert "\n" not in on_one_line(text)
    assert printable(text).encode().decode() == printable(text)
