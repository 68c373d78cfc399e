"""The commands ``trace …`` that show turns: a list, one of them, failures, two beside each other."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zerogravity.cli.output import as_json, console, print_json, remark
from zerogravity.cli.trace_files import bundle, export
from zerogravity.cli.trace_note import note
from zerogravity.cli.trace_removal import prune, rm
from zerogravity.cli.trace_root import QueryCommand, directory_option, pass_history, pass_root, query_argument, query_of
from zerogravity.cli.trace_search import grep, index
from zerogravity.cli.trace_sessions import is_session, list_sessions, newest_of, show_session
from zerogravity.cli.trace_tail import tail
from zerogravity.core.events import CallReturned, FunctionCall, TextDelta, ThinkingDelta
from zerogravity.observe import trace_reader
from zerogravity.observe.trace_reader import Trace
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import an_object, text

if TYPE_CHECKING:
    from zerogravity.observe.history import History

RAW = {
    "in": "the client's request", "out": "what the client got", "sent": "the request to Google",
    "google": "Google's answer",
}  # fmt: skip
FOLLOW_S = 0.2


@click.group("trace")
@directory_option
@click.pass_context
def trace(context: click.Context, directory: Path | None) -> None:
    """Look at recorded turns. ``serve`` records them, unless ``trace = false``."""
    context.obj = directory


@trace.command("ls", cls=QueryCommand)
@query_argument
@click.option(
    "-n", "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many to list; 0 for all."
)
@click.option("--surface", help="Only turns of this surface; as surface:…")
@click.option("--model", help="Only turns whose model contains this text; as model:…")
@click.option("--code", help="Only turns that ended so; as code:…")
@click.option("--conversation", metavar="ID", help="Only turns of this conversation; as conversation:…")
@click.option("--sessions", is_flag=True, help="List the sessions of these turns.")
@as_json
@pass_history
def ls(
    history: History, query: tuple[str, ...], limit: int, surface: str | None, model: str | None, code: str | None,
    conversation: str | None, sessions: bool, as_json: bool,
) -> None:  # fmt: skip
    """List recorded turns, newest first: all, or those that QUERY finds, with the words that were found.

    QUERY: words, "phrases" and -words in the turns' texts; code: model: client: tool: surface: session: conversation:
    run: id: since: before: is:error is:star. Example: zerogravity trace ls timeout since:2h -tool:shell
    """
    wanted = query_of(query, surface=surface, model=model, code=code, conversation=conversation or None)
    if sessions:
        if not list_sessions(history, wanted, limit, as_json=as_json):
            _nothing(history.root)
        return
    found = history.listed(wanted, limit=limit)
    snippets = [an_object(row.get("snippet")) for _, row in found]
    if as_json:
        print_json([
            {**trace.info, **({"snippet": snippet} if snippet is not None else {})}
            for (trace, _), snippet in zip(found, snippets, strict=True)
        ])  # fmt: skip
    elif found:
        from zerogravity.observe import terminal
        from zerogravity.observe.query import parse

        words = parse(wanted, time.time()).words
        console().print(terminal.Turns([trace for trace, _ in found], snippets, words))
    else:
        _nothing(history.root)


@trace.command("show")
@click.argument("reference", default="last")
@click.option("-f", "--follow", is_flag=True, help="Follow a running turn to its end.")
@click.option("--requests/--no-requests", default=True, help="Show what was changed in the language server's request.")
@click.option("--full", is_flag=True, help="Show that diff in full length.")
@click.option("--raw", type=click.Choice(list(RAW)), help="Write only these bytes, as they were recorded: "
              f"{'; '.join(f'{name}: {what}' for name, what in RAW.items())}.")  # fmt: skip
@as_json
@pass_root
def show(root: Path, reference: str, follow: bool, requests: bool, full: bool, raw: str | None, as_json: bool) -> None:
    """Show one turn: phases, thinking, text, calls, usage, and the changed request.

    REFERENCE is a turn's id, the beginning of one, or "last"; or a session's id: then its turns are shown, as a tree.
    Example: zerogravity trace show last
    """
    from zerogravity.observe import terminal
    from zerogravity.observe.history import History

    if is_session(reference):
        if follow or raw is not None:
            raise click.UsageError("--follow and --raw are for a turn, not for a session")
        show_session(History(root, remark=remark), reference, as_json=as_json)
        return
    found = trace_reader.find(root, reference)
    if raw is not None:
        sys.stdout.buffer.write(_raw(found, raw))
        return
    if follow and not found.closed:
        found = follow_turn(found, lambda text: click.echo(text, nl=False, err=as_json))
    if as_json:
        print_json({**found.info, "items": _items(found)})
    else:
        console().print(terminal.detail(found, requests=requests, full=full))


@trace.command("errors", cls=QueryCommand)
@query_argument
@as_json
@pass_history
def errors(history: History, query: tuple[str, ...], as_json: bool) -> None:
    """Count failed turns by termination code and Google's own status.

    With the newest turn of each kind. QUERY as for ls. Example: zerogravity trace errors since:yesterday
    """
    from zerogravity.observe import terminal

    kinds = [
        (kind, newest)
        for kind in history.failures(query_of(query))
        if (newest := trace_reader.load(history.root / kind.newest)) is not None
    ]
    if as_json:
        print_json([
            {"code": kind.code, "google": kind.google or None, "count": kind.times, "newest": newest.id,
             "failure": newest.info.get("failure")}
            for kind, newest in kinds
        ])  # fmt: skip
        return
    for kind, newest in kinds:
        name = f"{kind.code} {kind.google}".rstrip()
        console().print(terminal.plain(f"{kind.times:>5}  {name:<18} {newest.short}  {newest.failure_text}"))
    if not kinds and _holds_any(history.root):
        click.echo("no failed turns", err=True)


@trace.command("diff")
@click.argument("one")
@click.argument("other", required=False)
@as_json
@pass_root
def diff(root: Path, one: str, other: str | None, as_json: bool) -> None:
    """Compare two turns: requests, answers, figures.

    Each is a turn's id, the beginning of one, or "last"; or a session's id, for its newest turn. Without OTHER, a turn
    is compared with the one that it goes on from. Example: zerogravity trace diff last
    """
    from zerogravity.observe import terminal

    first, second = _named(root, one), None if other is None else _named(root, other)
    if second is None:
        if not (previous := text(first.info.get("previous"))):
            raise click.UsageError(f"turn {first.short} goes on from no other turn; name the one to compare it with")
        first, second = trace_reader.find(root, previous), first
    value, shown = terminal.compare(first, second)
    if as_json:
        print_json(value)
    else:
        console().print(shown)


def _named(root: Path, reference: str) -> Trace:
    return trace_reader.find(root, newest_of(root, reference) if is_session(reference) else reference)


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
                    case CallReturned(output=output):
                        kind = ""
                        write(f"\n[result] {terminal.plain(output).plain}")
                    case _:
                        pass
        seen = max(seen, len(records))
        if found.closed:
            write("\n")
            return found
        sleep(FOLLOW_S)
        found = trace_reader.load(found.folder) or Trace(found.folder, found.info)


def _raw(found: Trace, which: str) -> bytes:
    """One of RAW. A body that is JSON is written without the blanks that it came with."""
    from zerogravity.observe.requests import CLIENT, SENT

    match which:
        case "out":
            return b"".join(emitted.text.encode() for emitted in found.emitted)
        case "google":
            return found.upstream
        case _:
            body = (found.body(CLIENT if which == "in" else SENT) or {}).get("body")
            return b"" if body is None else body.encode() if isinstance(body, str) else jsonio.dumps(body)


def _holds_any(root: Path) -> bool:
    """Whether there are traces; says so if not."""
    if next(trace_reader.scan(root), None) is not None:
        return True
    click.echo(trace_reader.no_traces(root), err=True)
    return False


def _nothing(root: Path) -> None:
    """Why nothing was listed."""
    if _holds_any(root):
        click.echo(f"none of the traces in {root} matches", err=True)


def _items(found: Trace) -> list[dict[str, object]]:
    names = ("text", "call_id", "name", "args_json", "mime", "signature", "server")
    return [
        {"kind": type(item).__name__.lower(), **{name: getattr(item, name) for name in names if hasattr(item, name)}}
        for item in found.state.items
    ]


for command in (grep, tail, export, bundle, note, rm, prune, index):
    trace.add_command(command)
