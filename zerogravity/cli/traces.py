"""The commands ``trace …`` that show turns: a list, one of them, failures, two beside each other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zerogravity.cli.output import as_json, console, print_json
from zerogravity.cli.trace_files import bundle, export, grep
from zerogravity.cli.trace_note import note
from zerogravity.cli.trace_root import directory_option, first, pass_root
from zerogravity.core.events import FunctionCall, TextDelta, ThinkingDelta
from zerogravity.observe import trace_reader
from zerogravity.observe.trace_reader import Trace

if TYPE_CHECKING:
    pass

FOLLOW_S = 0.2


@click.group("trace")
@directory_option
@click.pass_context
def trace(context: click.Context, directory: Path | None) -> None:
    """Look at recorded turns. Start the gateway with ``serve --trace`` to record them."""
    context.obj = directory


@trace.command("ls")
@click.option(
    "-n", "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many to list; 0 for all."
)
@click.option("--surface", help="Only turns of this surface.")
@click.option("--model", help="Only turns whose model contains this text.")
@click.option("--code", help="Only turns with this termination code.")
@click.option("--conversation", metavar="ID", help="Only turns of this conversation; the beginning of its ID will do.")
@as_json
@pass_root
def ls(
    root: Path, limit: int, surface: str | None, model: str | None, code: str | None, conversation: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """List recorded turns, newest first.

    Example: zerogravity trace ls --code upstream_drop
    """
    from zerogravity.observe import terminal

    wanted = (
        found
        for found in trace_reader.scan(root)
        if (surface is None or found.info.get("surface") == surface)
        and (model is None or model in str(found.info.get("model")))
        and (code is None or found.info.get("code") == code)
        and (not conversation or found.conversation.startswith(conversation))
    )
    found = list(first(wanted, limit))
    if as_json:
        print_json([found.info for found in found])
    elif found:
        console().print(terminal.turns(found, width=console().width))
    elif next(trace_reader.scan(root), None) is not None:
        click.echo(f"none of the traces in {root} matches", err=True)
    else:
        click.echo(trace_reader.no_traces(root), err=True)


@trace.command("show")
@click.argument("reference", default="last")
@click.option("-f", "--follow", is_flag=True, help="Follow a running turn to its end.")
@click.option("--requests/--no-requests", default=True, help="Show what was changed in the language server's request.")
@click.option("--full", is_flag=True, help="Show that diff in full length.")
@as_json
@pass_root
def show(root: Path, reference: str, follow: bool, requests: bool, full: bool, as_json: bool) -> None:
    """Show one turn: phases, thinking, text, calls, usage, and the changed request.

    REFERENCE is a turn's id, the beginning of one, or "last". Example: zerogravity trace show last
    """
    from zerogravity.observe import terminal

    found = trace_reader.find(root, reference)
    if follow and not found.closed:
        found = follow_turn(found, lambda text: click.echo(text, nl=False, err=as_json))
    if as_json:
        print_json({**found.info, "items": _items(found)})
    else:
        console().print(terminal.detail(found, requests=requests, full=full))


@trace.command("errors")
@as_json
@pass_root
def errors(root: Path, as_json: bool) -> None:
    """Count failed turns by termination code and Google's own status.

    With the newest turn of each kind.
    """
    from zerogravity.observe import terminal

    counts: Counter[tuple[str, str]] = Counter()
    newest: dict[tuple[str, str], Trace] = {}
    for found in trace_reader.scan(root):
        if found.info.get("failure"):
            kind = str(found.info.get("code")), found.google
            counts[kind] += 1
            newest.setdefault(kind, found)
    if as_json:
        print_json([
            {"code": kind[0], "google": kind[1] or None, "count": count, "newest": newest[kind].id,
             "failure": newest[kind].info["failure"]}
            for kind, count in counts.most_common()
        ])  # fmt: skip
        return
    for kind, count in counts.most_common():
        found = newest[kind]
        line = f"{count:>5}  {' '.join(kind).rstrip():<18} {found.short}  {found.failure_text}"
        console().print(terminal.plain(line))
    if not counts:
        click.echo("no failed turns", err=True)


@trace.command("diff")
@click.argument("one")
@click.argument("other")
@as_json
@pass_root
def diff(root: Path, one: str, other: str, as_json: bool) -> None:
    """Compare two turns: requests, answers, figures."""
    from zerogravity.observe import terminal

    value, shown = terminal.compare(trace_reader.find(root, one), trace_reader.find(root, other))
    if as_json:
        print_json(value)
    else:
        console().print(shown)


def follow_turn(found: Trace, write: Callable[[str], None], *, sleep: Callable[[float], None] = time.sleep) -> Trace:
    """Print a running turn as it grows; the closed trace."""
    from zerogravity.observe import terminal

    seen, kind = 0, ""
    while True:
        records = found.records
        for record in records[seen:]:
            for event in record.events:
                match event:
                    case TextDelta(text) | ThinkingDelta(text):
                        heading = "thinking" if isinstance(event, ThinkingDelta) else "text"
                        if kind != heading:
                            kind = heading
                            write(f"\n[{heading}] ")
                        write(terminal.plain(text).plain)
                    case FunctionCall(name=name, args_json=args):
                        kind = ""
                        write(f"\n[call] {terminal.plain(name).plain}({terminal.plain(args).plain})")
                    case _:
                        pass
        seen = max(seen, len(records))
        if found.closed:
            write("\n")
            return found
        sleep(FOLLOW_S)
        found = trace_reader.load(found.folder) or Trace(found.folder, found.info)


def _items(found: Trace) -> list[dict[str, object]]:
    names = ("text", "call_id", "name", "args_json", "mime", "signature")
    return [
        {"kind": type(item).__name__.lower(), **{name: getattr(item, name) for name in names if hasattr(item, name)}}
        for item in found.state.items
    ]


for command in (grep, export, bundle, note):
    trace.add_command(command)
