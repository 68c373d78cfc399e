"""The decision table row by row; and a mutation of each row, which some row here must catch."""
# ruff: noqa: E501 - lines of the source are quoted as they are

from __future__ import annotations

import sys
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
def test_what_to_do_is_told(row):
    decision = policy.decide(fold([Record(0, 0, 0, b"", row[1])]), **row[2])
    fault = decision.late if isinstance(decision, policy.Await) else decision.terminal.fault
    assert "send the request again" in fault.message


def test_googles_words_are_told():
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
def test_the_end_that_is_the_failure(events, finish, message):
    """Only where Google said it: a STOP without an answer, or a cut, is none."""
    fault = policy.decide(fold([Record(0, 0, 0, b"", events)])).terminal.fault
    assert (fault.finish, fault.finish_message) == (finish, message)


def test_the_words_that_mean_more_than_an_end():
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


def test_the_word_lists_are_apart():
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
    ("if fault is not None:", "if fault is None:"),
    ("if fault is not None:", "if fault is not None and not dropped:"),
    ("    if dropped:\n", "    if dropped and not state.has_text:\n"),
    ("    if dropped:\n", "    if False:\n"),
    ("        case None:\n            return Finish(Failed(_dropped(", "        case None if not state.has_calls:\n            return Finish(Failed(_dropped("),
    ("case None if garbled:", "case None if garbled and not silent:"),
    ("case None if garbled:", "case None if False:"),
    ("case None if silent:", "case None if False:"),
    ('_once_more(state, _empty("the upstream answered 200', '_once_more(state, _dropped("the upstream answered 200'),
    ('Failed(_dropped("the upstream answer ended', 'Failed(_empty("the upstream answer ended'),
    ('finish.startswith("BLOCKED:") or ', ""),
    (" or finish in FILTERED", ""),
    ('.removeprefix("BLOCKED:")', ""),
    ('Finished("filtered", finish', 'Finished("length", finish'),
    ("case str() if finish in LENGTH:", "case str() if finish in LENGTH and state.has_text:"),
    ("case str() if finish in LENGTH:", "case str() if finish in LENGTH and not state.has_calls:"),
    ("case str() if finish in LENGTH:", "case str() if finish in ():"),
    ('Finished("length", finish)', 'Finished("length")'),
    ("case str() if finish in MALFORMED:", "case str() if finish in ():"),
    ("return _once_more(state, _malformed(finish, state.finish_message))", "return Finish(Failed(_malformed(finish, state.finish_message)))"),
    ("case _ if state.has_calls:", "case _ if state.has_calls and not state.has_text:"),
    ("case _ if state.has_calls:", 'case _ if state.has_calls and finish == "STOP":'),
    ('Finished("tool")', 'Finished("stop")'),
    ("case _ if state.has_text or state.has_media:", "case _ if state.has_text:"),
    ("case _ if state.has_text or state.has_media:", "case _ if state.has_media:"),
    ("case _ if state.has_text or state.has_media:", 'case _ if state.has_media or (state.has_text and finish == "STOP"):'),
    ("case _ if state.has_thinking:", "case _ if False:"),
    (">= MAX_FOLLOW_UPS", "> MAX_FOLLOW_UPS"),
    (">= MAX_FOLLOW_UPS", ">= 2"),
    ("return Await(FOLLOW_UP_S, late)", "return Finish(Failed(late))"),
    ('return _once_more(state, _empty("the upstream answer was empty", finish))', 'return Finish(Failed(_empty("the upstream answer was empty", finish)))'),
    ("if state.has_text or state.has_calls or", "if state.has_calls or"),
    ("if state.has_text or state.has_calls or", "if state.has_text or"),
    (" or state.has_media or state.attempts > 1:", " or state.attempts > 1:"),
    (" or state.has_media or state.attempts > 1:", " or state.has_media:"),
    ("if state.has_text or state.has_calls or", "if state.has_thinking or state.has_text or state.has_calls or"),
    ("case _ if state.broken is not None:", "case _ if state.broken is not None and not state.has_calls:"),
    ("case _ if state.broken is not None:", "case _ if False:"),
    ("return Await(FOLLOW_UP_S, fault)", "return Finish(Failed(fault))"),
    *((f'"{word}"', '"X"') for word in sorted(policy.LENGTH | policy.FILTERED | policy.MALFORMED)),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong"), MUTATIONS)
def test_a_wrong_branch_is_caught(right, wrong):
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
