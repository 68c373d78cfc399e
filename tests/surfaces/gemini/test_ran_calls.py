"""What the gateway has run → back into the contents of a client that has not seen it. Whole turns are in
``surfaces/test_server_calls.py``."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.core.events import CallReturned
from zerogravity.core.family import STAND_IN
from zerogravity.core.fold import Call
from zerogravity.core.registry import RanCalls, RememberedCall
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.gemini.ran_calls import with_ran_calls

HI = {"role": "user", "parts": [{"text": "hi"}]}
MINE = {"functionCall": {"id": "up", "name": "f", "args": {}}, "thoughtSignature": "c2ln"}
RESULT = {"functionResponse": {"id": "up", "name": "f", "response": {"output": "mine"}}}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
GEMINI = "gemini-3-flash"


def ran(name: str, **returned: Any) -> Call:
    return Call(0, f"call_{name}", f"s.{name}", "{}", None, f"up_{name}", server="s", tool=name,
                returned=CallReturned(f"call_{name}", **({"output": name} | returned)))  # fmt: skip


def brought(contents: list[Any], calls: RanCalls | None, model: str = GEMINI, family: str = GEMINI) -> list[Any]:
    known = {"up": RememberedCall("f", "{}", None, "up", family, ran=calls)}
    return [dict(content) for content in with_ran_calls(contents, known.get, Catalogue().resolve(model))]


def called(name: str, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": f"s.{name}", "args": {}, "id": f"up_{name}"}, **more}


def result(name: str) -> dict[str, Any]:
    return {"functionResponse": {"name": f"s.{name}", "response": {"output": name}, "id": f"up_{name}"}}


@pytest.mark.parametrize("calls", [None, RanCalls()])
def test_other_contents_stay_as_they_are(calls: RanCalls | None) -> None:
    contents = [HI, {"role": "model", "parts": [{"text": "x"}, MINE]}, {"role": "user", "parts": [RESULT]}]
    assert brought(contents, calls) == contents
    assert brought([{"role": "model"}, {"role": "user", "parts": [RESULT]}], calls) == [
        {"role": "model"}, {"role": "user", "parts": [RESULT]},
    ]  # fmt: skip


def test_beside_the_client_s_call_its_neighbours_stand_in_order() -> None:
    contents = [HI, {"role": "model", "parts": [{"text": "x"}, MINE]}, {"role": "user", "parts": [RESULT, PICTURE]}]
    assert brought(contents, RanCalls(((ran("a"),),), (ran("b"),), (ran("c"),))) == [
        HI,
        {"role": "model", "parts": [called("a", thoughtSignature=STAND_IN)]},
        {"role": "user", "parts": [result("a")]},
        {"role": "model", "parts": [{"text": "x"}, called("b", thoughtSignature=STAND_IN), MINE, called("c")]},
        {"role": "user", "parts": [result("b"), RESULT, result("c"), PICTURE]},
    ]


def test_where_the_client_has_no_result_the_others_come_before_what_it_says() -> None:
    said = {"role": "model", "parts": [MINE]}
    results = {"role": "user", "parts": [result("b")]}
    calls = RanCalls(before=(ran("b"),))
    assert brought([HI, said, HI], calls)[2:] == [results, HI]
    assert brought([HI, said], calls)[2:] == [results]
    assert brought([HI, said, HI], RanCalls(((ran("b"),),)))[2:] == [results, said, HI]


def test_what_a_family_has_no_place_for_in_a_result_follows_it() -> None:
    said = [HI, {"role": "model", "parts": [MINE]}, {"role": "user", "parts": [RESULT]}]
    *_, results, media = brought(said, RanCalls(behind=(ran("b", media=(PICTURE,)),)), "claude-sonnet-4-6", "claude")
    assert [part["functionResponse"]["id"] for part in results["parts"]] == ["up", "up_b"]
    assert PICTURE in media["parts"]


def test_another_family_gets_them_without_what_only_the_first_one_knows() -> None:
    call = ran("b")
    call.signature = "secret"
    said = [HI, {"role": "model", "parts": [MINE]}, {"role": "user", "parts": [RESULT]}]
    made = brought(said, RanCalls(before=(call,)), family="claude")
    assert made[1]["parts"][0] == {
        "functionCall": {"name": "s.b", "args": {}, "id": "call_b"}, "thoughtSignature": STAND_IN,
    }  # fmt: skip
