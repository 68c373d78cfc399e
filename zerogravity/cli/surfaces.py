"""``zerogravity surfaces``: what becomes of each parameter of a request, by the tables that requests are read with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from zerogravity.core import policy
from zerogravity.wire import jsonio

COLUMNS = ("parameter", "takes", "becomes")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--ends", is_flag=True, help="What ends a turn, in the order in which it is asked, instead.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def surfaces(names: tuple[str, ...], ends: bool, as_json: bool) -> None:
    """What becomes of each parameter of a request, on the surfaces NAMES (all without)."""
    from zerogravity.surfaces import REGISTRY

    if unknown := [name for name in names if name not in REGISTRY]:
        raise click.BadParameter(f"{unknown[0]!r} is not one of {', '.join(REGISTRY)}.", param_hint="NAMES")
    if ends:
        _print({"ends": policy.table()}, ("what happened", "decision"), as_json=as_json)
    else:
        _print({name: REGISTRY[name].table() for name in names or REGISTRY}, COLUMNS, as_json=as_json)


def _print(tables: Mapping[str, Sequence[tuple[str, ...]]], columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        told = {name: [dict(zip(columns, row, strict=True)) for row in rows] for name, rows in tables.items()}
        click.echo(jsonio.text(told, indent=True))
        return
    for number, (name, rows) in enumerate(tables.items()):
        click.echo(("\n" if number else "") + name)
        widths = [max(len(row[column]) for row in (columns, *rows)) for column in range(len(columns) - 1)]
        for row in (columns, *rows):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            click.echo("  " + "  ".join([*cells, row[-1]]))
