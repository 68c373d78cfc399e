"""The commands ``trace …``, ``replay`` and ``cassette``."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate

import click

from zerogravity.cli.output import as_json, console, print_json
from zerogravity.core.events import FunctionCall, TextDelta, ThinkingDelta
from zerogravity.hosts import GOOGLE
from zerogravity.observe import trace_folders, trace_reader
from zerogravity.observe.exports import EXPORTS
from zerogravity.observe.trace_reader import Trace
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import lookup, text

if TYPE_CHECKING:
    from zerogravity.core.turn import Turn
    from zerogravity.testing.replay import Pace

FOLLOW_S = 0.2
directory_option = click.option(
    "--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Folder of the traces."
)
output_option = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write [default: stdout]."
)


@click.group("trace")
@directory_option
@click.pass_context
def trace(context: click.Context, directory: Path | None) -> None:
    """Look at recorded turns. Start the gateway with ``serve --trace`` to record them."""
    context.obj = directory


def folder_of(directory: Path | None) -> Path:
    """The one that was named, else the configured one."""
    from zerogravity import config as configuration

    return directory or configuration.load({}).config.trace_path


def pass_root[**P, R](command: Callable[Concatenate[Path, P], R]) -> Callable[P, R]:
    """With the folder of the traces as the first argument, looked up when the command runs."""

    @click.pass_obj
    @wraps(command)
    def run(directory: Path | None, *args: P.args, **kwargs: P.kwargs) -> R:
        return command(folder_of(directory), *args, **kwargs)

    return run


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
    found = list(_first(wanted, limit))
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


@trace.command("grep")
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
    hits = list(_first(matches, limit))
    if as_json:
        print_json([{"turn": found.id, "places": places} for found, places in hits])
    else:
        for found, places in hits:
            for place, line in places:
                console().print(terminal.plain(f"{found.short}  {place:<10} {line}"))
    if not hits:
        sys.exit(1)


@trace.command("export")
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


@trace.command("bundle")
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


@click.command("replay")
@click.argument("reference", default="last")
@directory_option
@click.option("--listen", default="127.0.0.1:8741", show_default=True, help="Address for agents.")
@click.option("--speed", default="1", show_default=True, metavar="0.25..max", help="How fast; max does not wait.")
@click.option("--jitter", type=click.FloatRange(0, 1), default=0.0, help="Vary each gap by up to this fraction.")
@click.option("--fault", "mishaps", multiple=True, metavar="cut@7|delay@3=40s|dup-usage", help="A fault to inject.")
def replay(
    reference: str, directory: Path | None, listen: str, speed: str, jitter: float, mishaps: tuple[str, ...]
) -> None:
    """Answer every request with a recorded Google stream, at its original pace.

    Example: zerogravity replay last --speed 4 --fault cut@7
    """
    from zerogravity.testing.replay import Pace, parse_mishap, parse_speed

    pace = Pace(parse_speed(speed), jitter, tuple(map(parse_mishap, mishaps)))
    found = trace_reader.find(folder_of(directory), reference)
    _serve(lambda turn: found, listen, pace, f"replaying {found.id}", always=found)


@click.command("cassette")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--listen", default="127.0.0.1:8741", show_default=True, help="Address for agents.")
@click.option("--speed", default="max", show_default=True, metavar="0.25..max", help="How fast; max does not wait.")
@click.option("--record", is_flag=True, help="Record new ones, through a language server.")
@click.option("--ls-url", help="With --record: URL of the language server.")
@click.option(
    "--proxy-port", type=int, default=8742, show_default=True, help="With --record: port for the language server."
)
def cassette(directory: Path, listen: str, speed: str, record: bool, ls_url: str | None, proxy_port: int) -> None:
    """Answer requests strictly from the recordings in a folder.

    A request that was not recorded gets an error. Example: zerogravity cassette tests/cassettes/my_agent
    """
    from zerogravity.testing.cassette import Library
    from zerogravity.testing.replay import Pace, parse_speed

    if record:
        _record(directory, listen, ls_url, proxy_port)
        return
    library = Library(directory)
    if not len(library):
        raise click.UsageError(f"there are no recordings in {directory}; record some with --record")
    what = f"{len(library)} recordings in {directory}"
    _serve(library.pick, listen, Pace(parse_speed(speed)), what, recorded=library)


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


def _serve(pick: Callable[[Turn], Trace], listen: str, pace: Pace, what: str, **models: Any) -> None:
    from zerogravity.testing import replay_server

    async def run() -> None:
        async with replay_server.serve(pick, listen=listen, pace=pace, **models) as server:
            click.echo(f"{what}\n  OPENAI_BASE_URL={server.url}/v1", err=True)
            for name in ("ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"):
                click.echo(f"  {name}={server.url}", err=True)
            click.echo(server.url)
            await asyncio.Event().wait()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {listen}: {error.strerror or error}") from error


def _record(directory: Path, listen: str, ls_url: str | None, proxy_port: int) -> None:
    """The usual gateway in reverse mode, with its traces in ``directory``."""
    from zerogravity.capture.master import serve

    options: dict[str, object] = {
        "mode": [f"reverse:{GOOGLE}@127.0.0.1:{proxy_port}"],
        "zg_listen": listen, "zg_trace": True, "zg_trace_dir": str(directory),
    }  # fmt: skip
    if ls_url is not None:
        options["zg_ls_url"] = ls_url
    sys.exit(asyncio.run(serve(options)))


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


def _items(found: Trace) -> list[dict[str, object]]:
    names = ("text", "call_id", "name", "args_json", "mime", "signature")
    return [
        {"kind": type(item).__name__.lower(), **{name: getattr(item, name) for name in names if hasattr(item, name)}}
        for item in found.state.items
    ]


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


def _first[T](values: Iterable[T], limit: int) -> Iterator[T]:
    for number, value in enumerate(values):
        if limit and number >= limit:
            return
        yield value
