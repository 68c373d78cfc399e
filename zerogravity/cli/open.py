"""The command ``open``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zerogravity.cli.gateway_url import gateway_url, inspected
from zerogravity.cli.output import config_file

if TYPE_CHECKING:
    from zerogravity.config import Config


@click.command("open")
@click.argument("what", required=False, metavar="[TURN|SESSION]")
@click.option("--print", "print_only", is_flag=True, help="Print the link instead. Whoever has it can read all turns.")
@gateway_url
@config_file
def open_page(what: str | None, print_only: bool, url: str | None, config_file: str | None) -> None:
    """Open the inspector of the running gateway in a browser, at a turn or a session.

    A turn is an id, its beginning, or last. Example: zerogravity open last
    """
    import webbrowser

    from zerogravity.observe.inspector import link

    where, token, config = inspected(url, config_file)
    place = _place(config, what) if what else ""
    asyncio.run(link.check(where, token))
    if print_only:
        click.echo(link.of(where, token, place))
    elif not webbrowser.open(link.of(where, token, place, brief=True)):
        click.echo("no browser was found; open this link in one:", err=True)
        click.echo(link.of(where, token, place))


def _place(config: Config, what: str) -> str:
    """A full id of a turn may be known to the gateway alone; anything else is looked up on disk."""
    from zerogravity.errors import FaultError
    from zerogravity.observe import trace_reader

    root = Path(config.trace_path)
    try:
        return trace_reader.find(root, what).id
    except FaultError:
        if what.startswith("turn_"):
            return what
        if session := _session(root, what):
            return f"session/{session}"
        raise


def _session(root: Path, what: str) -> str:
    """The id of the session that begins so; empty: there is none."""
    from zerogravity.observe.history import History

    found = History(root).search(f"session:{what}", limit=1).rows
    return str(found[0].get("session") or "") if found else ""
