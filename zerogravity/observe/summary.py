"""A channel → what is said of a turn at one glance: its row in a list, what it does now, ``turn.json``. Pure.

``row`` may be given a running turn's own channel, and redacts what it shows; ``summary`` must be given a copy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

from zerogravity import redact
from zerogravity.core import codec
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import AttemptClosed, Failed
from zerogravity.core.family import rules
from zerogravity.core.fold import Call, Media, Message, Reasoning
from zerogravity.core.headline import asked
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination
from zerogravity.observe import digest
from zerogravity.surfaces.base import Surfaces

NONE: Surfaces = MappingProxyType({})
FORMAT = 1
PREVIEW = 200
STALL_NS = 10_000_000_000
TOOLS_NS = 900_000_000_000  # after that nobody is working at the tools of a turn any more
OVER = frozenset({"done", "failed"})  # states that last

WAITING = (
    ("first_byte", "first byte"), ("matched", "matched"), ("told", "waiting for LS"),
    ("admitted", "starting cascade"), ("queued", "queued"), ("received", "received"),
)  # fmt: skip


def summary(channel: CascadeChannel) -> dict[str, Any]:
    """``channel`` must be redacted already. For a running turn it is what is known so far."""
    turn, state, marks = channel.turn, channel.state, channel.marks
    terminal = channel.terminal
    origin = marks["received"]
    relative = {name: (at - origin) / 1e6 for name, at in marks.items()}
    return {
        "format": FORMAT,
        **codec.turn_out(turn),
        "started": datetime.fromtimestamp(turn.created, UTC).isoformat(),
        "cascade_id": channel.cascade_id,
        "phase": channel.phase,
        "closed": channel.closed,
        "code": channel.termination.value if channel.termination is not None else None,
        "failure": codec.fault_out(terminal.fault) if isinstance(terminal, Failed) else None,
        "finish": state.finish,
        "finish_message": state.finish_message,
        "marks_ms": relative,
        "latency_ms": {
            "first_byte": relative.get("first_byte"),
            "first_thinking": relative.get("first_thinking"),
            "first_text": relative.get("first_text"),
            "first_call": relative.get("first_call"),
            "total": relative.get("done"),
        },
        "usage": codec.usage_out(state.usage),
        "counts": {
            "records": channel.count,
            "bytes": channel.size,
            "late": channel.late,
            "upstream_calls": state.attempts,
            "tool_calls": len(state.function_calls),
            **counts(turn),
        },
        "called": [turn.client_name(call.name) for call in state.function_calls],
        "previews": {
            "user": question(channel),
            "text": preview(state.text),
            "thinking": preview(state.thinking),
        },
        "upstream": [{"call": call, **codec.line_out(line)} for call, line in sorted(channel.lines.items())],
        "notices": [f"{notice.code}: {notice.text}" for notice in state.notices],
        "digest": digest.digest(digest.normal(turn)),
    }


def counts(turn: Turn) -> dict[str, int]:
    """Of the request: tools declared, messages, tool rounds, images and other blobs."""
    messages = contents(turn)
    tools = turn.google_request.get("tools")
    return {
        "messages": len(messages),
        "tools": sum(
            len(tool.get("functionDeclarations") or ())
            for tool in (tools if isinstance(tools, Sequence) else ())
            if isinstance(tool, Mapping)
        ),
        "rounds": sum(any("functionResponse" in part for part in parts(content)) for content in messages),
        "images": sum("inlineData" in part for content in messages for part in parts(content)),
    }


def preview(text: str) -> str:
    """One line of at most 200 characters."""
    line = " ".join(text.split())
    return line if len(line) <= PREVIEW else line[: PREVIEW - 1] + "…"


def question(channel: CascadeChannel) -> str:
    """The beginning of what the user asked, redacted before it is cut. Found once for each turn: it may take
    milliseconds, and rows are drawn twice a second in the loop that captures."""
    found = _QUESTIONS.get(channel)
    if found is None:
        found = _QUESTIONS[channel] = preview(redact.text(asked(channel.turn)))
    return found


_QUESTIONS: WeakKeyDictionary[CascadeChannel, str] = WeakKeyDictionary()


def contents(turn: Turn) -> list[dict[str, Any]]:
    """The messages of a request in Google's form."""
    found = turn.google_request.get("contents")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, Sequence) else []


def parts(content: Any) -> list[dict[str, Any]]:
    found = content.get("parts") if isinstance(content, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, Sequence) else []


# -- a row ---------------------------------------------------------------------------------------------------------


def row(
    channel: CascadeChannel, now: int, answered: Collection[str] | None = None, surfaces: Surfaces = NONE
) -> dict[str, Any]:
    """One row of a list of turns. ``answered``: ids of the calls whose results have come back; None: nobody waits."""
    marks, origin, turn = channel.marks, channel.marks["received"], channel.turn
    state, since = activity(channel, now, answered, surfaces)
    first = marks.get("first_text", marks.get("first_call"))
    return {
        "id": channel.id,
        "created": turn.created,
        "received_ms": origin / 1e6,
        "surface": turn.surface,
        "model": redact.text(turn.model)[:PREVIEW],
        "target": redact.text(turn.target.name),
        "stream": turn.stream,
        "asked": question(channel),
        "state": state,
        "state_ms": (now - since) / 1e6,
        "closed": channel.closed,
        "failed": isinstance(channel.terminal, Failed),
        "code": channel.termination,
        "google": channel.terminal.fault.google_status if isinstance(channel.terminal, Failed) else "",
        "records": channel.count,
        "bytes": channel.size,
        "first_ms": None if first is None else (first - origin) / 1e6,
        "total_ms": (marks.get("done", now) - origin) / 1e6,
        "usage": codec.usage_out(channel.state.usage),
        "tools": [redact.text(turn.client_name(call.name)) for call in channel.state.function_calls[:20]],
        "calls": channel.state.attempts,
        "readers": channel.readers,
        "late": channel.late,
    }


def activity(
    channel: CascadeChannel, now: int, answered: Collection[str] | None = None, surfaces: Surfaces = NONE
) -> tuple[str, int]:
    """What a turn is doing now, in words, and since when (ns)."""
    marks, items = channel.marks, channel.state.items
    if channel.closed:
        done = marks["done"]
        recent = channel.termination is Termination.TOOL and now - done < TOOLS_NS
        if recent and _unanswered(channel, answered, surfaces):
            return "tool wait", done
        return ("failed" if isinstance(channel.terminal, Failed) else "done"), done
    newest = channel.records[-1].t_ns if channel.records else marks.get("matched")
    if newest is not None and now - newest > STALL_NS:
        return "stalled", newest
    if newest is not None and _between_attempts(channel):
        return "waiting for LS", newest
    match items[-1] if items else None:
        case Reasoning():
            return "thinking", marks.get("first_thinking", marks["received"])
        case Message() | Media():
            return "text", marks.get("first_text", marks["received"])
        case Call():
            return "tool wait", marks.get("first_call", marks["received"])
        case None:
            return next((words, marks[phase]) for phase, words in WAITING if phase in marks)


def _between_attempts(channel: CascadeChannel) -> bool:
    """Whether the newest attempt has ended and the next one, on which the turn waits, has not gone out."""
    ended = bool(channel.records) and isinstance((None, *channel.records[-1].events)[-1], AttemptClosed)
    return ended and channel.state.attempts not in channel.lines


def _unanswered(channel: CascadeChannel, answered: Collection[str] | None, surfaces: Surfaces) -> bool:
    """Whether results of calls have not come back, as far as calls and results hold ids by which that can be told."""
    if answered is None or not rules(channel.turn.target.family).ids_on_calls:
        return False
    calls = channel.state.function_calls
    surface = surfaces.get(channel.turn.surface)
    if surface is not None and not surface.assigns_call_ids and not all(call.upstream_id for call in calls):
        return False
    return any(call.call_id not in answered and call.upstream_id not in answered for call in calls)
