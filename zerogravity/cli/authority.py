"""The commands ``certs …``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zerogravity.hosts import MAX_AUTHORITY_DAYS

if TYPE_CHECKING:
    from zerogravity import certs


@click.group("certs")
def authority() -> None:
    """Manage the certificate authority, which only proxy mode needs."""


@authority.command("new")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Folder to put it in.")
@click.option("--days", type=click.IntRange(1, MAX_AUTHORITY_DAYS), default=MAX_AUTHORITY_DAYS, show_default=True,
              help="Days until it expires.")  # fmt: skip
def new(directory: Path | None, days: int) -> None:
    """Create an authority, replacing the old one."""
    from zerogravity import certs

    made = certs.create(directory or certs.home(), now=dt.datetime.now(dt.UTC), days=days)
    _show(made)


@authority.command("show")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Folder it is in.")
def show(directory: Path | None) -> None:
    """Show which hosts the authority may sign for, and until when."""
    from zerogravity import certs

    _show(certs.load(directory or certs.home()))


@authority.command("remove")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Folder it is in.")
def remove(directory: Path | None) -> None:
    """Delete the files of the authority."""
    from zerogravity import certs

    found = certs.load(directory or certs.home())
    for file in (found.key_file, found.certificate, found.bundle):
        file.unlink(missing_ok=True)
    click.echo(f"removed from {found.directory}")


def _show(authority: certs.Authority) -> None:
    click.echo(f"authority   {authority.key_file} (keep it secret)")
    click.echo(f"expires     {authority.expires:%Y-%m-%d}")
    click.echo(f"only for    {', '.join(authority.hosts)}")
    click.echo("environment of the language server:")
    click.echo(f"  SSL_CERT_FILE={authority.bundle}")
