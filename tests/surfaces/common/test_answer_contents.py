"""All rounds of an answer behind the contents that it answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.strategies import CALL_ERRORS, LISTINGS
from zerogravity.core.events import CallReturned, Event, FunctionCall, Record, RoundOpened, TextDelta
from zerogravity.core.fold import TurnState, fold
from zerogravity.core.turn import Target, pending
from zerogravity.surfaces.common.answer_contents import filled, response, with_answer

PICTURE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
NEW, OLD = Target("m", "M", family="gemini-3-flash"), Target("m", "M", family="gemini-2.5")
ASKED: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": "x"}]}]
NEXT = RoundOpened("m")
FIND, READ, MINE = (FunctionCall(f"call_{n}", name, "{}", "c2ln") for n, name in
                    enumerate(("docs.find", "docs.read", "mine")))  # fmt: skip
FOUND = CallReturned("call_0", "found")


def state(*events: Event) -> TurnState:
    return fold([Record(0, 0, 0, b"", (LISTINGS[0], *events))])


def kinds(contents: list[Any]) -> list[tuple[str, list[str]]]:
    names = ("text", "functionCall", "functionResponse", "inlineData")
    return [
        (content["role"], [next(name for name in names if name in part) for part in content["parts"]])
        for content in contents[1:]
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((TextDelta("a"),), [("model", ["text"])]),
        ((TextDelta("a"), FIND, FOUND, NEXT, TextDelta("b")),
         [("model", ["text", "functionCall"]), ("user", ["functionResponse"]), ("model", ["text"])]),
        ((FIND, TextDelta("late"), FOUND, NEXT, TextDelta("b")),
         [("model", ["functionCall", "text"]), ("user", ["functionResponse"]), ("model", ["text"])]),
        ((NEXT, TextDelta("b")), [("model", ["text"])]),
        ((FIND, MINE, FOUND), [("model", ["functionCall", "functionCall"])]),
        ((READ,), [("model", ["functionCall"])]),
        ((FIND,), [("model", ["functionCall"]), ("user", ["functionResponse"])]),
        ((), []),
    ],
)  # fmt: skip
def test_rounds_become_contents(events: tuple[Event, ...], expected: list[Any]) -> None:
    assert kinds(with_answer(ASKED, state(*events), NEW)) == expected


def test_calls_that_wait_for_the_client_stand_beside_results() -> None:
    parts = with_answer(ASKED, state(FIND, READ, FOUND), NEW)[-1]["parts"]
    assert [(part["zgCallId"], part.get("zgResult")) for part in parts] == [
        ("call_0", {"output": "found"}),
        ("call_1", None),
    ]


def test_calls_that_the_contents_hold_are_left_out() -> None:
    found = with_answer(ASKED, state(READ, CallReturned("call_1", "text"), NEXT, TextDelta("b")), NEW, known={"call_1"})
    assert kinds(found) == [("model", ["text"])]


def test_a_refusal_stands_for_the_last_answer() -> None:
    found = with_answer(ASKED, state(FIND, FOUND, NEXT), NEW, refusal="withheld")
    assert kinds(found) == [("model", ["functionCall"]), ("user", ["functionResponse"]), ("model", ["text"])]


@pytest.mark.parametrize(("target", "inside"), [(NEW, True), (OLD, False)])
def test_media_of_results_go_where_the_family_takes_them(target: Target, inside: bool) -> None:
    shown = CallReturned("call_0", "found", media=(PICTURE,))
    waits = {"functionResponse": {"name": "f", "response": pending("call_0")}}
    for found in (
        with_answer(ASKED, state(FIND, shown), target),
        filled([*ASKED, {"role": "user", "parts": [waits]}], {"call_0": shown}, target.family),
    ):
        (result,) = [part["functionResponse"] for one in found for part in one["parts"] if "functionResponse" in part]
        assert ("parts" in result) is inside
        assert (found[-1]["parts"][-1] == PICTURE) is not inside


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (CallReturned("c", "text"), {"output": "text"}),
        (CallReturned("c", '{"a":1}'), {"a": 1}),
        (CallReturned("c", "no such file", CALL_ERRORS[0]), {"error": "no such file"}),
    ],
)
def test_what_the_model_is_told(returned: CallReturned, told: Any) -> None:
    assert response(returned) == told


def test_other_contents_stay_as_they_are() -> None:
    given = [*ASKED, {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"pending": "x"}}}]}]
    assert filled(given, {"call_0": FOUND}, NEW.family) == given
