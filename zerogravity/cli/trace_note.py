"""The command ``trace note``: what a person has to say about a recorded turn."""

from __future__ import annotations

from pathlib import Path

import click

from zerogravity.cli.output import as_json, print_json
from zerogravity.cli.trace_root import pass_root
from zerogravity.observe import trace_reader


@click.command("note")
@click.argument("reference")
@click.argument("words", metavar="[TEXT]", required=False)
@click.option("--star/--no-star", default=None, help="Star the turn, or take the star away.")
@as_json
@pass_root
def note(root: Path, reference: str, words: str | None, star: bool | None, as_json: bool) -> None:
    """Note something about a turn, or show what was noted.

    REFERENCE is a turn's id, the beginning of one, or "last". An empty TEXT takes the note away.
    Example: zerogravity trace note last "loops after the third call" --star
    """
    from zerogravity.observe import notes
    from zerogravity.observe.printable import printable

    found = trace_reader.find(root, reference)
    noted = notes.read(found.folder)
    given = {name: value for name, value in (("note", words), ("star", star)) if value is not None}
    if given:
        noted = noted.changed(given)
        notes.write(found.folder, noted)
    if as_json:
        print_json({"id": found.id, **noted.as_json()})
    elif noted == notes.NOTHING:
        click.echo(f"{found.short} has neither note nor star", err=True)
    else:
        click.echo(printable(noted.line))
