"""Traces → what a terminal shows: tables, a waterfall of phases, panels, diffs. A turn's text is never markup, and its
control characters never reach the terminal.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import groupby, zip_longest

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from zerogravity.observe import digest, figures, moments, notes, trace_folders
from zerogravity.observe.prices import Price
from zerogravity.observe.printable import printable
from zerogravity.observe.source import ShownItem, shown_items
from zerogravity.observe.trace_reader import Trace
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import Json, an_object, count, lookup, members, number, text, texts

PHASES = (
    ("queued", "received", "admitted"),
    ("sent to LS", "admitted", "told"),
    ("matched", "told", "matched"),
    ("first byte", "matched", "first_byte"),
    ("first thinking", "first_byte", "first_thinking"),
    ("first text", "first_byte", "first_text"),
    ("first call", "first_byte", "first_call"),
    ("done", "first_byte", "done"),
)
COLUMNS = ("turn", "started", "surface", "conversation", "model", "code")
NUMBERS = ("first", "total", "in", "out")
NARROW = 96  # a terminal of fewer columns gets a shorter list of turns
BEGINNING = 12  # characters of a conversation's name in a list: enough to find its turns by
BAR = 40
BEFORE = 24  # characters of a snippet before what was found
RUN = 12  # lines in a row of a diff or of a call's result that are shown; the rest is folded
COUNTS = (
    ("records", "record", "records"), ("upstream_calls", "call to Google", "calls to Google"),
    ("messages", "message", "messages"), ("tools", "tool", "tools"), ("rounds", "tool round", "tool rounds"),
    ("images", "blob in the request", "blobs in the request"), ("late", "late record", "late records"),
)  # fmt: skip
COMPARED = (
    "latency_ms.first_byte", "latency_ms.first_text", "latency_ms.total", "usage.prompt", "usage.cached",
    "usage.candidates", "usage.thoughts", "counts.records", "code", "model", "surface",
)  # fmt: skip


def plain(value: object, style: str = "") -> Text:
    """Literal text; control characters become visible."""
    return Text(printable(str(value)), style=style)


def one_line(value: object) -> Text:
    """Cut to the width of its column."""
    line = plain(value)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


class Turns:
    """One line per turn, and one below it with the words that were found in it. A narrow terminal gets fewer columns,
    and so do turns of which none names a conversation. ``snippets``: as the rows of ``History.search`` have them, or
    None."""

    def __init__(
        self, traces: Sequence[Trace], snippets: Sequence[Json | None] = (), words: Sequence[str] = ()
    ) -> None:
        self._traces = traces
        self._snippets = snippets
        self._words = words

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(_turns(self._traces, options.max_width), options, pad=False)
        for line, snippet in zip_longest(lines, (None, *self._snippets)):
            yield from line
            yield Segment.line()
            if snippet is not None:
                yield self._found(snippet)

    def _found(self, snippet: Json) -> Text:
        words = text(snippet.get("text"))
        at = min((at for word in self._words if (at := words.lower().find(word)) >= 0), default=0)
        begin = words.rfind(" ", 0, at - BEFORE) + 1 if at > BEFORE else 0
        line = one_line(f"{'…' if begin else ''}{words[begin:]}")
        line.highlight_words(self._words, "bold yellow", case_sensitive=False)
        return one_line(f"    {snippet.get('part')}: ").append_text(line)


def _turns(traces: Sequence[Trace], width: int) -> Table:
    left_out = {"surface", "conversation", "first", "in"} if width < NARROW else set[str]()
    if not any(trace.conversation for trace in traces):
        left_out.add("conversation")
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    names = [name for name in (*COLUMNS, *NUMBERS) if name not in left_out]
    for name in names:
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    table.add_column("question", overflow="ellipsis")  # the only column that shrinks
    for trace in traces:
        info = trace.info
        latency, used = members(info.get("latency_ms")), figures.Tokens.of_json(members(info.get("usage")))
        first_text = number(latency.get("first_text"))
        cells = {
            "turn": plain(trace.short),
            "started": plain(moments.local(number(info.get("created")) or 0, "%m-%d %H:%M")),
            "surface": plain(text(info.get("surface"))),
            "conversation": plain(trace.conversation[:BEGINNING]),
            "model": plain(text(info.get("model"))),
            "code": _code(trace, brief=True),
            "first": plain(_ms(first_text if first_text is not None else number(latency.get("first_call")))),
            "total": plain(_ms(number(latency.get("total")))),
            "in": plain(used.sent),
            "out": plain(used.made),
        }
        star = "★ " if info.get("star") else ""
        question = one_line(star + text(lookup(info, "previews", "user")))
        table.add_row(*(cells[name] for name in names), question)
    return table


def detail(trace: Trace, *, requests: bool = True, full: bool = False) -> RenderableType:
    """Everything of one turn. ``full``: with the whole diff of the request, and all that
    the calls run here have brought."""
    parts: list[RenderableType] = [_head(trace), plain(trace.folder, "dim"), waterfall(trace.marks_ms)]
    if noted := notes.read(trace.folder).line:
        parts.insert(1, plain(noted, "yellow"))
    parts += [_panel(item, full=full) for item in _items(trace)]
    if failure := trace.failure:
        google = f"; Google: {trace.google}" if trace.google else ""
        words = f"{failure.get('code')} ({failure.get('status')}{google}): {trace.failure_text}"
        parts.append(Panel(plain(words), title="failure", title_align="left", border_style="red"))
    parts.append(_numbers(trace.info))
    for call, line in trace.lines().items():
        parts.append(plain(f"call {call}: {line.method} {line.url} {line.http_version}", "dim"))
    for name in ("notes", "notices"):
        if words := "; ".join(texts(trace.info.get(name))):
            parts.append(plain(f"{name}: {words}", "dim"))
    if trace.trouble:
        parts.append(plain(trace.trouble, "yellow"))
    if requests and (lines := request_diff(trace)):
        shown = _coloured(lines, folded=not full)
        parts.append(Panel(shown, title="request: language server → sent to Google", title_align="left"))
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
    """What the gateway changed in the language server's request; [] when it was not recorded."""
    original, sent = trace.body("upstream_request.original"), trace.body("upstream_request")
    if original is None or sent is None:
        return []
    one, other = original.get("body"), sent.get("body")
    return _diff(_pretty(one), _pretty(_in_order_of(one, other)), "language server", "sent")


def compare(one: Trace, other: Trace) -> tuple[dict[str, object], RenderableType]:
    """How two turns differ in request, answer and numbers: as JSON, and rendered."""
    names = one.short, other.short
    request = _diff(_request(one), _request(other), *names)
    answer = _diff(_answer(one), _answer(other), *names)
    numbers = {name: [lookup(trace.info, *name.split(".")) for trace in (one, other)] for name in COMPARED}
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("", *names):
        table.add_column(name, justify="left" if not name else "right")
    for name, values in numbers.items():
        style = "" if values[0] == values[1] else "bold"
        table.add_row(name, *(plain(_round(value), style) for value in values))
    parts: list[RenderableType] = [table]
    for title, lines in (("request", request), ("answer", answer)):
        body = _coloured(lines) if lines else plain("the same", "green")
        parts.append(Panel(body, title=title, title_align="left"))
    return {"request": request, "answer": answer, "numbers": numbers}, Group(*parts)


def _head(trace: Trace) -> Text:
    info = trace.info
    line = plain(f"{trace.id}  ", "bold")
    line.append_text(_code(trace))
    started = moments.local(number(info.get("created")) or 0)
    line.append_text(plain(f"  {info.get('surface')} · {info.get('model')} · {started}"))
    if info.get("cascade_id"):
        line.append_text(plain(f" · cascade {info['cascade_id']}", "dim"))
    if trace.conversation:
        line.append_text(plain(f" · conversation {trace.conversation}", "dim"))
    if session := text(info.get("session")):
        line.append_text(plain(f" · session {session}", "dim"))
    if previous := text(info.get("previous")):
        line.append_text(plain(f" · goes on from {trace_folders.short(previous)}", "dim"))
    return line


def _items(trace: Trace) -> list[ShownItem]:
    names = {name: text(client) for name, client in members(trace.info.get("tool_names")).items()}
    return shown_items(trace.state.items, names)


def _panel(item: ShownItem, *, full: bool) -> Panel:
    title = (
        f"call {item.name} · {item.call_id}{' · signed' if item.signed else ''}" if item.kind == "call" else item.kind
    )
    style = "italic dim" if item.kind == "thinking" else ""
    shown = plain(item.text, style)
    if item.server:
        title += " · run by the gateway"
        shown.append_text(_result(item, full=full))
    return Panel(shown, title=plain(title), title_align="left")


def _result(item: ShownItem, *, full: bool) -> Text:
    """What a call that the gateway runs has come to, below its arguments."""
    lines = ["no result"] if item.result is None else item.result.splitlines() or ["nothing"]
    hidden = len(lines) - RUN if not full and len(lines) > RUN + 1 else 0
    words = "\n  ".join(lines[: RUN if hidden else None])
    made = plain(f"\n→ {'failed: ' if item.failed else ''}{words}", "red" if item.failed else "")
    return made.append_text(plain(f"\n  … {hidden} more lines", "dim")) if hidden else made


def _numbers(info: Mapping[str, object]) -> Text:
    usage, counts, price = members(info.get("usage")), members(info.get("counts")), Price.of_json(info)
    spent = (
        f"tokens {figures.Tokens.of_json(usage).sent} in ({count(usage.get('cached'))} cached), "
        f"{count(usage.get('candidates'))} out, {count(usage.get('thoughts'))} thinking"
    )
    source = text(usage.get("source")) or "captured"
    told = any(count(usage.get(name)) for name in ("prompt", "tool_use", "candidates", "thoughts", "total"))
    parts = ["tokens not told" if not told else spent if source == "captured" else f"{spent} ({source})"]
    if price.usd is not None:
        parts.append(figures.price(price.usd, partial=price.partial))
    for name, one, many in COUNTS:
        if found := count(counts.get(name)):
            parts.append(f"{found} {one if found == 1 else many}")
    return plain(" · ".join(parts), "dim")


def _code(trace: Trace, *, brief: bool = False) -> Text:
    """How it ended, and Google's own status. ``brief``: without the status' name."""
    info = trace.info
    google = trace.google.partition(" ")[0] if brief else trace.google
    code = f"{info.get('code') or info.get('phase') or '?'} {google}".rstrip()
    style = "red" if trace.failure else "green" if info.get("closed") else "yellow"
    return plain(code, style)


def _request(trace: Trace) -> list[str]:
    return digest.lines(digest.normalised_request("", trace.google_request))


def _answer(trace: Trace) -> list[str]:
    return [
        line
        for item in shown_items(trace.state.items, {})
        for line in (
            f"[{item.kind} {item.name}".rstrip() + "]",
            *item.text.splitlines(),
            *(item.result or "").splitlines(),
        )
    ]


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


def _in_order_of(one: object, other: object) -> object:
    """``other`` with its members in the order of ``one``, so that a diff compares what belongs together."""
    first, second = an_object(one), an_object(other)
    if first is None or second is None:
        return other
    names = [*(name for name in first if name in second), *(name for name in second if name not in first)]
    return {name: _in_order_of(first.get(name), second[name]) for name in names}


def _pretty(value: object) -> list[str]:
    return jsonio.text(value, indent=True).split("\n")


def _round(value: object) -> str:
    return "–" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def _ms(value: float | None) -> str:
    return "–" if value is None else figures.duration(value / 1000)
