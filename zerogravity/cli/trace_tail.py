"""The command ``trace tail``: new turns, a line each, as they end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from zerogravity.cli.output import console
from zerogravity.cli.trace_root import QueryCommand, pass_history, query_argument, query_of
from zerogravity.wire.narrow import count, items, members, number, text

if TYPE_CHECKING:
    from zerogravity.observe.history import History

PAUSE_S = 1.0
AT_ONCE = 200  # turns that may end between two looks


@click.command("tail", cls=QueryCommand)
@query_argument
@click.option("-n", "--limit", type=click.IntRange(min=0), default=10, show_default=True, help="How many older ones.")
@pass_history
def tail(history: History, query: tuple[str, ...], limit: int) -> None:
    """Print the newest turns, a line each, and then each new one when it ends.

    QUERY as for ls. Example: zerogravity trace tail client:codex -code:ok
    """
    from zerogravity.observe import terminal

    follow(history, query_of(query), limit, lambda line: console().print(terminal.one_line(line)), sleep=time.sleep)


def follow(
    history: History, query: str, limit: int, write: Callable[[str], object], *,
    sleep: Callable[[float], object],
) -> None:  # fmt: skip
    """Until ``sleep`` raises. ``limit``: how many turns that have ended before are written."""
    older = _ended(history, query)
    for row in older[max(0, len(older) - limit) :] if limit else ():
        write(line(row))
    seen = {str(row["id"]) for row in older}
    while True:
        sleep(PAUSE_S)
        for row in _ended(history, query):
            if str(row["id"]) not in seen:
                seen.add(str(row["id"]))
                write(line(row))


def _ended(history: History, query: str) -> list[dict[str, object]]:
    """The newest turns that have ended, oldest first."""
    return [row for row in history.search(query, limit=AT_ONCE).rows if row["state"] != "lost"][::-1]


def line(row: dict[str, object]) -> str:
    """``12:01:03 codex gpt-5→gemini-3.1-pro ok 1.2 s 8.8k→47 shell×2``, in local time."""
    from zerogravity.observe import turn_lines

    model, target = text(row.get("model")), text(row.get("target"))
    usage, tools = members(row.get("usage")), [text(tool) for tool in items(row.get("tools"))]
    out = count(usage.get("candidates")) + count(usage.get("thoughts"))
    words = (
        f"{datetime.fromtimestamp(number(row.get('created')) or 0).astimezone():%H:%M:%S}",
        text(row.get("client")) or text(row.get("surface")),
        model if target in ("", model) else f"{model}→{target}",
        text(row.get("code")) or "?",
        text(row.get("google")),
        turn_lines.duration((number(row.get("total_ms")) or 0) / 1000),
        f"{turn_lines.short(count(usage.get('prompt')))}→{turn_lines.short(out)}",
        *(f"{tool}×{tools.count(tool)}" if tools.count(tool) > 1 else tool for tool in dict.fromkeys(tools)),
    )
    return " ".join(filter(None, words))
