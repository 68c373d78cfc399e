"""Entries of a dialogue → Google's contents: the rules that Google enforces, for any dialogue."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judging import about, complaint
from zerogravity.core.family import STAND_IN
from zerogravity.core.registry import RememberedCall
from zerogravity.errors import FaultError
from zerogravity.surfaces.common.claude import for_model
from zerogravity.surfaces.common.declarations import NameMap
from zerogravity.surfaces.common.history import History, arguments, response_object
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.common.sealed_state import Carried

BLOB = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


def say(made: History, text: str, signature: str | None = None) -> None:
    """A text of the model's own, unless it is nothing at all."""
    if text or signature is not None:
        made.model_part({"text": text} if signature is None else {"text": text, "thoughtSignature": signature})


def history(model: str = "gemini-3-flash", **remembered: RememberedCall) -> History:
    return History(remembered.get, NameMap(), Catalogue().resolve(model))


def remembered(signature: str | None = "c2ln", family: str = "gemini-3-flash", up: str | None = "up") -> RememberedCall:
    return RememberedCall("f", "{}", signature, up, family)


def test_text_and_roles() -> None:
    made = history()
    made.system("be brief")
    made.system("")
    made.user([{"text": "a"}, {"text": ""}, BLOB])
    made.user([{"text": ""}])
    say(made, "")
    say(made, "b")
    say(made, "c", "c2ln")
    made.user([{"text": "d"}])
    contents, system = made.build()
    assert system == {"role": "user", "parts": [{"text": "be brief"}]}
    assert contents == [
        {"role": "user", "parts": [{"text": "a"}, BLOB]},
        {"role": "model", "parts": [{"text": "b"}, {"text": "c", "thoughtSignature": "c2ln"}]},
        {"role": "user", "parts": [{"text": "d"}]},
    ]


def test_a_signature_without_text_keeps_its_part() -> None:
    made = history()
    made.user([{"text": "a"}])
    say(made, "", "c2ln")
    made.user([{"text": "b"}])
    assert made.build()[0][1] == {"role": "model", "parts": [{"text": "", "thoughtSignature": "c2ln"}]}


def calls(made: History, *ids: str) -> None:
    for call_id in ids:
        made.model_call(call_id, "f", "{}")


@pytest.mark.parametrize(
    ("model", "memory", "given", "signature", "sent_id"),
    [
        ("gemini-3-flash", None, None, STAND_IN, "c1"),
        ("gemini-3-flash", None, "Z2l2ZW4=", "Z2l2ZW4=", "c1"),
        ("gemini-3-flash", remembered(), None, "c2ln", "up"),
        ("gemini-3-flash", remembered(), "Z2l2ZW4=", "Z2l2ZW4=", "up"),
        ("gemini-3-flash", remembered(up=None), None, "c2ln", "c1"),
        ("gemini-3-flash", remembered(signature=None), None, STAND_IN, "up"),
        ("gemini-3-flash", remembered(family="claude"), None, STAND_IN, "c1"),
        ("gemini-2.5-flash", None, None, None, None),
        ("gemini-2.5-flash", remembered(family="gemini-2.5-flash"), None, "c2ln", None),
        ("claude-sonnet-4-6", None, None, None, "c1"),
        ("claude-sonnet-4-6", remembered(), None, None, "c1"),
    ],
)
def test_signature_and_id_of_a_call(
    model: str, memory: RememberedCall | None, given: str | None, signature: str | None, sent_id: str | None
) -> None:
    made = history(model, **({"c1": memory} if memory else {}))
    made.user([{"text": "go"}])
    made.model_call("c1", "f", "{}", carried=Carried(given, "gemini-3-flash", "c1") if given else None)
    made.result("c1", "ok")
    _, call, result = made.build()[0]
    assert call["parts"][0].get("thoughtSignature") == signature
    assert call["parts"][0]["functionCall"].get("id") == sent_id
    assert result["parts"][0]["functionResponse"].get("id") == sent_id
    assert result["parts"][0]["functionResponse"]["name"] == "f"


BEFORE, AFTER = '{"toolCall": {"id": "1"}, "thoughtSignature": "YQ=="}', '{"toolResponse": {"id": "2", "n": 1}}'


@pytest.mark.parametrize(
    ("memory", "carried", "around"),
    [
        (replace(remembered(), before=(BEFORE,), after=(AFTER,)), None, (BEFORE, AFTER)),
        (replace(remembered(), before=(BEFORE,)), Carried("c2ln", "gemini-3-flash", "c1", (AFTER,)), (BEFORE, None)),
        (remembered(), Carried("c2ln", "gemini-3-flash", "c1", (BEFORE,)), (BEFORE, None)),
        (None, Carried("c2ln", "gemini-3-flash", "c1", (BEFORE,)), (BEFORE, None)),
        (replace(remembered(family="gemini-3-pro"), before=(BEFORE,), after=(AFTER,)), None, (None, None)),
    ],
)
def test_what_googles_own_tools_did_goes_back_around_its_call(
    memory: RememberedCall | None, carried: Carried | None, around: tuple[str | None, str | None]
) -> None:
    made = history(**({"c1": memory} if memory else {}))
    made.user([{"text": "go"}])
    say(made, "I look")
    made.model_call("c1", "f", "{}", carried=carried)
    made.model_call("c2", "f", "{}")
    made.result("c1", "1")
    made.result("c2", "2")
    before, after = ([json.loads(part)] if part else [] for part in around)
    _, step, results = made.build()[0]
    first, second = (part for part in step["parts"] if "functionCall" in part)
    assert step["parts"] == [{"text": "I look"}, *before, first, *after, second]
    assert len(results["parts"]) == 2


def test_a_call_between_the_results_of_others_belongs_to_their_step() -> None:
    made = history()
    made.user([{"text": "go"}])
    calls(made, "a", "b")
    made.result("a", "1")
    calls(made, "c")
    made.result("b", "2")
    made.result("c", "3")
    calls(made, "d")
    made.result("d", "4")
    contents, _ = made.build()
    assert complaint(about(contents=contents)) is None
    assert [[part["functionCall"]["id"] for part in one["parts"]] for one in contents[1::2]] == [["a", "b", "c"], ["d"]]
    answers = [part["functionResponse"]["response"]["output"] for one in contents[2::2] for part in one["parts"]]
    assert answers == ["1", "2", "3", "4"]


def test_a_call_between_results_does_not_replace_a_missing_result() -> None:
    made = history()
    made.user([{"text": "go"}])
    calls(made, "a", "b")
    made.result("a", "1")
    calls(made, "c")
    made.result("c", "3")
    with pytest.raises(FaultError, match="No tool output found for function call b"):
        made.build()


def test_only_the_first_call_of_a_step_needs_the_stand_in() -> None:
    made = history(b=remembered())
    made.user([{"text": "go"}])
    calls(made, "a", "b", "c")
    for call_id in "cab":
        made.result(call_id, call_id)
    _, step, results = made.build()[0]
    assert [part.get("thoughtSignature") for part in step["parts"]] == [STAND_IN, "c2ln", None]
    assert [part["functionResponse"]["response"]["output"] for part in results["parts"]] == ["a", "b", "c"]


def test_a_name_comes_from_the_call_never_from_the_id() -> None:
    made = history(c1=remembered())
    made.user([{"text": "go"}])
    made.model_call("c1", "", "{}")
    made.result("c1", "ok")
    assert made.build()[0][2]["parts"][0]["functionResponse"]["name"] == "f"


def test_an_error_and_media_in_a_result() -> None:
    made = history()
    made.user([{"text": "go"}])
    calls(made, "a", "b")
    made.result("a", "broken", error=True)
    made.result("b", [{"text": "x"}, BLOB, {"text": "y"}])
    first, second = (part["functionResponse"] for part in made.build()[0][2]["parts"])
    assert first["response"] == {"error": "broken"}
    assert second["response"] == {"output": "xy"}
    assert second["parts"] == [BLOB]


def test_media_of_results_follow_where_results_hold_none() -> None:
    made = history("gemini-2.5-flash")
    made.user([{"text": "go"}])
    calls(made, "a")
    made.result("a", [BLOB])
    made.user([{"text": "next"}])
    contents, _ = made.build()
    assert [content["role"] for content in contents] == ["user", "model", "user", "user"]
    assert contents[3]["parts"][1:] == [BLOB, {"text": "next"}]


def test_late_text_of_user_and_model() -> None:
    made = history()
    made.user([{"text": "go"}])
    calls(made, "a", "b")
    made.user([{"text": "hurry"}])
    say(made, "meanwhile")
    made.result("b", "2")
    made.result("a", "1")
    contents, _ = made.build()
    assert [next(iter(part)) for part in contents[1]["parts"]] == ["functionCall", "functionCall", "text"]
    assert contents[3] == {"role": "user", "parts": [{"text": "hurry"}]}


def test_stored_history_goes_on() -> None:
    made = history()
    made.extend([
        {"role": "user", "parts": [{"text": "go"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}, "id": "up"}, "zgCallId": "mine",
                                     "thoughtSignature": "c2ln"}]},
    ])  # fmt: skip
    made.result("mine", "ok")
    contents, _ = made.build()
    assert contents[1]["parts"] == [{"functionCall": {"name": "f", "args": {}, "id": "up"}, "thoughtSignature": "c2ln"}]
    assert contents[2]["parts"][0]["functionResponse"]["id"] == "up"


def test_what_is_refused() -> None:
    with pytest.raises(FaultError, match="nothing to answer"):
        history().build()
    open_call = history()
    open_call.user([{"text": "go"}])
    open_call.model_call("a", "f", "{}", param="input[1]")
    with pytest.raises(FaultError, match="No tool output found for function call a") as caught:
        open_call.build()
    assert caught.value.fault.param == "input[1]"
    twice = history()
    twice.user([{"text": "go"}])
    calls(twice, "a")
    twice.result("a", "1")
    with pytest.raises(FaultError, match="No tool call found"):
        twice.result("a", "2")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("", {}), ("  ", {}), ("{}", {}), ("null", {}), ('{"a": 1}', {"a": 1}),
        ('{"n": 123456789012345678901234567890}', {"n": 123456789012345678901234567890}),
        ("[1]", {"arguments": [1]}), ('"x"', {"arguments": "x"}), ("5", {"arguments": 5}),
        ('{"a":', {"arguments": '{"a":'}), ("plain", {"arguments": "plain"}),
    ],
)  # fmt: skip
def test_arguments(text: str, made: Any) -> None:
    assert arguments(text) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("", {"output": ""}), ("ok", {"output": "ok"}), ('{"a": 1}', {"a": 1}), (' {"a": 1} ', {"a": 1}),
        ("[1, 2]", {"output": "[1, 2]"}), ("42", {"output": "42"}), ('"x"', {"output": '"x"'}),
        ("null", {"output": "null"}),
        ('{"a": {"$ref": "x"}}', {"output": '{"a": {"$ref": "x"}}'}), ("{broken", {"output": "{broken"}),
    ],
)  # fmt: skip
def test_results_are_objects(text: str, made: Any) -> None:
    assert response_object(text) == made


@pytest.mark.parametrize("text", ["{" * 100_000, '{"a":' * 100_000, "[" * 100_000])
def test_deep_arguments_and_results_are_kept_as_text(text: str) -> None:
    assert arguments(text) == {"arguments": text}
    assert response_object(text) == {"output": text}


# -- any dialogue ------------------------------------------------------------------------------------------------

texts = st.sampled_from(("", "a", "b\n", "é工"))
outputs = st.sampled_from(("", "ok", '{"a": 1}', "[1]", '{"$ref": "x"}')) | st.just([{"text": "see"}, BLOB])
plain = st.tuples(st.sampled_from(("system", "user", "model", "picture")), texts)
rounds = st.tuples(
    st.just("round"), st.lists(st.sampled_from("xyz"), min_size=1, max_size=3, unique=True), st.randoms(), outputs,
    texts,
)  # fmt: skip


@given(st.lists(plain | rounds, max_size=7), st.sampled_from(("gemini-3-flash", "gemini-2.5-pro", "claude-sonnet-4-6")))
def test_google_takes_any_dialogue(entries: list[Any], model: str) -> None:
    made = history(model)
    said: list[str] = []
    for entry in entries:
        match entry:
            case ("system", text):
                made.system(text)
            case ("user", text):
                made.user([{"text": text}])
            case ("picture", text):
                made.user([BLOB, {"text": text}])
            case ("model", text):
                say(made, text)
            case (_, ids, random, output, text):
                calls(made, *ids)
                order = list(ids)
                random.shuffle(order)
                for call_id in order:
                    made.user([{"text": text}])
                    say(made, text)
                    made.result(call_id, output)
        said += [entry[1]] if entry[0] in ("user", "model", "picture") and entry[1] else []
    try:
        contents, system = made.build()
    except FaultError as error:
        assert "nothing to answer" in error.fault.message
        return
    request = {"contents": contents, **({"systemInstruction": system} if system else {})}
    request, _ = for_model(request, Catalogue().resolve(model), lambda _: None)
    assert complaint(about(model, **request)) is None
    for earlier, later in pairwise(contents):
        results = [any("functionResponse" in part for part in content["parts"]) for content in (earlier, later)]
        assert earlier["role"] != later["role"] or any(results)
    kept = [part["text"] for content in contents for part in content["parts"] if "text" in part]
    for text in said:
        assert text in kept
