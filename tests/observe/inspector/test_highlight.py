"""Code as spans of a few classes: nothing is lost, nothing is added."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.observe.inspector import highlight

PATCH = "*** Begin Patch\n*** Update File: a.py\n@@\n-old\n+new\n same\n*** End Patch"
DIFF = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-old\n+new\n"


@pytest.mark.parametrize(
    ("text", "language", "spans"),
    [
        ("x = 1", "python", [["", "x = "], ["n", "1"]]),
        ("x = 1", "PY", [["", "x = "], ["n", "1"]]),
        ("x = 1", "no-such-language", [["", "x = 1"]]),
        ("x = 1", "", [["", "x = 1"]]),
        ("", "python", []),
        ("true", "txt", [["", "true"]]),
        ("fun f() = 1", "kt", [["k", "fun"], ["", " "], ["f", "f"], ["", "() = "], ["n", "1"]]),  # a file's ending
        ("-a\n+b", "diff", [["d", "-a\n"], ["i", "+b"]]),
        (PATCH, "", [["h", "*** Begin Patch\n*** Update File: a.py\n@@\n"], ["d", "-old\n"], ["i", "+new\n"],
                     ["", " same\n"], ["h", "*** End Patch"]]),
        (DIFF, "patch", [["h", DIFF[: DIFF.index("-old")]], ["d", "-old\n"], ["i", "+new\n"]]),
    ],
)  # fmt: skip
def test_code(text, language, spans):
    assert highlight.code(text, language) == spans


@pytest.mark.parametrize(
    ("line", "spans"),
    [
        ("ls -la", [["f", "ls"], ["", " -la"]]),
        ("ls", [["f", "ls"]]),
        ('grep "x" a', [["f", "grep"], ["", " "], ["s", '"x"'], ["", " a"]]),
        ("", []),
    ],
)
def test_a_command_shows_its_program(line, spans):
    assert highlight.command(line) == spans


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a":1}', '{\n  "a": 1\n}'),
        (" [1]", "[\n  1\n]"),
        ("{not json", None),
        ("text", None),
        ("12", None),
        ("", None),
    ],
)
def test_json_is_indented(text, shown):
    spans = highlight.json(text)
    assert (spans and "".join(text for _, text in spans)) == shown


@pytest.mark.parametrize(("path", "language"), [("/a/b.py", "py"), ("Makefile", ""), ("a.tar.gz", "gz"), ("", "")])
def test_the_language_of_a_file(path, language):
    assert highlight.language_of(path) == language


@given(st.text(max_size=200), st.sampled_from(["python", "json", "bash", "diff", "", "html", "yaml"]))
def test_nothing_is_lost(text, language):
    joined = "".join(piece for _, piece in highlight.code(text, language))
    assert joined.replace("\r\n", "\n").replace("\r", "\n") == text.replace("\r\n", "\n").replace("\r", "\n")


def test_very_long_code_is_plain_behind_its_beginning():
    text = "x = 1\n" * highlight.LIT
    spans = highlight.code(text, "python")
    assert "".join(piece for _, piece in spans) == text
    assert spans[-1][0] == ""
    assert len(spans[-1][1]) >= len(text) - highlight.LIT
