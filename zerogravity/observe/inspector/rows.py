"""A channel → what the page shows of it: its row in the list, its finished objects, its times. Pure.

Only what the list shows is redacted here; details are redacted as a whole, in a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    Record,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.family import rules
from zerogravity.core.fold import Call, Media, Message, Reasoning
from zerogravity.core.headline import asked
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination
from zerogravity.surfaces.base import Surfaces

NONE: Surfaces = MappingProxyType({})
STALL_NS = 10_000_000_000
TOOLS_NS = 900_000_000_000  # after that nobody is working at the tools of a turn any more
GAP_NS = 2_000_000_000
OVER = frozenset({"done", "failed"})  # states that last
PREVIEW = 160
ROW = 400  # what a row of events or frames shows of its bytes
TEXT = 200_000
RUNS = 500

WAITING = (
    ("first_byte", "first byte"), ("matched", "matched"), ("told", "waiting for LS"),
    ("admitted", "starting cascade"), ("queued", "queued"), ("received", "received"),
)  # fmt: skip


def summary(
    channel: CascadeChannel, now: int, answered: Collection[str] = (), surfaces: Surfaces = NONE
) -> dict[str, Any]:
    """One row of the list of turns. ``answered``: ids of the calls whose results have come back."""
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
        "google": channel.terminal.fault.google if isinstance(channel.terminal, Failed) else "",
        "records": channel.count,
        "bytes": channel.size,
        "first_ms": None if first is None else (first - origin) / 1e6,
        "total_ms": (marks.get("done", now) - origin) / 1e6,
        "usage": usage_out(channel.state.usage),
        "tools": [redact.text(turn.client_name(call.name)) for call in channel.state.function_calls[:20]],
        "calls": channel.state.attempts,
    }


def activity(
    channel: CascadeChannel, now: int, answered: Collection[str] = (), surfaces: Surfaces = NONE
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


def _unanswered(channel: CascadeChannel, answered: Collection[str], surfaces: Surfaces) -> bool:
    """Whether results of calls have not come back, as far as calls and results hold ids by which that can be told."""
    if not rules(channel.turn.target.family).ids_on_calls:
        return False
    calls = channel.state.function_calls
    surface = surfaces.get(channel.turn.surface)
    if surface is not None and not surface.gives_ids and not all(call.upstream_id for call in calls):
        return False
    return any(call.call_id not in answered and call.upstream_id not in answered for call in calls)


def results(turn: Turn) -> frozenset[str]:
    """The ids of the calls whose results ``turn`` brings back."""
    return frozenset(
        part["functionResponse"]["id"]
        for content in contents(turn)
        for part in parts(content)
        if isinstance(part.get("functionResponse"), dict) and isinstance(part["functionResponse"].get("id"), str)
    )


def question(channel: CascadeChannel) -> str:
    """The beginning of what the user asked, redacted before it is cut. Found once for each turn: it may take
    milliseconds, and rows are drawn twice a second in the loop that captures."""
    found = _QUESTIONS.get(channel)
    if found is None:
        found = _QUESTIONS[channel] = redact.text(asked(channel.turn))[:PREVIEW]
    return found


_QUESTIONS: WeakKeyDictionary[CascadeChannel, str] = WeakKeyDictionary()


def contents(turn: Turn) -> list[dict[str, Any]]:
    found = turn.google_request.get("contents")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, Sequence) else []


def parts(content: Any) -> list[dict[str, Any]]:
    found = content.get("parts") if isinstance(content, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, Sequence) else []


def usage_out(usage: Usage) -> dict[str, Any]:
    return {
        "prompt": usage.prompt, "cached": usage.cached, "answer": usage.candidates, "thinking": usage.thoughts,
        "tool_use": usage.tool_use, "total": usage.total, "source": usage.source,
    }  # fmt: skip


def details(channel: CascadeChannel) -> dict[str, Any]:
    """The finished objects, as folded from the records, and where the time went. To be redacted as a whole."""
    turn, state, terminal = channel.turn, channel.state, channel.terminal
    failure = terminal.fault if isinstance(terminal, Failed) else None
    return {
        "items": [_item(channel, item) for item in state.items],
        "usage_by_call": {str(number): usage_out(usage) for number, usage in sorted(state.usage_by_attempt.items())},
        "notices": [f"{notice.code}: {notice.text}" for notice in state.notices],
        "notes": list(turn.notes),
        "grounding": state.grounding,
        "finish": state.finish,
        "finish_message": state.finish_message,
        "upstream_model": state.model,
        "upstream": [{"call": call, **asdict(line)} for call, line in sorted(channel.lines.items())],
        "failure": None if failure is None else {
            "code": failure.code, "message": failure.message, "remedy": failure.remedy,
            "status": failure.status, "origin": failure.origin, "google": failure.google,
            "param": failure.param, "retry_after": failure.retry_after,
        },
        "cascade": channel.cascade_id,
        "late": channel.late,
        "readers": channel.readers,
        "time": timeline(channel),
    }  # fmt: skip


def _item(channel: CascadeChannel, item: Reasoning | Message | Call | Media) -> dict[str, Any]:
    signed = item.signature is not None
    match item:
        case Reasoning() | Message():
            text = item.text
            kind = "thinking" if isinstance(item, Reasoning) else "text"
            return {"kind": kind, "text": text[:TEXT], "cut": max(0, len(text) - TEXT), "signed": signed}
        case Call():
            name = channel.turn.client_name(item.name)
            return {"kind": "call", "name": name, "call_id": item.call_id, "arguments": item.args_json[:TEXT],
                    "cut": max(0, len(item.args_json) - TEXT), "signed": signed}  # fmt: skip
        case Media():
            return {"kind": "media", "mime": item.mime, "size": len(item.data) * 3 // 4, "signed": signed}


# -- time ----------------------------------------------------------------------------------------------------------


def timeline(channel: CascadeChannel) -> dict[str, Any]:
    """Milliseconds since arrival: the phases, a lane per upstream call with its runs of one kind, calls as ticks, and
    the gaps in which nothing came for more than two seconds."""
    origin = channel.marks["received"]
    lanes: dict[int, dict[str, Any]] = {}
    gaps: list[tuple[float, float]] = []
    last = channel.marks.get("matched")
    for record in channel.records:
        at = (record.t_ns - origin) / 1e6
        if last is not None and record.t_ns - last > GAP_NS and len(gaps) < RUNS:
            gaps.append(((last - origin) / 1e6, at))
        last = record.t_ns
        if record.attempt_no >= 0:
            lane = lanes.setdefault(record.attempt_no, {"open": at, "close": None, "last": at, "runs": [], "ticks": []})
            lane["last"] = at
            _onto(lane, record, at)
    marks = {name: (at - origin) / 1e6 for name, at in channel.marks.items()}
    return {"marks": marks, "lanes": [{"call": number, **lane} for number, lane in sorted(lanes.items())], "gaps": gaps}


def _onto(lane: dict[str, Any], record: Record, at: float) -> None:
    for event in record.events:
        match event:
            case AttemptOpened():
                lane["open"] = at
            case AttemptClosed():
                lane["close"] = at
            case ThinkingDelta() | TextDelta():
                kind = "thinking" if isinstance(event, ThinkingDelta) else "text"
                runs = lane["runs"]
                if (runs and runs[-1][0] == kind) or len(runs) >= RUNS:
                    runs[-1][2] = at
                else:
                    runs.append([kind, at, at])
            case FunctionCall(name=name) if len(lane["ticks"]) < RUNS:
                lane["ticks"].append([at, name])
            case _:
                pass


# -- events and frames ---------------------------------------------------------------------------------------------


def record_rows(records: Sequence[Record], start: int, limit: int, origin: int) -> Iterator[dict[str, Any]]:
    """Upstream events ``start`` …, for the list of events. ``records`` are redacted already."""
    for number in range(start, min(start + limit, len(records))):
        record = records[number]
        before = records[number - 1].t_ns if number else origin
        yield {
            "seq": record.seq,
            "ms": (record.t_ns - origin) / 1e6,
            "gap": (record.t_ns - before) / 1e6,
            "call": record.attempt_no,
            "kinds": [type(event).__name__ for event in record.events],
            "size": len(record.data),
            "span": record.span,
            "brief": " · ".join(filter(None, map(_brief, record.events)))[:ROW],
            "text": record.data[:ROW].decode("utf-8", "replace"),
        }


def _brief(event: Event) -> str:
    """What an event says, in a few words."""
    match event:
        case TextDelta(text) | ThinkingDelta(text):
            return text
        case FunctionCall(name=name, args_json=args):
            return f"{name}({args})"
        case InlineData(mime, data):
            return f"{mime}, {len(data) * 3 // 4} bytes"
        case Usage():
            return f"{event.prompt} in, {event.cached} cached, {event.thoughts} thinking, {event.candidates} out"
        case Notice(code, text):
            return f"{code}: {text}"
        case AttemptOpened(model, status):
            return f"{status} {model or ''}".strip()
        case AttemptClosed(finish, message):
            return " ".join(filter(None, (finish or "no finish reason", message)))
        case Finished(reason, detail):
            return " ".join(filter(None, (reason, detail)))
        case Failed(fault):
            return f"{fault.code}: {fault.told}"
        case Signature(target=target):
            return f"signature of {target}"
        case ServerTool(part):
            return part
        case Grounding():
            return "grounding"


def events_out(record: Record) -> list[dict[str, Any]]:
    """What an upstream event was understood as."""
    return [
        {"type": type(event).__name__}
        | {name: value[:TEXT] if isinstance(value, str) else value for name, value in asdict(event).items()}
        for event in record.events
    ]
