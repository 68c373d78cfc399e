"""The command ``usage``."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zerogravity.cli.output import as_json, config_file, console, print_json, remark

if TYPE_CHECKING:
    from rich.console import RenderableType

    from zerogravity.store.usage import Row

KEYS = ("day", "model", "agent", "session", "instance")
COUNTS = {
    "turns": "turns", "failed": "failed", "prompt": "in", "cached": "cached", "candidates": "out",
    "thoughts": "thinking", "tool_use": "tools", "total": "tokens",
}  # fmt: skip
DOUBTFUL = {"from_ls": "by LS", "estimated": "estimated"}  # shown where there are some
COSTS = ("turns", "prompt", "cached", "candidates", "thoughts")  # beside a price
NARROW = 100
LESS = {"failed", "tool_use"}  # what a narrow terminal leaves out
LEAST = {*LESS, *DOUBTFUL, "cached", "thoughts"}  # beside three names and more


def _keys(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    """Raises BadParameter."""
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
    if wrong := [name for name in names if name not in KEYS]:
        raise click.BadParameter(f"{wrong[0]!r} is none of {', '.join(KEYS)}")
    return tuple(name for name in KEYS if name in names)


@click.command("usage")
@click.option("-n", "--days", type=click.IntRange(min=1), default=30, show_default=True, help="How many days back.")
@click.option("--by", "keys", default="day,model", show_default=True, callback=_keys,
              help="What is told apart: any of day, model, agent, session, instance, with commas.")  # fmt: skip
@click.option("--model", default="", help="Only models whose name contains this text.")
@click.option("--agent", default="", help="Only agents whose name contains this text.")
@click.option("--session", default="", help="Only the sessions whose id begins so.")
@click.option("--all", "every", is_flag=True, help="Sum all gateways that share the Redis of the setting store.")
@click.option("--cost", is_flag=True, help="Show what the tokens would cost, in US dollars at list price.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), help="File with the sums [default: in the data folder]."
)
@config_file
@as_json
def usage(days: int, keys: tuple[str, ...], model: str, agent: str, session: str, every: bool, cost: bool,
          as_csv: bool, file: Path | None, config_file: str | None, as_json: bool) -> None:  # fmt: skip
    """Show tokens and prices per day (UTC), model, agent, session or gateway, kept across restarts.

    ≥ stands where the price of something in the sum is not known. Example: zerogravity usage --cost --by agent
    """
    from zerogravity import config as configuration
    from zerogravity.observe.figures import many
    from zerogravity.store import address
    from zerogravity.store import usage as usage_store

    if as_csv and as_json:
        raise click.UsageError("--csv or --json, not both")
    if every and file is not None:
        raise click.UsageError("--all or --file, not both")
    config = configuration.load({}, file=config_file).config
    where = address.shown(config.store) if every else str(file or config.data_path / usage_store.FILE)
    since = usage_store.first_day(time.time(), days)
    wanted: dict[str, Any] = {"model": model, "agent": agent, "session": session, "by": keys}
    try:
        rows = (
            usage_store.chosen(_of_all(config.store, since), since=since, **wanted) if every
            else usage_store.read(Path(where), since=since, **wanted)
        )  # fmt: skip
    except OSError as error:
        remark(f"zerogravity: {error}")
        sys.exit(1)
    if as_json:
        print_json([_members(row, keys) for row in rows])
    elif as_csv:
        click.echo(_csv(rows, keys), nl=False)
    elif rows:
        screen = console()
        screen.print(table(rows, keys, cost=cost, width=screen.width))
        if cost and (unpriced := sum(row.unpriced for row in rows)):
            click.echo(f"of {many(unpriced, 'answer')} the price is not, or not wholly, known", err=True)
    else:
        remark(f"no usage in {where} in the last {days} {'day' if days == 1 else 'days'}")


def _of_all(store: str, since: str) -> list[Row]:
    """With a remark on what cannot be read. Raises OSError, or UsageError where gateways share nothing."""
    from zerogravity.store import address

    if not address.is_redis(store):
        raise click.UsageError(f"--all needs a store that gateways share, store = redis://…; it is {store}")
    try:
        from zerogravity.store.redis import usage as shared
    except ImportError as error:
        text = f"the Python package {error.name} is not installed; run: {address.INSTALL}"
        raise OSError(text) from None
    rows, odd = shared.read(store, since=since)
    if odd:
        remark(f"{odd} of the sums in {address.shown(store)} cannot be read, and are left out")
    return rows


def _members(row: Row, keys: Sequence[str]) -> dict[str, object]:
    """For machines. ``price``: US dollars at list price of what has one, ``price_partial``: something has none."""
    names = (*keys, *COUNTS, *DOUBTFUL)
    told = {name: getattr(row, name) for name in names}
    return {**told, "price": row.usd, "price_partial": row.unpriced > 0}


def _csv(rows: Sequence[Row], keys: Sequence[str]) -> str:
    made = [_members(row, keys) for row in rows]
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow((*keys, *COUNTS, *DOUBTFUL, "price", "price_partial"))
    writer.writerows(["" if value is None else value for value in one.values()] for one in made)
    return file.getvalue()


def table(
    rows: Sequence[Row], keys: Sequence[str] = ("day", "model"), *, cost: bool = False, width: int = 160
) -> RenderableType:
    """One line per row, and their sum. A narrow terminal gets fewer and shorter numbers, and names that
    are cut."""
    from rich.table import Table

    from zerogravity.observe.terminal import one_line

    short = width < NARROW
    left_out = set[str]() if not short else LESS if len(keys) < 3 else LEAST
    columns = {name: label for name, label in COUNTS.items() if not cost or name in COSTS}
    columns |= {name: label for name, label in DOUBTFUL.items() if any(getattr(row, name) for row in rows)}
    columns = {name: label for name, label in columns.items() if name not in left_out}
    whole = rows[0]
    for row in rows[1:]:
        whole += row
    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", footer_style="bold",
                 show_footer=len(rows) > 1)  # fmt: skip
    for number, name in enumerate(keys):
        made.add_column(name, "" if number else "total", no_wrap=name == "day")
    last = _cells(whole, columns, cost=cost, short=short)
    for label, sum_ in zip((*columns.values(), *(("price",) if cost else ())), last, strict=True):
        made.add_column(label, sum_, justify="right", no_wrap=True)
    for row in rows:
        names = (one_line(getattr(row, name) or "unknown") for name in keys)
        made.add_row(*names, *_cells(row, columns, cost=cost, short=short))
    return made


def _cells(row: Row, columns: Sequence[str] | dict[str, str], *, cost: bool, short: bool) -> list[str]:
    from zerogravity.observe import figures

    cells = [figures.short(getattr(row, name)) if short else f"{getattr(row, name):,}" for name in columns]
    return [*cells, figures.price(row.usd, partial=row.unpriced > 0)] if cost else cells
