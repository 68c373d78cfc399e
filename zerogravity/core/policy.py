"""What to do when one upstream attempt of a turn has ended: a pure decision table, ``ROWS``. The first row that holds
decides; ``table()`` prints them (``zerogravity surfaces --ends``).

Facts: language-server-and-google D.4; wire-gemini-and-mapping 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zerogravity.core.events import Failed, Finished, Terminal
from zerogravity.core.fold import TurnState
from zerogravity.errors import RETRY, Fault, Termination, garbage, upstream

LENGTH = frozenset({"MAX_TOKENS", "CONTINUATION"})
FILTERED = frozenset({
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "ESCALATION", "MODEL_ARMOR",
    "PUP_LIMITED_DISABLED", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
})  # fmt: skip
MALFORMED = frozenset({
    "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
})  # fmt: skip
UNREADABLE = (
    f"the upstream answer cannot be read, and has no end; {RETRY}, and if it stays so, look for a proxy between here "
    "and Google that answers in its place"
)
THINKING = "the upstream sent thinking but no answer"
FOLLOW_UP_S = 20.0
MAX_FOLLOW_UPS = 3


@dataclass(frozen=True, slots=True)
class Finish:
    terminal: Terminal


@dataclass(frozen=True, slots=True)
class Await:
    """The turn goes on in the LS's next call; ``late`` ends it when none comes within ``seconds``."""

    seconds: float
    late: Fault


Decision = Finish | Await


@dataclass(frozen=True, slots=True)
class Ending:
    """``fault``: what the answer itself said was wrong. ``dropped``: the body did not end properly. ``garbled``: some
    of it could not be read. ``silent``: nothing in it said anything. ``finish``: Google's word; ``cut``: there is none.
    """

    state: TurnState
    fault: Fault | None
    dropped: bool
    garbled: bool
    silent: bool
    finish: str
    cut: bool


@dataclass(frozen=True, slots=True)
class Row:
    """``happened`` and ``decision`` are for people; ``when`` and ``then`` are what is done."""

    happened: str
    decision: str
    when: Callable[[Ending], bool]
    then: Callable[[Ending], Decision]


ROWS = (
    Row(
        "a fault was seen (status, error event, garbage)", "Fail(that fault)",
        lambda end: end.fault is not None,
        lambda end: _fail(end.fault),
    ),
    Row(
        "the connection broke", "Fail(upstream_drop)",
        lambda end: end.dropped,
        lambda _: _fail(_dropped("the upstream connection broke in the middle of the answer")),
    ),
    Row(
        "no finishReason, and something that cannot be read", "Fail(upstream_garbage)",
        lambda end: end.cut and end.garbled,
        lambda _: _fail(garbage(UNREADABLE)),
    ),
    Row(
        "no finishReason, and not one event", "Await once, else Fail(empty_response)",
        lambda end: end.cut and end.silent,
        lambda end: _once_more(end, _empty("the upstream answered 200 without any event")),
    ),
    Row(
        "no finishReason", "Fail(upstream_drop): never invent a STOP",
        lambda end: end.cut,
        lambda _: _fail(_dropped("the upstream answer ended without a finish reason")),
    ),
    Row(
        "the prompt was blocked, or a safety finishReason", "Finish(filtered)",
        lambda end: end.finish.startswith("BLOCKED:") or end.finish in FILTERED,
        lambda end: Finish(Finished("filtered", end.finish.removeprefix("BLOCKED:"))),
    ),
    Row(
        "MAX_TOKENS, CONTINUATION, also without text", "Finish(length)",
        lambda end: end.finish in LENGTH,
        lambda end: Finish(Finished("length", end.finish)),
    ),
    Row(
        "a malformed or unexpected call, a malformed answer", "Await once, else Fail(that finishReason)",
        lambda end: end.finish in MALFORMED,
        lambda end: _once_more(end, _malformed(end.finish, end.state.finish_message)),
    ),
    Row(
        "a call that cannot be run", "Await once, else Fail(malformed_function_call)",
        lambda end: end.state.broken is not None,
        lambda end: _once_more(end, _malformed("MALFORMED_FUNCTION_CALL", end.state.broken)),
    ),
    Row(
        "calls", "Finish(tool)",
        lambda end: end.state.round.has_calls,
        lambda _: Finish(Finished("tool")),
    ),
    Row(
        "text or media", "Finish(stop)",
        lambda end: end.state.round.has_text or end.state.round.has_media,
        lambda _: Finish(Finished("stop")),
    ),
    Row(
        f"thinking only, {MAX_FOLLOW_UPS} attempts", "Fail(empty_response)",
        lambda end: end.state.round.has_thinking and end.state.round.attempts >= MAX_FOLLOW_UPS,
        lambda end: _fail(_empty(THINKING, end.finish)),
    ),
    Row(
        "thinking only", "Await the follow-up, else Fail(empty_response)",
        lambda end: end.state.round.has_thinking,
        lambda end: Await(FOLLOW_UP_S, _empty(f"{THINKING}, and no further call came", end.finish)),
    ),
    Row(
        "nothing at all", "Await once, else Fail(empty_response)",
        lambda _: True,
        lambda end: _once_more(end, _empty("the upstream answer was empty", end.finish)),
    ),
)  # fmt: skip


def decide(
    state: TurnState, *, fault: Fault | None = None, dropped: bool = False, garbled: bool = False, silent: bool = False
) -> Decision:
    """The decision after the newest attempt of ``state`` has closed."""
    ending = Ending(state, fault, dropped, garbled, silent, state.finish or "", state.finish is None)
    return next(row.then(ending) for row in ROWS if row.when(ending))


def table() -> list[tuple[str, str]]:
    """(what happened, decision) of each row, in the order in which they are asked."""
    return [(row.happened, row.decision) for row in ROWS]


def _fail(fault: Fault | None) -> Decision:
    assert fault is not None, "the row has asked"
    return Finish(Failed(fault))


def _once_more(end: Ending, fault: Fault) -> Decision:
    """The language server calls again by itself after its first attempt; not where the client has seen something."""
    state = end.state.round
    if state.has_text or state.has_calls or state.has_media or state.attempts > 1:
        return _fail(fault)
    return Await(FOLLOW_UP_S, fault)


def _dropped(message: str) -> Fault:
    return upstream(502, "upstream_drop", f"{message}; {RETRY}", Termination.UPSTREAM_DROP)


def _empty(message: str, finish: str = "STOP") -> Fault:
    """A STOP without an answer says nothing to anybody; any other word says why there is none."""
    return upstream(
        502, "empty_response", f"{message}; {RETRY}", Termination.EMPTY, finish="" if finish == "STOP" else finish
    )


def _malformed(finish: str, message: str | None) -> Fault:
    text = f"the model's answer was unusable ({finish}{': ' + message if message else ''}); {RETRY}"
    code = finish.lower()
    return upstream(502, code, text, Termination.UPSTREAM_GARBAGE, finish=finish, finish_message=message)
