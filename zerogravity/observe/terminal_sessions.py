"""Sessions → what a terminal shows: a line for each, and one's turns as a tree of its branches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from zerogravity.observe import figures, moments, session_summary, trace_folders
from zerogravity.observe.prices import Price
from zerogravity.observe.summary import NO_RESULT
from zerogravity.observe.terminal import one_line, plain
from zerogravity.wire.narrow import Json, count, members, number, text, texts

DEEPEST = 12  # branches of branches that are drawn further in
RIGHT = frozenset({"turns", "branches", "tokens", "price", "time", "errors"})


class Placed(NamedTuple):
    """A turn's row, and how many branches it is away from the main line."""

    depth: int
    row: Json


def table(sessions: Iterable[Json]) -> Table:
    """One line for each session, as ``session_summary.of`` has it."""
    made = _table("session", "started", "client", "turns", "branches", "tokens", "price", "time", "errors", "title")
    for one in sessions:
        made.add_row(
            plain(text(one.get("session"))),
            plain(moments.local(number(one.get("started")) or 0, "%m-%d %H:%M")),
            plain(text(one.get("client"))),
            *(plain(count(one.get(name)) or "") for name in ("turns", "branches")),
            plain(_tokens(one)), plain(_price(one)), plain(_time(one)),
            plain(count(one.get("errors")) or "", "red"), one_line(text(one.get("title"))),
        )  # fmt: skip
    return made


def tree(rows: Sequence[Json]) -> RenderableType:
    """A session's head, and its turns, each with what it goes on from: the user's words or a tool's result."""
    made = _table("started", "turn", "what is new", "calls", "code", "tokens", "price", "time")
    for depth, row in in_order(rows):
        usage = members(row.get("usage"))
        told = {
            **usage, "prompt": figures.Tokens.of_json(usage).sent, "out": usage.get("candidates"),
            "ms": row.get("total_ms"), **Price.of_json(row).as_json(),
        }  # fmt: skip
        bent = "  " * min(depth - 1, DEEPEST) + "└ " if depth else ""
        made.add_row(
            plain(moments.local(number(row.get("created")) or 0, "%H:%M:%S")),
            plain(trace_folders.short(text(row.get("id")))),
            one_line(bent + (text(row.get("label")) or text(row.get("question")))),
            one_line(" ".join(figures.counted(texts(row.get("tools"))))),
            _end(row),
            plain(_tokens(told)), plain(_price(told)), plain(_time(told)),
        )  # fmt: skip
    return Group(_head(session_summary.of(rows)), made)


def in_order(rows: Iterable[Json]) -> list[Placed]:
    """The main line by time, each branch behind the turn that it goes on from; one that begins something: behind the
    turn of the main line that came before."""
    turns = sorted(rows, key=lambda row: number(row.get("created")) or 0.0)
    lines: dict[str, list[Json]] = {}
    for row in turns:
        lines.setdefault(text(row.get("branch")), []).append(row)
    known, main, before = {text(row.get("id")) for row in turns}, "", dict[str, list[str]]()
    for row in turns:
        branch = text(row.get("branch"))
        if branch and lines[branch][0] is row:
            previous = text(row.get("previous"))
            before.setdefault(previous if previous in known else main, []).append(branch)
        if not branch:
            main = text(row.get("id"))

    def line(branch: str, depth: int) -> Iterator[Placed]:
        for row in lines.pop(branch, ()):
            yield Placed(depth, row)
            for side in before.pop(text(row.get("id")), ()):
                yield from line(side, depth + 1)

    first = [placed for side in before.pop("", ()) for placed in line(side, 1)]
    made = [*first, *line("", 0)]
    return [*made, *(placed for side in list(lines) for placed in line(side, 1))]  # whose beginning is not known


def _end(row: Json) -> Text:
    """How a turn ended, or what it waits for."""
    if row.get("state") == NO_RESULT:
        return plain(NO_RESULT, "yellow")
    return plain(text(row.get("code")) or text(row.get("state")), "red" if row.get("failed") else "green")


def _head(one: Json) -> Text:
    turns, branches, errors = (count(one.get(name)) for name in ("turns", "branches", "errors"))
    started = moments.local(number(one.get("started")) or 0)
    facts = [
        text(one.get("client")), started, figures.many(turns, "turn"),
        figures.many(branches, "branch", "branches") if branches else "",
        _tokens(one), _price(one), _time(one),
        figures.many(errors, "error") if errors else "", ", ".join(texts(one.get("models"))),
    ]  # fmt: skip
    line = plain(f"{one.get('session')}  ", "bold")
    return line.append_text(plain(" · ".join(fact for fact in facts if fact)))


def _table(*names: str) -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for name in names:
        shrinks = name in ("title", "what is new", "calls")
        made.add_column(
            name, justify="right" if name in RIGHT else "left", no_wrap=True, overflow="ellipsis" if shrinks else "fold"
        )
    return made


def _tokens(one: Json) -> str:
    prompt, cached, *made = (count(one.get(name)) for name in ("prompt", "cached", "out", "thoughts"))
    return figures.tokens(prompt, cached, sum(made), source=text(one.get("source")))


def _price(one: Json) -> str:
    found = Price.of_json(one)
    return figures.price(found.usd, partial=found.partial)


def _time(one: Json) -> str:
    return figures.duration((number(one.get("ms")) or 0.0) / 1000)
