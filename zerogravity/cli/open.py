"""The command ``open``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from zerogravity.cli.output import config_file
from zerogravity.hosts import is_loopback

if TYPE_CHECKING:
    from zerogravity.config import Config


@click.command("open")
@click.argument("what", required=False, metavar="[TURN|SESSION]")
@click.option("--print", "print_only", is_flag=True, help="Print the link instead. Whoever has it can read all turns.")
@click.option("--url", help="URL of the gateway, on this machine [default: the configured one].")
@config_file
def open_page(what: str | None, print_only: bool, url: str | None, config_file: str | None) -> None:
    """Open the inspector of the running gateway in a browser, at a turn or a session.

    A turn is an id, its beginning, or last. Example: zerogravity open last
    """
    import webbrowser

    from zerogravity import config as configuration
    from zerogravity.observe.inspector import link
    from zerogravity.observe.inspector.token import token_of

    config = configuration.load({}, file=config_file).config
    where = url.rstrip("/") if url else configuration.url_of(config.host, config.port)
    if url and not is_loopback(urlsplit(url).hostname):
        raise click.BadParameter("the inspector's token goes to no other machine.", param_hint="--url")
    token = token_of(config)
    if token is None:
        raise OSError("the inspector is off, or beyond loopback and without an inspector_token")
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
