"""The commands ``trace grep``, which finds turns by a regular expression, and ``trace index``, which makes it quick."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING

import click

from zerogravity.cli.output import as_json, console, counting, print_json, progress
from zerogravity.cli.trace_root import QueryCommand, pass_history, query_argument, query_of

if TYPE_CHECKING:
    from zerogravity.observe.history import History, Hit


@click.command("grep", cls=QueryCommand)
@click.argument("pattern")
@query_argument
@click.option("-i", "--ignore-case", is_flag=True, help="Ignore upper and lower case.")
@click.option(
    "-n", "--limit", type=click.IntRange(min=0), default=0, show_default=True, help="How many turns to find; 0 for all."
)
@as_json
@pass_history
def grep(history: History, pattern: str, query: tuple[str, ...], ignore_case: bool, limit: int, as_json: bool) -> None:
    """Find turns by a regular expression.

    Searches requests, tool results, thinking, text, calls, failures and notes; of a conversation, each turn for what is
    new in it. QUERY, as for ls, says in which turns. Exits with 1 when nothing matches.
    Example: zerogravity trace grep -i "rate.?limit" since:2d
    """
    try:
        wanted = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise click.BadParameter(f"not a regular expression: {error}", param_hint="PATTERN") from error
    found = _by_turn(history, wanted, query_of(query), limit)
    if as_json:
        print_json([{"turn": turn, "places": [(hit.part, hit.line) for hit in hits]} for turn, hits in found.items()])
    else:
        _print(found)
    if not found:
        sys.exit(1)


def _by_turn(history: History, wanted: re.Pattern[str], query: str, limit: int) -> dict[str, list[Hit]]:
    found: dict[str, list[Hit]] = {}
    for hit in progress(history.grep(wanted, query), None, "searching"):
        if limit and hit.turn not in found and len(found) == limit:
            break
        found.setdefault(hit.turn, []).append(hit)
    return found


def _print(found: dict[str, list[Hit]]) -> None:
    from zerogravity.observe import terminal, trace_folders

    for turn, hits in found.items():
        for hit in hits:
            console().print(terminal.plain(f"{trace_folders.short(turn)}  {hit.part:<10} {hit.line}"))


@click.command("index")
@pass_history
def index(history: History) -> None:
    """Make the index of the traces again, from their folders.

    It is kept up to date by itself; this is for one that is in doubt.
    """
    began = time.monotonic()
    with counting("indexing") as told:
        count = history.rebuild(told)
    click.echo(f"{count} turns in {time.monotonic() - began:.1f} s", err=True)
