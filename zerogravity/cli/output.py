"""What the commands share: results on stdout, remarks on stderr, JSON on request, exit codes."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from zerogravity import lifeline
from zerogravity.wire import jsonio

if TYPE_CHECKING:
    from rich.console import Console

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
config_file = click.option(
    "--config", "config_file", type=click.Path(exists=True, dir_okay=False), help="Configuration file."
)


def run(work: Coroutine[Any, Any, int]) -> None:
    """Run a command's coroutine and leave with its code."""
    try:
        code = lifeline.run(work)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def console() -> Console:
    """As wide as the terminal; 160 columns into a file or a pipe."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 160)


def print_json(value: object) -> None:
    click.echo(jsonio.text(value, indent=True))
