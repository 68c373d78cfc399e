"""Answers of several rounds behind their contents, with the results of calls that the gateway has run."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.core.events import CallReturned, Event, Finished, FunctionCall, RoundOpened, TextDelta, ToolsListed
from zerogravity.core.fold import Call, Message, TurnState, fold
from zerogravity.core.turn import Target, pending
from zerogravity.surfaces.common.answer_contents import FILES, NOT_RUN, answer, filled, response, with_answer
from zerogravity.testing import builders

FLASH, OLD = Target("m", "m", family="gemini-3-flash"), Target("m", "m", family="gemini-2.5-flash")
USER = {"role": "user", "parts": [{"text": "hi"}]}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
LIST = ToolsListed("s", ({"name": "f"}, {"name": "g"}), ("s.f", "s.g"), asks=("s.g",))
SAID = CallReturned("c", "said")


def state(*events: Event) -> TurnState:
    return fold(builders.records(events, Finished("stop")))


def shape(contents: list[Any]) -> list[tuple[str, list[str]]]:
    """(role, what each part is) of each content."""
    return [(one["role"], [next(name for name in part if name != "thoughtSignature") for part in one["parts"]])
            for one in contents]  # fmt: skip


def call(call_id: str = "c", name: str = "s.f") -> FunctionCall:
    return FunctionCall(call_id, name, "{}", "sig")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([TextDelta("a")], [("model", ["text"])]),
        ([], []),
        ([LIST, call(), SAID, RoundOpened("m"), TextDelta("a")],
         [("model", ["functionCall"]), ("user", ["functionResponse"]), ("model", ["text"])]),
        ([LIST, TextDelta("a"), call(), SAID, RoundOpened("m"), call("d"), CallReturned("d"), RoundOpened("m"),
          TextDelta("b")],
         [("model", ["text", "functionCall"]), ("user", ["functionResponse"]), ("model", ["functionCall"]),
          ("user", ["functionResponse"]), ("model", ["text"])]),
        ([LIST, call()], [("model", ["functionCall"]), ("user", ["functionResponse"])]),
        ([LIST, call("c", "s.g")], [("model", ["functionCall"])]),
        ([LIST, call(), SAID, call("d", "mine")], [("model", ["functionCall", "functionCall"])]),
    ],
)  # fmt: skip
def test_rounds(events: list[Event], expected: list[tuple[str, list[str]]]) -> None:
    made = with_answer([USER], state(*events), FLASH)
    assert made[0] is USER
    assert shape(made[1:]) == expected


def test_a_call_beside_an_open_one_keeps_its_result() -> None:
    [content] = with_answer([], state(LIST, call(), SAID, call("d", "mine")), FLASH)
    assert [(part["zgCallId"], part.get("zgResult")) for part in content["parts"]] == [
        ("c", {"output": "said"}),
        ("d", None),
    ]


def test_a_call_that_was_not_run_has_a_result_all_the_same() -> None:
    [_, results] = with_answer([], state(LIST, call()), FLASH)
    assert results["parts"][0]["functionResponse"]["response"] == {"error": NOT_RUN.output}


def test_a_call_that_the_contents_hold_is_not_there_twice() -> None:
    assert with_answer([USER], state(LIST, call(), SAID), FLASH, known={"c"}) == [USER]


def test_a_refusal_stands_for_the_last_answer() -> None:
    made = with_answer([], state(LIST, call(), SAID, RoundOpened("m"), TextDelta("half")), FLASH, refusal="no")
    assert shape(made) == [("model", ["functionCall"]), ("user", ["functionResponse"]), ("model", ["text"])]
    assert made[-1]["parts"] == [{"text": "no"}]


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (CallReturned("c", "said"), {"output": "said"}),
        (CallReturned("c", '{"a": 1}'), {"a": 1}),
        (CallReturned("c", "away", {"type": "http_error"}), {"error": "away"}),
    ],
)
def test_what_the_model_is_told(returned: CallReturned, expected: dict[str, Any]) -> None:
    assert response(returned) == expected


@pytest.mark.parametrize("target", [FLASH, OLD])
def test_pictures_go_where_the_family_takes_them(target: Target) -> None:
    made = answer([Message(0, ["a"]), Call(1, "c", "s.f", "{}", "sig", server="s", tool="f",
                                           returned=CallReturned("c", "see", media=(PICTURE,)))], target)  # fmt: skip
    inside = made[1]["parts"][0]["functionResponse"].get("parts")
    assert (inside, made[2:]) == (
        ([PICTURE], []) if target is FLASH else (None, [{"role": "user", "parts": [{"text": FILES}, PICTURE]}])
    )


@pytest.mark.parametrize("family", ["gemini-3-flash", "gemini-2.5-flash"])
def test_what_approved_calls_come_to_is_put_in_their_places(family: str) -> None:
    def part(call_id: str) -> dict[str, Any]:
        return {"functionResponse": {"name": "s.f", "id": call_id, "response": pending(call_id)}}

    asked = [USER, {"role": "user", "parts": [part("a"), part("b"), {"text": "go"}]}]
    results = {"a": CallReturned("a", "said", media=(PICTURE,)), "x": CallReturned("x", "nobody's")}
    made = filled(asked, results, family)
    given = made[1]["parts"][0]["functionResponse"]
    assert given["response"] == {"output": "said"}
    inside = family == "gemini-3-flash"
    files = {"role": "user", "parts": [{"text": FILES}, PICTURE]}
    assert (given.get("parts"), made[2:]) == (([PICTURE], []) if inside else (None, [files]))
    assert made[1]["parts"][1:] == [part("b"), {"text": "go"}]
    assert asked[1]["parts"][0] == part("a")
