"""Steps → events, as tables: deltas, when a turn is over, errors, usage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.backends.polling.step_delta import (
    IDLE_POLLS_EMPTY,
    IDLE_POLLS_TEXT,
    Outcome,
    PollResult,
    Progress,
    Run,
    advance,
    closing,
    error_in,
    lacks_usage,
    usage_of,
)
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Failed,
    Finished,
    Notice,
    Record,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.fold import fold
from zerogravity.core.policy import Finish, decide
from zerogravity.errors import Fault

Step = dict[str, Any]
USER: Step = {
    "type": "CORTEX_STEP_TYPE_USER_INPUT", "status": "CORTEX_STEP_STATUS_DONE",
    "userInput": {"items": [{"text": "hi"}]},
}  # fmt: skip
HISTORY: Step = {"type": "CORTEX_STEP_TYPE_CONVERSATION_HISTORY", "status": "CORTEX_STEP_STATUS_DONE"}
CHECKPOINT: Step = {"type": "CORTEX_STEP_TYPE_CHECKPOINT", "status": "CORTEX_STEP_STATUS_DONE"}
START = (USER, HISTORY)
FIGURES = {
    "inputTokens": "5321", "outputTokens": "48", "thinkingOutputTokens": "20", "responseOutputTokens": "28",
    "cacheReadTokens": "4096",
}  # fmt: skip
LS_USAGE = Usage(5321, 4096, 28, 20, total=5369, source="ls")


def planner(response: str = "", status: str = "GENERATING", **more: Any) -> Step:
    stop = more.pop("stop", "STOP_PATTERN" if status == "DONE" else "")
    step: Step = {
        "type": "CORTEX_STEP_TYPE_PLANNER_RESPONSE",
        "status": f"CORTEX_STEP_STATUS_{status}",
        "plannerResponse": {"response": response, **({"stopReason": f"STOP_REASON_{stop}"} if stop else {})},
    }
    for name in ("metadata", "error"):
        if name in more:
            step[name] = more.pop(name)
    step["plannerResponse"] |= more
    return step


def tool(kind: str = "VIEW_FILE", status: str = "DONE", **more: Any) -> Step:
    return {"type": f"CORTEX_STEP_TYPE_{kind}", "status": f"CORTEX_STEP_STATUS_{status}", **more}


def failed(**error: Any) -> Step:
    return tool("ERROR_MESSAGE", errorMessage={"shouldShowUser": True, "error": error})


def polls(*steps: tuple[list[Step], Run]) -> list[PollResult]:
    """What each of several polls in a row brings."""
    progress, found = Progress(), []
    for step, run in steps:
        found.append(advance(progress, step, run))
        progress = found[-1].progress
    return found


def texts(results: list[PollResult]) -> list[Event]:
    return [event for result in results for _, events in result.batches for event in events]


def fault_of(outcome: Outcome | None) -> Fault:
    assert outcome is not None and outcome.fault is not None
    return outcome.fault


# -- deltas ------------------------------------------------------------------------------------------------------


def test_growing_texts_become_deltas() -> None:
    stages = [
        planner(),
        planner(thinking="Hmm"),
        planner(thinking="Hmm, so", thinkingSignature="c2ln"),
        planner("Pa", thinking="Hmm, so", thinkingSignature="c2ln"),
        planner("Paris", thinking="Hmm, so", thinkingSignature="c2ln"),
        planner("Paris", thinking="Hmm, so", thinkingSignature="c2ln"),
    ]
    results = polls(*(([*START, stage], "unknown") for stage in stages))
    assert [result.batches for result in results] == [
        (),
        ((0, (AttemptOpened(),)), (0, (ThinkingDelta("Hmm"),))),
        ((0, (ThinkingDelta(", so"), Signature("c2ln", "thought"))),),
        ((0, (TextDelta("Pa"),)),),
        ((0, (TextDelta("ris"),)),),
        (),
    ]
    assert all(result.outcome is None for result in results)


@pytest.mark.parametrize(
    ("stages", "emitted"),
    [
        ([("Hello", "Hello"), ("Hello you", "Hello you")], ["Hello", " you"]),
        ([("Hello", ""), ("Hello you", "Hello you!")], ["Hello", " you!"]),
        ([("", "Hello"), ("Hello you", "Hello y")], ["Hello", " y"]),
        ([("Hello", ""), ("Hello you", "Bye you")], ["Hello", " you"]),
        ([("Hello", ""), ("Hello <EPHEMERAL_MESSAGE>x", "Hello <EPHEMERAL_MESSAGE>x")], ["Hello",
         " <EPHEMERAL_MESSAGE>x"]),
        ([("Hello", ""), ("Hello <ephemeral-message>", "Hello <ephemeral-message> is a tag")], ["Hello",
         " <ephemeral-message> is a tag"]),
        ([("Hello", "Hello"), ("Hello!", "Hello <EPHEMERAL_MESSAGE>stray</EPHEMERAL_MESSAGE>")], ["Hello", "!"]),
        ([("Hello", ""), ("Hi", "")], ["Hello", "changed"]),
        ([("Hello", ""), ("Hi", ""), ("Hi there", ""), ("Hello again", "")], ["Hello", "changed", " again"]),
        ([("Hello", ""), ("", "")], ["Hello", "changed"]),
    ],
)  # fmt: skip
def test_which_text_is_emitted(stages: list[tuple[str, str]], emitted: list[str]) -> None:
    results = polls(*(([USER, planner(raw, modifiedResponse=modified)], "unknown") for raw, modified in stages))
    found = [
        event.text if isinstance(event, TextDelta) else "changed"
        for event in texts(results)
        if isinstance(event, TextDelta | Notice)
    ]
    assert found == emitted


@given(
    st.lists(st.tuples(st.text("ab<", max_size=6), st.text("ab<", max_size=6), st.text("xy", max_size=4)), max_size=8)
)
def test_what_is_emitted_only_grows(stages: list[tuple[str, str, str]]) -> None:
    """Whatever the LS writes: what was emitted is the beginning of one text that was there, and is never taken back."""
    progress, emitted, thought = Progress(), "", ""
    for raw, modified, thinking in stages:
        result = advance(progress, [USER, planner(raw, modifiedResponse=modified, thinking=thinking)], "unknown")
        for event in (event for _, events in result.batches for event in events):
            if isinstance(event, TextDelta):
                assert event.text
                emitted += event.text
                assert emitted in (raw, modified)
            if isinstance(event, ThinkingDelta):
                thought += event.text
                assert thought == thinking
        progress = result.progress
    assert not progress.emitted or (progress.emitted[0].text, progress.emitted[0].thinking) == (emitted, thought)


def test_the_older_signature_and_one_that_comes_too_late() -> None:
    first = polls(([USER, planner("", thinking="t", signature="b2xk")], "unknown"))
    assert Signature("b2xk", "thought") in texts(first)
    late = polls(([USER, planner("text", thinking="t")], "unknown"), ([USER, planner("text", thinking="t",
                  thinkingSignature="bGF0ZQ==")], "unknown"))  # fmt: skip
    assert not [event for event in texts(late) if isinstance(event, Signature)]


def test_the_ls_own_tools_are_notices() -> None:
    calls = [{"id": "1", "name": "view_file", "argumentsJson": "{}"}]
    first = planner("Let me look.", "DONE", toolCalls=calls, metadata={"modelUsage": FIGURES})
    results = polls(
        ([USER, first], "running"),
        ([USER, first, tool()], "running"),
        ([USER, first, tool(), planner("It says 7.")], "running"),
        ([USER, first, tool(), planner("It says 7.", "DONE"), CHECKPOINT], "unknown"),
    )
    assert [result.batches for result in results] == [
        ((0, (AttemptOpened(),)), (0, (TextDelta("Let me look."),))),
        (),
        (
            (0, (Notice("ls_tool_call", "the language server ran its own tool view_file"), LS_USAGE,
                 AttemptClosed("STOP"))),
            (1, (AttemptOpened(),)),
            (1, (TextDelta("It says 7."),)),
        ),
        (),
    ]  # fmt: skip
    assert [result.outcome for result in results] == [None, None, None, Outcome()]


def test_answers_before_the_newest_user_input_are_not_ours() -> None:
    old = planner("old", "DONE")
    assert polls(([USER, old, USER], "idle"))[0] == PollResult(Progress(idle=1))
    results = polls(([USER, old, USER, planner("new", "DONE")], "unknown"))
    assert [event for event in texts(results) if isinstance(event, TextDelta)] == [TextDelta("new")]


# -- the end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "over"),
    [
        ([*START, planner("text", "DONE")], True),
        ([*START, planner("text", "DONE"), CHECKPOINT], True),
        ([*START, planner("text", "DONE", stop="MAX_TOKENS")], True),
        ([*START, planner("", "DONE", stop="MAX_TOKENS")], True),
        ([*START, planner("", "DONE", stop="CONTENT_FILTER")], True),
        ([*START, planner("text", "DONE", stop="OTHER")], True),
        ([*START, planner("", "DONE", stop="OTHER")], False),
        ([*START, planner("text", "DONE", stop="IMPROPER_FORMAT")], False),
        ([*START, planner("text", "GENERATING")], False),
        ([*START, planner("", "DONE")], False),
        ([*START, planner("", "DONE", thinking="only")], False),
        ([*START, planner("text", "DONE", toolCalls=[{"name": "view_file"}])], False),
        ([*START, planner("text", "DONE", stop="ERROR")], False),
        ([*START, planner("text", "DONE"), tool(status="RUNNING")], False),
        ([*START, planner("text", "DONE"), failed(errorCode=503)], False),
        ([*START], False),
        ([], False),
    ],
)
@pytest.mark.parametrize("run", ["unknown", "running"])
def test_done_without_asking_for_the_status(steps: list[Step], over: bool, run: Run) -> None:
    assert (polls((steps, run))[0].outcome is not None) is over


@pytest.mark.parametrize(
    ("steps", "ended"),
    [
        ([*START], False),
        ([*START, planner("text")], False),
        ([*START, planner("", "DONE", thinking="only")], True),
        ([*START, planner("text", "DONE", toolCalls=[{"name": "view_file"}])], True),
        ([*START, planner("x", "DONE"), tool(status="RUNNING")], False),
        ([*START, failed(errorCode=500)], True),
    ],
)
def test_when_every_step_has_ended(steps: list[Step], ended: bool) -> None:
    assert polls((steps, "unknown"))[0].ended is ended


def idle(steps: list[Step], *, ran: bool = True) -> tuple[int, Outcome | None]:
    """How many polls of an idle cascade it takes, and the outcome; 0: never."""
    progress = Progress(ran=ran)
    progress = advance(progress, steps, "unknown").progress
    for number in range(1, IDLE_POLLS_EMPTY + 5):
        result = advance(progress, steps, "idle")
        progress = result.progress
        if result.outcome is not None:
            return number, result.outcome
    return 0, None


def test_idle_before_the_run_is_no_end() -> None:
    assert idle([*START], ran=False) == (0, None)


def test_idle_with_text() -> None:
    assert idle([*START, planner("text")], ran=False) == (IDLE_POLLS_TEXT, Outcome())
    calls = [{"name": "view_file"}]
    assert idle([*START, planner("text", "DONE", toolCalls=calls), tool()]) == (IDLE_POLLS_TEXT, Outcome())


@pytest.mark.parametrize(
    ("stop", "text", "finish", "end"),
    [
        ("STOP_PATTERN", "text", "STOP", Finished("stop")),
        ("MAX_TOKENS", "text", "MAX_TOKENS", Finished("length", "MAX_TOKENS")),
        ("CONTENT_FILTER", "", "SAFETY", Finished("filtered", "SAFETY")),
        ("OTHER", "text", "OTHER", Finished("stop")),
        ("OTHER", "", "OTHER", "empty_response"),
        ("IMPROPER_FORMAT", "", "MALFORMED_FUNCTION_CALL", "malformed_function_call"),
        ("IMPROPER_FORMAT", "text", "MALFORMED_FUNCTION_CALL", "malformed_function_call"),
        ("CLIENT_TOOL_PARSE_ERROR", "", "MALFORMED_FUNCTION_CALL", "malformed_function_call"),
    ],
)
def test_what_a_stop_reason_amounts_to(stop: str, text: str, finish: str, end: Finished | str) -> None:
    """Of the only answer of a cascade that stays idle: the same as for Google's own word on the wire."""
    steps = [*START, planner(text, "DONE", stop=stop)]
    progress = advance(Progress(ran=True), steps, "running").progress
    (_, events), *_ = closing(progress, steps)
    assert events[-1] == AttemptClosed(finish)
    state = fold([Record(0, 0, 0, b"", (AttemptOpened(), *([TextDelta(text)] if text else []), *events))])
    decision = decide(state)
    found = decision.terminal if isinstance(decision, Finish) else Failed(decision.late)
    assert (found.fault.code if isinstance(found, Failed) else found) == end


def test_idle_is_seen_before_the_text() -> None:
    progress = Progress(ran=True)
    for _ in range(IDLE_POLLS_EMPTY - 1):
        result = advance(progress, [*START], "idle")
        assert result.outcome is None
        progress = result.progress
    result = advance(progress, [*START, planner("late")], "idle")
    assert (result.outcome, result.progress.idle) == (None, 0)
    result = advance(result.progress, [*START, planner("later", "DONE")], "idle")
    assert result.outcome == Outcome()


@pytest.mark.parametrize("ran", [True, False])
def test_idle_without_an_answer(ran: bool) -> None:
    thought = [*START, planner("", "DONE", thinking="only")]
    assert idle(thought, ran=ran) == (IDLE_POLLS_EMPTY, Outcome())  # the policy says what an answer without text is
    number, outcome = idle([*START])
    assert (number, fault_of(outcome).code) == (IDLE_POLLS_EMPTY, "empty_response")


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (planner("te", "CANCELED"), "ls_cancelled"),
        (planner("te", "INTERRUPTED"), "ls_cancelled"),
        (planner("te", "DONE", stop="CLIENT_CANCELED"), "ls_cancelled"),
        (planner("te", "DONE", stop="CLIENT_STREAM_ERROR"), "upstream_drop"),
        (planner("te", "DONE", stop="CLIENT_LOOPING"), "upstream_drop"),
        (planner("te", "DONE", stop="CLIENT_INVALID_MESSAGE_ORDER"), "ls_error"),
    ],
)
def test_answers_that_broke_off(step: Step, code: str) -> None:
    _, outcome = idle([*START, step])
    assert fault_of(outcome).code == code


def test_an_answer_that_failed_in_the_middle_is_not_repeated() -> None:
    """The LS would retry; the client has the first half already."""
    steps = [*START, planner("half", "ERROR", error={"errorCode": 503, "shortError": "x"}), failed(errorCode=503)]
    (result,) = polls((steps, "running"))
    assert result.outcome is not None and result.outcome.cancel
    assert fault_of(result.outcome).status == 503
    assert closing(result.progress, steps, (), result.outcome)[-1][1][-1] == AttemptClosed(None)
    (result,) = polls(([*START, planner("half", "ERROR", error={"shortError": "stream error"})], "running"))
    fault = fault_of(result.outcome)
    assert (fault.code, fault.message) == ("upstream_drop", "the answer broke off: stream error")
    (result,) = polls(([*START, planner("half", "ERROR")], "running"))
    assert fault_of(result.outcome).code == "upstream_drop"


def test_a_failure_before_any_output_is_retried_in_silence() -> None:
    broken = planner("", "ERROR", error={"errorCode": 503})
    again = planner("whole", "DONE")
    results = polls(
        ([*START, planner()], "running"),
        ([*START, broken, failed(errorCode=503)], "running"),
        ([*START, broken, failed(errorCode=503), planner()], "running"),
        ([*START, broken, failed(errorCode=503), again], "unknown"),
    )
    assert [result.outcome for result in results] == [None, None, None, Outcome()]
    assert texts(results) == [AttemptOpened(), TextDelta("whole")]


def test_a_tool_that_waits_for_approval() -> None:
    waiting = tool("RUN_COMMAND", "WAITING")
    (result,) = polls(
        ([*START, planner("I would run it.", "DONE", toolCalls=[{"name": "run_command"}]), waiting], "running")
    )
    assert result.outcome == Outcome(cancel=True, needs_approval=True)
    assert closing(result.progress, [*START, planner("I would run it.", "DONE")], (), result.outcome)[-1][1] == (
        Notice("ls_waits", "the language server wanted to run a tool of its own and waits for approval"),
    )
    (result,) = polls(([*START, planner("", "DONE", toolCalls=[{"name": "run_command"}]), waiting], "running"))
    assert result.outcome is not None and result.outcome.cancel
    assert (fault_of(result.outcome).status, fault_of(result.outcome).retryable) == (502, False)


# -- errors ------------------------------------------------------------------------------------------------------


def test_an_error_is_final_only_when_it_is_last_and_nothing_runs() -> None:
    error = failed(errorCode=429, shortError="RESOURCE_EXHAUSTED (code 429): quota")
    results = polls(
        ([*START, error], "running"), ([*START, error], "unknown"), ([*START, error, planner("go on")], "idle"),
    )  # fmt: skip
    assert [result.outcome for result in results] == [None, None, None]
    (result,) = polls(([*START, error], "idle"))
    assert fault_of(result.outcome).status == 429


RETRY = json.dumps({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"})


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        ({"errorCode": 429, "shortError": "quota", "rpcErrorDetails": [RETRY]}, 429, "rate_limit_exceeded", 2.0),
        ({"shortError": "RESOURCE_EXHAUSTED (code 429): quota"}, 429, "rate_limit_exceeded", None),
        ({"details": '{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m"}}'}, 429,
         "rate_limit_exceeded", None),
        ({"errorCode": 429, "shortError": "q", "fullError": "quota will reset after 7s."}, 429, "rate_limit_exceeded",
         7.0),
        ({"errorCode": 401, "shortError": "x"}, 502, "upstream_auth", None),
        ({"errorCode": 403, "shortError": "x"}, 502, "upstream_auth", None),
        ({"errorCode": 503, "userErrorMessage": "high traffic"}, 503, None, None),
        ({"errorCode": 0, "userErrorMessage": "Agent execution terminated due to error."}, 502, "ls_error", None),
        ({"errorCode": "429", "details": "no json", "rpcErrorDetails": [7, "x"]}, 502, "ls_error", None),
        ({"details": "[1]"}, 502, "ls_error", None),
        ({}, 502, "ls_error", None),
    ],
)  # fmt: skip
def test_errors(error: dict[str, Any], status: int, code: str | None, retry_after: float | None) -> None:
    fault = error_in(failed(**error))
    assert fault is not None
    assert (fault.status, fault.retry_after) == (status, retry_after)
    assert code is None or fault.code == code
    assert fault.message


def test_details_are_given_once() -> None:
    """The LS keeps them in two places."""
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}
    inner = json.dumps({"error": {"code": 429, "message": "m", "details": [info]}})
    fault = error_in(failed(errorCode=429, details=inner, rpcErrorDetails=[json.dumps(info)]))
    assert fault is not None
    assert fault.details == (info,)


def test_an_error_on_the_step_that_failed() -> None:
    assert error_in(tool()) is None
    fault = error_in(tool(error={"errorCode": 429, "shortError": "quota"}))
    assert fault is not None
    assert (fault.status, fault.message) == (429, "quota")


# -- usage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "usage"),
    [
        (FIGURES, LS_USAGE),
        ({"inputTokens": "10", "outputTokens": "5", "thinkingOutputTokens": "2"}, Usage(10, 0, 3, 2, total=15,
                                                                                        source="ls")),
        ({"inputTokens": "10", "outputTokens": "1", "thinkingOutputTokens": "2"}, Usage(10, 0, 0, 2, total=12,
                                                                                        source="ls")),
        ({"inputTokens": "3", "responseOutputTokens": 4, "cacheReadTokens": "100"}, Usage(103, 100, 4, 0, total=107,
                                                                                          source="ls")),
        ({"cacheReadTokens": "5"}, None),
        ({"inputTokens": "-1", "outputTokens": "x"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_figures(figures: dict[str, Any], usage: Usage | None) -> None:
    assert usage_of(figures) == usage


@pytest.mark.parametrize(
    ("metadata", "generators", "usage"),
    [
        ({"modelUsage": FIGURES}, [], LS_USAGE),
        ({"modelUsage": FIGURES}, [{"stepIndices": [1], "chatModel": {"usage": {"inputTokens": "1"}}}], LS_USAGE),
        ({}, [{"stepIndices": [1], "chatModel": {"usage": FIGURES}}], LS_USAGE),
        ({}, [{"stepIndices": [2], "chatModel": {"usage": FIGURES}}, {"stepIndices": 1}, {}], None),
        ({}, [], None),
    ],
)
def test_where_usage_comes_from(metadata: Step, generators: list[Step], usage: Usage | None) -> None:
    steps = [USER, planner("x" * 40, "DONE", thinking="y" * 9, metadata=metadata)]
    (result,) = polls((steps, "unknown"))
    assert lacks_usage(result.progress, steps) is ("modelUsage" not in metadata)
    told = () if usage is None else (usage,)
    assert closing(result.progress, steps, generators) == [(0, (*told, AttemptClosed("STOP")))]


def test_usage_of_every_call() -> None:
    first = planner("a", "DONE", toolCalls=[{"name": "t"}])
    steps = [USER, first, tool(), planner("b", "DONE", stop="MAX_TOKENS", metadata={"modelUsage": FIGURES})]
    (result,) = polls((steps, "unknown"))
    generators = [{"stepIndices": [1], "chatModel": {"usage": {"inputTokens": "7", "outputTokens": "1"}}}]
    assert closing(result.progress, steps, generators) == [
        (0, (Usage(7, 0, 1, 0, total=8, source="ls"),)),
        (1, (LS_USAGE, AttemptClosed("MAX_TOKENS"))),
    ]
