"""A character that Google cuts in two reaches the clients of every surface as one, streamed, whole and read again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.surfaces.playing import ALL, SECRET, SURFACES, ask, frames, hear, play
from zerogravity.testing.builders import call, chunk

HIGH, LOW, LOST, SMILE = "\ud83d", "\ude00", "\ufffd", "\U0001f600"


def raw(*parts: dict[str, Any], finish: str | None = None) -> bytes:
    return json.dumps({"response": chunk(*parts, finish=finish)}).encode()


def thought(words: str) -> dict[str, Any]:
    return {"text": words, "thought": True}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("chunks", "thoughts", "text", "arguments"),
    [
        ([raw(thought("t" + HIGH)), raw(thought(LOW)), raw({"text": "a" + HIGH}),
          raw({"text": LOW + "b"}, finish="STOP")],
         "t" + SMILE, f"a{SMILE}b", []),
        ([raw({"text": "a" + HIGH}, {"text": LOW}), raw({"text": "b"}, finish="STOP")], "", f"a{SMILE}b", []),
        ([raw({"text": "a" + HIGH}), raw({"text": "b"}, finish="STOP")], "", f"a{LOST}b", []),
        ([raw({"text": "a" + HIGH}), raw({"text": ""}, finish="STOP")], "", "a" + LOST, []),
        ([raw({"text": "a" + HIGH}, finish="STOP")], "", "a" + LOST, []),
        ([raw(thought("t" + HIGH)), raw({"text": LOW + "a"}, finish="STOP")], "t" + LOST, f"{LOST}a", []),
        ([raw({"text": "a" + HIGH}), raw(call(x=HIGH), finish="STOP")], "", "a" + LOST, [{"x": LOST}]),
    ],
)  # fmt: skip
def test_a_character_split_over_chunks_arrives_whole(
    name: str, chunks: list[bytes], thoughts: str, text: str, arguments: list[Any]
) -> None:
    channel = play(ask(name), *chunks)
    heard = hear(name, channel)
    assert (heard.error, heard.text, heard.thoughts) == (None, text, thoughts)
    assert [json.loads(args) for _, _, args in heard.calls] == arguments
    assert frames(name, channel) == frames(name, channel)
    assert channel.state.text == text
    answer = json.dumps(SURFACES[name].answer(channel, SECRET).body, ensure_ascii=False)
    assert json.dumps(text, ensure_ascii=False)[1:-1] in answer.replace('"}, {"text": "', "")
    answer.encode()  # raises on a lone surrogate
