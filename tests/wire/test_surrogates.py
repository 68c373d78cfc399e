"""Texts that Google cuts in the middle of a surrogate pair: one character again, wherever the cut is."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.core.events import AttemptClosed, Event, FunctionCall, Notice, TextDelta, ThinkingDelta
from zerogravity.testing import builders
from zerogravity.testing.builders import chunk, part
from zerogravity.wire.google import GoogleDecoder
from zerogravity.wire.surrogates import Halves

HIGH, LOW, LOST = "\ud83d", "\ude00", "\ufffd"
SMILE = "\U0001f600"


def text(words: str) -> dict[str, Any]:
    return chunk(part(words))


def thought(words: str) -> dict[str, Any]:
    return chunk(part(words, thought=True))


def call(value: str) -> dict[str, Any]:
    return chunk(builders.call(a=value))


def said(*chunks: Any, form: str = "%s") -> list[tuple[str, str]]:
    """(kind, text) of what was said, neighbours of a kind joined."""
    decoder = GoogleDecoder(str)
    events: list[Event] = []
    for item in chunks:
        events += decoder.decode((form % json.dumps(item)).encode())
        decoder.source.decode()
        json.loads(decoder.source)
        assert not any(half in json.dumps(json.loads(decoder.source), ensure_ascii=False) for half in (HIGH, LOW))
    events += decoder.close()
    made: list[tuple[str, str]] = []
    for event in events:
        match event:
            case TextDelta(words) | ThinkingDelta(words):
                kind = "thought" if isinstance(event, ThinkingDelta) else "text"
                if made and made[-1][0] == kind:
                    made[-1] = (kind, made[-1][1] + words)
                else:
                    made.append((kind, words))
            case FunctionCall(args_json=args):
                made.append(("call", json.loads(args)["a"]))
            case Notice(code):
                assert code == "json_repaired"
            case _:
                pass
    return made


@pytest.mark.parametrize("form", ["%s", "[%s]", '{"response": %s, "traceId": "t"}'])
@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([text("a" + HIGH), text(LOW + "b")], [("text", f"a{SMILE}b")]),
        ([thought("a" + HIGH), thought(LOW + "b")], [("thought", f"a{SMILE}b")]),
        ([text(HIGH), text(LOW)], [("text", SMILE)]),
        ([text(HIGH), text(LOW + HIGH), text(LOW)], [("text", SMILE * 2)]),
        ([text("a" + HIGH), {"usageMetadata": {"promptTokenCount": 1}}, text(LOW)], [("text", f"a{SMILE}")]),
        ([text("a" + HIGH), text(""), text(LOW)], [("text", f"a{SMILE}")]),
        ([chunk({"text": "a" + HIGH}, {"text": LOW + "b"})], [("text", f"a{SMILE}b")]),
        ([chunk({"text": "a" + HIGH}, {"text": "b", "thought": True})], [("text", "a" + LOST), ("thought", "b")]),
        ([text("a" + HIGH), text("b")], [("text", f"a{LOST}b")]),
        ([text("a" + HIGH), text(HIGH + LOW)], [("text", f"a{LOST}{SMILE}")]),
        ([text("a" + HIGH), thought(LOW)], [("text", "a" + LOST), ("thought", LOST)]),
        ([text("a" + HIGH), call("x"), text(LOW)], [("text", "a" + LOST), ("call", "x"), ("text", LOST)]),
        ([thought("a" + HIGH), call("x")], [("thought", "a" + LOST), ("call", "x")]),
        ([text("a" + HIGH)], [("text", "a" + LOST)]),
        ([thought("a" + HIGH)], [("thought", "a" + LOST)]),
        ([text(LOW + "a" + HIGH + "b" + LOW)], [("text", f"{LOST}a{LOST}b{LOST}")]),
        ([call("a" + HIGH), call(LOW + "b")], [("call", "a" + LOST), ("call", LOST + "b")]),
        ([text("a\\" + HIGH), text(LOW)], [("text", f"a\\{SMILE}")]),
        ([text("a\\ud83d"), text("\\ude00")], [("text", "a\\ud83d\\ude00")]),
        ([text("a" + HIGH), {"candidates": []}, text(LOW)], [("text", f"a{SMILE}")]),
    ],
)  # fmt: skip
def test_a_character_cut_in_two(chunks: list[Any], expected: list[tuple[str, str]], form: str) -> None:
    assert said(*chunks, form=form) == expected


def test_all_else_stays_as_google_wrote_it() -> None:
    data = b'{ "candidates": [ {"content": {"parts": [{"text": "a\\ud83d"}, {"text":"\\uDE00"}]}, "n": 1.10 } ] }'
    whole = b'{ "candidates": [ {"content": {"parts": [{"text": "a"}, {"text":"\\ud83d\\uDE00"}]}, "n": 1.10 } ] }'
    assert Halves().mend(data) == whole


def test_what_is_no_json_changes_nothing() -> None:
    halves = Halves()
    halves.mend(json.dumps(text("a" + HIGH)).encode())
    assert halves.mend(b"{oops") == b"{oops"
    assert halves.pending is not None


@given(st.text('a\\"\u00e9\u4e00' + SMILE, max_size=30), st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_text_cut_between_surrogates_is_put_together(words: str, cuts: list[int], thoughts: bool) -> None:
    units = words.encode("utf-16-be")
    edges = sorted({0, len(units), *(2 * at for at in cuts if 2 * at < len(units))})
    pieces = [units[start:end].decode("utf-16-be", "surrogatepass") for start, end in pairwise(edges)]
    found = said(*map(thought if thoughts else text, pieces))
    assert found == ([("thought" if thoughts else "text", words)] if words else [])


@given(
    st.lists(st.tuples(st.sampled_from(["text", "thought", "call"]), st.text(f"a{HIGH}{LOW}", max_size=4)), max_size=6)
)
def test_no_lone_surrogate_is_left(parts: list[tuple[str, str]]) -> None:
    made = {"text": text, "thought": thought, "call": call}
    for _, words in said(*(made[kind](words) for kind, words in parts)):
        words.encode()  # raises on a lone surrogate


def test_the_end_of_an_answer_is_whole() -> None:
    decoder = GoogleDecoder(str)
    decoder.decode(json.dumps(text("a" + HIGH)).encode())
    assert decoder.close() == (TextDelta(LOST), AttemptClosed(None))
