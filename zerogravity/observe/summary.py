"""A channel → a turn at a glance: its row in a list, what it is doing now, ``turn.json``. Pure.

Both take a running turn's own channel and redact what they show.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from zerogravity import redact
from zerogravity.core import codec
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import AttemptClosed, Failed
from zerogravity.core.family import rules
from zerogravity.core.fold import Call, Media, Message, Reasoning
from zerogravity.core.headline import newest_question, newest_result
from zerogravity.core.turn import Turn
from zerogravity.errors import Termination
from zerogravity.observe import moments, notes, prices, redaction, session_summary, tool_results
from zerogravity.observe.prices import Price
from zerogravity.observe.sessions import NOWHERE, Placement
from zerogravity.wire.narrow import Json, count, items, lookup, members, number, objects, text

if TYPE_CHECKING:
    from zerogravity.surfaces.base import Surfaces  # heavy, and not for who only reads rows

NONE: Surfaces = MappingProxyType({})
# 1 had echo and metadata for details, guilt and heals for origin and retryable; 1 and 2 a digest; up to 3 each record
# was a line of its own
FORMAT = 4
PREVIEW = 200
LOOKED_AT = 20_000  # characters of an answer
STALL_NS = 10_000_000_000
TOOLS_NS = 900_000_000_000  # after this, the results of a turn's tools are no longer expected
TOOL_WAIT = "tool wait"
RUNS_TOOL = "running tool"
NO_RESULT = "no result came"  # not final: it may still come
FINAL = frozenset({"done", "failed"})

WAITING = (
    ("first_byte", "first byte"), ("matched", "matched"), ("told", "waiting for LS"),
    ("admitted", "starting cascade"), ("queued", "queued"), ("received", "received"),
)  # fmt: skip


def summary(channel: CascadeChannel, placed: Placement, turn: Turn) -> dict[str, object]:
    """``turn``: the channel's, redacted. For a running one: what is known so far."""
    known, state, terminal = channel.snapshot(), channel.state, channel.terminal
    marks, origin = known.marks, known.marks["received"]
    relative = {name: (at - origin) / 1e6 for name, at in marks.items()}
    return {
        "format": FORMAT,
        **codec.turn_out(turn),
        **placed.as_json(),
        "started": moments.utc(turn.created),
        "cascade_id": channel.cascade_id,
        "phase": channel.phase if channel.closed else list(marks)[-1],
        "closed": channel.closed,
        "status": client_status(channel),
        "code": channel.termination.value if channel.termination is not None else None,
        "failure": codec.fault_out(redaction.redacted_fault(terminal.fault)) if isinstance(terminal, Failed) else None,
        "finish": redaction.redacted_text(state.finish),
        "finish_message": redaction.redacted_text(state.finish_message),
        "marks_ms": relative,
        "latency_ms": {
            "first_byte": relative.get("first_byte"),
            "first_thinking": relative.get("first_thinking"),
            "first_text": relative.get("first_text"),
            "first_call": relative.get("first_call"),
            "total": relative.get("done"),
        },
        "usage": codec.usage_out(state.usage),
        **prices.of_turn(channel).as_json(),
        "counts": {
            "records": channel.count,
            "bytes": channel.size,
            "late": known.late,
            "upstream_calls": state.attempts,
            "tool_calls": len(state.function_calls),
            **counts(turn),
        },
        "called": [redact.text(channel.turn.client_name(call.name)) for call in state.function_calls],
        "previews": {
            "user": question(channel),
            "label": label(channel),
            "text": _beginning(item.pieces for item in state.items if isinstance(item, Message)),
            "thinking": _beginning(item.pieces for item in state.items if isinstance(item, Reasoning)),
        },
        "upstream": [
            {"call": call, **codec.line_out(redaction.redacted_line(line))}
            for call, line in sorted(known.lines.items())
        ],
        "notices": [redact.text(f"{notice.code}: {notice.text}") for notice in state.notices],
    }


def counts(turn: Turn) -> dict[str, int]:
    """Of the request: tools declared, messages, tool rounds, images and other blobs."""
    messages = contents(turn)
    return {
        "messages": len(messages),
        "tools": sum(
            len(items(tool.get("functionDeclarations"))) for tool in objects(turn.google_request.get("tools"))
        ),
        "rounds": sum(any("functionResponse" in part for part in parts(content)) for content in messages),
        "images": sum("inlineData" in part for content in messages for part in parts(content)),
    }


def preview(text: str) -> str:
    """One line of at most 200 characters."""
    line = " ".join(text.split())
    return line if len(line) <= PREVIEW else line[: PREVIEW - 1] + "…"


def _beginning(items: Iterable[Iterable[str]]) -> str:
    """Redacted before it is cut, the whole and then each delta, since a secret that begins with one may stand behind a
    letter; of a long text, what is enough for that."""
    shown: list[str] = []
    size = 0
    for piece in chain.from_iterable(items):
        if size >= LOOKED_AT:
            break
        shown.append(piece[: LOOKED_AT - size])
        size += len(shown[-1])
    whole = "".join(shown)
    if redact.may_hold(redact.hints(whole)):
        whole = "".join(map(redact.text, redact.pieces(shown)))
    return preview(whole)


def question(channel: CascadeChannel) -> str:
    """The beginning of what the user asked, redacted before it is cut. Cached: it may take milliseconds, and rows are
    made twice a second in the loop that captures."""
    found = _QUESTIONS.get(channel)
    if found is None:
        found = _QUESTIONS[channel] = preview(redact.text(newest_question(channel.turn)))
    return found


def label(channel: CascadeChannel) -> str:
    """What the turn goes on from: the user's words, or the first line of a tool's result if that is newer:
    ``shell → 12 files``. Cached, too."""
    found = _LABELS.get(channel)
    if found is None:
        result = newest_result(channel.turn)
        found = _LABELS[channel] = (
            question(channel) if result is None else preview(redact.text(_of(channel.turn, result)))
        )
    return found


def _of(turn: Turn, result: Json) -> str:
    output = tool_results.of_part(result)
    line = output.first_line[: PREVIEW * 4] or ", ".join(output.facts) or "no output"
    return f"{turn.client_name(text(result.get('name')))} → {line}"


_QUESTIONS: WeakKeyDictionary[CascadeChannel, str] = WeakKeyDictionary()
_LABELS: WeakKeyDictionary[CascadeChannel, str] = WeakKeyDictionary()


def contents(turn: Turn) -> list[dict[str, object]]:
    """The messages of a request in Google's form."""
    return objects(turn.google_request.get("contents"))


def parts(content: object) -> list[dict[str, object]]:
    return objects(members(content).get("parts"))


# -- a row ---------------------------------------------------------------------------------------------------------


def client_status(channel: CascadeChannel) -> int | None:
    """The HTTP status that the client got, or None before it has one: it is sent with the first content of a stream, so
    what fails later keeps 200."""
    begun = channel.turn.stream and channel.state.emitted
    if isinstance(terminal := channel.terminal, Failed) and not begun:
        return terminal.fault.status
    return 200 if channel.closed or begun else None


def row(
    channel: CascadeChannel,
    now: int,
    answered: Collection[str] | None = None,
    surfaces: Surfaces = NONE,
    placed: Placement = NOWHERE,
) -> dict[str, object]:
    """One row of a list of turns. ``answered``: see ``activity``."""
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
        "client": redact.text(turn.client),
        "conversation": redact.text(turn.conversation),
        "run": turn.run,
        **placed.as_json(),
        "question": question(channel),
        "label": label(channel),
        "state": state,
        "state_ms": (now - since) / 1e6,
        "closed": channel.closed,
        "failed": isinstance(channel.terminal, Failed),
        "code": channel.termination,
        "status": client_status(channel),
        "google": channel.terminal.fault.google_status if isinstance(channel.terminal, Failed) else "",
        "records": channel.count,
        "bytes": channel.size,
        "first_ms": None if first is None else (first - origin) / 1e6,
        "total_ms": (marks.get("done", now) - origin) / 1e6,
        "usage": codec.usage_out(channel.state.usage),
        **prices.of_turn(channel).as_json(),
        "tools": [redact.text(turn.client_name(call.name)) for call in channel.state.function_calls[:20]],
        "calls": channel.state.attempts,
        "readers": channel.readers,
        "late": channel.late,
        **notes.of(channel).as_json(),
        "stored": False,
    }


def stored_row(info: Json) -> dict[str, object]:
    """The row of a recorded turn from its ``turn.json``, without reading anything else."""
    latency, counted, previews = (members(info.get(name)) for name in ("latency_ms", "counts", "previews"))
    failure, closed = members(info.get("failure")), bool(info.get("closed"))
    first = latency.get("first_text")
    return {
        "id": info.get("id"),
        "created": number(info.get("created")) or 0,
        "received_ms": 0.0,
        "surface": text(info.get("surface")),
        "model": text(info.get("model"))[:PREVIEW],
        "target": text(members(info.get("target")).get("name")),
        "stream": bool(info.get("stream")),
        "client": text(info.get("client")),
        "conversation": text(info.get("conversation")),
        "run": text(info.get("run")),
        **{name: info.get(name, default) for name, default in NOWHERE.as_json().items()},
        "question": text(previews.get("user")),
        "label": text(previews.get("label")) or text(previews.get("user")),
        "state": ("failed" if failure else "done") if closed else "lost",
        "state_ms": 0.0,
        "closed": True,
        "failed": bool(failure) or not closed,
        "code": info.get("code"),
        "status": info["status"] if "status" in info else count(failure.get("status")) if failure else 200,
        "google": f"{failure.get('upstream_status') or ''} {failure.get('rpc_status') or ''}".strip(),
        "records": count(counted.get("records")),
        "bytes": count(counted.get("bytes")),
        "first_ms": first if first is not None else latency.get("first_call"),
        "total_ms": number(latency.get("total")) or 0.0,
        "usage": members(info.get("usage")),
        **(prices.FREE if failure and "price_partial" not in info else Price.of_json(info)).as_json(),
        "tools": items(info.get("called"))[:20],
        "calls": count(counted.get("upstream_calls")),
        "readers": 0,
        "late": count(counted.get("late")),
        "note": text(info.get("note")),
        "star": info.get("star") is True,
        "stored": True,
    }


def without_results(row: Json, now: float, *, given_up: bool) -> dict[str, object]:
    """What differs in the row of a recorded turn, as in ``activity``, when results of its calls have not come.
    ``now``: wall-clock seconds; ``given_up``: another turn goes on from it."""
    passed = (now - session_summary.ended(row)) * 1000
    return {"state": NO_RESULT if given_up or passed >= TOOLS_NS / 1e6 else TOOL_WAIT, "state_ms": max(passed, 0.0)}


def activity(
    channel: CascadeChannel, now: int, answered: Collection[str] | None = None, surfaces: Surfaces = NONE
) -> tuple[str, int]:
    """What a turn is doing now, in words, and since when (ns). ``answered``: ids of calls whose results have come back,
    and of turns that others go on from, or whose program has ended; None: not tracked."""
    marks, answer = channel.marks, channel.state.items
    if channel.closed:
        done = marks["done"]
        if channel.termination is Termination.TOOL and _unanswered(channel, answered, surfaces):
            given_up = now - done >= TOOLS_NS or channel.id in (answered or ())
            return (NO_RESULT if given_up else TOOL_WAIT), done
        return ("failed" if isinstance(channel.terminal, Failed) else "done"), done
    newest = channel.records[-1].t_ns if channel.records else marks.get("matched")
    if newest is not None and _runs_calls(channel):
        return RUNS_TOOL, newest
    if newest is not None and now - newest > STALL_NS:
        return "stalled", newest
    if newest is not None and _between_attempts(channel):
        return "waiting for LS", newest
    match answer[-1] if answer else None:
        case Reasoning():
            return "thinking", marks.get("first_thinking", marks["received"])
        case Message() | Media():
            return "text", marks.get("first_text", marks["received"])
        case Call(server=server, returned=returned) if server:
            return (RUNS_TOOL if returned is None else "waiting for LS"), newest or marks["received"]
        case Call():
            return TOOL_WAIT, marks.get("first_call", marks["received"])
        case None:
            return next((words, marks[phase]) for phase, words in WAITING if phase in marks)


def _runs_calls(channel: CascadeChannel) -> bool:
    """Whether the round is over and the gateway runs calls of it."""
    state = channel.state
    calls = (item for item in state.items[state.round.begins_at :] if isinstance(item, Call))
    return state.finish is not None and any(call.server and not call.asks and call.returned is None for call in calls)


def _between_attempts(channel: CascadeChannel) -> bool:
    """Whether the newest attempt has ended and the next one has not started."""
    ended = bool(channel.records) and isinstance((None, *channel.records[-1].events)[-1], AttemptClosed)
    return ended and channel.state.attempts not in channel.lines


def _unanswered(channel: CascadeChannel, answered: Collection[str] | None, surfaces: Surfaces) -> bool:
    """Whether results of calls are still missing."""
    if answered is None:
        return False
    awaited = awaited_calls(channel.turn, channel.state.client_calls, surfaces)
    return any(own not in answered and upstream not in answered for own, upstream in awaited)


def awaited_calls(turn: Turn, calls: Sequence[Call], surfaces: Surfaces) -> list[tuple[str, str]]:
    """The ids, ours and Google's (or empty), by which results of the turn's calls are known; none where calls and
    results have no ids to match them by."""
    surface = surfaces.get(turn.surface)
    named = surface is None or surface.assigns_call_ids or all(call.upstream_id for call in calls)
    if not named or not rules(turn.target.family).ids_on_calls:
        return []
    return [(call.call_id, call.upstream_id or "") for call in calls]


def results(messages: Iterable[Json]) -> frozenset[str]:
    """The ids of calls whose results are in these messages."""
    return frozenset(
        call_id
        for content in messages
        for part in parts(content)
        if isinstance(call_id := lookup(part, "functionResponse", "id"), str)
    )
