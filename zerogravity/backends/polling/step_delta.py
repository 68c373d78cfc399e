"""Polled steps → events, pure: what a cascade's steps hold that has not been emitted yet, and whether its turn is over.

A step's text is given whole each time and grows; only the growth is emitted, and nothing is ever taken back.
The LS's own tool calls become notices, never calls. Facts: language-server-and-google A.8, A.9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from zerogravity.backends.antigravity.errors import google_remedy
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Notice,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.errors import RETRY, Fault, Termination, language_server, upstream
from zerogravity.wire import google_errors, jsonio, narrow
from zerogravity.wire.narrow import count, lookup, members, text

Step = Mapping[str, object]
Run = Literal["unknown", "idle", "running"]
Batch = tuple[int, tuple[Event, ...]]  # number of the attempt, its events

STEP, STATUS, STOP = "CORTEX_STEP_TYPE_", "CORTEX_STEP_STATUS_", "STOP_REASON_"
BOOKKEEPING = frozenset({"CHECKPOINT", "EPHEMERAL_MESSAGE", "CONVERSATION_HISTORY", "USER_INPUT", "SYSTEM_MESSAGE"})
ENDED = frozenset({"DONE", "INVALID", "CLEARED", "CANCELED", "ERROR", "INTERRUPTED"})
GOOD_STOPS = frozenset({"", "UNSPECIFIED", "STOP_PATTERN", "FUNCTION_CALL", "MAX_TOKENS", "CONTENT_FILTER", "OTHER"})
LAST_STOPS = frozenset({"MAX_TOKENS", "CONTENT_FILTER"})  # nothing follows them, also where there is no text
FINISHES = {
    "MAX_TOKENS": "MAX_TOKENS", "CONTENT_FILTER": "SAFETY", "OTHER": "OTHER",
    "IMPROPER_FORMAT": "MALFORMED_FUNCTION_CALL", "CLIENT_TOOL_PARSE_ERROR": "MALFORMED_FUNCTION_CALL",
}  # fmt: skip
IDLE_POLLS_TEXT = 3  # polls of an idle cascade before its text counts as complete
IDLE_POLLS_EMPTY = 25  # before it counts as empty: IDLE can be seen seconds before the text (A.9)
TAG = re.compile(r"</?ephemeral[_-]message", re.IGNORECASE)
CODE = re.compile(r"\(code (\d{3})\)")


@dataclass(frozen=True, slots=True)
class EmittedStep:
    """What has been emitted of one planner step, the one at ``index``."""

    index: int
    text: str = ""
    thinking: str = ""
    signed: bool = False
    closed: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """``ran``: the cascade was seen running. ``idle``: polls in a row that found it idle and brought nothing new."""

    emitted: tuple[EmittedStep, ...] = ()
    ran: bool = False
    idle: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The turn is over. ``cancel``: the LS would go on, and must be stopped. ``needs_approval``: a person's."""

    fault: Fault | None = None
    cancel: bool = False
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class PollResult:
    """``ended``: every step has; whether the turn has as well, only the run status can tell."""

    progress: Progress
    batches: tuple[Batch, ...] = ()
    outcome: Outcome | None = None
    ended: bool = False


def advance(before: Progress, steps: Sequence[Step], run: Run) -> PollResult:
    """What a poll of all steps of a cascade brings."""
    emitted = list(before.emitted)
    numbers = {one.index: number for number, one in enumerate(emitted)}
    batches: list[Batch] = []
    for index, step in planners(steps):
        number = numbers.get(index)
        if number is None:
            if not (text_of(step, "") or thinking_of(step) or status_of(step) == "DONE"):
                continue  # nothing in it yet: an early error can still become an HTTP status
            number = len(emitted)
            if number:
                emitted[-1] = _close(emitted[-1], number - 1, steps, batches)
            emitted.append(EmittedStep(index))
            batches.append((number, (AttemptOpened(),)))
        emitted[number], events = _grow(emitted[number], step)
        if events:
            batches.append((number, events))
    idle = before.idle + 1 if run == "idle" and not batches else 0
    progress = Progress(tuple(emitted), before.ran or run == "running", idle)
    outcome = _outcome(progress, steps, run)
    return PollResult(progress, tuple(batches), outcome, outcome is None and _all_ended(steps))


def closing(
    progress: Progress, steps: Sequence[Step], generators: Sequence[Step] = (), outcome: Outcome | None = None
) -> list[Batch]:
    """The last events of a turn: usage of every attempt that has none yet, if the LS tells it, and the end of the last
    one."""
    batches: list[Batch] = []
    for number, emitted in enumerate(progress.emitted):
        if emitted.closed and _usage(steps[emitted.index]) is not None:
            continue
        usage = _usage(steps[emitted.index]) or _generator_usage(generators, emitted.index)
        told = () if usage is None else (usage,)
        ending = () if emitted.closed else (AttemptClosed(finish_of(steps[emitted.index])),)
        if events := (*told, *ending):
            batches.append((number, events))
    if outcome is not None and outcome.needs_approval and progress.emitted:
        notice = Notice("ls_waits", "the language server wanted to run a tool of its own and waits for approval")
        batches.append((len(progress.emitted) - 1, (notice,)))
    return batches


def lacks_usage(progress: Progress, steps: Sequence[Step]) -> bool:
    """Whether the generator metadata is needed."""
    return any(_usage(steps[emitted.index]) is None for emitted in progress.emitted)


# -- one step ----------------------------------------------------------------------------------------------------


def planners(steps: Sequence[Step]) -> list[tuple[int, Step]]:
    """The model's answers to the newest user input, with their indices."""
    start = _start(steps)
    return [(i, step) for i, step in enumerate(steps) if i >= start and type_of(step) == "PLANNER_RESPONSE"]


def type_of(step: Step) -> str:
    return str(step.get("type", "")).removeprefix(STEP)


def status_of(step: Step) -> str:
    return str(step.get("status", "")).removeprefix(STATUS)


def text_of(step: Step, emitted: str) -> str | None:
    """The text that continues what was emitted: the modified one if it does, else the raw one, else None."""
    answer = members(step.get("plannerResponse"))
    raw, modified = text(answer.get("response")), text(answer.get("modifiedResponse"))
    if modified and TAG.search(modified) and not TAG.search(raw):
        modified = ""  # tags that strayed into it
    candidates = [one for one in (modified, raw) if one and one.startswith(emitted)]
    return candidates[0] if candidates else (None if emitted else "")


def thinking_of(step: Step) -> str:
    return text(lookup(step, "plannerResponse", "thinking"))


def finish_of(step: Step) -> str | None:
    """The finishReason that Google would have given; None when the answer broke off."""
    stop = _stop(step)
    good = stop in GOOD_STOPS and status_of(step) not in ("ERROR", "CANCELED", "INTERRUPTED")
    return FINISHES.get(stop, "STOP" if good else None)


def tools_of(step: Step) -> list[str]:
    """Names of the LS's own tools that the model calls."""
    return [str(members(call).get("name", "")) for call in narrow.items(lookup(step, "plannerResponse", "toolCalls"))]


def _stop(step: Step) -> str:
    return text(lookup(step, "plannerResponse", "stopReason")).removeprefix(STOP)


def _start(steps: Sequence[Step]) -> int:
    """Where this turn's steps begin: after the newest user input."""
    return max((index for index, step in enumerate(steps) if type_of(step) == "USER_INPUT"), default=-1) + 1


def _grow(emitted: EmittedStep, step: Step) -> tuple[EmittedStep, tuple[Event, ...]]:
    """The deltas of one planner step, thinking before text."""
    events: list[Event] = []
    thinking = thinking_of(step)
    if len(thinking) > len(emitted.thinking) and thinking.startswith(emitted.thinking):
        events.append(ThinkingDelta(thinking[len(emitted.thinking) :]))
        emitted = replace(emitted, thinking=thinking)
    answer = members(step.get("plannerResponse"))
    signature = text(answer.get("thinkingSignature")) or text(answer.get("signature"))
    if signature and emitted.thinking and not emitted.text and not emitted.signed:
        events.append(Signature(signature, "thought"))
        emitted = replace(emitted, signed=True)
    whole = text_of(step, emitted.text)
    if whole is None and not emitted.changed:
        events.append(Notice("text_changed", "the language server changed text that had been sent already"))
        emitted = replace(emitted, changed=True)
    elif whole is not None and len(whole) > len(emitted.text):
        events.append(TextDelta(whole[len(emitted.text) :]))
        emitted = replace(emitted, text=whole)
    return emitted, tuple(events)


def _close(emitted: EmittedStep, number: int, steps: Sequence[Step], batches: list[Batch]) -> EmittedStep:
    """A planner step that another one follows."""
    step = steps[emitted.index]
    events: list[Event] = [
        Notice("ls_tool_call", f"the language server ran its own tool {name}") for name in tools_of(step)
    ]
    if (usage := _usage(step)) is not None:
        events.append(usage)
    batches.append((number, (*events, AttemptClosed(finish_of(step)))))
    return replace(emitted, closed=True)


# -- the end -----------------------------------------------------------------------------------------------------


def _outcome(progress: Progress, steps: Sequence[Step], run: Run) -> Outcome | None:
    """The rules of A.9 by which a turn is over; None: it goes on."""
    found = planners(steps)
    last = found[-1][1] if found else None
    tail = [step for step in steps[found[-1][0] + 1 if found else _start(steps) :] if type_of(step) not in BOOKKEEPING]
    newest = tail[-1] if tail else last
    if (fault := _failed_midway(progress, steps)) is not None:
        return Outcome(fault, cancel=True)  # a retry of the LS would repeat what was emitted
    if any(status_of(step) == "WAITING" for step in (*tail, *([last] if last else []))):
        fault = None if any(emitted.text for emitted in progress.emitted) else _approval_fault()
        return Outcome(fault, cancel=True, needs_approval=True)
    if newest is not None and (error := error_in(newest)) is not None:
        # The LS goes on after an error that it can retry: final only when it is last and nothing runs.
        return Outcome(error) if run == "idle" else None
    if last is not None and not tail and _is_final(last):
        return Outcome()
    if run != "idle" or not (progress.ran or found):
        return None  # IDLE is also the state before the run
    has_text = last is not None and progress.emitted and progress.emitted[-1].text
    if progress.idle < (IDLE_POLLS_TEXT if has_text else IDLE_POLLS_EMPTY):
        return None
    return Outcome(_interruption(last) if last is not None else upstream(502, "empty_response",
                   f"the language server's run ended without an answer; {RETRY}", Termination.EMPTY))  # fmt: skip


def _failed_midway(progress: Progress, steps: Sequence[Step]) -> Fault | None:
    """Why an answer failed of which something has been emitted already."""
    if not progress.emitted or status_of(step := steps[progress.emitted[-1].index]) != "ERROR":
        return None
    fault = error_in(step)
    if fault is not None and fault.code != "ls_error":
        return fault
    message = f"the answer broke off{f': {fault.message}' if fault is not None else f'; {RETRY}'}"
    remedy = "" if fault is None else fault.remedy
    return upstream(502, "upstream_drop", message, Termination.UPSTREAM_DROP, remedy=remedy)


def _is_final(step: Step) -> bool:
    """Done, with text, without a call, and for a good reason: nothing follows."""
    return (
        status_of(step) == "DONE" and _stop(step) in GOOD_STOPS and not tools_of(step)
        and (bool(text_of(step, "")) or _stop(step) in LAST_STOPS)
    )  # fmt: skip


def _all_ended(steps: Sequence[Step]) -> bool:
    """Every step has ended, and there is one besides those that the LS begins with."""
    work = [step for step in steps[_start(steps) :] if type_of(step) not in BOOKKEEPING]
    return bool(work) and all(status_of(step) in ENDED for step in work)


def _interruption(step: Step) -> Fault | None:
    """Why an answer broke off, if it did."""
    stop = _stop(step)
    if stop == "CLIENT_CANCELED" or status_of(step) in ("CANCELED", "INTERRUPTED"):
        message = "the language server's run was cancelled by another client"
        return language_server(502, "ls_cancelled", message, Termination.LS_REFUSED)
    if stop == "CLIENT_INVALID_MESSAGE_ORDER":  # of its own messages to Google: nothing that a client sends is to blame
        message = f"the language server put its messages to Google in a wrong order; {RETRY}"
        return language_server(502, "ls_error", message, Termination.LS_REFUSED)
    if finish_of(step) is None:
        message = f"the answer broke off ({stop.lower()}); {RETRY}"
        return upstream(502, "upstream_drop", message, Termination.UPSTREAM_DROP)
    return None


def _approval_fault() -> Fault:
    message = "the language server wants to run a tool of its own and waits for approval; nothing was answered"
    return language_server(502, "ls_waits", message, Termination.LS_REFUSED, retryable=False)


def error_in(step: Step) -> Fault | None:
    """The error of an error step, or of the step that failed, as Google would have given it."""
    error = members(step.get("error")) or members(lookup(step, "errorMessage", "error"))
    if not error and type_of(step) != "ERROR_MESSAGE":
        return None
    inner = _json_object(error.get("details"))
    google = members(inner.get("error")) or inner
    message = (
        text(google.get("message")) or text(error.get("shortError")) or text(error.get("userErrorMessage"))
        or "the language server reported an error without a message"
    )  # fmt: skip
    found = CODE.search(message)
    code = error.get("errorCode") or google.get("code") or (int(found.group(1)) if found else 0)
    if not isinstance(code, int) or not 400 <= code <= 599:
        return upstream(502, "ls_error", message, Termination.UPSTREAM_STATUS, remedy=google_remedy(message))
    details = google.get("details") or [_json_object(one) for one in narrow.texts(error.get("rpcErrorDetails"))]
    body = {"error": {**google, "code": code, "message": message, "details": details}}
    fault = google_errors.decode_error(code, {}, jsonio.dumps(body))
    if fault.retry_after is None:
        fault = replace(fault, retry_after=google_errors.retry_after({"message": text(error.get("fullError"))}))
    return fault


def _json_object(source: object) -> dict[str, object]:
    try:
        return members(jsonio.loads(text(source).encode()))
    except (ValueError, RecursionError):
        return {}


# -- usage -------------------------------------------------------------------------------------------------------


def _usage(step: Step) -> Usage | None:
    return usage_of(members(lookup(step, "metadata", "modelUsage")))


def _generator_usage(generators: Sequence[Step], index: int) -> Usage | None:
    """The figures of the generator that made the step at ``index``."""
    for generator in generators:
        if index in narrow.items(generator.get("stepIndices")):
            return usage_of(members(lookup(generator, "chatModel", "usage")))
    return None


def usage_of(figures: Step) -> Usage | None:
    """The LS's token figures (numbers as strings); None when there are none."""
    prompt, output = count(figures.get("inputTokens")), count(figures.get("outputTokens"))
    thoughts, answer = count(figures.get("thinkingOutputTokens")), count(figures.get("responseOutputTokens"))
    cached = count(figures.get("cacheReadTokens"))
    if not (prompt or output or answer):
        return None
    prompt = prompt if prompt >= cached else prompt + cached  # some providers count cached ones apart
    answer = answer or max(output - thoughts, 0)
    return Usage(prompt, cached, answer, thoughts, total=prompt + answer + thoughts, source="ls")
