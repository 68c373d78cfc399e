"""The commands ``trace …`` that search, and that write or remove files."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from zerogravity.cli.output import as_json, console, print_json
from zerogravity.cli.trace_root import first, pass_root
from zerogravity.observe import trace_folders, trace_reader
from zerogravity.observe.exports import EXPORTS
from zerogravity.observe.trace_reader import Trace
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import lookup, text

output_option = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write [default: stdout]."
)


@click.command("grep")
@click.argument("pattern")
@click.option("-i", "--ignore-case", is_flag=True, help="Ignore upper and lower case.")
@click.option(
    "-n", "--limit", type=click.IntRange(min=0), default=0, show_default=True, help="How many turns to find; 0 for all."
)
@as_json
@pass_root
def grep(root: Path, pattern: str, ignore_case: bool, limit: int, as_json: bool) -> None:
    """Find turns by a regular expression.

    Searches request, thinking, text, calls and failure. Exits with 1 when nothing matches.
    Example: zerogravity trace grep -i "rate limit"
    """
    from zerogravity.observe import terminal

    try:
        wanted = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise click.BadParameter(f"not a regular expression: {error}", param_hint="PATTERN") from error
    matches = ((found, places) for found in trace_reader.scan(root) if (places := _matches(found, wanted)))
    hits = list(first(matches, limit))
    if as_json:
        print_json([{"turn": found.id, "places": places} for found, places in hits])
    else:
        for found, places in hits:
            for place, line in places:
                console().print(terminal.plain(f"{found.short}  {place:<10} {line}"))
    if not hits:
        sys.exit(1)


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
    """Write turns to a file in another format.

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

    return EXPORTS[form].write(turns, REGISTRY)


def _chosen(root: Path, references: Iterable[str], *, every: bool) -> list[Trace]:
    if every:
        return list(trace_reader.scan(root))[::-1]
    return [trace_reader.find(root, reference) for reference in (references or ("last",))]


def _save(output: Path, data: bytes) -> None:
    trace_folders.write(output, data)
    click.echo(f"{output} ({len(data)} bytes)", err=True)


def _matches(found: Trace, wanted: re.Pattern[str]) -> list[tuple[str, str]]:
    """(where, the line) of the first match in each part of a turn."""
    state = found.state
    client = found.body("client_request") or {}
    code = text(lookup(found.info, "failure", "code"))
    calls = "\n".join(f"{call.name}({call.args_json})" for call in state.function_calls)
    request = jsonio.text(client.get("body", found.google_request)).replace("\\n", "\n")
    places: list[tuple[str, str]] = []
    for place, searched in (
        ("request", request), ("thinking", state.thinking), ("text", state.text), ("call", calls),
        ("failure", f"{code}: {found.failure_text}" if code else ""),
    ):  # fmt: skip
        if (match := wanted.search(searched)) is not None:
            start, end = searched.rfind("\n", 0, match.start()) + 1, searched.find("\n", match.end())
            line = searched[max(start, match.start() - 60) : min(end if end >= 0 else len(searched), match.end() + 60)]
            places.append((place, line))
    return places
