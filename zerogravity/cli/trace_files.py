"""The commands ``trace …`` that write files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from zerogravity.cli.output import progress
from zerogravity.cli.trace_root import pass_root
from zerogravity.cli.trace_sessions import is_session, turns_of
from zerogravity.observe import trace_folders, trace_reader
from zerogravity.observe.exports import EXPORTS
from zerogravity.observe.trace_reader import Trace

output_option = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write [default: stdout]."
)


@click.command("export")
@click.argument("references", nargs=-1)
@click.option(
    "--format", "form", type=click.Choice([name for name in EXPORTS if name != "bundle"]), required=True,
    help="; ".join(f"{name}: {export.what}" for name, export in EXPORTS.items() if name != "bundle") + ".",
)  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Export all traces.")
@output_option
@pass_root
def export(root: Path, references: tuple[str, ...], form: str, every: bool, output: Path | None) -> None:
    """Write turns, or all turns of a session, to a file in another format.

    Example: zerogravity trace export last --format html -o turn.html
    """
    data = _exported(form, _chosen(root, references, every=every))
    if output is None:
        sys.stdout.buffer.write(data)
    else:
        _save(output, data)


@click.command("bundle")
@click.argument("references", nargs=-1)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
              help="File to write [default: zerogravity-ID.zip].")  # fmt: skip
@pass_root
def bundle(root: Path, references: tuple[str, ...], output: Path | None) -> None:
    """Pack trace folders and versions into a zip for a bug report.

    Secrets were masked when the turns were recorded; prompts and answers are in it.
    """
    chosen = _chosen(root, references, every=False)
    name = f"zerogravity-{chosen[0].short}{EXPORTS['bundle'].ending}"
    _save(output or Path(name), _exported("bundle", chosen))


def _exported(form: str, turns: list[Trace]) -> bytes:
    from zerogravity.surfaces import REGISTRY

    return EXPORTS[form].write(_Watched(turns), REGISTRY)


class _Watched(list[Trace]):
    """Turns that are counted on the terminal while something goes through them."""

    def __iter__(self) -> Iterator[Trace]:
        return progress(super().__iter__(), len(self), "exporting")


def _chosen(root: Path, references: Iterable[str], *, every: bool) -> list[Trace]:
    if every:
        return list(trace_reader.scan(root))[::-1]
    chosen: list[Trace] = []
    for reference in references or ("last",):
        chosen += turns_of(root, reference) if is_session(reference) else [trace_reader.find(root, reference)]
    return chosen


def _save(output: Path, data: bytes) -> None:
    trace_folders.write(output, data)
    click.echo(f"{output} ({len(data)} bytes)", err=True)
