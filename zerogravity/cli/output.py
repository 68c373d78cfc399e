"""What the commands share: results on stdout, remarks on stderr, JSON on request, exit codes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from zerogravity.wire import jsonio

if TYPE_CHECKING:
    import asyncio

    from rich.console import Console
    from rich.progress import Progress

SOON_S = 0.5  # what takes less needs no bar

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
config_file = click.option(
    "--config", "config_file", type=click.Path(exists=True, dir_okay=False), help="Configuration file."
)


def run(work: Coroutine[Any, Any, int], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
    """Run a command's coroutine and leave with its code."""
    from zerogravity import lifeline

    try:
        code = lifeline.run(work, loop_factory)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def console() -> Console:
    """As wide as the terminal; 160 columns into a file or a pipe."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 160)


def progress[T](things: Iterable[T], total: int | None, what: str) -> Iterator[T]:
    """The same things, with a bar on stderr from half a second on, where that is a terminal. ``total``: None: unknown;
    ``what``: what is being done, e.g. ``exporting``."""
    with counting(what) as told:
        for number, thing in enumerate(things, 1):
            yield thing
            told(number, total)


@contextmanager
def counting(what: str) -> Generator[Callable[[int, int | None], None]]:
    """The same for work that says itself how far it is: (done, of how many)."""
    started, bar, shown = time.monotonic(), None, sys.stderr.isatty()

    def told(done: int, total: int | None) -> None:
        nonlocal bar
        if shown and bar is None and time.monotonic() - started >= SOON_S:
            bar = _bar(what, total)
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done, total=total)

    try:
        yield told
    finally:
        if bar is not None:
            bar.stop()


def _bar(what: str, total: int | None) -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    made = Progress(console=Console(stderr=True), transient=True)
    made.add_task(what, total=total)
    made.start()
    return made


def discreet(text: str) -> str:
    """Without what looks like a secret: a text for people may repeat what they have written."""
    from zerogravity import redact
    from zerogravity.store import address

    return redact.text(address.without_secrets(text))


def remark(text: str) -> None:
    """On stderr, ``discreet``."""
    click.echo(discreet(text), err=True)


def print_json(value: object) -> None:
    click.echo(jsonio.text(value, indent=True))
