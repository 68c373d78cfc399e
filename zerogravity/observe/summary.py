"""A channel → the JSON of ``turn.json``: what a person wants to know of a turn at one glance. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from zerogravity.core import codec
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed
from zerogravity.core.headline import asked
from zerogravity.core.turn import Turn
from zerogravity.observe import digest

FORMAT = 1
PREVIEW = 200


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
            "user": preview(asked(turn)),
            "text": preview(state.text),
            "thinking": preview(state.thinking),
        },
        "upstream": [{"call": call, **codec.line_out(line)} for call, line in sorted(channel.lines.items())],
        "notices": [f"{notice.code}: {notice.text}" for notice in state.notices],
        "digest": digest.digest(digest.normal(turn)),
    }


def counts(turn: Turn) -> dict[str, int]:
    """Of the request: tools declared, messages, tool rounds, images and other blobs."""
    parts = list(_parts(turn.google_request))
    contents = turn.google_request.get("contents")
    tools = turn.google_request.get("tools")
    declared = [
        name
        for tool in (tools if isinstance(tools, Sequence) else ())
        if isinstance(tool, Mapping)
        for name in tool.get("functionDeclarations") or ()
    ]
    rounds = [
        content
        for content in (contents if isinstance(contents, Sequence) else ())
        if any("functionResponse" in part for part in _parts({"contents": [content]}))
    ]
    return {
        "messages": len(contents) if isinstance(contents, Sequence) else 0,
        "tools": len(declared),
        "rounds": len(rounds),
        "images": sum("inlineData" in part for part in parts),
    }


def preview(text: str) -> str:
    """One line of at most 200 characters."""
    line = " ".join(text.split())
    return line if len(line) <= PREVIEW else line[: PREVIEW - 1] + "…"


def _parts(generate: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    contents = generate.get("contents")
    for content in contents if isinstance(contents, Sequence) else ():
        if isinstance(content, Mapping):
            parts = content.get("parts")
            yield from (part for part in (parts if isinstance(parts, Sequence) else ()) if isinstance(part, Mapping))
