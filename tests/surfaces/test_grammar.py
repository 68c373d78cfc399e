"""What the grammar checkers share: narrowing with a complaint, and the blocks of an event stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zerogravity.surfaces import grammar
from zerogravity.surfaces.grammar import GrammarError, blocks, json_object, one_of, parsed


@pytest.mark.parametrize(
    ("check", "value", "complaint"),
    [
        (grammar.an_object, [], "p: must be an object"),
        (grammar.objects, {}, "p: must be an array"),
        (grammar.objects, [{}, 1], r"p\[1\]: must be an object"),
        (grammar.a_string, 1, "p: must be a string"),
        (grammar.a_count, True, "p: must be a whole number"),
        (grammar.a_count, -1, "p: must be a whole number"),
        (parsed, b"{", "p: is not JSON in UTF-8"),
        (parsed, b"\xff", "p: is not JSON in UTF-8"),
        (parsed, b"[]", "p: must be an object"),
        (parsed, '{"a": "\u2028"}'.encode(), "p: holds a raw"),
        (json_object, "{", "p: is not JSON"),
        (json_object, "[1]", "p: is not a JSON object"),
        (lambda value, place: one_of(value, ("a",), place), "b", "p: 'b' is not a known value"),
        (lambda value, place: list(blocks(value)), b"data: 1\n", "its last event has no blank line"),
        (lambda value, place: list(blocks(value)), b"data: 1\r\n\n", "holds a carriage return"),
        (lambda value, place: list(blocks(value)), b": a\ndata: 1\n\n", "block 0: a comment shares its block"),
    ],
)
def test_complaints(check: Callable[[Any, str], Any], value: Any, complaint: str) -> None:
    with pytest.raises(GrammarError, match=complaint):
        check(value, "p")


def test_good_values_pass() -> None:
    assert grammar.objects([{"a": 1}], "p") == [{"a": 1}]
    assert grammar.a_count(0, "p") == 0
    assert parsed(b'{"a": 1}', "p") == {"a": 1}
    json_object('{"a": 1}', "p")
    one_of("a", ("a",), "p")
    assert list(blocks(b"data: 1\n\n: ping\n\ndata: 2\n\n")) == [("block 0", b"data: 1"), ("block 2", b"data: 2")]
