"""An answer as the parts that go back to Google; what a stored response keeps of it is tested there."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.core.family import STAND_IN
from zerogravity.core.fold import Call, Item, Media, Message, Reasoning
from zerogravity.surfaces.common.answer_parts import answer_parts

CALL = {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c"}, "zgCallId": "c"}


@pytest.mark.parametrize(
    ("items", "parts"),
    [
        ([Message(0, ["a", "b"])], [{"text": "ab"}]),
        ([Message(0, ["a"], signature="s")], [{"text": "a", "thoughtSignature": "s"}]),
        ([Reasoning(0, ["hm"]), Message(1, ["a"])], [{"text": "a"}]),
        ([Reasoning(0, ["hm"], signature="s")], [{"text": "hm", "thought": True, "thoughtSignature": "s"}]),
        ([Media(0, "image/png", "AA")], [{"inlineData": {"mimeType": "image/png", "data": "AA"}}]),
        ([Call(0, "c", "f", '{"a": 1}', "s")], [{**CALL, "thoughtSignature": "s"}]),
        ([Call(0, "c", "f", '{"a": 1}')], [{**CALL, "thoughtSignature": STAND_IN}]),
        ([Call(0, "c", "f", "{}", "s", before=['{"toolCall":{}}'], after=['{"toolResponse":{}}'])],
         [{"toolCall": {}}, {"functionCall": {"name": "f", "args": {}, "id": "c"}, "zgCallId": "c",
                             "thoughtSignature": "s"}, {"toolResponse": {}}]),
        ([], []),
    ],
)  # fmt: skip
def test_parts(items: list[Item], parts: list[dict[str, Any]]) -> None:
    assert answer_parts(items, "gemini-3-flash") == parts


def test_only_the_first_call_where_only_one_was_shown() -> None:
    calls: list[Item] = [Call(0, "c", "f", '{"a": 1}', "s"), Call(1, "d", "g", "{}")]
    assert len(answer_parts(calls, "gemini-3-flash")) == 2
    assert answer_parts(calls, "gemini-3-flash", one_call=True) == [{**CALL, "thoughtSignature": "s"}]


def test_a_family_without_ids_and_signatures() -> None:
    [part] = answer_parts([Call(0, "c", "f", "{}")], "gemini-2.5-flash")
    assert part == {"functionCall": {"name": "f", "args": {}}, "zgCallId": "c"}
