"""Names of participants: who is told apart, and where no name may stand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.chat.support import PNG, call, parse

BLOB = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
USER = {"role": "user", "content": "Hello"}
ONE_NAME = "In this conversation you answer under the name Ann."


def named(role: str, name: Any, content: Any) -> dict[str, Any]:
    return {"role": role, "name": name, "content": content}


def parts_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    (content,) = parse(messages=[message]).google_request["contents"]
    assert content["role"] == "user"
    return list(content["parts"])


def picture(url: str = PNG) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("hi", [{"text": "Sam: hi"}]),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], [{"text": "Sam: a"}, {"text": "b"}]),
        ([picture(), {"type": "text", "text": "a"}], [BLOB, {"text": "Sam: a"}]),
        ([picture()], [{"text": "Sam:"}, BLOB]),
        ([{"type": "text", "text": ""}, {"type": "text", "text": "a"}], [{"text": "Sam: a"}]),
    ],
)  # fmt: skip
def test_a_speakers_name_stands_before_the_text(content: Any, parts: list[dict[str, Any]]) -> None:
    assert parts_of(named("user", "Sam", content)) == parts


def test_participants_of_a_group_chat_are_told_apart() -> None:
    turn = parse(messages=[named("user", "Adam", "I am from Seattle."), named("user", "Sam", "I am from Tacoma."),
                           named("user", "Adam", "What did Sam say?")])  # fmt: skip
    texts = [part["text"] for part in turn.google_request["contents"][0]["parts"]]
    assert texts == ["Adam: I am from Seattle.", "Sam: I am from Tacoma.", "Adam: What did Sam say?"]
    assert "systemInstruction" not in turn.google_request
    assert turn.notes == ()


@pytest.mark.parametrize("name", [None, "", "  "])
def test_an_empty_name_is_ignored(name: Any) -> None:
    turn = parse(messages=[named("system", name, "s"), named("user", name, "a"), named("assistant", name, "b"), USER])
    assert turn.google_request["systemInstruction"]["parts"] == [{"text": "s"}]
    assert [content["parts"] for content in turn.google_request["contents"]] == [
        [{"text": each}] for each in ("a", "b", "Hello")
    ]


def test_a_name_stays_on_one_line() -> None:
    assert parts_of(named("user", "Sam\n\nof Tacoma", "hi")) == [{"text": "Sam of Tacoma: hi"}]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_names_of_the_instructions_speakers(role: str) -> None:
    turn = parse(
        messages=[named(role, "example_user", "How do I?"), named(role, "example_assistant", "Like this."), USER]
    )
    texts = [part["text"] for part in turn.google_request["systemInstruction"]["parts"]]
    assert texts == ["example_user: How do I?", "example_assistant: Like this."]


def test_an_assistants_only_name_does_not_stand_in_its_words() -> None:
    """What it said is the pattern of what it says next: agents' frameworks put one name on every message."""
    turn = parse(messages=[USER, named("assistant", "Ann", "a"), USER, named("assistant", "Ann", "b"), USER])
    assert [content["parts"][0]["text"] for content in turn.google_request["contents"]] == [
        "Hello",
        "a",
        "Hello",
        "b",
        "Hello",
    ]
    assert turn.google_request["systemInstruction"]["parts"] == [{"text": ONE_NAME}]


def test_several_assistants_are_told_apart() -> None:
    ann, sam, bob = named("assistant", "Ann", "a"), named("user", "Sam", "b"), named("assistant", "Bob", "c")
    turn = parse(messages=[USER, ann, sam, bob, {"role": "assistant", "content": "d"}, USER])
    made = [[part["text"] for part in content["parts"]] for content in turn.google_request["contents"]]
    assert made == [["Hello"], ["Ann: a"], ["Sam: b"], ["Bob: c", "d"], ["Hello"]]
    (told,) = turn.google_request["systemInstruction"]["parts"]
    assert "Do not put a name before your own answers." in told["text"]


def test_names_of_calls_and_tools_are_no_participants() -> None:
    spoken = {"role": "assistant", "name": "Ann", "content": None, "tool_calls": [call("c", "f")]}
    turn = parse(messages=[USER, spoken, {"role": "tool", "name": "f", "tool_call_id": "c", "content": "ok"}])
    assert turn.google_request["systemInstruction"]["parts"] == [{"text": ONE_NAME}]
    assert set(turn.google_request["contents"][1]["parts"][0]) == {"functionCall", "thoughtSignature"}
    assert turn.google_request["contents"][2]["parts"][0]["functionResponse"]["response"] == {"output": "ok"}
    assert turn.notes == ()
