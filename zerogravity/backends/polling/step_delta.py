"""Polled steps → events, pure: what a cascade's steps say that has not been told yet, and whether its turn is over.

A step's text is given whole each time and grows; what is told are true deltas, and nothing told is ever taken back.
The LS's own tool calls become notices, never calls. Facts: language-server-and-google A.8, A.9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from zerogravity.backends.antigravity.errors import googles
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
from zerogravity.wire import google_errors, jsonio

Json = dict[str, Any]
Run = Literal["unknown", "idle", "running"]
Batch = tuple[int, tuple[Event, ...]]  # number of the model's call, its events

STEP, STATUS, STOP = "CORTEX_STEP_TYPE_", "CORTEX_STEP_STATUS_", "STOP_REASON_"
BOOKKEEPING = frozenset({"CHECKPOINT", "EPHEMERAL_MESSAGE", "CONVERSATION_HISTORY", "USER_INPUT", "SYSTEM_MESSAGE"})
ENDED = frozenset({"DONE", "INVALID", "CLEARED", "CANCELED", "ERROR", "INTERRUPTED"})
GOOD_STOPS = frozenset({"", "UNSPECIFIED", "STOP_PATTERN", "FUNCTION_CALL", "MAX_TOKENS", "CONTENT_FILTER"})
FINISHES = {
    "MAX_TOKENS": "MAX_TOKENS", "CONTENT_FILTER": "SAFETY", "CLIENT_TOOL_PARSE_ERROR": "MALFORMED_FUNCTION_CALL",
}  # fmt: skip
IDLE_LOOKS_TEXT = 3  # looks at an idle cascade before its text is taken for whole
IDLE_LOOKS_EMPTY = 25  # before it is taken for empty: IDLE can be seen seconds before the text (A.9)
TAG = re.compile(r"</?ephemeral[_-]message", re.IGNORECASE)
CODE = re.compile(r"\(code (\d{3})\)")


@dataclass(frozen=True, slots=True)
class Told:
    """What has been told of one planner step, the one at ``index``."""

    index: int
    text: str = ""
    thinking: str = ""
    signed: bool = False
    closed: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """``ran``: the cascade was seen running. ``idle``: looks in a row at an idle one that brought nothing new."""

    told: tuple[Told, ...] = ()
    ran: bool = False
    idle: int = 0


@dataclass(frozen=True, slots=True)
class Over:
    """The turn has ended. ``cancel``: the LS would go on, and must be told to stop. ``waits``: for a person."""

    fault: Fault | None = None
    cancel: bool = False
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What one look brought. ``unsure``: only the run status can tell whether this is the end."""

    progress: Progress
    batches: tuple[Batch, ...] = ()
    over: Over | None = None
    unsure: bool = False


def advance(before: Progress, steps: Sequence[Json], run: Run) -> Look:
    """One look at all steps of a cascade."""
    told = list(before.told)
    places = {one.index: number for number, one in enumerate(told)}
    batches: list[Batch] = []
    for index, step in planners(steps):
        number = places.get(index)
        if number is None:
            if not (text_of(step, "") or thinking_of(step) or status_of(step) == "DONE"):
                continue  # nothing but its place yet: an early error can still become an HTTP status
            number = len(told)
            if number:
                told[-1] = _close(told[-1], number - 1, steps, batches)
            told.append(Told(index))
            batches.append((number, (AttemptOpened(),)))
        told[number], events = _grow(told[number], step)
        if events:
            batches.append((number, events))
    idle = before.idle + 1 if run == "idle" and not batches else 0
    progress = Progress(tuple(told), before.ran or run == "running", idle)
    over = _over(progress, steps, run)
    return Look(progress, tuple(batches), over, over is None and _unsure(steps))


def closing(
    progress: Progress, steps: Sequence[Json], generators: Sequence[Json] = (), over: Over | None = None
) -> list[Batch]:
    """The last events of a turn: usage of every call that has none yet, the end of the last one."""
    batches: list[Batch] = []
    for number, told in enumerate(progress.told):
        if told.closed and _usage(steps[told.index]) is not None:
            continue
        usage = _usage(steps[told.index]) or _generated(generators, told.index) or _estimate(told, steps)
        ending: tuple[Event, ...] = () if told.closed else (AttemptClosed(finish_of(steps[told.index])),)
        batches.append((number, (usage, *ending)))
    if over is not None and over.waits and progress.told:
        notice = Notice("ls_waits", "the language server wanted to run a tool of its own and waits for a person")
        batches.append((len(progress.told) - 1, (notice,)))
    return batches


def lacks_usage(progress: Progress, steps: Sequence[Json]) -> bool:
    """Whether the generator metadata has to be asked for."""
    return any(_usage(steps[told.index]) is None for told in progress.told)


# -- one step ----------------------------------------------------------------------------------------------------


def planners(steps: Sequence[Json]) -> list[tuple[int, Json]]:
    """The model's answers to the newest user input, with their places."""
    start = _start(steps)
    return [(i, step) for i, step in enumerate(steps) if i >= start and type_of(step) == "PLANNER_RESPONSE"]


def type_of(step: Mapping[str, Any]) -> str:
    return str(step.get("type", "")).removeprefix(STEP)


def status_of(step: Mapping[str, Any]) -> str:
    return str(step.get("status", "")).removeprefix(STATUS)


def text_of(step: Mapping[str, Any], told: str) -> str | None:
    """The text to go on with: the modified one if it goes on from what was told, else the raw one, else None."""
    answer = _dict(step.get("plannerResponse"))
    raw, modified = _text(answer.get("response")), _text(answer.get("modifiedResponse"))
    if modified and TAG.search(modified) and not TAG.search(raw):
        modified = ""  # tags that strayed into it
    texts = [text for text in (modified, raw) if text and text.startswith(told)]
    return texts[0] if texts else (None if told else "")


def thinking_of(step: Mapping[str, Any]) -> str:
    return _text(_dict(step.get("plannerResponse")).get("thinking"))


def finish_of(step: Mapping[str, Any]) -> str | None:
    """The finishReason that Google would have given; None when the answer broke off."""
    stop = _stop(step)
    good = stop in GOOD_STOPS and status_of(step) not in ("ERROR", "CANCELED", "INTERRUPTED")
    return FINISHES.get(stop, "STOP" if good else None)


def tools_of(step: Mapping[str, Any]) -> list[str]:
    """Names of the LS's own tools that the model calls."""
    calls = _dict(step.get("plannerResponse")).get("toolCalls")
    return [str(_dict(call).get("name", "")) for call in calls] if isinstance(calls, list) else []


def _start(steps: Sequence[Json]) -> int:
    """Where this turn's steps begin: after the newest user input."""
    return max((index for index, step in enumerate(steps) if type_of(step) == "USER_INPUT"), default=-1) + 1


def _grow(told: Told, step: Json) -> tuple[Told, tuple[Event, ...]]:
    """The deltas of one planner step, thinking before text."""
    events: list[Event] = []
    thinking = thinking_of(step)
    if len(thinking) > len(told.thinking) and thinking.startswith(told.thinking):
        events.append(ThinkingDelta(thinking[len(told.thinking) :]))
        told = replace(told, thinking=thinking)
    answer = _dict(step.get("plannerResponse"))
    signature = _text(answer.get("thinkingSignature")) or _text(answer.get("signature"))
    if signature and told.thinking and not told.text and not told.signed:
        events.append(Signature(signature, "thought"))
        told = replace(told, signed=True)
    text = text_of(step, told.text)
    if text is None and not told.changed:
        events.append(Notice("text_changed", "the language server changed text that had been told already"))
        told = replace(told, changed=True)
    elif text is not None and len(text) > len(told.text):
        events.append(TextDelta(text[len(told.text) :]))
        told = replace(told, text=text)
    return told, tuple(events)


def _close(told: Told, number: int, steps: Sequence[Json], batches: list[Batch]) -> Told:
    """A planner step that another one follows."""
    step = steps[told.index]
    events: list[Event] = [
        Notice("ls_tool_call", f"the language server ran its own tool {name}") for name in tools_of(step)
    ]
    if (usage := _usage(step)) is not None:
        events.append(usage)
    batches.append((number, (*events, AttemptClosed(finish_of(step)))))
    return replace(told, closed=True)


# -- the end -----------------------------------------------------------------------------------------------------


def _over(progress: Progress, steps: Sequence[Json], run: Run) -> Over | None:
    """The done rules of A.9."""
    found = planners(steps)
    last = found[-1][1] if found else None
    tail = [step for step in steps[found[-1][0] + 1 if found else _start(steps) :] if type_of(step) not in BOOKKEEPING]
    newest = tail[-1] if tail else last
    if (broken := _broken(progress, steps)) is not None:
        return Over(broken, cancel=True)  # a retry of the LS would say it all again
    if any(status_of(step) == "WAITING" for step in (*tail, *([last] if last else []))):
        waits = None if any(told.text for told in progress.told) else _waits()
        return Over(waits, cancel=True, waits=True)
    if newest is not None and (error := error_in(newest)) is not None:
        # After an error that it can retry the LS goes on: final only when it is last and nothing runs.
        return Over(error) if run == "idle" else None
    if last is not None and not tail and _complete(last):
        return Over()
    if run != "idle" or not (progress.ran or found):
        return None  # IDLE is also the state before the run
    text = last is not None and progress.told and progress.told[-1].text
    if progress.idle < (IDLE_LOOKS_TEXT if text else IDLE_LOOKS_EMPTY):
        return None
    return Over(_stopped(last) if last is not None else upstream(502, "empty_response", "the language server's run "
                f"ended without an answer; {RETRY}", Termination.EMPTY))  # fmt: skip


def _broken(progress: Progress, steps: Sequence[Json]) -> Fault | None:
    """Why an answer failed of which something has been told already."""
    if not progress.told or status_of(step := steps[progress.told[-1].index]) != "ERROR":
        return None
    fault = error_in(step)
    if fault is not None and fault.code != "ls_error":
        return fault
    text = f"the answer broke off{f': {fault.message}' if fault is not None else f'; {RETRY}'}"
    remedy = "" if fault is None else fault.remedy
    return upstream(502, "upstream_drop", text, Termination.UPSTREAM_DROP, remedy=remedy)


def _complete(step: Json) -> bool:
    """Done, with text, without a call, and for a good reason: nothing follows."""
    return (
        status_of(step) == "DONE" and _stop(step) in GOOD_STOPS and not tools_of(step)
        and (bool(text_of(step, "")) or _stop(step) in FINISHES)
    )  # fmt: skip


def _unsure(steps: Sequence[Json]) -> bool:
    """Whether nothing seems to run: every step has ended, and there is one beside those the LS begins with."""
    work = [step for step in steps[_start(steps) :] if type_of(step) not in BOOKKEEPING]
    return bool(work) and all(status_of(step) in ENDED for step in work)


def _stopped(step: Json) -> Fault | None:
    """Why an answer broke off, if it did."""
    stop = _stop(step)
    if stop == "CLIENT_CANCELED" or status_of(step) in ("CANCELED", "INTERRUPTED"):
        text = "the language server's run was cancelled from elsewhere"
        return language_server(502, "ls_cancelled", text, Termination.LS_REFUSED)
    if finish_of(step) is None:
        text = f"the answer broke off ({stop.lower()}); {RETRY}"
        return upstream(502, "upstream_drop", text, Termination.UPSTREAM_DROP)
    return None


def _waits() -> Fault:
    text = "the language server wants to run a tool of its own and waits for a person; nothing was answered"
    return language_server(502, "ls_waits", text, Termination.LS_REFUSED, retryable=False)


def error_in(step: Mapping[str, Any]) -> Fault | None:
    """The error of an error step, or of the step that failed, as Google would have told it."""
    error = _dict(step.get("error")) or _dict(_dict(step.get("errorMessage")).get("error"))
    if not error and type_of(step) != "ERROR_MESSAGE":
        return None
    inner = _parsed(error.get("details"))
    told = _dict(inner.get("error")) or inner
    details = [_parsed(text) for text in error.get("rpcErrorDetails") or () if isinstance(text, str)]
    message = (
        _text(told.get("message")) or _text(error.get("shortError")) or _text(error.get("userErrorMessage"))
        or "the language server reported an error without words"
    )  # fmt: skip
    found = CODE.search(message)
    code = error.get("errorCode") or told.get("code") or (int(found.group(1)) if found else 0)
    if not isinstance(code, int) or not 400 <= code <= 599:
        return upstream(502, "ls_error", message, Termination.UPSTREAM_STATUS, remedy=googles(message))
    shape = {**told, "code": code, "message": message, "details": told.get("details") or details}
    fault = google_errors.decode_error(code, {}, jsonio.dumps({"error": shape}))
    if fault.retry_after is None:
        fault = replace(fault, retry_after=google_errors.retry_after({"message": _text(error.get("fullError"))}))
    return fault


# -- usage -------------------------------------------------------------------------------------------------------


def _usage(step: Mapping[str, Any]) -> Usage | None:
    return usage_of(_dict(_dict(step.get("metadata")).get("modelUsage")))


def _generated(generators: Sequence[Mapping[str, Any]], index: int) -> Usage | None:
    """The figures of the generator that made the step at ``index``."""
    for generator in generators:
        indices = generator.get("stepIndices")
        if isinstance(indices, list) and index in indices:
            return usage_of(_dict(_dict(generator.get("chatModel")).get("usage")))
    return None


def usage_of(figures: Mapping[str, Any]) -> Usage | None:
    """The LS's token figures (numbers as strings); None when there are none."""
    prompt, output = _count(figures.get("inputTokens")), _count(figures.get("outputTokens"))
    thoughts, answer = _count(figures.get("thinkingOutputTokens")), _count(figures.get("responseOutputTokens"))
    cached = _count(figures.get("cacheReadTokens"))
    if not (prompt or output or answer):
        return None
    prompt = prompt if prompt >= cached else prompt + cached  # some providers count cached ones apart
    answer = answer or max(output - thoughts, 0)
    return Usage(prompt, cached, answer, thoughts, total=prompt + answer + thoughts, source="ls")


def _estimate(told: Told, steps: Sequence[Json]) -> Usage:
    """About four characters to a token, marked as a guess."""
    asked = sum(len(str(_dict(step.get("userInput")).get("items", ""))) for step in steps[: told.index])
    prompt, answer, thoughts = (-(-size // 4) for size in (asked, len(told.text), len(told.thinking)))
    return Usage(prompt, 0, answer, thoughts, total=prompt + answer + thoughts, source="estimate")


def _stop(step: Mapping[str, Any]) -> str:
    return _text(_dict(step.get("plannerResponse")).get("stopReason")).removeprefix(STOP)


def _count(value: object) -> int:
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else 0


def _parsed(text: object) -> Json:
    try:
        value = jsonio.loads(text.encode()) if isinstance(text, str) and text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
