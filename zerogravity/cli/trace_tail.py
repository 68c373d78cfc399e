"""The command ``trace tail``: new turns, a line each, as they end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from zerogravity.cli.output import console
from zerogravity.cli.trace_root import QueryCommand, pass_history, query_argument, query_of

if TYPE_CHECKING:
    from rich.text import Text

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
    follow(history, query_of(query), limit, console().print, sleep=time.sleep)


def follow(
    history: History, query: str, limit: int, write: Callable[[Text], object], *,
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


def line(row: dict[str, object]) -> Text:
    """``12:01:03 codex gpt-5→gemini-3.1-pro ok 1.2 s 8.8k→47 shell×2``, in local time."""
    from rich.text import Text

    from zerogravity.observe import moments, turn_lines
    from zerogravity.observe.session_summary import ended

    parts = [(moments.local(ended(row), "%H:%M:%S"), "dim"), *turn_lines.line(row)]
    return Text(" ", no_wrap=True, overflow="ellipsis").join(Text(words, style) for words, style in parts)
