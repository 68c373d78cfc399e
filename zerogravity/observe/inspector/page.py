"""A turn (``TurnSource``) → what the page shows of it, as JSON: items, times, events, frames, bodies, conversation,
tools. The inspector's endpoints answer with these, and an export holds them. Pure, but not quick.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from zerogravity import redact
from zerogravity.core import billing, codec
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    Event,
    Failed,
    Finished,
    FunctionCall,
    Grounding,
    InlineData,
    Notice,
    Record,
    RoundOpened,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
    ToolsListed,
    Usage,
)
from zerogravity.core.fold import Media
from zerogravity.observe import prices, tool_results
from zerogravity.observe.inspector import blocks
from zerogravity.observe.inspector.blocks import TEXT
from zerogravity.observe.inspector.conversation import conversation, earlier, rows, tools
from zerogravity.observe.requests import CLIENT, ORIGINAL, SENT
from zerogravity.observe.source import BEFORE, Emitted, ShownItem, TurnSource, shown_items
from zerogravity.observe.summary import client_status
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import an_object, objects

GAP_NS = 2_000_000_000
ROW = 400  # what a row of events or frames shows of its bytes
WHOLE = 1 << 20  # what is shown of one event's or frame's bytes
ANSWER = 256 << 10  # what the bodies show of Google's answer; all of it is in the events
RUNS = 500

Json = dict[str, object]


def details(source: TurnSource) -> Json:
    """The finished objects, as folded from the records, and where the time went."""
    channel = source.channel
    turn, state, terminal = channel.turn, channel.state, channel.terminal
    failure = terminal.fault if isinstance(terminal, Failed) else None
    shown: Json = {
        "items": [item(each) for each in shown_items(state.items, turn.tool_names)],
        "usage_by_call": {
            str(number): {"model": attempt.model, **codec.usage_out(attempt.usage), **prices.of(attempt).as_json()}
            for number, attempt in billing.numbered(channel).items()
        },
        "notices": [f"{notice.code}: {notice.text}" for notice in state.notices],
        "notes": list(turn.notes),
        "grounding": state.grounding,
        "finish": state.finish,
        "finish_message": state.finish_message,
        "upstream_model": state.model,
        "upstream": [{"call": call, **asdict(line)} for call, line in sorted(channel.lines.items())],
        "failure": None if failure is None else {
            "code": failure.code, "message": failure.message, "remedy": failure.remedy,
            "status": failure.status, "origin": failure.origin, "google": failure.google_status,
            "param": failure.param, "retry_after": failure.retry_after,
        },
        "cascade": channel.cascade_id,
        "trouble": source.trouble,
        "http": {"client": client_status(channel), "google": _google_statuses(source)},
        "time": timeline(channel),
    }  # fmt: skip
    found = redact.json_value(shown)  # finds a secret that was spread over several deltas, too
    return {**found, "items": [_drawn(each, channel, n) for n, each in enumerate(objects(found["items"]))]}


def item(shown: ShownItem) -> Json:
    """An item of the answer, not redacted."""
    cut = {"cut": max(0, len(shown.text) - TEXT), "signed": shown.signed}
    match shown.kind:
        case "call":
            call: Json = {"name": shown.name, "call_id": shown.call_id, "arguments": shown.text[:TEXT]}
            if shown.server:
                call |= {"server": shown.server, "failed": shown.failed}
            if shown.result is not None:
                call["returned"] = shown.result[:TEXT]
            return {"kind": shown.kind, **call, **cut}
        case "media":
            return {"kind": shown.kind, "mime": shown.mime, "size": shown.size, "signed": shown.signed}
        case _:
            return {"kind": shown.kind, "text": shown.text[:TEXT], **cut}


def _drawn(shown: Json, channel: CascadeChannel, n: int) -> Json:
    """A redacted item with its blocks. A text gets them when it grows no more."""
    match shown["kind"], channel.state.items[n]:
        case "call", _:
            return drawn_call(shown)
        case "media", Media(mime=mime, data=data) if channel.closed:
            return {**shown, "blocks": [blocks.media({"mimeType": mime, "data": data})]}
        case "text" | "thinking", _ if channel.closed:
            return {**shown, "blocks": blocks.prose(str(shown["text"]))}
        case _:
            return shown


def drawn_call(shown: Json) -> Json:
    made: Json = {**shown, "blocks": blocks.arguments(shown["arguments"])}
    if "returned" in shown:
        output = tool_results.read(shown["returned"])
        output.failed |= bool(shown["failed"])
        made["result"] = blocks.result(output)
    return made


def _google_statuses(source: TurnSource) -> list[int]:
    """Of each call to Google, in their order."""
    return [event.status for record in source.records for event in record.events if isinstance(event, AttemptOpened)]


# -- time ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Lane:
    """One call to Google, in milliseconds. ``runs``: [kind, from, to] of deltas of one kind; ``ticks``: [at, name] of
    function calls."""

    call: int
    open: float
    last: float
    close: float | None = None
    runs: list[list[str | float]] = field(default_factory=list[list[str | float]])
    ticks: list[list[str | float]] = field(default_factory=list[list[str | float]])


def timeline(channel: CascadeChannel) -> Json:
    """Milliseconds since arrival: the phases, a lane per upstream call with its runs of one kind, calls as ticks, the
    gaps in which nothing came for more than two seconds, and when something came last."""
    origin = channel.marks["received"]
    lanes: dict[int, Lane] = {}
    gaps: list[tuple[float, float]] = []
    last = channel.marks.get("matched")
    for record in channel.records:
        at = (record.t_ns - origin) / 1e6
        if last is not None and record.t_ns - last > GAP_NS and len(gaps) < RUNS:
            gaps.append(((last - origin) / 1e6, at))
        last = record.t_ns
        if record.attempt_no >= 0:
            lane = lanes.setdefault(record.attempt_no, Lane(record.attempt_no, at, at))
            lane.last = at
            _add(record, at, lane)
    marks = {name: (at - origin) / 1e6 for name, at in channel.marks.items()}
    return {"marks": marks, "lanes": [asdict(lane) for _, lane in sorted(lanes.items())], "gaps": gaps,
            "last": None if last is None else (last - origin) / 1e6}  # fmt: skip


def _add(record: Record, at: float, lane: Lane) -> None:
    for event in record.events:
        match event:
            case AttemptOpened():
                lane.open = at
            case AttemptClosed():
                lane.close = at
            case ThinkingDelta() | TextDelta():
                kind = "thinking" if isinstance(event, ThinkingDelta) else "text"
                runs = lane.runs
                if (runs and runs[-1][0] == kind) or len(runs) >= RUNS:
                    runs[-1][2] = at
                else:
                    runs.append([kind, at, at])
            case FunctionCall(name=name) if len(lane.ticks) < RUNS:
                lane.ticks.append([at, name])
            case _:
                pass


# -- events and frames ---------------------------------------------------------------------------------------------


def events(source: TurnSource, start: int, limit: int, most: int = ROW) -> Json:
    """A page of upstream events, each with ``most`` of its bytes."""
    start = _place(start, len(source.records))
    return {"total": len(source.records), "from": start, "rows": _event_rows(source, start, limit, most)}


def _event_rows(source: TurnSource, start: int, limit: int, most: int) -> list[Json]:
    records = source.records[max(0, start - 1) : start + limit]
    before = records[0].t_ns if start and records else source.channel.marks["received"]
    rows: list[Json] = []
    for record in records[1:] if start else records:
        rows.append(_event(record, before, most))
        before = record.t_ns
    return rows


def _event(record: Record, before: int, most: int) -> Json:
    return {
        "seq": record.seq,
        "ms": record.t_ns / 1e6,
        "gap": (record.t_ns - before) / 1e6,
        "call": record.attempt_no,
        "kinds": [type(event).__name__ for event in record.events],
        "size": len(record.data),
        "span": record.span,
        "brief": " · ".join(filter(None, map(_brief, record.events)))[:ROW],
        "data": record.data[:most].decode("utf-8", "replace"),
    }


def _brief(event: Event) -> str:
    """An event in a few words."""
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
            return f"{fault.code}: {fault.full_message}"
        case Signature(target=target):
            return f"signature of {target}"
        case ServerTool(part):
            return part
        case Grounding():
            return "grounding"
        case RoundOpened(model, why):
            return " · ".join(filter(None, (f"now {model}", why)))
        case ToolsListed(server=server, tools=tools, error=error):
            return f"{server}: {error or f'{len(tools)} tools'}"
        case CallReturned(output=output, error=error):
            return output if error is None else str(error)


def _understood(record: Record) -> list[Json]:
    """The decoded events of one upstream event."""
    return [
        {"type": type(event).__name__, **{name: _cut(value) for name, value in asdict(event).items()}}
        for event in record.events
    ]


def _cut(value: object) -> object:
    return value[:TEXT] if isinstance(value, str) else value


def frames(source: TurnSource, start: int, limit: int, most: int = ROW) -> Json:
    """A page of frames, each with the record that caused it; BEFORE: none did."""
    found = source.frames
    start = _place(start, len(found))
    shown = [_frame(start + n, frame, most) for n, frame in enumerate(found[start : start + limit])]
    return {"total": len(found), "from": start, "rows": shown}


def _frame(n: int, frame: Emitted, most: int) -> Json:
    return {"n": n, "record": frame.seq, "size": len(frame.text.encode()), "text": frame.text[:most]}


def event(source: TurnSource, seq: int) -> Json | None:
    """One whole upstream event and the frames that it caused; BEFORE: the frames before the first event. None:
    there is no such event."""
    if seq >= len(source.records):
        return None
    found = source.frames
    begin = bisect_left(found, seq, key=lambda frame: frame.seq)
    end = bisect_right(found, seq, key=lambda frame: frame.seq)
    caused = [_frame(n, found[n], WHOLE) for n in range(begin, end)]
    return {"record": _whole(source, seq), "frames": caused, "first_frame": begin}


def _whole(source: TurnSource, seq: int) -> Json:
    if seq == BEFORE:
        return {"seq": seq, "data": "", "events": []}
    (row,) = _event_rows(source, seq, 1, WHOLE)
    return {**row, "events": _understood(source.records[seq])}


# -- request and answer --------------------------------------------------------------------------------------------


def messages(source: TurnSource, start: int, limit: int) -> Json:
    """A page of the client's conversation. ``earlier``: how many of its rows the turn before had already; a negative
    ``start`` goes back no further than to those."""
    turn = source.channel.turn
    made = conversation(turn)
    known = earlier(made, source.placed.fresh)
    start = _place(start, len(made)) if start >= 0 else max(known, _place(start, len(made)))
    shown = rows(turn, made[start : start + limit])
    return {"total": len(made), "earlier": known, "from": start, "rows": shown}


def _place(start: int, total: int) -> int:
    """A negative ``start`` counts from the end."""
    return start if start >= 0 else max(0, total + start)


def declared_tools(source: TurnSource, surfaces: Surfaces) -> Json:
    """The tools, with their schemas before and after."""
    turn = source.channel.turn
    surface = surfaces.get(turn.surface)
    body = an_object((source.body(CLIENT) or {}).get("body"))
    declared = {} if surface is None or body is None else dict(surface.tools(body))
    found = redact.json_value(tools(turn, declared))
    return {"tools": [{**row, "before": _indented(row["before"]), "after": _indented(row["after"])} for row in found]}


def bodies(source: TurnSource) -> Json:
    """The client's request, the language server's requests, what was sent instead of them, and Google's answer."""
    answer, size = bytearray(), 0
    for record in source.records:
        size += len(record.data)
        if len(answer) < ANSWER and record.data:
            answer += b"data: " + record.data + b"\n\n"
    upstream: list[Json] = []
    for call in range(max(source.channel.state.attempts, *source.lines(), 0) + 1):
        original, sent = source.body(ORIGINAL, call), source.body(SENT, call)
        if original is not None and sent is not None:
            upstream.append({"call": call, "original": _body(original), "sent": _body(sent)})
    return {
        "client_request": _body(source.body(CLIENT)),
        "upstream": upstream,
        "answer": bytes(answer[:ANSWER]).decode("utf-8", "replace"),
        "answer_size": size,
    }


def _body(found: Mapping[str, object] | None) -> str | None:
    if found is None:
        return None
    body = found.get("body")
    return body if isinstance(body, str) else jsonio.text(body, indent=True)


def _indented(value: object) -> str | None:
    return None if value is None else jsonio.text(value, indent=True)


# -- all of it -----------------------------------------------------------------------------------------------------


def everything(source: TurnSource, surfaces: Surfaces) -> Json:
    """All of a turn for an export: what the endpoints answer, in one page each, with whole events and frames."""
    every = 1 << 62
    return {
        "conversation": messages(source, 0, every),
        "tools": declared_tools(source, surfaces),
        "bodies": bodies(source),
        "records": [
            {**row, "events": _understood(record)}
            for row, record in zip(_event_rows(source, 0, every, WHOLE), source.records, strict=True)
        ],
        "frames": frames(source, 0, every, WHOLE)["rows"],
    }
