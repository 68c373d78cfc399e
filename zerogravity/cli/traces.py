"""The commands ``trace …``, ``replay`` and ``cassette``. Results on stdout, talk on stderr, ``--json`` on each reading
command. What they do is in the modules beside this one.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from zerogravity import config as configuration
from zerogravity.core.events import FunctionCall, TextDelta, ThinkingDelta
from zerogravity.hosts import GOOGLE
from zerogravity.observe import terminal, trace_folders, trace_reader
from zerogravity.observe.exports import EXPORTS
from zerogravity.observe.trace_reader import Trace
from zerogravity.surfaces import REGISTRY
from zerogravity.testing.cassette import Library
from zerogravity.testing.replay import Pace, parse_mishap, parse_speed
from zerogravity.wire import jsonio

FOLLOW_S = 0.2
as_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


def root_of(context: click.Context) -> Path:
    """Where the traces are: ``--dir``, else the configured place."""
    given: Path | None = context.obj.get("dir") if isinstance(context.obj, dict) else None
    if given is not None:
        return given
    return configuration.load({}).config.trace_path


def show(what: Any) -> None:
    """On stdout, as wide as it may be."""
    console().print(what)


def console() -> Console:
    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 160)


def say_json(value: Any) -> None:
    click.echo(jsonio.text(value, indent=True))


@click.group("trace")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Where the traces are.")
@click.pass_context
def trace(context: click.Context, directory: Path | None) -> None:
    """Look at recorded turns. Recording is switched on by ``serve --trace``."""
    context.obj = {"dir": directory}


@trace.command("ls")
@click.option("-n", "--limit", default=20, show_default=True, help="At most so many; 0 for all.")
@click.option("--surface", help="Only of this surface.")
@click.option("--model", help="Only models that contain this.")
@click.option("--code", help="Only with this termination code.")
@as_json
@click.pass_context
def ls(
    context: click.Context, limit: int, surface: str | None, model: str | None, code: str | None, as_json: bool
) -> None:
    """Recorded turns, newest first.

    Example: zerogravity trace ls --code upstream_drop
    """
    wanted = (
        found
        for found in trace_reader.scan(root_of(context))
        if (surface is None or found.info.get("surface") == surface)
        and (model is None or model in str(found.info.get("model")))
        and (code is None or found.info.get("code") == code)
    )
    found = list(_first(wanted, limit))
    if as_json:
        say_json([found.info for found in found])
    elif found:
        show(terminal.turns(found, width=console().width))
    elif next(trace_reader.scan(root_of(context)), None) is not None:
        click.echo(f"none of the traces in {root_of(context)} is like that", err=True)
    else:
        click.echo(trace_reader.nothing(root_of(context)), err=True)


@trace.command("show")
@click.argument("reference", default="last")
@click.option("-f", "--follow", is_flag=True, help="Stream a running turn until it is over.")
@click.option("--requests/--no-requests", default=True, help="With the request's diff.")
@click.option("--full", is_flag=True, help="The whole diff; long runs are folded otherwise.")
@as_json
@click.pass_context
def show_command(
    context: click.Context, reference: str, follow: bool, requests: bool, full: bool, as_json: bool
) -> None:
    """One turn: phases, thinking, text, calls, usage, what was changed in the request.

    Example: zerogravity trace show last
    """
    found = trace_reader.find(root_of(context), reference)
    if follow and not found.closed:
        found = follow_turn(found, lambda text: click.echo(text, nl=False, err=as_json))
    if as_json:
        say_json({**found.info, "items": _items(found)})
    else:
        show(terminal.detail(found, requests=requests, full=full))


@trace.command("errors")
@as_json
@click.pass_context
def errors(context: click.Context, as_json: bool) -> None:
    """Failed turns by termination code and Google's own status, with the newest of each."""
    counts: Counter[tuple[str, str]] = Counter()
    newest: dict[tuple[str, str], Trace] = {}
    for found in trace_reader.scan(root_of(context)):
        if found.info.get("failure"):
            kind = str(found.info.get("code")), found.google
            counts[kind] += 1
            newest.setdefault(kind, found)
    if as_json:
        say_json([
            {"code": kind[0], "google": kind[1] or None, "count": count, "newest": newest[kind].id,
             "failure": newest[kind].info["failure"]}
            for kind, count in counts.most_common()
        ])  # fmt: skip
        return
    for kind, count in counts.most_common():
        found = newest[kind]
        show(terminal.plain(f"{count:>5}  {' '.join(kind).rstrip():<18} {found.short}  {found.told}"))
    if not counts:
        click.echo("no failed turns", err=True)


@trace.command("diff")
@click.argument("one")
@click.argument("other")
@as_json
@click.pass_context
def diff(context: click.Context, one: str, other: str, as_json: bool) -> None:
    """How two turns differ: request, answer, numbers."""
    root = root_of(context)
    value, shown = terminal.compare(trace_reader.find(root, one), trace_reader.find(root, other))
    if as_json:
        say_json(value)
    else:
        show(shown)


@trace.command("grep")
@click.argument("pattern")
@click.option("-i", "--ignore-case", is_flag=True)
@click.option("-n", "--limit", default=0, help="Stop after so many turns; 0 for none.")
@as_json
@click.pass_context
def grep(context: click.Context, pattern: str, ignore_case: bool, limit: int, as_json: bool) -> None:
    """Turns whose request, thinking, text, calls or failure match a regular expression.

    Leaves with 1 when nothing matches. Example: zerogravity trace grep -i "rate limit"
    """
    try:
        wanted = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise click.BadParameter(f"no regular expression: {error}", param_hint="PATTERN") from error
    matches = ((found, places) for found in trace_reader.scan(root_of(context)) if (places := _matches(found, wanted)))
    hits = list(_first(matches, limit))
    if as_json:
        say_json([{"turn": found.id, "places": places} for found, places in hits])
    else:
        for found, places in hits:
            for place, line in places:
                show(terminal.plain(f"{found.short}  {place:<10} {line}"))
    if not hits:
        sys.exit(1)


@trace.command("export")
@click.argument("references", nargs=-1)
@click.option(
    "--format", "form", type=click.Choice([name for name in EXPORTS if name != "bundle"]), required=True,
    help="; ".join(f"{name}: {export.what}" for name, export in EXPORTS.items() if name != "bundle") + ".",
)  # fmt: skip
@click.option("--all", "every", is_flag=True, help="All traces.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File [default: stdout].")
@click.pass_context
def export(context: click.Context, references: tuple[str, ...], form: str, every: bool, output: Path | None) -> None:
    """Turns as one file.

    Example: zerogravity trace export last --format html -o turn.html
    """
    data = EXPORTS[form].write(_chosen(root_of(context), references, every=every), REGISTRY)
    if output is None:
        sys.stdout.buffer.write(data)
    else:
        _save(output, data)


@trace.command("bundle")
@click.argument("references", nargs=-1)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@click.pass_context
def bundle(context: click.Context, references: tuple[str, ...], output: Path | None) -> None:
    """A zip of trace folders and versions, for a bug report. Secrets have been masked when it was recorded; prompts
    and answers are in it."""
    chosen = _chosen(root_of(context), references, every=False)
    made = EXPORTS["bundle"]
    _save(output or Path(f"zerogravity-{chosen[0].short}{made.ending}"), made.write(chosen, REGISTRY))


@click.command("replay")
@click.argument("reference", default="last")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Where the traces are.")
@click.option("--listen", default="127.0.0.1:8741", show_default=True, help="Where agents are answered.")
@click.option("--speed", default="1", show_default=True, metavar="0.25..max", help="How fast; max does not wait.")
@click.option("--jitter", type=click.FloatRange(0, 1), default=0.0, help="Change gaps by up to this fraction.")
@click.option("--fault", "mishaps", multiple=True, metavar="cut@7|delay@3=40s|dup-usage", help="What goes wrong.")
def replay(
    reference: str, directory: Path | None, listen: str, speed: str, jitter: float, mishaps: tuple[str, ...]
) -> None:
    """Answer every request on all three surfaces with a recorded upstream stream, in its own time.

    Example: zerogravity replay last --speed 4 --fault cut@7
    """
    pace = Pace(parse_speed(speed), jitter, tuple(map(parse_mishap, mishaps)))
    found = trace_reader.find(directory or root_of(click.get_current_context()), reference)
    _serve(lambda _: found, listen, pace, f"replaying {found.id}", always=found)


@click.command("cassette")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--listen", default="127.0.0.1:8741", show_default=True, help="Where agents are answered.")
@click.option("--speed", default="max", show_default=True, metavar="0.25..max", help="How fast; max does not wait.")
@click.option("--record", is_flag=True, help="Record through a language server instead (see serve).")
@click.option("--ls-url", help="URL of the language server, with --record.")
@click.option("--proxy-port", type=int, default=8742, show_default=True, help="Port it talks to, with --record.")
def cassette(directory: Path, listen: str, speed: str, record: bool, ls_url: str | None, proxy_port: int) -> None:
    """Answer requests strictly from the recordings in a folder; what was not recorded is an error.

    Example: zerogravity cassette tests/cassettes/my_agent
    """
    if record:
        _record(directory, listen, ls_url, proxy_port)
        return
    library = Library(directory)
    if not len(library):
        raise click.UsageError(f"there are no recordings in {directory}; make some with --record")
    what = f"{len(library)} recordings in {directory}"
    _serve(library.pick, listen, Pace(parse_speed(speed)), what, recorded=library)


def follow_turn(found: Trace, write: Callable[[str], None], *, sleep: Callable[[float], None] = time.sleep) -> Trace:
    """Print a running turn as it grows; the closed trace."""
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


def _serve(pick: Callable[..., Trace], listen: str, pace: Pace, what: str, **models: Any) -> None:
    from zerogravity.testing import replay_server

    async def run() -> None:
        async with replay_server.serve(pick, listen=listen, pace=pace, **models) as server:
            click.echo(f"{what}\n  OPENAI_BASE_URL={server.url}/v1\n  GOOGLE_GEMINI_BASE_URL={server.url}", err=True)
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

    options: dict[str, Any] = {
        "mode": [f"reverse:{GOOGLE}@127.0.0.1:{proxy_port}"],
        "zg_listen": listen, "zg_trace": True, "zg_trace_dir": str(directory),
    }  # fmt: skip
    if ls_url is not None:
        options["zg_ls_url"] = ls_url
    sys.exit(asyncio.run(serve(options)))


def _chosen(root: Path, references: Iterable[str], *, every: bool) -> list[Trace]:
    if every:
        return list(trace_reader.scan(root))[::-1]
    return [trace_reader.find(root, reference) for reference in (references or ("last",))]


def _save(output: Path, data: bytes) -> None:
    trace_folders.write(output, data)
    click.echo(f"{output} ({len(data)} bytes)", err=True)


def _items(found: Trace) -> list[dict[str, Any]]:
    names = ("text", "call_id", "name", "args_json", "mime", "signature")
    return [
        {"kind": type(item).__name__.lower(), **{name: getattr(item, name) for name in names if hasattr(item, name)}}
        for item in found.state.items
    ]


def _matches(found: Trace, wanted: re.Pattern[str]) -> list[tuple[str, str]]:
    """(where, the line) of the first match in each part of a turn."""
    state = found.state
    client = found.body("client_request") or {}
    failure = found.info.get("failure") or {}
    calls = "\n".join(f"{call.name}({call.args_json})" for call in state.function_calls)
    request = jsonio.text(client.get("body", found.google_request)).replace("\\n", "\n")
    places: list[tuple[str, str]] = []
    for place, text in (
        ("request", request), ("thinking", state.thinking), ("text", state.text), ("call", calls),
        ("failure", f"{failure.get('code', '')}: {found.told}" if failure else ""),
    ):  # fmt: skip
        if (match := wanted.search(text)) is not None:
            start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
            line = text[max(start, match.start() - 60) : min(end if end >= 0 else len(text), match.end() + 60)]
            places.append((place, line))
    return places


def _first[T](values: Iterable[T], limit: int) -> Iterator[T]:
    for number, value in enumerate(values):
        if limit and number >= limit:
            return
        yield value
