"""What to do when one upstream call of a turn has ended: a pure decision table.

| what happened                                            | decision                                   |
|----------------------------------------------------------|--------------------------------------------|
| a fault was seen (status, error event, garbage)          | Fail(that fault)                           |
| the connection broke                                     | Fail(upstream_drop)                        |
| prompt blocked, or a safety finishReason                 | Finish(filtered)                           |
| MAX_TOKENS, CONTINUATION                                 | Finish(length), also with no text          |
| malformed/unexpected call etc., or a call that can not be | Await the LS's own retry, then Fail       |
| run: 1st call, nothing but thinking emitted              |                                            |
| the same later, or with something emitted                | Fail(upstream_garbage)                     |
| no finishReason, and something that can not be read      | Fail(upstream_garbage)                     |
| no finishReason, and not one event                       | as nothing at all                          |
| body ended without any finishReason                      | Fail(upstream_drop): never invent a STOP   |
| calls seen                                               | Finish(tool)                               |
| text or media seen                                       | Finish(stop)                               |
| thinking only                                            | Await the follow-up call, then Fail(empty) |
| nothing at all, 1st call                                 | Await the LS's forced call, then Fail(empty) |
| nothing at all, later                                    | Fail(empty)                                |

Facts: language-server-and-google D.4; wire-gemini-and-mapping 5.
"""

from __future__ import annotations

from dataclasses import dataclass

from zerogravity.core.events import Failed, Finished, Terminal
from zerogravity.core.fold import TurnState
from zerogravity.errors import AGAIN, Fault, Termination, garbage, upstream

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
    f"the upstream answer can not be read, and has no end; {AGAIN}, and if it stays so, look for a proxy between here "
    "and Google that answers in its place"
)
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


def decide(
    state: TurnState, *, fault: Fault | None = None, dropped: bool = False, garbled: bool = False, silent: bool = False
) -> Decision:
    """The decision after the newest call of ``state`` has closed.

    ``fault``: what the answer itself said was wrong. ``dropped``: the body did not end properly. ``garbled``: some of
    it could not be read. ``silent``: nothing in it said anything.
    """
    if fault is not None:
        return Finish(Failed(fault))
    if dropped:
        return Finish(Failed(_dropped("the upstream connection broke in the middle of the answer")))
    finish = state.finish
    match finish:
        case None if garbled:
            return Finish(Failed(garbage(UNREADABLE)))
        case None if silent:
            return _once_more(state, _empty("the upstream answered 200 without any event"))
        case None:
            return Finish(Failed(_dropped("the upstream answer ended without a finish reason")))
        case str() if finish.startswith("BLOCKED:") or finish in FILTERED:
            return Finish(Finished("filtered", finish.removeprefix("BLOCKED:")))
        case str() if finish in LENGTH:
            return Finish(Finished("length", finish))
        case str() if finish in MALFORMED:
            return _once_more(state, _malformed(finish, state.finish_message))
        case _ if state.broken is not None:
            return _once_more(state, _malformed("MALFORMED_FUNCTION_CALL", state.broken))
        case _ if state.has_calls:
            return Finish(Finished("tool"))
        case _ if state.has_text or state.has_media:
            return Finish(Finished("stop"))
        case _ if state.has_thinking:
            if state.attempts >= MAX_FOLLOW_UPS:
                return Finish(Failed(_empty("the upstream sent thinking but no answer", finish)))
            late = _empty("the upstream sent thinking but no answer, and no further call came", finish)
            return Await(FOLLOW_UP_S, late)
        case _:
            return _once_more(state, _empty("the upstream answer was empty", finish))


def _once_more(state: TurnState, fault: Fault) -> Decision:
    if state.has_text or state.has_calls or state.has_media or state.attempts > 1:
        return Finish(Failed(fault))
    return Await(FOLLOW_UP_S, fault)


def _dropped(message: str) -> Fault:
    return upstream(502, "upstream_drop", f"{message}; {AGAIN}", Termination.UPSTREAM_DROP)


def _empty(message: str, finish: str = "STOP") -> Fault:
    """A STOP without an answer says nothing to anybody; any other word says why there is none."""
    told = "" if finish == "STOP" else finish
    return upstream(502, "empty_response", f"{message}; {AGAIN}", Termination.EMPTY, finish=told)


def _malformed(finish: str, message: str | None) -> Fault:
    text = f"the model's answer was unusable ({finish}{': ' + message if message else ''}); {AGAIN}"
    code, told = finish.lower(), {"finish": finish, "finish_message": message}
    return upstream(502, code, text, Termination.UPSTREAM_GARBAGE, **told)
