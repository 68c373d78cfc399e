"""Chunks whose calls come in pieces → chunks with whole calls; each waits only as long as its call may go on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.gemini.support import CALL
from zerogravity.surfaces.gemini.call_assembly import CallAssembly
from zerogravity.testing.builders import chunk
from zerogravity.wire import jsonio

OPEN = {"functionCall": {"name": "f", "willContinue": True}}
BARE, REST = {"functionCall": {"name": "f"}}, {"functionCall": {"args": {"a": 1}}}
TEXT, NAMELESS = {"text": "x"}, {"functionCall": {"args": {"a": 1}}}


def gathered(*given: Any, finish: str | None = "STOP") -> list[list[Any]]:
    """The parts of the chunks that come out, for each chunk that goes in, and at the end."""
    gather = CallAssembly({"f"})
    out = [gather.feed(jsonio.dumps(value), value) for value in given]
    return [
        [made["candidates"][0].get("content", {}).get("parts", []) for _, made in chunks]
        for chunks in (*out, gather.end(finish))
    ]


@pytest.mark.parametrize(
    ("chunks", "out"),
    [
        ([chunk(TEXT)], [[[TEXT]], []]),
        ([chunk(CALL), chunk(CALL, CALL)], [[[CALL]], [[CALL, CALL]], []]),
        ([chunk(BARE)], [[], [[BARE]]]),
        ([chunk(BARE), chunk(TEXT)], [[], [[BARE], [TEXT]], []]),
        ([chunk(OPEN), chunk(REST)], [[], [], [[CALL]]]),
        ([chunk(OPEN), chunk(TEXT), chunk(REST)], [[], [], [], [[CALL], [TEXT]]]),
        ([chunk(TEXT, OPEN), chunk(REST, TEXT)], [[], [[TEXT, CALL], [TEXT]], []]),
        ([chunk(NAMELESS), chunk(TEXT)], [[], [], []]),
        ([chunk(TEXT, NAMELESS, TEXT), chunk(CALL)], [[[TEXT]], [], []]),
    ],
)  # fmt: skip
def test_chunks_wait_for_their_calls(chunks: list[Any], out: list[Any]) -> None:
    assert gathered(*chunks) == out


def test_what_is_whole_keeps_its_text() -> None:
    text = b'{"candidates": [ {"content": {"parts": [{"functionCall": {"name":"f", "args":{"n":1.0}}}]}} ]}'
    gather = CallAssembly({"f"})
    assert [*gather.feed(text, jsonio.loads(text)), *gather.end("STOP")] == [(text, jsonio.loads(text))]


@pytest.mark.parametrize("finish", ["MAX_TOKENS", None])
def test_a_call_that_was_cut_is_none(finish: str | None) -> None:
    cut = {
        "functionCall": {"name": "f", "partialArgs": [{"jsonPath": "$.a", "stringValue": "x", "willContinue": True}]}
    }
    assert gathered(chunk(TEXT, cut), finish=finish) == [[], [[TEXT]]]
