"""The commands ``models`` and ``scenarios``."""

from __future__ import annotations

import asyncio

import click

from zerogravity.cli.gateway_url import asked, gateway_url
from zerogravity.cli.output import as_json, config_file, console, print_json


@click.command("models")
@gateway_url
@config_file
@as_json
def models(url: str | None, config_file: str | None, as_json: bool) -> None:
    """Show what a running gateway offers: models, their limits in tokens, other names they are known by.

    Example: zerogravity models --json
    """
    from rich.table import Table
    from rich.text import Text

    from zerogravity.observe import offered
    from zerogravity.observe.figures import short
    from zerogravity.surfaces.common.models import ALIASES
    from zerogravity.wire.reasons import span

    there = asked(url, config_file)
    rows = asyncio.run(offered.fetch(there.url, there.key, {**ALIASES, **there.config.aliases}))
    if as_json:
        print_json([row.as_json() for row in rows])
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("in", "out"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("also known as")
    for row in rows:
        limits = (short(row.input_limit), short(row.output_limit))
        waits = Text(f"left alone for {span(row.cooldown)} ", "yellow") if row.cooldown else Text()
        table.add_row(Text(row.name), Text(row.label, "dim"), *limits, waits + Text(", ".join(row.aliases), "dim"))
    console().print(table)


@click.command("scenarios")
@as_json
def scenarios(as_json: bool) -> None:
    """Show what the stand-in for Google can be told in a prompt.

    A prompt may have several words, one for each call of its turn: sim:tool sim:429.
    Example: zerogravity demo --serve, then ask it for sim:parallel
    """
    from rich.table import Table
    from rich.text import Text

    rows = keywords()
    if as_json:
        print_json([{"keywords": words.split(" · "), "answer": answer} for words, answer in rows])
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("sim:", ratio=2)
    table.add_column("the answer", ratio=3)
    for words, answer in rows:
        table.add_row(Text(words, "bold"), Text(answer))
    console().print(table)


def keywords() -> list[tuple[str, str]]:
    """The table in the docstring of the module that has them."""
    from zerogravity.testing.simulator.google import scenarios

    rows = [line.strip("| ").split(" | ") for line in (scenarios.__doc__ or "").splitlines() if line.startswith("| ")]
    return [(words.strip(), answer.strip().replace("``", "")) for words, answer in rows[1:]]
