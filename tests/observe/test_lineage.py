"""Marks of what was said: the same whatever a client does to a history that changes nothing of what was said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.observe.speaking import Client, called, ended, said
from tests.surfaces.playing import ALL
from zerogravity.core.events import Finished, FunctionCall, InlineData, TextDelta, ThinkingDelta
from zerogravity.observe import lineage
from zerogravity.testing.builders import channel

MODEL: dict[str, Any] = {"role": "model", "parts": [{"text": "It is "}, {"text": "four."}]}


def user(*texts: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": text} for text in texts]}


def call(**more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": "f", "args": {"a": 1, "b": [2]}, **more}}


def result(**more: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"x": 1, "y": 2}, **more}}]}


def marks(make_turn: Any, *contents: Any, **fields: Any) -> lineage.Marks:
    return lineage.of(make_turn(google_request={"contents": list(contents)}, **fields))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([user("Hi")], [user(" Hi\n")]),
        ([user("Hi", "")], [user("Hi")]),
        ([user("a"), user("b")], [user("a", "b")]),
        ([MODEL], [{"role": "model", "parts": [{"text": "It is four."}]}]),
        ([MODEL], [{"role": "model", "parts": [{"text": "hm", "thought": True}, *MODEL["parts"]]}]),
        ([MODEL], [{"role": "model", "parts": [MODEL["parts"][0]]}, {"role": "model", "parts": [MODEL["parts"][1]]}]),
        ([{"role": "model", "parts": [call(id="call_1"), {"text": "ok"}]}],
         [{"role": "model", "parts": [{"text": "ok"}, {**call(id="other"), "thoughtSignature": "c2ln"}]}]),
        ([{"role": "model", "parts": [call()]}],
         [{"role": "model", "parts": [{"functionCall": {"args": {"b": [2], "a": 1}, "name": "f"}}]}]),
        ([result(id="call_1")], [result(id="call_2")]),
    ],
)  # fmt: skip
def test_the_mark_is_that_of_what_was_said(make_turn, one, other):
    assert marks(make_turn, *one).whole == marks(make_turn, *other).whole


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([user("Hi")], [user("Ho")]),
        ([user("Hi")], [{"role": "model", "parts": [{"text": "Hi"}]}]),
        ([user("a", "b")], [user("ab")]),
        ([result()], [result(response={"x": 1, "y": 3})]),
        ([user("x"), MODEL, user("y")], [user("x"), user("y")]),
        ([{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}],
         [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAB"}}]}]),
    ],
)  # fmt: skip
def test_what_differs_has_another_mark(make_turn, one, other):
    assert marks(make_turn, *one).whole != marks(make_turn, *other).whole


def test_each_step_says_how_many_contents_are_complete_with_it(make_turn):
    made = marks(make_turn, user("a", "b"), MODEL, MODEL, user("c"))
    assert made.covered == [0, 1, 3, 4]
    assert made.dialogue
    assert not marks(make_turn, user("a")).dialogue
    assert marks(make_turn).steps == []


@pytest.mark.parametrize("fields", [{"owner": "o2"}, {"client": "codex"}])
def test_no_mark_of_another_owner_or_program_is_the_same(make_turn, fields):
    assert marks(make_turn, user("Hi")).whole != marks(make_turn, user("Hi"), **fields).whole


def test_without_its_key_nobody_can_tell_what_a_mark_is_made_of(make_turn):
    turn = make_turn()
    assert lineage.of(turn, b"one").whole != lineage.of(turn, b"two").whole


def test_the_system_prompt_is_not_in_it_and_tools_have_a_digest_of_their_own(make_turn):
    def made(**members: Any) -> lineage.Marks:
        return lineage.of(make_turn(google_request={"contents": [user("Hi")], **members}))

    tools = {"tools": [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}]}
    other = {"tools": [{"functionDeclarations": [{"name": "b"}]}, {"functionDeclarations": [{"name": "a"}]}]}
    assert made().whole == made(systemInstruction={"parts": [{"text": "Be brief."}]}, **tools).whole
    assert made(**tools).tools == made(**other).tools != made().tools == ""


@pytest.mark.parametrize("surface", ALL)
@pytest.mark.parametrize("answer", [
    said("Fo", "ur."), said("Some space. \n"), called("ls"), called("ls", thought="I look"), called("ls", text="Wait."),
    called("echo \\u00fc", thought="hm", text="Wait."),
])  # fmt: skip
def test_an_answer_has_the_mark_that_it_has_in_the_next_request(surface, answer):
    client = Client(surface).ask("2+2?")
    turn = client.turn()
    over = ended(turn, *answer)
    before = lineage.of(turn)
    client.hear(over)
    after = lineage.of(client.result("a.txt").turn() if over.state.has_calls else client.ask("And?").turn())
    assert after.steps[0] == before.whole
    assert after.steps[1] == lineage.answered(before.whole, over.state)
    assert after.covered[:2] == [1, 2]


def test_the_mark_after_nothing_is_the_same(make_turn):
    over = channel(make_turn(), ThinkingDelta("hm"), end=Finished("stop"))
    assert lineage.answered(b"mark", over.state) == b"mark"
    assert lineage.answered(b"mark", channel(make_turn(), TextDelta("a")).state) != b"mark"
    assert lineage.answered(b"mark", channel(make_turn(), InlineData("image/png", "AA==")).state) != b"mark"


@pytest.mark.parametrize("args", ['{"a": 1.10}', '{"a": 1e400}', '{"a": 99999999999999999999999}', "[1]", "no json",
                                  '{"a": ' + "[" * 300 + "]" * 300 + "}", '{"a": "\\ud800"}'])  # fmt: skip
def test_any_arguments_have_a_mark(make_turn, args):
    over = channel(make_turn(), FunctionCall("call_1", "f", args), end=Finished("stop"))
    assert len(lineage.answered(b"mark", over.state)) == lineage.SIZE
