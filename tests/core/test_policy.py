"""The decision table row by row; and a mutation of each row, which some row here must catch."""
# ruff: noqa: E501 - lines of the source are quoted as they are

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import record_lists
from zerogravity.core import policy
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    FunctionCall,
    InlineData,
    Record,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.fold import fold
from zerogravity.errors import Termination, upstream

OPEN, TEXT, THINK = AttemptOpened(), TextDelta("x"), ThinkingDelta("x")
CALL, BLOB = FunctionCall("call_1", "f", "{}"), InlineData("image/png", "AA")
FAULT = upstream(429, "rate_limit_exceeded", "slow down")
OK, DROP, EMPTY = Termination.OK, Termination.UPSTREAM_DROP, Termination.EMPTY
GARBAGE = Termination.UPSTREAM_GARBAGE


def end(finish, broken=None):
    return AttemptClosed(finish, "said so", broken)


ROWS = [
    # name, events, how it ended, expected decision
    ("fault", (OPEN, TEXT, end("STOP")), {"fault": FAULT}, ("fail", "rate_limit_exceeded")),
    ("fault before drop", (OPEN, end(None)), {"fault": FAULT, "dropped": True}, ("fail", "rate_limit_exceeded")),
    ("drop after text", (OPEN, TEXT, end(None)), {"dropped": True}, ("fail", "upstream_drop")),
    ("drop though STOP was said", (OPEN, TEXT, end("STOP")), {"dropped": True}, ("fail", "upstream_drop")),
    ("prompt blocked", (OPEN, end("BLOCKED:SAFETY")), {}, ("finish", "filtered", "SAFETY")),
    ("prompt blocked, unknown reason", (OPEN, end("BLOCKED:NEW")), {}, ("finish", "filtered", "NEW")),
    *((f"filter {word}", (OPEN, TEXT, end(word)), {}, ("finish", "filtered", word)) for word in sorted(policy.FILTERED)),
    ("filter without text", (OPEN, end("SAFETY")), {}, ("finish", "filtered", "SAFETY")),
    ("length", (OPEN, TEXT, end("MAX_TOKENS")), {}, ("finish", "length", "MAX_TOKENS")),
    ("length without text", (OPEN, THINK, end("MAX_TOKENS")), {}, ("finish", "length", "MAX_TOKENS")),
    ("length with calls", (OPEN, CALL, end("MAX_TOKENS")), {}, ("finish", "length", "MAX_TOKENS")),
    ("continuation", (OPEN, TEXT, end("CONTINUATION")), {}, ("finish", "length", "CONTINUATION")),
    *((f"malformed {word}", (OPEN, end(word)), {}, ("await", GARBAGE)) for word in sorted(policy.MALFORMED)),
    ("malformed with text", (OPEN, TEXT, end("MALFORMED_FUNCTION_CALL")), {}, ("fail", "malformed_function_call")),
    ("malformed with a call", (OPEN, CALL, end("UNEXPECTED_TOOL_CALL")), {}, ("fail", "unexpected_tool_call")),
    ("malformed with a picture", (OPEN, BLOB, end("MALFORMED_RESPONSE")), {}, ("fail", "malformed_response")),
    ("malformed with thinking", (OPEN, THINK, end("MALFORMED_RESPONSE")), {}, ("await", GARBAGE)),
    ("malformed again", (OPEN, end("MALFORMED_RESPONSE"), OPEN, end("MALFORMED_FUNCTION_CALL")), {},
     ("fail", "malformed_function_call")),
    ("broken call", (OPEN, end("STOP", "no name")), {}, ("await", GARBAGE)),
    ("broken call with thinking", (OPEN, THINK, end("STOP", "no name")), {}, ("await", GARBAGE)),
    ("broken call, odd reason", (OPEN, end("OTHER", "no name")), {}, ("await", GARBAGE)),
    ("broken call beside a good one", (OPEN, CALL, end("STOP", "no name")), {}, ("fail", "malformed_function_call")),
    ("broken call with text", (OPEN, TEXT, end("STOP", "no name")), {}, ("fail", "malformed_function_call")),
    ("broken call, then a good one", (OPEN, end("STOP", "no name"), OPEN, CALL, end("STOP")), {}, ("finish", "tool", None)),
    ("broken call, again", (OPEN, end("STOP", "no name")) * 2, {}, ("fail", "malformed_function_call")),
    ("broken call in a malformed answer", (OPEN, TEXT, end("MALFORMED_RESPONSE", "no name")), {},
     ("fail", "malformed_response")),
    ("broken call, cut off", (OPEN, end("MAX_TOKENS", "no name")), {}, ("finish", "length", "MAX_TOKENS")),
    ("broken call, filtered", (OPEN, end("SAFETY", "no name")), {}, ("finish", "filtered", "SAFETY")),
    ("broken call, no finish reason", (OPEN, end(None, "no name")), {}, ("fail", "upstream_drop")),
    ("no finish reason", (OPEN, TEXT, end(None)), {}, ("fail", "upstream_drop")),
    ("no finish reason, with calls", (OPEN, CALL, end(None)), {}, ("fail", "upstream_drop")),
    ("nothing and no finish reason", (OPEN, end(None)), {}, ("fail", "upstream_drop")),
    ("garbage and no finish reason", (OPEN, end(None)), {"garbled": True}, ("fail", "upstream_garbage")),
    ("garbage only", (OPEN, end(None)), {"garbled": True, "silent": True}, ("fail", "upstream_garbage")),
    ("garbage after text", (OPEN, TEXT, end(None)), {"garbled": True}, ("fail", "upstream_garbage")),
    ("garbage, then a drop", (OPEN, TEXT, end(None)), {"garbled": True, "dropped": True}, ("fail", "upstream_drop")),
    ("garbage and a finish reason", (OPEN, TEXT, end("STOP")), {"garbled": True}, ("finish", "stop", None)),
    ("no event", (OPEN, end(None)), {"silent": True}, ("await", EMPTY)),
    ("no event, again", (OPEN, end("STOP"), OPEN, end(None)), {"silent": True}, ("fail", "empty_response")),
    ("no event, and a drop", (OPEN, end(None)), {"silent": True, "dropped": True}, ("fail", "upstream_drop")),
    ("calls", (OPEN, CALL, end("STOP")), {}, ("finish", "tool", None)),
    ("calls and text", (OPEN, TEXT, CALL, end("STOP")), {}, ("finish", "tool", None)),
    ("calls with an odd reason", (OPEN, CALL, end("OTHER")), {}, ("finish", "tool", None)),
    ("text", (OPEN, TEXT, end("STOP")), {}, ("finish", "stop", None)),
    ("text after thinking", (OPEN, THINK, TEXT, end("STOP")), {}, ("finish", "stop", None)),
    ("text with an odd reason", (OPEN, TEXT, end("OTHER")), {}, ("finish", "stop", None)),
    ("media", (OPEN, BLOB, end("STOP")), {}, ("finish", "stop", None)),
    ("thinking only", (OPEN, THINK, end("STOP")), {}, ("await", EMPTY)),
    ("thinking only, twice", (OPEN, THINK, end("STOP"), OPEN, THINK, end("STOP")), {}, ("await", EMPTY)),
    ("thinking only, three times", (OPEN, THINK, end("STOP")) * 3, {}, ("fail", "empty_response")),
    ("thinking, then text in the next call", (OPEN, THINK, end("STOP"), OPEN, TEXT, end("STOP")), {},
     ("finish", "stop", None)),
    ("nothing", (OPEN, end("STOP")), {}, ("await", EMPTY)),
    ("nothing, odd reason", (OPEN, end("NO_IMAGE")), {}, ("await", EMPTY)),
    ("nothing, again", (OPEN, end("STOP"), OPEN, end("STOP")), {}, ("fail", "empty_response")),
    ("nothing, then text", (OPEN, end("STOP"), OPEN, TEXT, end("STOP")), {}, ("finish", "stop", None)),
]  # fmt: skip


def decided(module, events, ended):
    """A decision as a row writes it."""
    state = fold([Record(0, 0, 0, b"", events)])
    match module.decide(state, **ended):
        case module.Finish(terminal):
            fault = getattr(terminal, "fault", None)
            return ("fail", fault.code) if fault else ("finish", terminal.reason, terminal.detail)
        case module.Await(seconds, late):
            assert seconds == policy.FOLLOW_UP_S == 20.0
            return ("await", late.termination)


@pytest.mark.parametrize(("events", "ended", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_row(events, ended, expected):
    assert decided(policy, events, ended) == expected


@pytest.mark.parametrize(
    ("events", "ended", "code"),
    [
        ((OPEN, end(None)), {"dropped": True}, DROP),
        ((OPEN, end("STOP")) * 2, {}, EMPTY),
        ((OPEN, TEXT, end("MALFORMED_RESPONSE")), {}, GARBAGE),
    ],
)
def test_failures_have_their_termination_code_and_are_the_upstreams(events, ended, code):
    terminal = policy.decide(fold([Record(0, 0, 0, b"", events)]), **ended).terminal
    assert (terminal.fault.termination, terminal.fault.status, terminal.fault.origin) == (code, 502, "upstream")


@pytest.mark.parametrize("row", [row for row in ROWS if row[3][0] in ("fail", "await") and "fault" not in row[2]],
                         ids=lambda row: row[0])  # fmt: skip
def test_every_failure_says_to_send_the_request_again(row):
    decision = policy.decide(fold([Record(0, 0, 0, b"", row[1])]), **row[2])
    fault = decision.late if isinstance(decision, policy.Await) else decision.terminal.fault
    assert "send the request again" in fault.message


def test_googles_finish_message_is_in_the_error():
    terminal = policy.decide(fold([Record(0, 0, 0, b"", (OPEN, TEXT, end("MALFORMED_RESPONSE")))])).terminal
    assert "MALFORMED_RESPONSE: said so" in terminal.fault.message


@pytest.mark.parametrize(
    ("events", "finish", "message"),
    [
        ((OPEN, TEXT, end("MALFORMED_RESPONSE")), "MALFORMED_RESPONSE", "said so"),
        ((OPEN, TEXT, end("STOP", "no name")), "MALFORMED_FUNCTION_CALL", "no name"),
        ((OPEN, end("STOP"), OPEN, end("NO_IMAGE")), "NO_IMAGE", None),
        ((OPEN, THINK, end("OTHER")) * 3, "OTHER", None),
        ((OPEN, end("STOP")) * 2, "", None),
        ((OPEN, THINK, end("STOP")) * 3, "", None),
        ((OPEN, TEXT, end(None)), "", None),
    ],
)
def test_a_failure_carries_googles_finish_reason(events, finish, message):
    """Only where Google said it: a STOP without an answer, or a cut, is none."""
    fault = policy.decide(fold([Record(0, 0, 0, b"", events)])).terminal.fault
    assert (fault.finish, fault.finish_message) == (finish, message)


def test_the_finish_reasons_with_a_meaning_of_their_own():
    """The table of the facts sheet, word by word: one that is forgotten would be a good end."""
    assert {"MAX_TOKENS", "CONTINUATION"} == policy.LENGTH
    assert {
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "ESCALATION", "MODEL_ARMOR",
        "PUP_LIMITED_DISABLED", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
    } == policy.FILTERED  # fmt: skip
    assert {
        "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
    } == policy.MALFORMED  # fmt: skip


def test_the_lists_of_finish_reasons_do_not_overlap():
    assert not policy.LENGTH & policy.FILTERED
    assert not policy.MALFORMED & (policy.LENGTH | policy.FILTERED)


@given(record_lists(), st.none() | st.just(FAULT), st.booleans())
def test_there_is_always_a_decision(records, fault, dropped):
    decision = policy.decide(fold(records[:-1]), fault=fault, dropped=dropped)
    if fault or dropped:
        assert isinstance(decision, policy.Finish)
    assert isinstance(decision, policy.Finish | policy.Await)


# -- each row has a test that fails when the row is broken -----------------------------------------------------------

SOURCE = Path(policy.__file__).read_text("utf-8")
MUTATIONS = [
    ("lambda end: end.fault is not None,", "lambda end: end.fault is not None and not end.dropped,"),
    ("lambda end: end.dropped,", "lambda end: end.dropped and not end.state.round.has_text,"),
    ("lambda end: end.cut,", "lambda end: end.cut and not end.state.round.has_calls,"),
    ("end.cut and end.garbled", "end.cut and end.garbled and not end.silent"),
    ("lambda end: end.cut and end.garbled", "lambda end: end.garbled"),
    ('_once_more(end, _empty("the upstream answered 200', '_once_more(end, _dropped("the upstream answered 200'),
    ('_fail(_dropped("the upstream answer ended', '_fail(_empty("the upstream answer ended'),
    ('end.finish.startswith("BLOCKED:") or ', ""),
    (" or end.finish in FILTERED", ""),
    ('.removeprefix("BLOCKED:")', ""),
    ('Finished("filtered", end.finish', 'Finished("length", end.finish'),
    ("end.finish in LENGTH", "end.finish in LENGTH and end.state.round.has_text"),
    ("end.finish in LENGTH", "end.finish in LENGTH and not end.state.round.has_calls"),
    ('Finished("length", end.finish)', 'Finished("length")'),
    ("_once_more(end, _malformed(end.finish, end.state.finish_message))", "_fail(_malformed(end.finish, end.state.finish_message))"),
    ("lambda end: end.state.round.has_calls,", "lambda end: end.state.round.has_calls and not end.state.round.has_text,"),
    ("lambda end: end.state.round.has_calls,", 'lambda end: end.state.round.has_calls and end.finish == "STOP",'),
    ('Finished("tool")', 'Finished("stop")'),
    ("lambda end: end.state.round.has_text or end.state.round.has_media", "lambda end: end.state.round.has_text"),
    ("lambda end: end.state.round.has_text or end.state.round.has_media", "lambda end: end.state.round.has_media"),
    ("lambda end: end.state.round.has_text or end.state.round.has_media", 'lambda end: end.state.round.has_media or (end.state.round.has_text and end.finish == "STOP")'),
    (">= MAX_FOLLOW_UPS", "> MAX_FOLLOW_UPS"),
    (">= MAX_FOLLOW_UPS", ">= 2"),
    ("lambda end: Await(FOLLOW_UP_S, ", "lambda end: _fail("),
    ('_once_more(end, _empty("the upstream answer was empty", end.finish))', '_fail(_empty("the upstream answer was empty", end.finish))'),
    ("if state.has_text or state.has_calls or", "if state.has_calls or"),
    ("if state.has_text or state.has_calls or", "if state.has_text or"),
    (" or state.has_media or state.attempts > 1:", " or state.attempts > 1:"),
    (" or state.has_media or state.attempts > 1:", " or state.has_media:"),
    ("if state.has_text or state.has_calls or", "if state.has_thinking or state.has_text or state.has_calls or"),
    ("lambda end: end.state.broken is not None,", "lambda end: end.state.broken is not None and not end.state.round.has_calls,"),
    ("return Await(FOLLOW_UP_S, fault)", "return _fail(fault)"),
    *((f'"{word}"', '"X"') for word in sorted(policy.LENGTH | policy.FILTERED | policy.MALFORMED)),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong"), MUTATIONS)
def test_a_mutated_row_is_caught(right, wrong):
    assert right in SOURCE, "the mutation no longer fits the source"
    name = "zerogravity_policy_mutant"
    mutant = ModuleType(name)
    mutant.__dict__["__name__"] = name
    sys.modules[name] = mutant  # dataclasses look their module up
    try:
        exec(compile(SOURCE.replace(right, wrong, 1), name, "exec"), mutant.__dict__)
        assert any(decided(mutant, *row[1:3]) != row[3] for row in ROWS)
    finally:
        del sys.modules[name]


@pytest.mark.parametrize("number", range(len(policy.ROWS) - 1))
def test_every_row_is_needed(number, monkeypatch):
    """The last one holds always, and is what is left where the others do not."""
    monkeypatch.setattr(policy, "ROWS", (*policy.ROWS[:number], *policy.ROWS[number + 1 :]))
    assert any(decided(policy, *row[1:3]) != row[3] for row in ROWS)


@pytest.mark.parametrize("number", [*range(4), 7, 8, 9, 11])
def test_the_order_of_the_rows_is_needed(number, monkeypatch):
    """Those that are named here may both hold of one ending."""
    one, other = policy.ROWS[number : number + 2]
    monkeypatch.setattr(policy, "ROWS", (*policy.ROWS[:number], other, one, *policy.ROWS[number + 2 :]))
    assert any(decided(policy, *row[1:3]) != row[3] for row in ROWS)


DECISIONS = {"fail": "Fail(", "finish": "Finish(", "await": "Await "}


@pytest.mark.parametrize(("events", "ended", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_row_describes_its_decision(events, ended, expected, monkeypatch):
    """What people read beside a row is what comes of it: the decision, and the code of a failure."""
    used = []
    rows = [replace(row, then=lambda end, row=row: (used.append(row), row.then(end))[1]) for row in policy.ROWS]
    monkeypatch.setattr(policy, "ROWS", rows)
    decided(policy, events, ended)
    said = used[0].decision
    what, detail = expected[:2]
    assert DECISIONS[what] in said
    if what == "finish":
        assert said == f"Finish({detail})"
    if what == "fail" and "that" not in said:
        assert f"Fail({detail})" in said


def test_the_table_prints_itself():
    assert policy.table()[0] == ("a fault was seen (status, error event, garbage)", "Fail(that fault)")
    assert len(policy.table()) == len(policy.ROWS)
