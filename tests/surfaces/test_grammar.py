"""What the grammar checkers share: framing, JSON lines, kinds of values; each complaint says where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zerogravity.surfaces import grammar
from zerogravity.surfaces.grammar import GrammarError


def test_blocks_are_split_and_comments_left_out() -> None:
    assert list(grammar.blocks(b": ping\n\ndata: a\n\ndata: b\nid: 1\n\n")) == [
        ("block 1", b"data: a"), ("block 2", b"data: b\nid: 1"),
    ]  # fmt: skip
    assert grammar.whole([b"a", b"b"]) == grammar.whole(b"ab") == b"ab"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "stream: its last event has no blank line"),
        (b"data: a\n", "stream: its last event has no blank line"),
        (b"data: a\r\n\r\n", "stream: its last event has no blank line"),
        (b": a\r\n\ndata: a\n\n", "stream: holds a carriage return"),
        (b"data: a\n\n: b\ndata: c\n\n", "block 1: a comment shares its block"),
    ],
)
def test_bad_framing(data: bytes, why: str) -> None:
    with pytest.raises(GrammarError, match=why):
        list(grammar.blocks(data))


def test_named_events() -> None:
    data = b": hi\n\n" + b"".join(b'event: %b\ndata: {"type":"%b"}\n\n' % (name, name) for name in (b"a", b"b"))
    wanted = [("a", {"type": "a"}, "event 0 (a)"), ("b", {"type": "b"}, "event 1 (b)")]
    assert list(grammar.named_events(data)) == list(grammar.named_events([data])) == wanted


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"data: {}\n\n", "block 0: has no event line"),
        (b"event: a\n\n", "block 0: must have one data line"),
        (b"event: a\ndata: x\ndata: y\n\n", "block 0: must have one data line"),
        (b": hi\n\nevent: a\ndata: []\n\n", "event 0: must be an object"),
        (b'event: a\ndata: {"type":"b"}\n\n', "event 0: is named a but its type is 'b'"),
    ],
)
def test_bad_named_events(data: bytes, why: str) -> None:
    with pytest.raises(GrammarError, match=why):
        list(grammar.named_events(data))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "here: is not JSON in UTF-8"),
        (b'{"a": "\xff"}', "here: is not JSON in UTF-8"),
        (b"[]", "here: must be an object"),
        *(
            (f'{{"a": "{separator}"}}'.encode(), r"here: holds a raw U\+2028, U\+2029 or U\+0085")
            for separator in "\u2028\u2029\x85"
        ),
    ],
)
def test_bad_lines(data: bytes, why: str) -> None:
    with pytest.raises(GrammarError, match=why):
        grammar.parsed(data, "here")


@pytest.mark.parametrize(
    ("read", "good", "bad", "why"),
    [
        (grammar.expect_object, {}, [], "must be an object"),
        (grammar.expect_objects, [{}], {}, "must be an array"),
        (grammar.expect_objects, [], [{}, 1], r"here\[1\]: must be an object"),
        (grammar.expect_string, "", None, "must be a string"),
        (grammar.expect_count, 0, -1, "not negative"),
        (grammar.expect_count, 7, True, "whole number"),
        (grammar.expect_count, 7, 1.0, "whole number"),
    ],
)
def test_kinds(read: Callable[[Any, str], Any], good: Any, bad: Any, why: str) -> None:
    assert read(good, "here") == good
    with pytest.raises(GrammarError, match=why):
        read(bad, "here")


@pytest.mark.parametrize(("text", "why"), [("{", "is not JSON"), ("[]", "is not a JSON object"), ("", "is not JSON")])
def test_arguments_are_a_json_object(text: str, why: str) -> None:
    assert grammar.json_object('{"a": 1}', "here") == {"a": 1}
    with pytest.raises(GrammarError, match=why):
        grammar.json_object(text, "here")


def test_words_of_a_list() -> None:
    grammar.one_of("a", ("a", "b"), "here")
    with pytest.raises(GrammarError, match="here: 'c' is not a known value"):
        grammar.one_of("c", ("a", "b"), "here")
