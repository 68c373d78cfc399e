"""The command ``top``."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import ExitStack, aclosing, suppress
from typing import TYPE_CHECKING

import click

from zerogravity.cli.gateway_url import gateway_url, inspected
from zerogravity.cli.output import as_json, config_file, console, print_json

if TYPE_CHECKING:
    from zerogravity.observe.top import Board

FRAME_S = 0.5


@click.command("top")
@gateway_url
@click.option("--once", is_flag=True, help="Print one frame and end; so does a pipe.")
@config_file
@as_json
def top(url: str | None, once: bool, config_file: str | None, as_json: bool) -> None:
    """Watch a running gateway: its turns and their states, places, broken hops, tokens per minute.

    Ends with q or Ctrl-C. Needs the inspector, whose token is taken from the data folder.
    Example: zerogravity top --once
    """
    from zerogravity.observe.top import Board, render

    where, token, _ = inspected(url, config_file)
    board = Board(where)
    if not (once or as_json) and sys.stdout.isatty():
        asyncio.run(_watch(board, token))
        return
    asyncio.run(_follow(board, token, frames=1))
    if as_json:
        print_json(board.as_json(time.time()))
    else:
        screen = console()
        screen.print(render(board, time.time(), width=screen.width))


async def _watch(board: Board, token: str) -> None:
    """Until q, or the gateway ends."""
    from rich.live import Live

    from zerogravity.observe.top import render

    ended = asyncio.Event()
    reading = asyncio.create_task(_follow(board, token))
    reading.add_done_callback(lambda _: ended.set())
    with _keys(ended), Live(console=console(), auto_refresh=False, screen=True) as live:
        while not ended.is_set():
            live.update(render(board, time.time(), width=live.console.width), refresh=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), FRAME_S)
    if not reading.done():
        reading.cancel()
        return
    reading.result()
    click.echo("zerogravity: the gateway has ended", err=True)


async def _follow(board: Board, token: str, *, frames: int | None = None) -> None:
    """``frames``: so many events only."""
    from zerogravity.observe.top import feed

    seen = 0
    async with aclosing(feed(board.url, token)) as events:
        async for event in events:
            board.take(event)
            seen += 1
            if seen == frames:
                return


def _keys(ended: asyncio.Event) -> ExitStack:
    """q ends it; a terminal gives keys at once meanwhile."""
    stack = ExitStack()
    if not sys.stdin.isatty():
        return stack
    import termios
    import tty

    file, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(file)
    stack.callback(termios.tcsetattr, file, termios.TCSADRAIN, before)
    tty.setcbreak(file)
    loop.add_reader(file, lambda: ended.set() if sys.stdin.read(1) in "qQ" else None)
    stack.callback(loop.remove_reader, file)
    return stack
