"""Traces → what a terminal shows: tables, a waterfall of phases, panes, diffs. Text of a turn is never taken for markup
and cannot steer the terminal. Reads no files.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from zerogravity.core.fold import Call, Media, Message, Reasoning
from zerogravity.observe import digest
from zerogravity.observe.trace_reader import Trace
from zerogravity.wire import jsonio

PHASES = (
    ("queued", "received", "admitted"),
    ("LS told", "admitted", "told"),
    ("matched", "told", "matched"),
    ("first byte", "matched", "first_byte"),
    ("first thinking", "first_byte", "first_thinking"),
    ("first text", "first_byte", "first_text"),
    ("first call", "first_byte", "first_call"),
    ("done", "first_byte", "done"),
)
WORDS, NUMBERS = ("turn", "started", "surface", "model", "code"), ("first", "total", "in", "out")
NARROW = 96  # columns of a terminal below which the list of turns leaves some out
BAR = 40
RUN = 12  # lines of a diff that are removed, or added, in a row, before the rest is folded
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: object, style: str = "") -> Text:
    """Text as it is; control characters visible."""
    return Text(_CONTROLS.sub(lambda match: f"\\x{ord(match.group()):02x}", str(text)), style=style)


def one_line(text: object) -> Text:
    """Cut to the room there is."""
    line = plain(text)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def turns(traces: Iterable[Trace], *, width: int = 160) -> Table:
    """One line per turn; where there is little room, without what matters less."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    names = [name for name in (*WORDS, *NUMBERS) if width >= NARROW or name not in ("surface", "first", "in")]
    for name in names:
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    table.add_column("asked", overflow="ellipsis")  # the only one that gives way
    for trace in traces:
        info = trace.info
        latency, usage = info.get("latency_ms") or {}, info.get("usage") or {}
        first = latency.get("first_text") if latency.get("first_text") is not None else latency.get("first_call")
        cells = {
            "turn": plain(trace.short),
            "started": plain(str(info.get("started", ""))[5:16].replace("T", " ")),
            "surface": plain(info.get("surface", "")),
            "model": plain(info.get("model", "")),
            "code": _code(trace, brief=True),
            "first": plain(_ms(first)),
            "total": plain(_ms(latency.get("total"))),
            "in": plain(usage.get("prompt", 0)),
            "out": plain(usage.get("candidates", 0) + usage.get("thoughts", 0)),
        }
        asked = one_line((info.get("previews") or {}).get("user", ""))
        table.add_row(*(cells[name] for name in names), asked)
    return table


def detail(trace: Trace, *, requests: bool = True, full: bool = False) -> RenderableType:
    """Everything of one turn. ``full``: the request's diff to its last line."""
    parts: list[RenderableType] = [_head(trace), waterfall(trace.info.get("marks_ms") or {}), *_items(trace)]
    failure = trace.info.get("failure")
    if failure:
        google = f"; Google: {trace.google}" if trace.google else ""
        told = f"{failure.get('code')} ({failure.get('status')}{google}): {trace.told}"
        parts.append(Panel(plain(told), title="failure", title_align="left", border_style="red"))
    parts.append(_numbers(trace.info))
    for call, line in trace.lines().items():
        parts.append(plain(f"call {call}: {line.method} {line.url} {line.http_version}", "dim"))
    for name in ("notes", "notices"):
        if trace.info.get(name):
            parts.append(plain(f"{name}: " + "; ".join(map(str, trace.info[name])), "dim"))
    if trace.info.get("trouble"):
        parts.append(plain(trace.info["trouble"], "yellow"))
    if requests and (lines := request_diff(trace)):
        shown = _coloured(lines, folded=not full)
        parts.append(Panel(shown, title="request: the LS's own → sent to Google", title_align="left"))
    return Group(*parts)


def waterfall(marks: Mapping[str, float]) -> Table:
    """A bar per phase, from its beginning to its end."""
    total = max([0.001, *marks.values()])
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name, begin, end in PHASES:
        if end not in marks:
            continue
        start = marks.get(begin, 0.0)
        left = min(BAR - 1, int(BAR * start / total))
        width = max(1, round(BAR * max(0.0, marks[end] - start) / total))
        bar = Text(" " * left + "█" * min(width, BAR - left) + " " * max(0, BAR - left - width), style="cyan")
        table.add_row(name, bar, _ms(marks[end]))
    return table


def request_diff(trace: Trace) -> list[str]:
    """What was changed in the language server's request; [] when there is nothing to compare."""
    original, sent = trace.body("upstream_request.original"), trace.body("upstream_request")
    if original is None or sent is None:
        return []
    one, other = original.get("body"), sent.get("body")
    return _diff(_pretty(one), _pretty(_in_order_of(one, other)), "language server", "sent")


def compare(one: Trace, other: Trace) -> tuple[dict[str, Any], RenderableType]:
    """How two turns differ: request, answer, numbers. As JSON and for the eye."""
    names = one.short, other.short
    asked = _diff(_asked(one), _asked(other), *names)
    said = _diff(_answer(one), _answer(other), *names)
    numbers = {
        name: [_number(trace.info, name) for trace in (one, other)]
        for name in ("latency_ms.first_byte", "latency_ms.first_text", "latency_ms.total", "usage.prompt",
                     "usage.cached", "usage.candidates", "usage.thoughts", "counts.records", "code", "model", "surface")
    }  # fmt: skip
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("", *names):
        table.add_column(name, justify="left" if not name else "right")
    for name, values in numbers.items():
        style = "" if values[0] == values[1] else "bold"
        table.add_row(name, *(plain(_round(value), style) for value in values))
    parts: list[RenderableType] = [table]
    for title, lines in (("request", asked), ("answer", said)):
        body = _coloured(lines) if lines else plain("the same", "green")
        parts.append(Panel(body, title=title, title_align="left"))
    return {"request": asked, "answer": said, "numbers": numbers}, Group(*parts)


def _head(trace: Trace) -> Text:
    info = trace.info
    line = plain(f"{trace.id}  ", "bold")
    line.append_text(_code(trace))
    started = str(info.get("started", ""))[:19].replace("T", " ")
    line.append_text(plain(f"  {info.get('surface')} · {info.get('model')} · {started} UTC"))
    if info.get("cascade_id"):
        line.append_text(plain(f" · cascade {info['cascade_id']}", "dim"))
    return line


def _items(trace: Trace) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for item in trace.state.items:
        match item:
            case Reasoning():
                parts.append(Panel(plain(item.text, "italic dim"), title="thinking", title_align="left"))
            case Message():
                parts.append(Panel(plain(item.text), title="text", title_align="left"))
            case Call():
                name = trace.info.get("tool_names", {}).get(item.name, item.name)
                signed = " · signed" if item.signature else ""
                title = plain(f"call {name} · {item.call_id}{signed}")
                parts.append(Panel(plain(_pretty_text(item.args_json)), title=title, title_align="left"))
            case Media():
                parts.append(
                    Panel(plain(f"{item.mime}, {len(item.data) * 3 // 4} bytes"), title="media", title_align="left")
                )
    return parts


def _numbers(info: Mapping[str, Any]) -> Text:
    usage, counts = info.get("usage") or {}, info.get("counts") or {}
    spent = (
        f"{usage.get('prompt', 0)} in ({usage.get('cached', 0)} cached), {usage.get('candidates', 0)} out, "
        f"{usage.get('thoughts', 0)} thinking"
    )
    source = "" if usage.get("source", "captured") == "captured" else f" ({usage['source']})"
    parts = [f"tokens {spent}{source}"]
    for name, one, many in (
        ("records", "record", "records"), ("upstream_calls", "call to Google", "calls to Google"),
        ("messages", "message", "messages"), ("tools", "tool", "tools"), ("rounds", "tool round", "tool rounds"),
        ("images", "blob asked with", "blobs asked with"), ("late", "late record", "late records"),
    ):  # fmt: skip
        if count := counts.get(name):
            parts.append(f"{count} {one if count == 1 else many}")
    return plain(" · ".join(parts), "dim")


def _code(trace: Trace, *, brief: bool = False) -> Text:
    """How it ended, beside it Google's own status. ``brief``: without its word."""
    info = trace.info
    google = trace.google.partition(" ")[0] if brief else trace.google
    code = f"{info.get('code') or info.get('phase') or '?'} {google}".rstrip()
    style = "red" if info.get("failure") else "green" if info.get("closed") else "yellow"
    return plain(code, style)


def _asked(trace: Trace) -> list[str]:
    return digest.lines(digest.normal_request("", trace.google_request))


def _answer(trace: Trace) -> list[str]:
    lines: list[str] = []
    for item in trace.state.items:
        match item:
            case Call():
                lines += [f"[call {item.name}]", *_pretty_text(item.args_json).splitlines()]
            case Media():
                lines.append(f"[{item.mime}]")
            case _:
                lines += [f"[{'thinking' if isinstance(item, Reasoning) else 'text'}]", *item.text.splitlines()]
    return lines


def _diff(one: Sequence[str], other: Sequence[str], name: str, other_name: str) -> list[str]:
    return list(difflib.unified_diff(one, other, name, other_name, lineterm="", n=2))


def _coloured(lines: Sequence[str], *, folded: bool = True) -> Text:
    made: list[Text] = []
    for sign, run in groupby(lines, key=lambda line: line[:1]):
        style = {"+": "green", "-": "red", "@": "cyan"}.get(sign, "")
        block = list(run)
        hidden = len(block) - RUN if folded and len(block) > RUN + 1 else 0
        made += (plain(line, style) for line in block[: RUN if hidden else None])
        if hidden:
            made.append(Text(f"{sign} … {hidden} more lines", style=f"dim {style}"))
    return Text("\n").join(made)


def _in_order_of(one: Any, other: Any) -> Any:
    """``other`` with its members in the order of ``one``, so that a diff compares what belongs together."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [*(name for name in one if name in other), *(name for name in other if name not in one)]
        return {name: _in_order_of(one.get(name), other[name]) for name in names}
    return other


def _pretty(value: Any) -> list[str]:
    return jsonio.text(value, indent=True).split("\n")


def _pretty_text(text: str) -> str:
    try:
        return jsonio.text(jsonio.loads(text.encode("utf-8", "replace")), indent=True)
    except ValueError:
        return text


def _number(info: Mapping[str, Any], path: str) -> Any:
    value: Any = info
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _round(value: Any) -> str:
    return "–" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def _ms(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.0f} ms"
