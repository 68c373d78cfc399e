"""The commands ``replay`` and ``cassette``: recorded turns as an upstream."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zerogravity.cli.trace_root import directory_option, folder_of
from zerogravity.hosts import GOOGLE
from zerogravity.observe import trace_reader
from zerogravity.observe.trace_reader import Trace

if TYPE_CHECKING:
    from zerogravity.core.turn import Turn
    from zerogravity.testing.replay import Pace


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


def _serve(pick: Callable[[Turn], Trace], listen: str, pace: Pace, what: str, **models: Any) -> None:
    from zerogravity.testing import replay_server

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        async with replay_server.serve(pick, listen=listen, pace=pace, **models) as server:
            click.echo(what, err=True)
            for name, path in (("OPENAI", "/v1"), ("ANTHROPIC", ""), ("GOOGLE_GEMINI", "")):
                click.echo(f"  {name}_BASE_URL={server.url}{path}", err=True)
            click.echo(server.url)
            await stop.wait()

    try:
        asyncio.run(run())
    except OSError as error:
        raise click.ClickException(f"cannot listen on {listen}: {error.strerror or error}") from error


def _record(directory: Path, listen: str, ls_url: str | None, proxy_port: int) -> None:
    """The usual gateway in reverse mode, with its traces in ``directory``."""
    from zerogravity.capture.master import serve
    from zerogravity.cli.banner import announcer
    from zerogravity.observe.log_output import printed

    options: dict[str, object] = {
        "mode": [f"reverse:{GOOGLE}@127.0.0.1:{proxy_port}"],
        "zg_listen": listen, "zg_trace": True, "zg_trace_dir": str(directory),
    }  # fmt: skip
    if ls_url is not None:
        options["zg_ls_url"] = ls_url
    with printed(sys.stdout, "text"):
        sys.exit(asyncio.run(serve(options, started=announcer("text", quiet=False))))
