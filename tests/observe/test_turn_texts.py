"""What a turn is found by."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.observe.recorded import model, record, result, user
from zerogravity.core.events import CallReturned, Failed, Finished, FunctionCall, TextDelta, ThinkingDelta
from zerogravity.errors import upstream
from zerogravity.observe import turn_texts
from zerogravity.observe.sessions import Placement
from zerogravity.observe.trace_reader import load
from zerogravity.observe.turn_texts import Said


def texts(folder: Path, *, whole: bool = False) -> dict[str, str]:
    trace = load(folder)
    return turn_texts.of(trace, Said.of(trace.state), whole=whole)


def test_a_turn_is_found_by_all_its_texts(tmp_path):
    folder = record(
        tmp_path, "a", ThinkingDelta("hm"), TextDelta("Let me see."), FunctionCall("call_1", "f_sh", '{"cmd": "ls"}'),
        end=Finished("tool"), tool_names={"f_sh": "shell"}, google_request={
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [user("What is here?"), model("I look."), result("sh", {"output": "a\nb"}),
                         {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}],
        },
    )  # fmt: skip
    (folder / "note.json").write_text('{"note": "mine", "star": true}')
    assert texts(folder) == {
        "request": "Be brief.\nWhat is here?\nI look.", "result": "a\nb", "thinking": "hm", "text": "Let me see.",
        "call": 'shell({"cmd": "ls"})', "note": "mine",
    }  # fmt: skip


def test_and_by_what_the_tools_that_were_run_here_have_answered(tmp_path):
    events = (FunctionCall("call_1", "docs.find", "{}"), CallReturned("call_1", "found"), CallReturned("call_2", "x"))
    assert texts(record(tmp_path, "a", *events))["result"] == "found"


@pytest.mark.parametrize(
    ("placed", "request_", "answered"),
    [
        (Placement(), "Be brief.\none\ntwo\nthree", "x"),
        (Placement("s"), "Be brief.\none\ntwo\nthree", "x"),
        (Placement("s", "turn_b", "", 1), "three", "x"),
        (Placement("s", "turn_b", "", 3), "three", ""),
        (Placement("s", "turn_b", "", 9), "", ""),
    ],
)
def test_of_a_conversation_only_what_is_new(tmp_path, placed, request_, answered):
    contents = [user("one"), model("two"), result("sh", {"output": "x"}), user("three")]
    system = {"parts": [{"text": "Be brief."}]}
    folder = record(tmp_path, "a", placed=placed, google_request={"systemInstruction": system, "contents": contents})
    shown = texts(folder)
    whole = texts(folder, whole=True)
    assert (whole["request"], whole["result"]) == ("Be brief.\none\ntwo\nthree", "x")
    assert (shown.get("request", ""), shown.get("result", "")) == (request_, answered)


@pytest.mark.parametrize(
    ("answer", "text"),
    [({"output": "a\nb"}, "a\nb"), ({"stdout": "a", "more": "b\nc"}, 'a\n{"more":"b\\nc"}'),
     ({"rows": [1, 2]}, '{\n  "rows": [\n    1,\n    2\n  ]\n}'), ({}, "")],
)  # fmt: skip
def test_results_of_tools_are_text(tmp_path, answer, text):
    assert texts(record(tmp_path, "a", contents=[result("sh", answer)])).get("result", "") == text


def test_a_failure_is_found_by_its_code_its_words_and_what_to_do(tmp_path):
    failed = Failed(upstream(429, "rate", "slow down", upstream_status=429, remedy="Wait."))
    assert texts(record(tmp_path, "a", end=failed))["failure"] == "rate: slow down. Wait."


def test_a_huge_text_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(turn_texts, "MOST", 10)
    assert set(texts(record(tmp_path, "a", TextDelta("x" * 15), contents=[user("y" * 15)])).values()) == {
        "x" * 10, "y" * 10,
    }  # fmt: skip
