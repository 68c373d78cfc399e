"""The commands ``trace rm`` and ``trace prune``, which remove turns from the disk."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from zerogravity.cli import ages
from zerogravity.cli.trace_root import QueryCommand, pass_history, query_argument, query_of
from zerogravity.observe import trace_folders, trace_reader
from zerogravity.observe.figures import many

if TYPE_CHECKING:
    from zerogravity.observe.history import History
    from zerogravity.observe.trace_reader import Trace

_QUERY = re.compile(r'[:"]')
_SIZE = re.compile(r"(\d{1,15})\s*(k|m|g|t|)(i?)b?", re.IGNORECASE | re.ASCII)


def _bytes(_: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """``100MB``, ``2GiB``, ``5000``."""
    if value is None:
        return None
    match = _SIZE.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no size; write one such as 100MB or 2GiB", param=param)
    return int(match[1]) * (1024 if match[3] else 1000) ** " kmgt".index(match[2].lower() or " ")


@click.command("rm", cls=QueryCommand)
@query_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--stars", is_flag=True, help="Remove starred turns too.")
@pass_history
def rm(history: History, query: tuple[str, ...], yes: bool, stars: bool) -> None:
    """Remove turns from the disk: by their ids, or those that QUERY finds.

    Words are ids, their beginnings or "last"; with a colon or quotes among them they are a query, as for ls. A starred
    turn is kept, and one that is still running. Example: zerogravity trace rm code:cancelled before:3d
    """
    found = _chosen(history, query)
    chosen = [turn for turn in found if (stars or not turn.starred) and not turn.is_running(time.time())]
    for what, count in (
        ("starred, and kept; --stars removes them too", sum(turn.starred for turn in found) if not stars else 0),
        ("still running, and kept", sum(turn.is_running(time.time()) for turn in found)),
    ):
        if count:
            click.echo(f"{count} of them: {what}", err=True)
    if not chosen:
        click.echo("nothing to remove", err=True)
        return
    if not yes:
        click.confirm(f"Remove {many(len(chosen), 'turn')} from {history.root}?", abort=True, err=True)
    history.remove(chosen)
    click.echo(f"{many(len(chosen), 'turn')} removed", err=True)


@click.command("prune")
@click.option("--older-than", "age", callback=ages.age, help="Remove turns older than this, such as 3d.")
@click.option(
    "--keep-bytes", "size", callback=_bytes, help="Remove the oldest until the rest is no larger, such as 100MB."
)
@pass_history
def prune(history: History, age: float | None, size: int | None) -> None:
    """Remove old turns from the disk.

    As a gateway does by itself, by default to the configured age and size. Starred turns are kept whatever their age,
    and go last when all are too large. Example: zerogravity trace prune --older-than 3d
    """
    if age is None and size is None:
        from zerogravity import config as configuration

        config = configuration.load({}).config
        age, size = config.trace_days * 86400, config.trace_bytes
    now = time.time()
    running = [turn.folder for turn in history.traces() if turn.is_running(now)]
    removed: list[object] = []
    held = trace_folders.sweep(
        history.root, max_bytes=1 << 62 if size is None else size, max_age_s=1e12 if age is None else age, now_s=now,
        keep=running, on_removed=removed.append,
    )  # fmt: skip
    history.search(limit=1)  # which makes the index forget them
    click.echo(f"{many(len(removed), 'turn')} removed; {held / 1e6:.1f} MB are left", err=True)


def _chosen(history: History, words: Sequence[str]) -> list[Trace]:
    if not words:
        raise click.UsageError("name the turns to remove, or a query; is:error, or since:1h, for example")
    if any(_QUERY.search(word) for word in words):
        return list(history.traces(query_of(words)))
    return [trace_reader.find(history.root, word) for word in dict.fromkeys(words)]
