"""``zerogravity surfaces``: what becomes of each request parameter, from the tables that requests are parsed with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from zerogravity.cli.output import as_json, print_json
from zerogravity.core import policy

FAILOVER = ("failure", "position in the stream", "configuration", "what follows")
COLUMNS = ("parameter", "takes", "becomes")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--ends", is_flag=True, help="Instead: what ends a turn, in the order in which it is checked.")
@click.option("--failover", is_flag=True, help="Instead: what follows a failure, and when another model is asked.")
@as_json
def surfaces(names: tuple[str, ...], ends: bool, failover: bool, as_json: bool) -> None:
    """Show what becomes of each request parameter.

    On the surfaces NAMES, or on all of them.
    """
    from zerogravity import failover as following
    from zerogravity.surfaces import REGISTRY

    if unknown := [name for name in names if name not in REGISTRY]:
        raise click.BadParameter(f"{unknown[0]!r} is not one of {', '.join(REGISTRY)}.", param_hint="NAMES")
    if ends:
        _print({"ends": policy.table()}, ("what happened", "decision"), as_json=as_json)
    elif failover:
        _print({"failover": following.table()}, FAILOVER, as_json=as_json)
    else:
        _print({name: REGISTRY[name].table() for name in names or REGISTRY}, COLUMNS, as_json=as_json)


def _print(tables: Mapping[str, Sequence[tuple[str, ...]]], columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        print_json({name: [dict(zip(columns, row, strict=True)) for row in rows] for name, rows in tables.items()})
        return
    for number, (name, rows) in enumerate(tables.items()):
        click.echo(("\n" if number else "") + name)
        widths = [max(len(row[column]) for row in (columns, *rows)) for column in range(len(columns) - 1)]
        for row in (columns, *rows):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            click.echo("  " + "  ".join([*cells, row[-1]]))
